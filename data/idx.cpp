#include <mjolnir/data/idx.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <mjolnir/io/gzip.h>

namespace mjolnir::data {
namespace {

constexpr std::size_t max_idx_rank = 4;

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw IoError("[idx] '" + name + "' " + reason);
}

}  // namespace

Tensor decode_idx(const io::Bytes& bytes, const std::string& name) {
  if (bytes.empty()) fail(name, "is empty");
  if (bytes.size() < 4) {
    fail(name, "is cut off in its header, after " +
                   std::to_string(bytes.size()) + " bytes");
  }
  if (bytes[0] != 0 || bytes[1] != 0) {
    fail(name, "is not an IDX file: it does not start with two zero bytes");
  }
  if (bytes[2] != 8) {
    fail(name, "holds elements of IDX type " + std::to_string(bytes[2]) +
                   "; only unsigned bytes (type 8) are read");
  }
  const std::size_t rank = bytes[3];
  if (rank < 1 || rank > max_idx_rank) {
    fail(name, "has rank " + std::to_string(rank) + ", expected 1 to " +
                   std::to_string(max_idx_rank));
  }
  const std::size_t header = 4 + 4 * rank;
  if (bytes.size() < header) {
    fail(name, "is cut off in its header, after " +
                   std::to_string(bytes.size()) + " bytes");
  }
  std::vector<std::int64_t> lengths(rank);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::uint8_t* b = bytes.data() + 4 + 4 * axis;
    lengths[axis] = std::int64_t{b[0]} << 24 | std::int64_t{b[1]} << 16 |
                    std::int64_t{b[2]} << 8 | b[3];
  }
  Shape shape;
  try {
    shape = Shape(lengths);
  } catch (const ShapeError&) {
    fail(name, "has lengths whose product overflows");
  }
  const std::size_t held = bytes.size() - header;
  const auto promised = static_cast<std::uint64_t>(shape.numel());
  if (held != promised) {
    fail(name, "should hold " + std::to_string(promised) +
                   " bytes by its header, shape " + shape.str() + ", but " +
                   (held < promised ? "ends after " : "goes on for ") +
                   std::to_string(held));
  }
  TensorOptions options;
  options.dtype = DType::U8;
  const Tensor out = Tensor::empty(shape, options);
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end(),
            out.mutable_data<std::uint8_t>());
  return out;
}

Tensor read_idx(const std::string& path) {
  const io::Bytes bytes = io::read_file(path);
  return decode_idx(io::is_gzip(bytes) ? io::gunzip(bytes, path) : bytes, path);
}

}  // namespace mjolnir::data

#include <mjolnir/io/npy.h>

#include <algorithm>
#include <cstdint>

#include "io/detail/little_endian.h"
#include "io/detail/npy_header.h"

namespace mjolnir::io {
namespace {

constexpr std::size_t max_header = 10000;  // as NumPy
constexpr std::uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw IoError("[npy] '" + name + "' " + reason);
}

// An element of type From at `from`, either byte order.
template <class From>
From element(const std::uint8_t* from, bool swapped) {
  if (!swapped) return detail::load<From>(from);
  std::uint8_t bytes[sizeof(From)];
  std::reverse_copy(from, from + sizeof(From), bytes);
  return detail::load<From>(bytes);
}

// Copies an array of From, element by element, to a row-major tensor of To.
template <class To, class From>
Tensor copy_elements(const std::uint8_t* from, const Shape& shape, bool swapped,
                     bool fortran_order) {
  TensorOptions options;
  options.dtype = dtype_of<To>();
  const Tensor out = Tensor::empty(shape, options);
  To* to = out.mutable_data<To>();
  const std::size_t rank = shape.rank();
  // Steps in the file per axis; the last axis moves fastest in `out`.
  std::vector<std::int64_t> stride(rank, 1);
  for (std::size_t i = 1; i < rank; ++i) {
    if (fortran_order) {
      stride[i] = stride[i - 1] * shape[i - 1];
    } else {
      stride[rank - 1 - i] = stride[rank - i] * shape[rank - i];
    }
  }
  std::vector<std::int64_t> index(rank, 0);
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    to[i] = static_cast<To>(element<From>(
        from + at * static_cast<std::int64_t>(sizeof(From)), swapped));
    for (std::size_t axis = rank; axis-- > 0;) {
      at += stride[axis];
      if (++index[axis] < shape[axis]) break;
      at -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

using Copy = Tensor (*)(const std::uint8_t*, const Shape&, bool, bool);

struct FileType {
  const char* kind;  // descr without its byte order
  std::size_t bytes;
  Copy copy;
};

constexpr FileType file_types[] = {
    {"f4", 4, copy_elements<float, float>},
    {"f8", 8, copy_elements<double, double>},
    {"i8", 8, copy_elements<std::int64_t, std::int64_t>},
    {"u1", 1, copy_elements<std::uint8_t, std::uint8_t>},
    {"i4", 4, copy_elements<std::int64_t, std::int32_t>},
    {"b1", 1, copy_elements<std::uint8_t, std::uint8_t>}};

const FileType& type_of(const std::string& descr, const std::string& name) {
  if (descr.find('O') != std::string::npos) {
    fail(name, "holds Python objects (dtype '" + descr +
                   "'), which are never unpickled");
  }
  const bool ordered =
      !descr.empty() && std::string("<>=|").find(descr[0]) != std::string::npos;
  if (ordered) {
    for (const FileType& type : file_types) {
      if (descr.compare(1, std::string::npos, type.kind) == 0) return type;
    }
  }
  fail(name, "holds elements of dtype '" + descr +
                 "'; f4, f8, i8, i4, u1 and b1 are read");
}

std::string descr_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "<f4";
    case DType::F64:
      return "<f8";
    case DType::I64:
      return "<i8";
    case DType::U8:
      break;
  }
  return "|u1";
}

// All that comes before the elements.
std::string preamble(const Tensor& tensor, const std::string& name) {
  if (!tensor.defined()) {
    throw ValueError("[npy] cannot write an undefined tensor to '" + name +
                     "'");
  }
  std::string header = "{'descr': '" + descr_of(tensor.dtype()) +
                       "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < tensor.rank(); ++i) {
    header += (i == 0 ? "" : ", ") + std::to_string(tensor.shape()[i]);
  }
  header += tensor.rank() == 1 ? ",), }" : "), }";
  // Magic, version and length take 10 bytes; the data start 64-aligned.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  std::string start(std::begin(magic), std::end(magic));
  start +=
      {1, 0, static_cast<char>(length & 255), static_cast<char>(length >> 8)};
  return start + header;
}

}  // namespace

Tensor decode_npy(const Bytes& bytes, const std::string& name) {
  constexpr std::size_t prelude = sizeof magic + 2;
  if (bytes.size() < prelude ||
      !std::equal(std::begin(magic), std::end(magic), bytes.begin())) {
    fail(name, "is not an NPY file");
  }
  const int version = bytes[sizeof magic];
  if (version < 1 || version > 3) {
    fail(name, "has format version " + std::to_string(version) +
                   ", this build reads 1 to 3");
  }
  const std::size_t width = version == 1 ? 2 : 4;
  if (bytes.size() < prelude + width) fail(name, "is cut off in its header");
  const std::size_t length =
      version == 1 ? detail::load<std::uint16_t>(bytes.data() + prelude)
                   : detail::load<std::uint32_t>(bytes.data() + prelude);
  if (length > max_header) {
    fail(name, "has a header of " + std::to_string(length) +
                   " bytes, more than " + std::to_string(max_header));
  }
  const std::size_t start = prelude + width;
  if (bytes.size() - start < length) fail(name, "is cut off in its header");
  const detail::NpyHeader header = detail::parse_npy_header(
      std::string(reinterpret_cast<const char*>(bytes.data()) + start, length),
      name);
  const FileType& type = type_of(header.descr, name);
  Shape shape;
  try {
    shape = Shape(header.shape);
  } catch (const ShapeError& error) {
    fail(name, "has an impossible shape: " + std::string(error.what()));
  }
  const std::uint64_t held = bytes.size() - start - length;
  const auto numel = static_cast<std::uint64_t>(shape.numel());
  if (numel > held || numel * type.bytes != held) {
    fail(name, "has " + std::to_string(held) + " bytes for shape " +
                   shape.str() + " and dtype '" + header.descr + "'");
  }
  return type.copy(bytes.data() + start + length, shape, header.descr[0] == '>',
                   header.fortran_order);
}

Tensor read_npy(const std::string& path) {
  return decode_npy(read_file(path), path);
}

void write_npy(const std::string& path, const Tensor& tensor) {
  const std::string start = preamble(tensor, path);
  AtomicFile file(path);
  file.write(start);
  detail::write_elements(file, tensor);
  file.commit();
}

Bytes encode_npy(const Tensor& tensor, const std::string& name) {
  const std::string start = preamble(tensor, name);
  Bytes bytes(start.begin(), start.end());
  detail::append_elements(bytes, tensor);
  return bytes;
}

}  // namespace mjolnir::io

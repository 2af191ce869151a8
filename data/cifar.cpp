#include <mjolnir/data/cifar.h>

#include <cstdint>

namespace mjolnir::data {
namespace {

constexpr std::size_t side = 32;
constexpr std::size_t area = side * side;
constexpr std::size_t pixel_bytes = 3 * area;

// Labels lead a record; the wanted one is the last but for the coarse classes.
struct Record {
  std::size_t label_bytes;
  std::size_t label_at;
  std::int64_t classes;
  std::size_t bytes() const { return label_bytes + pixel_bytes; }
};

Record record_of(CifarFormat format) {
  switch (format) {
    case CifarFormat::Cifar100Fine:
      return {2, 1, 100};
    case CifarFormat::Cifar100Coarse:
      return {2, 0, 20};
    case CifarFormat::Cifar10:
      break;
  }
  return {1, 0, 10};
}

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw IoError("[cifar] '" + name + "' " + reason);
}

// from: planes (3,32,32); to: pixels (32,32,3).
void interleave(const std::uint8_t* from, std::uint8_t* to) {
  for (std::size_t p = 0; p < area; ++p) {
    for (std::size_t c = 0; c < 3; ++c) to[3 * p + c] = from[c * area + p];
  }
}

}  // namespace

CifarRecords decode_cifar(const std::vector<io::Bytes>& files,
                          const std::vector<std::string>& names,
                          CifarFormat format) {
  const Record record = record_of(format);
  std::size_t count = 0;
  for (std::size_t f = 0; f < files.size(); ++f) {
    const std::size_t size = files[f].size();
    if (size == 0) fail(names[f], "is empty");
    if (size % record.bytes() != 0) {
      fail(names[f], "has " + std::to_string(size) +
                         " bytes, not a whole number of records of " +
                         std::to_string(record.bytes()) +
                         ": it is truncated or something else");
    }
    count += size / record.bytes();
  }
  const auto samples = static_cast<std::int64_t>(count);
  TensorOptions pixels;
  pixels.dtype = DType::U8;
  pixels.layout = Layout::ChannelsLast;
  TensorOptions integers;
  integers.dtype = DType::I64;
  CifarRecords out{Tensor::empty({samples, 3, side, side}, pixels),
                   Tensor::empty({samples}, integers)};
  std::uint8_t* image = out.images.mutable_data<std::uint8_t>();
  std::int64_t* label = out.labels.mutable_data<std::int64_t>();
  for (std::size_t f = 0; f < files.size(); ++f) {
    for (std::size_t at = 0; at < files[f].size(); at += record.bytes()) {
      const std::uint8_t* from = files[f].data() + at;
      *label = from[record.label_at];
      if (*label >= record.classes) {
        fail(names[f], "has label " + std::to_string(*label) + " in record " +
                           std::to_string(at / record.bytes()) +
                           ", expected 0 to " +
                           std::to_string(record.classes - 1));
      }
      interleave(from + record.label_bytes, image);
      ++label;
      image += pixel_bytes;
    }
  }
  return out;
}

CifarRecords read_cifar(const std::vector<std::string>& paths,
                        CifarFormat format) {
  std::vector<io::Bytes> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) files.push_back(io::read_file(path));
  return decode_cifar(files, paths, format);
}

}  // namespace mjolnir::data

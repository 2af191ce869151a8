#include <mjolnir/io/safetensors.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/detail/dispatch.h"
#include "io/detail/input_file.h"
#include "io/detail/little_endian.h"
#include "io/detail/safetensors_header.h"

namespace mjolnir::io {
namespace {

using detail::Header;
using detail::HeaderEntry;

constexpr std::uint64_t max_header = 100000000;  // as the reference reader

// How a dtype of the file becomes one of ours.
struct FileType {
  const char* name;
  std::size_t bytes;
  DType dtype;
};

constexpr FileType file_types[] = {
    {"F32", 4, DType::F32}, {"F64", 8, DType::F64}, {"I64", 8, DType::I64},
    {"U8", 1, DType::U8},   {"I32", 4, DType::I64}, {"BOOL", 1, DType::U8}};

// Where the bytes of a file come from: `read` fills many pieces at once.
struct Source {
  std::uint64_t size = 0;
  std::function<void(const std::vector<detail::Span>&)> read;
};

Source source_of(const detail::InputFile& file) {
  Source source;
  source.size = file.size();
  source.read = [&file](const std::vector<detail::Span>& spans) {
    file.read(spans);
  };
  return source;
}

class Decoder {
 public:
  Decoder(const Source& source, const std::string& name)
      : source_(source), name_(name) {}

  // The header, checked against the size of the file.
  Metadata header() {
    read_header();
    std::sort(header_.entries.begin(), header_.entries.end(),
              [](const HeaderEntry& a, const HeaderEntry& b) {
                return std::tie(a.offsets, a.name) <
                       std::tie(b.offsets, b.name);
              });
    check_offsets();
    return std::move(header_.metadata);
  }

  SafeTensors decode() {
    SafeTensors out;
    out.metadata = header();
    for (const HeaderEntry& entry : header_.entries) {
      out.tensors.emplace_back(entry.name, tensor(entry));
    }
    source_.read(spans_);
    for (const Narrow& narrow : narrow_) narrow.widen();
    return out;
  }

 private:
  // 32-bit integers, and the tensor that they become.
  struct Narrow {
    std::vector<std::int32_t> values;
    Tensor target;

    void widen() const {
      std::copy(values.begin(), values.end(),
                target.mutable_data<std::int64_t>());
    }
  };

  [[noreturn]] void fail(const std::string& reason) const {
    throw IoError("[safetensors] '" + name_ + "' " + reason);
  }

  void read_header() {
    if (source_.size < 8) {
      fail("has " + std::to_string(source_.size) +
           " bytes, too few for a header");
    }
    std::uint64_t length = 0;
    source_.read({{0, &length, sizeof length}});
    if (length > max_header) {
      fail("has a header of " + std::to_string(length) +
           " bytes, more than the format allows (" +
           std::to_string(max_header) + ")");
    }
    if (length > source_.size - 8) {
      fail("is truncated: its header should have " + std::to_string(length) +
           " bytes, the file has " + std::to_string(source_.size - 8) +
           " more");
    }
    std::string json(static_cast<std::size_t>(length), '\0');
    source_.read({{8, json.data(), json.size()}});
    if (length == 0 || json[0] != '{') {
      fail("has a header that does not start with '{'");
    }
    header_ = detail::parse_header(json.data(), json.size(), name_);
    data_ = 8 + length;
    data_size_ = source_.size - data_;
  }

  // The tensors, in order of their offsets, tile the data.
  void check_offsets() const {
    std::uint64_t at = 0;
    for (const HeaderEntry& e : header_.entries) {
      const std::uint64_t begin = e.offsets[0];
      const std::uint64_t end = e.offsets[1];
      const std::string what = "tensor '" + e.name + "'";
      if (end < begin) fail("has " + what + " end before it begins");
      if (begin < at) fail("has " + what + " overlap the one before it");
      if (begin > at) {
        fail("has a gap of " + std::to_string(begin - at) + " bytes before " +
             what);
      }
      if (end > data_size_) {
        fail("is truncated: " + what + " ends at byte " + std::to_string(end) +
             " of the data, which has " + std::to_string(data_size_));
      }
      at = end;
    }
    if (at != data_size_) {
      fail("goes on for " + std::to_string(data_size_ - at) +
           " bytes after its last tensor");
    }
  }

  // A tensor of that shape, and a note where its elements are.
  Tensor tensor(const HeaderEntry& e) {
    const std::string what = "tensor '" + e.name + "'";
    const FileType* type =
        std::find_if(std::begin(file_types), std::end(file_types),
                     [&](const FileType& t) { return e.dtype == t.name; });
    if (type == std::end(file_types)) {
      fail("has " + what + " of dtype " + e.dtype +
           "; F32, F64, I64, I32, U8 and BOOL are read");
    }
    const Shape shape = shape_of(e);
    const auto numel = static_cast<std::uint64_t>(shape.numel());
    const std::uint64_t held = e.offsets[1] - e.offsets[0];
    if (numel > held || numel * type->bytes != held) {
      fail("has " + std::to_string(held) + " bytes for " + what + " of shape " +
           shape.str() + " and dtype " + e.dtype);
    }
    TensorOptions options;
    options.dtype = type->dtype;
    const Tensor out = Tensor::empty(shape, options);
    if (held == 0) return out;
    detail::Span span{data_ + e.offsets[0], nullptr,
                      static_cast<std::size_t>(held)};
    if (type->bytes != size_of(type->dtype)) {
      narrow_.push_back(
          {std::vector<std::int32_t>(static_cast<std::size_t>(numel)), out});
      span.to = narrow_.back().values.data();
    } else {
      dispatch_any(type->dtype, [&](auto tag) {
        span.to = out.mutable_data<decltype(tag)>();
      });
    }
    spans_.push_back(span);
    return out;
  }

  Shape shape_of(const HeaderEntry& e) const {
    std::vector<std::int64_t> lengths;
    for (const std::uint64_t length : e.shape) {
      if (length > static_cast<std::uint64_t>(INT64_MAX)) {
        fail("has tensor '" + e.name + "' of a length of " +
             std::to_string(length));
      }
      lengths.push_back(static_cast<std::int64_t>(length));
    }
    try {
      return Shape(lengths);
    } catch (const ShapeError& error) {
      fail("has tensor '" + e.name +
           "' of an impossible shape: " + error.what());
    }
  }

  const Source& source_;
  const std::string& name_;
  Header header_;
  std::uint64_t data_ = 0;  // where they begin in the file
  std::uint64_t data_size_ = 0;
  std::vector<detail::Span> spans_;
  std::deque<Narrow> narrow_;
};

const char* file_name_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "F32";
    case DType::F64:
      return "F64";
    case DType::I64:
      return "I64";
    case DType::U8:
      break;
  }
  return "U8";
}

// Where the reference writer puts a dtype: I64, F64, F32, U8.
int rank_of(DType dtype) {
  switch (dtype) {
    case DType::I64:
      return 0;
    case DType::F64:
      return 1;
    case DType::F32:
      return 2;
    case DType::U8:
      break;
  }
  return 3;
}

std::string quoted(const std::string& text) {
  if (text.find('\0') != std::string::npos) {
    throw ValueError("[safetensors] a name or value has a NUL character");
  }
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw ValueError("[safetensors] a name or value is not UTF-8");
  }
}

// In the order of the file; points into `tensors`.
using Order = std::vector<const std::pair<std::string, Tensor>*>;

Order sorted(const NamedTensors& tensors) {
  Order order;
  for (const auto& named : tensors) {
    if (named.first == "__metadata__") {
      throw ValueError("[safetensors] no tensor may be called __metadata__");
    }
    if (!named.second.defined()) {
      throw ValueError("[safetensors] tensor '" + named.first +
                       "' is undefined");
    }
    order.push_back(&named);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::make_pair(rank_of(a->second.dtype()), a->first) <
           std::make_pair(rank_of(b->second.dtype()), b->first);
  });
  std::vector<std::string> names;
  for (const auto* named : order) names.push_back(named->first);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw ValueError("[safetensors] two tensors are called '" + *twice + "'");
  }
  return order;
}

std::string header_of(const Order& order, const Metadata& metadata) {
  std::string text = "{";
  const auto separate = [&text] {
    if (text.back() != '{') text += ',';
  };
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      separate();
      text += quoted(key) + ':' + quoted(value);
    }
    text += '}';
  }
  std::uint64_t at = 0;
  for (const auto* named : order) {
    const Tensor& tensor = named->second;
    separate();
    text += quoted(named->first) + ":{\"dtype\":\"" +
            file_name_of(tensor.dtype()) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.rank(); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(tensor.shape()[i]);
    }
    const std::uint64_t end = at + static_cast<std::uint64_t>(tensor.numel()) *
                                       size_of(tensor.dtype());
    text += "],\"data_offsets\":[" + std::to_string(at) + ',' +
            std::to_string(end) + "]}";
    at = end;
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > max_header) {
    throw ValueError("[safetensors] the header would have " +
                     std::to_string(text.size()) +
                     " bytes, more than the format allows");
  }
  return text;
}

template <class File>
void write_all(File& file, const std::string& header, const Order& order) {
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const auto* named : order) detail::write_elements(file, named->second);
}

}  // namespace

SafeTensors decode_safetensors(const Bytes& bytes, const std::string& name) {
  Source source;
  source.size = bytes.size();
  source.read = [&bytes](const std::vector<detail::Span>& spans) {
    for (const detail::Span& span : spans) {
      std::memcpy(span.to, bytes.data() + span.at, span.size);
    }
  };
  return Decoder(source, name).decode();
}

SafeTensors read_safetensors(const std::string& path) {
  const detail::InputFile file(path);
  if (!file.regular()) return decode_safetensors(file.read_to_end(), path);
  const Source source = source_of(file);
  SafeTensors out = Decoder(source, path).decode();
  file.expect_unchanged();
  return out;
}

Metadata read_safetensors_metadata(const std::string& path) {
  const detail::InputFile file(path);
  if (!file.regular()) {
    return decode_safetensors(file.read_to_end(), path).metadata;
  }
  const Source source = source_of(file);
  Metadata metadata = Decoder(source, path).header();
  file.expect_unchanged();
  return metadata;
}

void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  const Order order = sorted(tensors);
  const std::string header = header_of(order, metadata);
  AtomicFile file(path);
  write_all(file, header, order);
  file.commit();
}

Bytes encode_safetensors(const NamedTensors& tensors,
                         const Metadata& metadata) {
  const Order order = sorted(tensors);
  const std::string header = header_of(order, metadata);
  struct Memory {
    Bytes bytes;
    void write(const void* data, std::size_t size) {
      const auto* from = static_cast<const std::uint8_t*>(data);
      bytes.insert(bytes.end(), from, from + size);
    }
  } memory;
  std::size_t size = 8 + header.size();
  for (const auto* named : order) {
    const Tensor& tensor = named->second;
    size += static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype());
  }
  memory.bytes.reserve(size);
  write_all(memory, header, order);
  return std::move(memory.bytes);
}

}  // namespace mjolnir::io

#include "train/checkpoint/checkpoint.h"

#include <mjolnir/io/safetensors.h>
#include <mjolnir/version.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

constexpr const char* format = "mjolnir checkpoint";
constexpr const char* model_prefix = "fit/model/";
constexpr std::size_t digits = 8;  // of the checksum
const std::string no_checksum(digits, '0');

// How the checksum appears in the header.
std::string field(const std::string& checksum) {
  return "\"checksum\":\"" + checksum + "\"";
}

std::string hexadecimal(unsigned long value) {
  std::string text;
  for (std::size_t i = digits; i-- > 0;) {
    text += "0123456789abcdef"[(value >> (4 * i)) & 15U];
  }
  return text;
}

std::string crc(const io::Bytes& bytes) {
  return hexadecimal(
      crc32_z(crc32_z(0, nullptr, 0), bytes.data(), bytes.size()));
}

// Where the digits are, or the end: the metadata come first in the header.
std::size_t find(const io::Bytes& bytes, const std::string& checksum) {
  const std::string wanted = field(checksum);
  const auto at =
      std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end());
  if (at == bytes.end()) return bytes.size();
  return static_cast<std::size_t>(at - bytes.begin()) + wanted.size() - digits -
         1;
}

void put(io::Bytes& bytes, std::size_t at, const std::string& checksum) {
  std::copy(checksum.begin(), checksum.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

template <class T>
std::int64_t not_finite(const std::vector<T>& values) {
  return std::count_if(values.begin(), values.end(),
                       [](T x) { return !std::isfinite(x); });
}

std::int64_t not_finite(const SavedState& state) {
  std::int64_t count = 0;
  for (const auto& [name, x] : state) {
    if (name.rfind(model_prefix, 0) != 0) continue;
    if (x.dtype() == DType::F32) count += not_finite(x.to_vector<float>());
    if (x.dtype() == DType::F64) count += not_finite(x.to_vector<double>());
  }
  return count;
}

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw IoError("[checkpoint] '" + path + "' " + what);
}

const std::string& note(const Checkpoint& checkpoint, const std::string& path,
                        const std::string& name) {
  const auto found = checkpoint.notes.find(name);
  if (found == checkpoint.notes.end()) {
    fail(path, "is no checkpoint of Mjolnir: it has no " + name);
  }
  return found->second;
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  std::map<std::string, std::string> notes{
      {"format", format},
      {"version", std::to_string(checkpoint_version)},
      {"mjolnir", library_version()},
      {"checksum", no_checksum}};
  const std::int64_t bad = not_finite(checkpoint.state);
  if (bad > 0) notes["not_finite"] = std::to_string(bad);
  for (const auto& [name, text] : checkpoint.notes) {
    if (name == "not_finite" || !notes.emplace(name, text).second) {
      throw ValueError("[checkpoint] the note '" + name + "' is taken");
    }
  }
  io::Bytes bytes = io::encode_safetensors(checkpoint.state, notes);
  put(bytes, find(bytes, no_checksum), crc(bytes));
  io::write_file(path, bytes);
}

Checkpoint read_checkpoint(const std::string& path) {
  io::Bytes bytes = io::read_file(path);
  io::SafeTensors file = io::decode_safetensors(bytes, path);
  Checkpoint checkpoint{std::move(file.tensors), std::move(file.metadata)};
  if (note(checkpoint, path, "format") != format) {
    fail(path, "is no checkpoint of Mjolnir");
  }
  const std::string version = note(checkpoint, path, "version");
  const auto number = detail::to_integer(version);
  if (!number || *number < 1 || *number > checkpoint_version) {
    fail(path, "is of version " + version + ", this build reads <= " +
                   std::to_string(checkpoint_version));
  }
  const std::string checksum = note(checkpoint, path, "checksum");
  const std::size_t at = find(bytes, checksum);
  if (checksum.size() != digits || at == bytes.size()) {
    fail(path, "is damaged: it has no checksum");
  }
  put(bytes, at, no_checksum);
  if (crc(bytes) != checksum) {
    fail(path,
         "is damaged: its checksum is " + crc(bytes) + ", not " + checksum);
  }
  return checkpoint;
}

SavedState part_of(const SavedState& state, const std::string& prefix) {
  SavedState part;
  for (const auto& [name, tensor] : state) {
    if (name.rfind(prefix, 0) != 0) continue;
    part.emplace_back(name.substr(prefix.size()), tensor);
  }
  return part;
}

void append(SavedState& state, const std::string& prefix,
            const SavedState& part) {
  for (const auto& [name, tensor] : part) {
    state.emplace_back(prefix + name, tensor);
  }
}

}  // namespace mjolnir::train

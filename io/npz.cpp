#include <mjolnir/io/npz.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>

#include <mjolnir/io/npy.h>

#include "io/detail/zip.h"

namespace mjolnir::io {
namespace {

const std::string suffix = ".npy";

// Names that lead out of a folder, were the archive unpacked into one.
bool leads_out(const std::string& name) {
  return name.find('\\') != std::string::npos || name[0] == '/' ||
         ('/' + name + '/').find("/../") != std::string::npos;
}

bool is_utf8(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

void check_name(const std::string& name) {
  if (name.find('\0') != std::string::npos || !is_utf8(name)) {
    throw ValueError("[npz] a name has a NUL or is not UTF-8");
  }
  if (name.empty()) throw ValueError("[npz] a name is empty");
  if (leads_out(name)) {
    throw ValueError("[npz] the name '" + name + "' leads out of its folder");
  }
}

}  // namespace

NamedTensors decode_npz(const Bytes& bytes, const std::string& name,
                        std::size_t limit) {
  const auto fail = [&name](const std::string& reason) {
    throw IoError("[npz] '" + name + "' " + reason);
  };
  const detail::ZipReader archive(bytes, name);
  std::set<std::string> names;
  std::uint64_t size = 0;
  std::uint64_t packed = 0;
  for (const auto& member : archive.members()) {
    const std::string what = "'" + member.name + "'";
    const bool npy = member.name.size() > suffix.size() &&
                     member.name.compare(member.name.size() - suffix.size(),
                                         suffix.size(), suffix) == 0;
    if (!npy) fail("holds " + what + ", which is not called *.npy");
    if (leads_out(member.name)) fail("holds " + what + ", a path out of it");
    if (!names.insert(member.name).second) fail("holds " + what + " twice");
    if (member.size > limit - size) {
      fail("would unpack to more than " + std::to_string(limit) + " bytes");
    }
    size += member.size;
    packed += member.packed;
    // Members that share their bytes are how small archives hold much.
    if (packed > bytes.size()) fail("has members that overlap");
  }
  NamedTensors tensors;
  for (std::size_t i = 0; i < archive.members().size(); ++i) {
    const std::string& member = archive.members()[i].name;
    tensors.emplace_back(member.substr(0, member.size() - suffix.size()),
                         decode_npy(archive.read(i), name + "': '" + member));
  }
  return tensors;
}

NamedTensors read_npz(const std::string& path, std::size_t limit) {
  return decode_npz(read_file(path), path, limit);
}

void write_npz(const std::string& path, const NamedTensors& tensors,
               const NpzOptions& options) {
  std::vector<std::pair<std::string, Bytes>> members;
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    check_name(name);
    if (!names.insert(name).second) {
      throw ValueError("[npz] two tensors are called '" + name + "'");
    }
    members.emplace_back(name + suffix, encode_npy(tensor, name));
  }
  write_file(path, detail::zip(members, options.compress));
}

}  // namespace mjolnir::io

#include "train/model_file.h"

#include <cmath>
#include <set>

#include <mjolnir/core/events.h>
#include <mjolnir/io/safetensors.h>
#include <mjolnir/version.h>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"

namespace mjolnir::train {

namespace {

constexpr const char* format_version = "1";

std::int64_t not_finite(const Tensor& x) {
  if (!is_floating(x.dtype()) || detail::is_finite(x)) {
    return 0;
  }
  std::int64_t count = 0;
  dispatch_float("not_finite", x.dtype(), [&](auto tag) {
    const auto* values = x.data<decltype(tag)>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      count += std::isfinite(values[i]) ? 0 : 1;
    }
  });
  return count;
}

void report(const std::string& path, std::int64_t count,
            const std::string& verb) {
  if (count > 0) {
    emit(Severity::Warning, "weights",
         std::to_string(count) + " elements that are NaN or infinite were " +
             verb + " '" + path + "'");
  }
}

// Files of other programs may use this key for something else.
void check_version(const std::map<std::string, std::string>& metadata,
                   const std::string& path) {
  const auto version = metadata.find("format_version");
  if (metadata.count("mjolnir") != 0 && version != metadata.end() &&
      version->second != format_version) {
    throw IoError("[load] '" + path + "' has format version " +
                  version->second + ", this build reads " + format_version +
                  ": it is from mjolnir " + metadata.at("mjolnir"));
  }
}

}  // namespace

void save(const Module& model, const std::string& path,
          const std::map<std::string, std::string>& notes) {
  const std::vector<NamedTensor> state = model.state();
  std::int64_t count = 0;
  for (const NamedTensor& named : state) {
    count += not_finite(named.second);
  }
  // "format" is what PyTorch's own files of this kind say.
  std::map<std::string, std::string> metadata{
      {"format", "pt"},
      {"format_version", format_version},
      {"mjolnir", library_version()}};
  if (count > 0) {
    metadata["not_finite"] = std::to_string(count);
  }
  metadata.insert(notes.begin(), notes.end());
  io::write_safetensors(path, state, metadata);
  report(path, count, "saved in");
}

LoadResult load(Module& model, const std::string& path,
                const LoadOptions& options) {
  io::SafeTensors file = io::read_safetensors(path);
  check_version(file.metadata, path);
  LoadResult result;
  result.differences = model.state_differences(file.tensors);
  if (options.strict && !result.differences.empty()) {
    throw ValueError("[load] '" + path +
                     "' does not fit the model, which was not changed:" +
                     str(result.differences));
  }
  model.load_matching_state(file.tensors);
  std::set<std::string> left_alone;
  for (const StateDifference& difference : result.differences) {
    left_alone.insert(difference.name);
  }
  for (const NamedTensor& named : file.tensors) {
    if (left_alone.count(named.first) == 0) {
      result.not_finite += not_finite(named.second);
    }
  }
  report(path, result.not_finite, "loaded from");
  result.metadata = std::move(file.metadata);
  return result;
}

}  // namespace mjolnir::train

#include "train/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <mjolnir/io/file.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace fs = std::filesystem;

namespace {

const std::string prefix = "step-";
const std::string suffix = ".safetensors";

std::optional<std::int64_t> step_of(const std::string& name) {
  if (name.size() <= prefix.size() + suffix.size() ||
      name.compare(0, prefix.size(), prefix) != 0 ||
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) {
    return std::nullopt;
  }
  const std::string digits =
      name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  if (!std::all_of(digits.begin(), digits.end(),
                   [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return detail::to_integer(digits);
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::string folder, std::int64_t keep)
    : folder_(std::move(folder)), keep_(keep) {
  if (keep >= 1) return;
  throw ValueError("[checkpoint] expected to keep at least 1, got " +
                   std::to_string(keep));
}

std::string CheckpointFolder::path(std::int64_t step) const {
  constexpr std::size_t width = 8;  // so that names sort like numbers
  std::string digits = std::to_string(step);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return folder_ + "/" + prefix + digits + suffix;
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end;
       at.increment(error)) {
    const auto step = step_of(at->path().filename().string());
    if (step && path(*step) == folder_ + "/" + at->path().filename().string()) {
      steps.push_back(*step);
    }
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void CheckpointFolder::save(std::int64_t step,
                            const Checkpoint& checkpoint) const {
  io::make_directories(folder_);
  write_checkpoint(path(step), checkpoint);
  remove_old(step);
  io::remove_leftovers(folder_);
}

// Never the one just written, whatever its number.
void CheckpointFolder::remove_old(std::int64_t written) const {
  std::vector<std::int64_t> others = steps();
  others.erase(std::remove(others.begin(), others.end(), written),
               others.end());
  const auto spare = static_cast<std::size_t>(keep_ - 1);
  if (others.size() <= spare) return;
  others.resize(others.size() - spare);
  for (const std::int64_t step : others) {
    if (step == best_) continue;
    std::error_code ignored;  // it does no harm where it is
    fs::remove(path(step), ignored);
  }
}

CheckpointFolder::Found CheckpointFolder::newest() const {
  Found found;
  std::vector<std::int64_t> all = steps();
  std::vector<std::int64_t> damaged;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      found.checkpoint = read_checkpoint(path(*step));
      found.step = *step;
      found.path = path(*step);
      break;
    } catch (const IoError& error) {
      found.damaged.push_back(error.what());
      damaged.push_back(*step);
    }
  }
  if (found.path.empty()) {
    std::string text =
        "[checkpoint] there is no whole checkpoint in '" + folder_ + "'";
    for (const std::string& error : found.damaged) text += "\n  " + error;
    throw IoError(text);
  }
  for (const std::int64_t step : damaged) {
    std::error_code ignored;
    fs::rename(path(step), path(step) + ".damaged", ignored);
  }
  return found;
}

}  // namespace mjolnir::train

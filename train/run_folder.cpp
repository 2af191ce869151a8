#include "train/run_folder.h"

#include <filesystem>
#include <system_error>

#include <mjolnir/core/error.h>

namespace mjolnir::train {

namespace fs = std::filesystem;

namespace {

constexpr const char* files_of_a_run[] = {"config.json", "metrics.csv",
                                          "model.safetensors"};

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path)) {
    throw IoError("[train] cannot make the folder '" + path.string() +
                  "': " + (error ? error.message() : "a file is in the way"));
  }
}

std::string given_folder(const std::string& out) {
  make_folders(out);
  for (const char* name : files_of_a_run) {
    if (fs::exists(fs::path(out) / name)) {
      throw UsageError("--out: '" + out + "' already holds a run (" + name +
                       "); go on with it (--resume " + out +
                       "), choose another folder or remove it");
    }
  }
  return out;
}

}  // namespace

std::string make_run_folder(const TrainOptions& options) {
  if (!options.resume.empty()) {
    return options.resume;
  }
  if (!options.out.empty()) {
    return given_folder(options.out);
  }
  make_folders("runs");
  const std::string stem =
      "runs/" + options.data + "-" + options.model + "-" + options.optimizer;
  for (int number = 1;; ++number) {
    const std::string path = stem + "-" + std::to_string(number);
    std::error_code error;
    // Atomic: two runs that start together get two folders.
    if (fs::create_directory(path, error)) {
      return path;
    }
    if (error && !fs::exists(path)) {
      throw IoError("[train] cannot make the folder '" + path +
                    "': " + error.message());
    }
  }
}

}  // namespace mjolnir::train

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/train/checkpoint/checkpoint.h>

namespace mjolnir::train {

/**
 * The checkpoints of a run: <folder>/step-<steps of the run>.safetensors, the
 * last few and that of the best epoch.
 */
class CheckpointFolder {
 public:
  /** `keep` is how many of the newest stay, at least 1. The folder is made by
   * the first save(). Throws ValueError for another `keep`. */
  CheckpointFolder(std::string folder, std::int64_t keep);

  const std::string& folder() const noexcept { return folder_; }
  /** Path of the checkpoint after so many steps. */
  std::string path(std::int64_t step) const;
  /** Steps of the checkpoints that are there, in order; whole or not. */
  std::vector<std::int64_t> steps() const;

  /** Names the best one, which stays whatever its age; 0 for none. */
  void set_best(std::int64_t step) noexcept { best_ = step; }
  /** Writes a checkpoint; when it is on the disk, removes what is too old, and
   * what writers that were killed left. Throws IoError, and removes nothing
   * then. */
  void save(std::int64_t step, const Checkpoint& checkpoint) const;

  /** What newest() found. */
  struct Found {
    std::int64_t step = 0;
    Checkpoint checkpoint;
    std::string path;
    /** Of newer ones that could not be read, an error each. */
    std::vector<std::string> damaged;
  };
  /** The newest that is whole. Those that are not are put out of the way as
   * <name>.damaged if there is a whole one. Throws IoError that lists what is
   * wrong with each if none is whole. */
  Found newest() const;

 private:
  void remove_old(std::int64_t written) const;

  std::string folder_;
  std::int64_t keep_;
  std::int64_t best_ = 0;
};

}  // namespace mjolnir::train

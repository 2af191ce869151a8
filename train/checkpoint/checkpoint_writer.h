#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include <mjolnir/train/checkpoint/checkpoint_folder.h>

namespace mjolnir::train {

/**
 * Writes checkpoints in the background, one at a time, on a thread that runs
 * OpenMP-serial. A write that fails does not end the run: an event of topic
 * "checkpoint" tells, and older checkpoints stay.
 */
class CheckpointWriter {
 public:
  explicit CheckpointWriter(CheckpointFolder folder);
  /** Waits for the last one. */
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /** One to be written. */
  struct Job {
    std::int64_t step = 0;  ///< Of the run.
    std::int64_t best = 0;  ///< Step of the best one so far; 0 for none.
    Checkpoint checkpoint;
    /** A file whose content must be on the disk before the checkpoint is; ""
     * for none. */
    std::string flush_first;
  };
  /** Waits for the one before, and starts to write this one. */
  void save(Job job);
  /** Waits until nothing is being written. */
  void wait();

  /** Step and path of the last one that was written whole, in wait() or by
   * somebody else; 0 and "" for none. */
  std::int64_t last_step() const noexcept { return last_step_; }
  std::string last_path() const;
  /** One that was there before. */
  void set_last(std::int64_t step) noexcept { last_step_ = step; }
  CheckpointFolder& folder() noexcept { return folder_; }

 private:
  void write(const Job& job);

  CheckpointFolder folder_;
  std::thread thread_;
  std::int64_t written_ = 0;  // by the thread; read when it has ended
  std::int64_t last_step_ = 0;
};

}  // namespace mjolnir::train

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/data/dataset.h>
#include <mjolnir/train/checkpoint/checkpoint_writer.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/options.h>
#include <mjolnir/train/run_listener.h>

namespace mjolnir::train {

/** The checkpoints of a run of the trainer: <out>/checkpoints. */
class RunCheckpoints {
 public:
  /**
   * With options.resume it reads the newest whole one, and events of topic
   * "resume" say which, what is wrong with newer ones, and what keeps the run
   * from being the unbroken one bit for bit. Throws IoError if there is none,
   * UsageError if it was made from other images (unless options.force) or the
   * run is past options.epochs.
   */
  RunCheckpoints(const TrainOptions& options, const data::Dataset& training);

  /** The steps that a resumed run has behind it; 0 for one that begins. */
  std::int64_t step() const { return found_ ? found_->step : 0; }

  /** Makes fit() go on and hand over its state; `listeners` are asked for
   * theirs. This and they must outlive the run. */
  void follow(FitOptions& fit, const std::vector<RunListener*>& listeners);
  /** Gives the listeners the state that they had. */
  void tell(const std::vector<RunListener*>& listeners) const;

  /** Waits until the last one is on the disk. */
  void wait();
  /** Path of the newest whole one; "" for none. Waits for it. */
  std::string newest();

 private:
  void resume(const TrainOptions& options);
  void compare(const std::string& note, const std::string& what) const;
  void save(FitCheckpoint moment, const std::vector<RunListener*>& listeners);

  std::map<std::string, std::string> notes_;  // of every checkpoint
  std::string metrics_;                       // path of metrics.csv
  std::int64_t every_;
  bool writes_;
  std::optional<CheckpointFolder::Found> found_;
  SavedState fit_state_;  // of found_
  CheckpointWriter writer_;
};

}  // namespace mjolnir::train

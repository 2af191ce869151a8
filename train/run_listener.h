#pragma once

#include <optional>
#include <string>

#include <mjolnir/core/state.h>
#include <mjolnir/curvature/report.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/meter.h>

namespace mjolnir::train {

/** Follows a run: whatever shows it or keeps it is one of these. */
class RunListener {
 public:
  RunListener() = default;
  virtual ~RunListener() = default;
  RunListener(const RunListener&) = delete;
  RunListener& operator=(const RunListener&) = delete;

  /** After each step of the optimizer. */
  virtual void on_step(const StepRecord& /*record*/) {}
  /** When that step brought a report on the curvature, before its on_step(). */
  virtual void on_curvature(const StepRecord& /*record*/,
                            const CurvatureReport& /*report*/) {}
  /** At the end of each epoch, its validation included. */
  virtual void on_epoch(const EpochRecord& /*record*/) {}
  /** Once, when the run is over; `test` is what the test images gave, if they
   * were evaluated. */
  virtual void on_end(const FitResult& /*result*/,
                      const std::optional<Meter>& /*test*/) {}

  /** Shows what it must know to go on in a resumed run, such as how far its
   * file was written. */
  virtual void visit_state(StateVisitor& /*visitor*/) {}
  /** The name of that state in a checkpoint, unique in a run; "" without. */
  virtual std::string state_name() const { return ""; }
};

}  // namespace mjolnir::train

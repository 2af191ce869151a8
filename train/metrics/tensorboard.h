#pragma once

#include <memory>
#include <string>

#include <mjolnir/io/event_file.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/run_listener.h>

namespace mjolnir::train {

/**
 * Shows a run to TensorBoard, in an event file: curves at the logging steps, of
 * the curvature where it is reported, of the validation and of the test images;
 * after each epoch histograms of the parameters and a picture of the first
 * layer's filters. A write that fails does not stop the run: one event
 * "tensorboard", then nothing more is written.
 */
class TensorBoardReporter : public RunListener {
 public:
  /** Makes the file, in a folder, of a run that begins, or that goes on after
   * its step `first_step` - 1. The model, of images of shape `sample` (C,H,W),
   * must outlive the reporter. Throws IoError. */
  TensorBoardReporter(const std::string& folder, const Module& model,
                      const Shape& sample, std::int64_t first_step = -1);

  void on_step(const StepRecord& record) override;
  void on_curvature(const StepRecord& record,
                    const CurvatureReport& report) override;
  void on_epoch(const EpochRecord& record) override;
  void on_end(const FitResult& result,
              const std::optional<Meter>& test) override;

  /** Name of the file in its folder. */
  std::string name() const;

 private:
  template <class F>
  void write(const F& add);
  // A value that is NaN because there is none leaves no point.
  void scalar_if(const std::string& tag, double value, std::int64_t step);

  io::EventFile file_;
  const Module& model_;
  Shape sample_;
  bool working_ = true;
};

}  // namespace mjolnir::train

#pragma once

#include <cstdint>
#include <memory>

#include <mjolnir/core/random.h>
#include <mjolnir/data/dataset.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/optimizer.h>
#include <mjolnir/optim/schedule.h>
#include <mjolnir/train/fit.h>
#include <mjolnir/train/metrics/curvature_log.h>
#include <mjolnir/train/options.h>

/** From options, as resolved() gives them, to the parts of a run. */
namespace mjolnir::train {

/** The images of a run. */
struct JobData {
  data::Dataset train;       ///< Without those set aside.
  data::Dataset validation;  ///< Empty with --validation 0.
  data::Dataset test;
};

/** Reads the data set of the options and sets the validation images aside, by
 * the seed. Throws IoError with advice if the files are missing, UsageError
 * if --validation leaves nothing to train on. */
JobData load_data(const TrainOptions& options);

/** How training images are batched and changed. */
data::LoaderOptions training_batches(const TrainOptions& options);

/** The same images, unchanged and in order, in larger batches. */
data::LoaderOptions evaluation_batches(const TrainOptions& options);

/** What the images of a data set look like, and how many kinds there are. */
struct ImageKind {
  std::int64_t channels = 1;
  std::int64_t height = 28;
  std::int64_t width = 28;
  std::int64_t classes = 10;
};
ImageKind image_kind(const data::Dataset& data);
/** The same of the data set that the options name; no file is read. */
ImageKind image_kind(const TrainOptions& options);

/** The network of the options, for such images. Its layers have curvature if
 * the optimizer wants it. */
std::unique_ptr<Module> make_model(const TrainOptions& options,
                                   const ImageKind& images, Generator& rng);
/** The same for images like those of `data`. */
std::unique_ptr<Module> make_model(const TrainOptions& options,
                                   const data::Dataset& data, Generator& rng);

/** The learning rate of the options over a run of so many steps. */
optim::Schedule make_schedule(const TrainOptions& options,
                              std::int64_t steps_per_epoch);

/** What the options have a run do about a step that is not finite. */
OnDivergence on_divergence(const TrainOptions& options);

/** The optimizer of the options; the model must outlive it. */
std::unique_ptr<optim::Optimizer> make_optimizer(const TrainOptions& options,
                                                 Module& model,
                                                 std::int64_t steps_per_epoch);

/** With --report-curvature: reports on the first training images, unchanged.
 * Null without, or for an optimizer without curvature. */
std::unique_ptr<CurvatureLog> make_curvature_log(
    const TrainOptions& options, Module& model,
    const optim::Optimizer& optimizer, const data::Dataset& training);

}  // namespace mjolnir::train

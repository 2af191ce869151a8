#include "train/job.h"

#include <mjolnir/data/datasets.h>
#include <mjolnir/data/synthetic.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/optim/thor.h>
#include <mjolnir/train/objective.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace mjolnir::train {

namespace {

constexpr double step_factor = 0.1;  // of --schedule step, at each drop

data::TrainTest open_data(const TrainOptions& o) {
  if (o.data != "synthetic") {
    return data::open(o.data, o.data_dir);
  }
  data::SyntheticOptions options;
  options.samples = 2000;
  options.channels = 1;
  options.height = 28;
  options.width = 28;
  data::SyntheticOptions test = options;
  test.samples = 1000;
  test.part = 1;
  return {data::synthetic(options), data::synthetic(test)};
}

// The learning rate over the part of a run that follows the warm-up.
optim::Schedule fall(const TrainOptions& o, long steps, long steps_per_epoch) {
  const double top = *o.learning_rate;
  if (o.schedule == "cosine") {
    return optim::cosine(top, steps);
  }
  if (o.schedule == "linear") {
    return optim::linear(top, steps);
  }
  if (o.schedule == "step") {
    // Half of the run at the top, a quarter at a tenth, a quarter at a
    // hundredth (He et al., CVPR 2016).
    return [=](long step) {
      const int drops = (step >= steps / 2) + (step >= steps - steps / 4);
      return top * std::pow(step_factor, drops);
    };
  }
  if (o.schedule == "thor") {
    // The published curve, its end moved to the end of the run.
    optim::ThorLearningRate published;
    const double epochs =
        static_cast<double>(steps) / static_cast<double>(steps_per_epoch);
    const double stretch = epochs / published.end_epoch;
    published.initial = top;
    published.end_epoch = epochs;
    published.first_half *= stretch;
    published.second_half *= stretch;
    published.steps_per_epoch = steps_per_epoch;
    return optim::thor_learning_rate(published);
  }
  return optim::constant(top);
}

optim::Schedule make_damping(const TrainOptions& o, long steps_per_epoch) {
  if (o.schedule != "thor") {
    return *o.damping;
  }
  optim::ThorDamping published;
  published.initial = *o.damping;
  published.steps_per_epoch = steps_per_epoch;
  return optim::thor_damping(published);
}

RefreshRule refresh_rule(const std::string& name) {
  if (name == "thor") {
    return RefreshRule::thor();
  }
  if (name == "thor-stop") {
    return RefreshRule::thor_stop();
  }
  return name == "thor-nt" ? RefreshRule::thor_nt() : RefreshRule::fixed();
}

std::unique_ptr<optim::Optimizer> make_thor(const TrainOptions& o,
                                            Module& model,
                                            const optim::Schedule& rate,
                                            long steps_per_epoch) {
  optim::ThorOptions options;
  options.learning_rate = rate;
  options.damping = make_damping(o, steps_per_epoch);
  options.momentum = o.momentum;
  options.nesterov = o.nesterov;
  options.weight_decay = *o.weight_decay;
  options.frequency = o.frequency;
  options.refresh_rule = refresh_rule(o.refresh_rule);
  options.split_dim = o.split_dim;
  options.statistics = o.statistics == "mindspore-gpu"
                           ? optim::ThorStatistics::MindSporeGpu
                           : optim::ThorStatistics::PerSample;
  return std::make_unique<optim::Thor>(model, options);
}

// 8 of "resnet8".
std::int64_t depth_of(const std::string& name) {
  return std::stoll(name.substr(std::string("resnet").size()));
}

}  // namespace

OnDivergence on_divergence(const TrainOptions& o) {
  if (o.on_divergence == "skip") {
    return OnDivergence::Skip;
  }
  return o.on_divergence == "lower" ? OnDivergence::Lower : OnDivergence::Stop;
}

JobData load_data(const TrainOptions& o) {
  data::TrainTest both = open_data(o);
  if (*o.validation >= both.train.size()) {
    throw UsageError("--validation: " + std::to_string(*o.validation) +
                     " leaves nothing of the " +
                     std::to_string(both.train.size()) +
                     " training images of " + o.data);
  }
  data::SplitDataset parts = data::split(both.train, *o.validation,
                                         static_cast<std::uint64_t>(o.seed));
  return {parts.train, parts.validation, both.test};
}

data::LoaderOptions training_batches(const TrainOptions& o) {
  data::LoaderOptions options;
  options.batch = o.batch;
  options.shuffle = true;
  const auto has = [&o](const char* word) {
    return o.augment.find(word) != std::string::npos;
  };
  // As far as is usual: 4 of 32 pixels for photographs, 2 of 28 for the rest.
  const bool small = o.data == "mnist" || o.data == "fashion-mnist";
  options.augment.crop_padding = has("crop") ? (small ? 2 : 4) : 0;
  options.augment.flip = has("flip");
  options.augment.cutout = has("cutout") ? (small ? 7 : 8) : 0;
  return options;
}

data::LoaderOptions evaluation_batches(const TrainOptions&) {
  data::LoaderOptions options;
  options.batch = 250;
  return options;
}

ImageKind image_kind(const data::Dataset& data) {
  return {data.channels(), data.height(), data.width(), data.classes()};
}

ImageKind image_kind(const TrainOptions& o) {
  if (o.data == "cifar10") return {3, 32, 32, 10};
  if (o.data == "cifar100") return {3, 32, 32, 100};
  return {1, 28, 28, 10};
}

std::unique_ptr<Module> make_model(const TrainOptions& o,
                                   const ImageKind& images, Generator& rng) {
  const bool second_order = o.optimizer == "thor";
  if (o.model == "mlp") {
    models::MlpOptions options;
    options.in_channels = images.channels;
    options.image = {images.height, images.width};
    options.width = *o.width;
    options.classes = images.classes;
    options.second_order = second_order;
    return std::make_unique<models::Mlp>(options, rng);
  }
  if (o.model == "lenet5") {
    models::LeNet5Options options;
    options.in_channels = images.channels;
    options.image = images.height;
    options.width = *o.width;
    options.classes = images.classes;
    options.second_order = second_order;
    return std::make_unique<models::LeNet5>(options, rng);
  }
  if (o.model == "resnet18") {
    models::ResNetLargeOptions options;
    options.depth = depth_of(o.model);
    options.stem = models::Stem::Small;
    options.in_channels = images.channels;
    options.width = *o.width;
    options.classes = images.classes;
    options.second_order = second_order;
    return std::make_unique<models::ResNetLarge>(options, rng);
  }
  models::ResNetOptions options;
  options.depth = depth_of(o.model);
  options.in_channels = images.channels;
  options.width = *o.width;
  options.classes = images.classes;
  options.second_order = second_order;
  return std::make_unique<models::ResNet>(options, rng);
}

std::unique_ptr<Module> make_model(const TrainOptions& o,
                                   const data::Dataset& data, Generator& rng) {
  return make_model(o, image_kind(data), rng);
}

optim::Schedule make_schedule(const TrainOptions& o,
                              std::int64_t steps_per_epoch) {
  const auto per_epoch = static_cast<long>(steps_per_epoch);
  const long steps = static_cast<long>(o.epochs) * per_epoch;
  // At least one step is left to fall in.
  const long ramp = std::min(
      static_cast<long>(std::lround(o.warmup * static_cast<double>(steps))),
      steps - 1);
  return optim::warm_up(ramp, fall(o, steps - ramp, per_epoch));
}

std::unique_ptr<optim::Optimizer> make_optimizer(const TrainOptions& o,
                                                 Module& model,
                                                 std::int64_t steps_per_epoch) {
  const optim::Schedule rate = make_schedule(o, steps_per_epoch);
  if (o.optimizer == "thor") {
    return make_thor(o, model, rate, static_cast<long>(steps_per_epoch));
  }
  if (o.optimizer == "sgd") {
    optim::SgdOptions options;
    options.learning_rate = rate;
    options.momentum = o.momentum;
    options.nesterov = o.nesterov;
    options.weight_decay = *o.weight_decay;
    return std::make_unique<optim::Sgd>(model, options);
  }
  optim::AdamWOptions options;
  options.learning_rate = rate;
  options.beta1 = o.momentum;
  options.weight_decay = *o.weight_decay;
  return std::make_unique<optim::AdamW>(model, options);
}

std::unique_ptr<CurvatureLog> make_curvature_log(
    const TrainOptions& o, Module& model, const optim::Optimizer& optimizer,
    const data::Dataset& training) {
  const auto* state = dynamic_cast<const CurvatureState*>(&optimizer);
  if (o.report_curvature == 0 || state == nullptr) {
    return nullptr;
  }
  data::LoaderOptions first;
  first.batch = std::min(o.batch, training.size());
  data::Loader loader(training.first(first.batch), first);
  const Objective objective = classification(o.label_smoothing);
  const BatchLoss loss = [objective](Module& net, const Batch& batch) {
    return objective.loss(net(batch.images), batch);
  };
  for (const auto& batch : loader) {
    return std::make_unique<CurvatureLog>(model, loss, batch, *state,
                                          o.report_curvature);
  }
  return nullptr;
}

}  // namespace mjolnir::train

#pragma once

#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/data/synthetic.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/optim/thor.h>
#include <mjolnir/train/fit.h>

namespace mjolnir::train::resume_tests {

/** A small net with all that a run must keep: parameters, running statistics,
 * factors, and random numbers of its own. */
struct Net : Module {
  explicit Net(Generator& rng)
      : conv(conv_options(), rng),
        bn(bn_options()),
        drop({0.25}, rng),
        fc(fc_options(), rng) {
    add("conv", conv);
    add("bn", bn);
    add("drop", drop);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {
    return fc(drop(global_avg_pool(relu(bn(conv(x))))));
  }
  static Conv2dThorOptions conv_options() {
    Conv2dThorOptions options;
    options.in_channels = 1;
    options.out_channels = 6;
    options.kernel_size = {3, 3};
    options.stride = {2, 2};
    options.weight_init = "he_normal";
    return options;
  }
  static BatchNorm2dOptions bn_options() {
    BatchNorm2dOptions options;
    options.channels = 6;
    return options;
  }
  static DenseThorOptions fc_options() {
    DenseThorOptions options;
    options.in_channels = 6;
    options.out_channels = 10;
    options.weight_init = "he_normal";
    return options;
  }
  Conv2dThor conv;
  BatchNorm2d bn;
  Dropout drop;
  DenseThor fc;
};

inline data::Dataset images(std::int64_t count, int part) {
  data::SyntheticOptions options;
  options.samples = count;
  options.channels = 1;
  options.height = 12;
  options.width = 12;
  options.part = part;
  return data::synthetic(options);
}

/** A run: the parts, made from one seed, and what it told. */
struct Trial {
  explicit Trial(std::uint64_t seed, int workers = 1)
      : rng(seed),
        training(images(52, 0), batches(workers), rng),
        validation(images(40, 1), {20}),
        net(rng),
        thor(net, thor_options()) {}

  static data::LoaderOptions batches(int workers) {
    data::LoaderOptions options;
    options.batch = 8;  // 7 steps, the last one short
    options.shuffle = true;
    options.workers = workers;
    options.augment.crop_padding = 2;
    options.augment.flip = true;
    return options;
  }
  static optim::ThorOptions thor_options() {
    optim::ThorOptions options;
    options.learning_rate = optim::cosine(0.1, 21);
    options.damping = 0.05;
    options.frequency = 3;
    options.refresh_rule = RefreshRule::trace(0.2, 0.001);
    options.weight_decay = 1e-3;
    return options;
  }

  FitResult fit(FitOptions options) {
    options.epochs = options.epochs == 1 ? 3 : options.epochs;
    options.validation = &validation;
    options.on_step = [this](const StepRecord& r) {
      steps.push_back(
          {static_cast<double>(r.epoch), static_cast<double>(r.step),
           static_cast<double>(r.run_step), r.so_far.loss(),
           r.so_far.accuracy(), r.settings.learning_rate, *r.settings.damping,
           static_cast<double>(*r.settings.refreshes)});
      if (r.logging) logged.push_back(r.interval.loss());
    };
    options.on_epoch = [this](const EpochRecord& r) {
      epochs.push_back({static_cast<double>(r.epoch),
                        static_cast<double>(r.run_step), r.training.loss(),
                        r.validation->loss(), r.validation->accuracy(),
                        r.best ? 1.0 : 0.0});
    };
    return train::fit(net, thor, training, options);
  }

  SavedState model() const {
    SavedState state;
    for (const auto& [name, tensor] : net.state()) {
      state.emplace_back(name, tensor.clone());
    }
    return state;
  }

  Generator rng;
  data::Loader training;
  data::Loader validation;
  Net net;
  optim::Thor thor;
  std::vector<std::vector<double>> steps;
  std::vector<std::vector<double>> epochs;
  std::vector<double> logged;
};

}  // namespace mjolnir::train::resume_tests

#include <algorithm>

#include "bench/clock.h"
#include "bench/peer/work.h"

namespace bench::peer {

namespace mj = mjolnir;

namespace {

using Json = nlohmann::ordered_json;

mj::data::Dataset images_of(const WorkOptions& options) {
  if (!options.data.empty()) {
    return mj::data::Cifar10::train(options.data).first(options.images);
  }
  mj::data::SyntheticOptions made_up;  // of the size of CIFAR-10
  made_up.samples = options.images;
  return mj::data::synthetic(made_up);
}

class EpochSteps : public Workload {
 public:
  explicit EpochSteps(const WorkOptions& options)
      : problem_(make_problem(options.size)),
        sgd_(*problem_.net, {.learning_rate = 0.01, .momentum = 0.9}),
        rng_(2),
        loader_(images_of(options),
                {.batch = options.size.batch,
                 .shuffle = true,
                 .last_batch = mj::data::LastBatch::Drop,
                 .augment = {.crop_padding = 4, .flip = true}},
                rng_),
        data_(options.data.empty() ? "made-up images" : "CIFAR-10") {
    problem_.step(sgd_);
  }

  Json describe() override {
    return {{"data", data_},
            {"images", loader_.dataset().size()},
            {"steps", loader_.steps()}};
  }

  Json run(int steps) override {
    const int before = (steps + 1) / 2, after = std::max(1, steps / 2);
    double bare = total_of(before);
    const double epoch = seconds([this] {
      for (const mj::Batch& batch : loader_) problem_.step(sgd_, batch);
    });
    bare += total_of(after);
    return {{"epoch", epoch / static_cast<double>(loader_.steps())},
            {"bare", bare / (before + after)}};
  }

 private:
  double total_of(int steps) {
    return seconds([this, steps] {
      for (int i = 0; i < steps; ++i) problem_.step(sgd_);
    });
  }

  Problem problem_;
  mj::optim::Sgd sgd_;
  mj::Generator rng_;
  mj::data::Loader loader_;
  std::string data_;
};

}  // namespace

std::unique_ptr<Workload> make_epoch(const WorkOptions& options) {
  return std::make_unique<EpochSteps>(options);
}

}  // namespace bench::peer

#include "bench/convergence/task.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace mjolnir::bench {

namespace {

constexpr std::int64_t validation_images = 5000;
constexpr std::uint64_t split_seed = 20260101;  // the same for every run

// Sees the shapes of one layer's products.
class ShapeObserver : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& record) override {
    const Tensor& dout = record.dout;
    outputs =
        record.kind == CurvatureKind::Conv2d ? dout.size(1) : dout.size(-1);
    positions = dout.numel() / dout.size(0) / outputs;
  }
  void clear() override {}

  std::int64_t outputs = 0;
  std::int64_t positions = 0;  // per sample
};

Task residual_task(const data::Dataset& images, std::int64_t depth,
                   std::int64_t crop, bool second_order, Generator& rng) {
  const data::SplitDataset parts =
      data::split(images, validation_images, split_seed);
  models::ResNetOptions options;
  options.depth = depth;
  options.width = 16;
  options.in_channels = images.channels();
  options.second_order = second_order;
  data::AugmentOptions augment;
  augment.crop_padding = crop;
  augment.flip = true;
  return {parts.train,
          parts.validation,
          std::make_unique<models::ResNet>(options, rng),
          train::classification(),
          128,
          augment};
}

}  // namespace

Task make_task(const std::string& name, const std::string& data_folder,
               bool second_order, Generator& rng) {
  if (name == "resnet8") {
    return residual_task(data::FashionMnist::train(data_folder), 8, 2,
                         second_order, rng);
  }
  if (name == "resnet20") {
    return residual_task(data::Cifar10::train(data_folder), 20, 4, second_order,
                         rng);
  }
  if (name == "autoencoder") {
    // Pixels stay in [0,1]: they are the targets.
    const data::Dataset plain =
        data::Mnist::train(data_folder).with_statistics({{0.0}, {1.0}});
    const data::SplitDataset parts =
        data::split(plain, validation_images, split_seed);
    models::AutoencoderOptions options;
    options.second_order = second_order;
    return {parts.train,
            parts.validation,
            std::make_unique<models::Autoencoder>(options, rng),
            train::reconstruction(),
            500,
            {}};
  }
  throw ValueError("[convergence] no task '" + name +
                   "'; allowed: resnet8, autoencoder, resnet20");
}

Costs count_costs(Module& model, const Task& task) {
  std::vector<std::shared_ptr<ShapeObserver>> observers;
  std::vector<ObservationHandle> handles;
  std::vector<Tensor> weights;
  for (const auto& [name, module] : model.named_modules()) {
    if (auto* source = dynamic_cast<CurvatureSource*>(module)) {
      observers.push_back(std::make_shared<ShapeObserver>());
      handles.push_back(source->observe(observers.back()));
      weights.push_back(source->curvature_weight());
    }
  }
  data::LoaderOptions options;
  options.batch = 2;
  data::Loader loader(task.validation.first(2), options);
  for (const Batch& batch : loader) {
    task.objective.loss(model(batch.images), batch).backward();
  }
  model.zero_grad();

  Costs costs;
  for (std::size_t i = 0; i < observers.size(); ++i) {
    const auto o = static_cast<double>(observers[i]->outputs);
    const auto d = static_cast<double>(weights[i].numel()) / o;
    const auto t = static_cast<double>(observers[i]->positions);
    costs.forward += 2.0 * t * o * d;
    // dx and dw cost a forward pass each; nobody asks for the images' dx.
    costs.step += 2.0 * t * o * d * (i == 0 ? 2.0 : 3.0);
    costs.factors += t * (d * (d + 1.0) + o * (o + 1.0));  // half of each
    costs.inverses += d * d * d + o * o * o;               // potrf and potri
    costs.conditioning += 2.0 * o * d * (o + d);
  }
  return costs;
}

double median_cosine(const CurvatureState& curvature) {
  std::vector<double> cosines;
  for (const LayerCurvature& layer : curvature.curvature()) {
    if (layer.preconditioner != Preconditioner::None) {
      cosines.push_back(layer.cosine);
    }
  }
  if (cosines.empty()) {
    return std::nan("");
  }
  std::sort(cosines.begin(), cosines.end());
  const std::size_t n = cosines.size();
  return (cosines[(n - 1) / 2] + cosines[n / 2]) / 2.0;
}

double mean_refreshes(const CurvatureState& curvature) {
  double sum = 0.0;
  for (const LayerCurvature& layer : curvature.curvature()) {
    sum += static_cast<double>(layer.refreshes);
  }
  return sum / static_cast<double>(curvature.curvature().size());
}

}  // namespace mjolnir::bench

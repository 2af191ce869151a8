// Every model against PyTorch: tests/golden/models.py wrote the numbers.
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>

#include <nlohmann/json.hpp>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/models/autoencoder.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/resnet.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using nlohmann::json;
using testing::relative_error;
using testing::values_of;

using Maker = std::function<std::unique_ptr<Module>(DType, Generator&)>;

Maker resnet(std::int64_t depth, std::int64_t width, std::int64_t in,
             std::int64_t classes) {
  return [=](DType dtype, Generator& rng) {
    models::ResNetOptions options;
    options.depth = depth;
    options.width = width;
    options.in_channels = in;
    options.classes = classes;
    options.dtype = dtype;
    return std::make_unique<models::ResNet>(options, rng);
  };
}

Maker large(std::int64_t depth, std::int64_t width, std::int64_t in,
            std::int64_t classes, models::Stem stem) {
  return [=](DType dtype, Generator& rng) {
    models::ResNetLargeOptions options;
    options.depth = depth;
    options.width = width;
    options.in_channels = in;
    options.classes = classes;
    options.stem = stem;
    options.dtype = dtype;
    return std::make_unique<models::ResNetLarge>(options, rng);
  };
}

Maker lenet(std::int64_t in, std::int64_t classes, std::int64_t image) {
  return [=](DType dtype, Generator& rng) {
    models::LeNet5Options options;
    options.in_channels = in;
    options.classes = classes;
    options.image = image;
    options.dtype = dtype;
    return std::make_unique<models::LeNet5>(options, rng);
  };
}

std::unique_ptr<Module> mlp(DType dtype, Generator& rng) {
  models::MlpOptions options;
  options.in_channels = 2;
  options.image = Pair(5, 7);
  options.width = 11;
  options.depth = 3;
  options.classes = 6;
  options.dtype = dtype;
  return std::make_unique<models::Mlp>(options, rng);
}

std::unique_ptr<Module> autoencoder(DType dtype, Generator& rng) {
  models::AutoencoderOptions options;
  options.image = Pair(6, 9);
  options.width = 40;
  options.code = 5;
  options.dtype = dtype;
  return std::make_unique<models::Autoencoder>(options, rng);
}

const std::map<std::string, std::pair<Maker, std::int64_t>>& makers() {
  using models::Stem;
  static const std::map<std::string, std::pair<Maker, std::int64_t>> table{
      {"resnet20", {resnet(20, 16, 3, 10), 10}},
      {"resnet8", {resnet(8, 6, 1, 7), 7}},
      {"resnet18_small", {large(18, 4, 3, 5, Stem::Small), 5}},
      {"resnet34_large", {large(34, 3, 2, 5, Stem::Large), 5}},
      {"resnet50_large", {large(50, 3, 3, 11, Stem::Large), 11}},
      {"lenet5", {lenet(1, 10, 28), 10}},
      {"lenet5_32", {lenet(3, 9, 32), 9}},
      {"mlp", {mlp, 6}},
      {"autoencoder", {autoencoder, 0}},
  };
  return table;
}

/** Number `index` of a stream, in [0,1): splitmix64, as in models.py. */
double draw(std::uint64_t stream, std::uint64_t index) {
  std::uint64_t z = ((stream << 32) + index + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  z = z ^ (z >> 31);
  return static_cast<double>(z >> 11) * 0x1p-53;
}

std::vector<double> draws(std::uint64_t stream, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = draw(stream, i);
  return values;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void fill(const Module& model) {
  std::uint64_t stream = 0;
  for (const auto& [name, t] : model.state()) {
    std::vector<double> values = draws(stream++, t.numel());
    if (!is_floating(t.dtype())) continue;
    const double bound =
        t.rank() < 2 ? 0 : std::sqrt(6 / double(t.numel() / t.size(0)));
    const bool around_one =
        ends_with(name, "weight") || ends_with(name, "running_var");
    for (double& v : values) {
      v -= 0.5;
      v = t.rank() >= 2 ? v * 2 * bound : (around_one ? 1 : 0) + 0.4 * v;
    }
    t.copy_from(Tensor::from(values, t.shape()).to(t.dtype()));
  }
}

/** A model of the golden file with its input. */
struct Twin {
  std::unique_ptr<Module> model;
  Tensor x;
  Tensor labels;

  Tensor loss(const Tensor& y) const {
    if (!labels.defined())
      return binary_cross_entropy_with_logits(y, flatten(x));
    CrossEntropyOptions options;
    options.label_smoothing = 0.1;
    return cross_entropy(y, labels, options);
  }
};

Twin make_twin(const json& golden, DType dtype) {
  const auto& [maker, classes] = makers().at(golden.at("name"));
  Generator rng(1);
  Twin twin;
  twin.model = maker(dtype, rng);
  fill(*twin.model);
  const Shape shape(golden.at("shape").get<std::vector<std::int64_t>>());
  twin.x = Tensor::from(draws(100000, shape.numel()), shape).to(dtype);
  if (classes == 0) return twin;
  std::vector<std::int64_t> labels;
  for (std::int64_t n = 0; n < shape[0]; ++n) labels.push_back(n * 7 % classes);
  twin.labels = Tensor::from(labels, {shape[0]});
  return twin;
}

/** PyTorch's SGD: momentum 0.9, decay 5e-4 on everything, rate 0.02. */
void sgd_step(const std::vector<Tensor>& parameters,
              std::vector<Tensor>& momentum) {
  const NoGrad no_grad;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& w = parameters[i];
    const Tensor g = w.grad() + w.detach() * 5e-4;
    momentum[i] = momentum[i].defined() ? momentum[i] * 0.9 + g : g;
    w.copy_from(w.detach() - momentum[i] * 0.02);
  }
}

const json& file() {
  static const json contents = json::parse(
      std::ifstream(MJOLNIR_SOURCE_DIR "/tests/golden/models.json"));
  return contents;
}

class ModelGolden : public ::testing::TestWithParam<DType> {
 protected:
  bool f64() const { return GetParam() == DType::F64; }
};

TEST_P(ModelGolden, NamesAndCountsArePyTorchs) {
  for (const json& golden : file().at("cases")) {
    const Twin twin = make_twin(golden, GetParam());
    std::vector<std::string> names;
    for (const auto& entry : twin.model->state()) names.push_back(entry.first);
    EXPECT_EQ(names, golden.at("names").get<std::vector<std::string>>());
    EXPECT_EQ(twin.model->parameter_count(),
              golden.at("parameters").get<std::int64_t>());
  }
  EXPECT_EQ(file().at("cases").size(), makers().size());
}

TEST_P(ModelGolden, LogitsAndGradientsArePyTorchs) {
  for (const json& golden : file().at("cases")) {
    const std::string name = golden.at("name");
    // Deep nets of few channels multiply rounding errors: the file says how
    // much PyTorch's f32 gradients differ from its f64 ones. f64 rounds 2^29
    // times finer, which a ResNet-50 of width 3 still shows.
    const double f32 = 1e-5 * golden.at("amplification").get<double>();
    const double tolerance = f64() ? std::max(1e-12, f32 * 0x1p-29) : f32;
    const Twin twin = make_twin(golden, GetParam());
    twin.model->eval();
    EXPECT_LE(relative_error(values_of((*twin.model)(twin.x)),
                             golden.at("eval").get<std::vector<double>>()),
              tolerance)
        << name;
    twin.model->train();
    const Tensor y = (*twin.model)(twin.x);
    EXPECT_LE(relative_error(values_of(y),
                             golden.at("train").get<std::vector<double>>()),
              tolerance)
        << name;
    const Tensor loss = twin.loss(y);
    EXPECT_NEAR(loss.item(), golden.at("loss").get<double>(),
                tolerance * golden.at("loss").get<double>())
        << name;
    loss.backward();
    std::uint64_t stream = 200000;
    std::size_t i = 0;
    for (const auto& [parameter, w] : twin.model->named_parameters()) {
      const std::vector<double> g = values_of(w.grad());
      const std::vector<double> u = draws(stream++, w.numel());
      double norm = 0;
      double product = 0;
      double length = 0;
      for (std::size_t k = 0; k < g.size(); ++k) {
        norm += g[k] * g[k];
        product += g[k] * (u[k] - 0.5);
        length += (u[k] - 0.5) * (u[k] - 0.5);
      }
      norm = std::sqrt(norm);
      const json& expected = golden.at("gradients").at(i++);
      const double expected_norm = expected.at(0).get<double>();
      EXPECT_NEAR(norm, expected_norm, tolerance * expected_norm)
          << name << " " << parameter;
      EXPECT_NEAR(product, expected.at(1).get<double>(),
                  tolerance * expected_norm * std::sqrt(length))
          << name << " " << parameter;
    }
    EXPECT_EQ(i, golden.at("gradients").size());
  }
}

TEST_P(ModelGolden, TenLossesArePyTorchs) {
  for (const json& golden : file().at("cases")) {
    const auto expected = golden.at("losses").get<std::vector<double>>();
    if (expected.empty()) continue;
    const Twin twin = make_twin(golden, GetParam());
    // The file's steps follow one evaluation and one training pass.
    twin.loss((*twin.model)(twin.x));
    const std::vector<Tensor> parameters = twin.model->parameters();
    std::vector<Tensor> momentum(parameters.size());
    std::vector<double> losses;
    for (std::size_t step = 0; step < expected.size(); ++step) {
      twin.model->zero_grad();
      const Tensor loss = twin.loss((*twin.model)(twin.x));
      loss.backward();
      sgd_step(parameters, momentum);
      losses.push_back(loss.item());
    }
    EXPECT_LE(relative_error(losses, expected), f64() ? 1e-11 : 1e-4)
        << golden.at("name");
  }
}

INSTANTIATE_TEST_SUITE_P(, ModelGolden,
                         ::testing::Values(DType::F64, DType::F32),
                         [](const auto& info) {
                           return std::string(name_of(info.param));
                         });

}  // namespace
}  // namespace mjolnir

// The conversions of docs/damping.md against preconditioned gradients of the
// other libraries (tests/golden/damping.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/ekfac.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/thor.h>

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

constexpr double samples = 5.0;  // N
constexpr double inputs = 18.0;  // D, of both layers

/** T of a layer. */
double positions(const std::string& layer) {
  return layer == "conv" ? 6.0 : 1.0;
}

/** The net of the script. */
struct DampingNet : Module {
  explicit DampingNet(Generator& rng)
      : conv(conv_options(), rng), dense(dense_options(), rng) {
    add("conv", conv);
    add("dense", dense);
  }
  static Conv2dThorOptions conv_options() {
    Conv2dThorOptions o;
    o.in_channels = 2;
    o.out_channels = 3;
    o.kernel_size = 3;
    o.dtype = DType::F64;
    return o;
  }
  static DenseThorOptions dense_options() {
    DenseThorOptions o;
    o.in_channels = 18;
    o.out_channels = 3;
    o.has_bias = false;
    o.dtype = DType::F64;
    return o;
  }
  Tensor operator()(const Tensor& x) override {
    return dense(flatten(tanh(conv(x))));
  }
  Conv2dThor conv;
  DenseThor dense;
};

EkfacOptions ekfac_options(double damping, double loss_scale) {
  EkfacOptions o;
  o.learning_rate = 1.0;
  o.momentum = 0.0;
  o.damping = damping;
  o.loss_scale = loss_scale;
  o.step_length.kl_clip = 0.0;
  return o;
}

KfacOptions kfac_options(double damping) {
  KfacOptions o;
  o.learning_rate = 1.0;
  o.momentum = 0.0;
  o.damping = damping;
  o.step_length.kl_clip = 0.0;
  return o;
}

ThorOptions thor_options(double damping, double loss_scale) {
  ThorOptions o;
  o.learning_rate = 1.0;
  o.momentum = 0.0;
  o.damping = damping;
  o.loss_scale = loss_scale;
  return o;
}

class DampingOfOthers : public ::testing::Test {
 protected:
  DampingOfOthers() {
    std::ifstream file(MJOLNIR_SOURCE_DIR "/tests/golden/damping.json");
    golden_ = nlohmann::json::parse(file);
  }

  /** g' of a layer in the first step of a Method, which is how far it moves
   * the weight at rate 1; the mean loss multiplied by loss_scale. */
  template <class Method, class Options>
  Doubles direction(const std::string& layer, const Options& options,
                    double loss_scale) const {
    Generator rng(1);
    DampingNet net(rng);
    for (const auto& [name, tensor] : net.named_parameters()) {
      tensor.copy_from(Tensor::from<double>(
          golden_["start"][name].template get<Doubles>(), tensor.shape()));
    }
    const Tensor x = Tensor::from<double>(
        golden_["images"].template get<Doubles>(), {5, 2, 2, 3});
    const Tensor y = Tensor::from<std::int64_t>(
        golden_["labels"].template get<std::vector<std::int64_t>>(), {5});
    Method method(net, options);
    method.zero_grad();
    (cross_entropy(net(x), y) * loss_scale).backward();
    method.step();
    Doubles moved = golden_["start"][layer + ".weight"].template get<Doubles>();
    const Tensor& weight = layer == "conv" ? net.conv.weight : net.dense.weight;
    const Doubles now = weight.template to_vector<double>();
    for (std::size_t i = 0; i < now.size(); ++i) moved[i] -= now[i];
    return moved;
  }

  /** The library's g' is `factor` times ours; tolerance relative to its
   * largest element. */
  static void expect_multiple(const nlohmann::json& theirs, double factor,
                              const Doubles& ours, double tolerance,
                              const std::string& where) {
    const auto want = theirs.get<Doubles>();
    ASSERT_EQ(ours.size(), want.size()) << where;
    double largest = 0.0;
    for (const double v : want) largest = std::max(largest, std::abs(v));
    ASSERT_GT(largest, 0.0) << where;
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(factor * ours[i], want[i], tolerance * largest)
          << where << ", element " << i;
    }
  }

  const std::vector<std::string> layers_{"conv", "dense"};
  nlohmann::json golden_;
};

// The eigendecompositions and inverses of kfac-pytorch are single_precision,
// whatever the types: eps times the condition, which the script keeps small.
constexpr double single_precision = 1e-5;
// Everything in double_precision: rounding times the condition of the damped
// factors.
constexpr double double_precision = 1e-10;

TEST_F(DampingOfOthers, KfacPytorchWithEigenvalues) {
  int cases = 0;
  for (const auto& c : golden_["kfac_pytorch"]) {
    if (c["method"].get<std::string>() != "eigen") continue;
    const auto damping = c["damping"].get<double>();
    const auto scale = c["loss_scale"].get<double>();
    for (const std::string& layer : layers_) {
      if (!c["gradients"].contains(layer)) continue;
      const auto& gradient = c["gradients"][layer];
      const double factor =
          std::pow(samples / scale, 2) * std::pow(positions(layer), 5);
      expect_multiple(gradient, factor,
                      direction<Ekfac>(
                          layer, ekfac_options(factor * damping, scale), scale),
                      single_precision, layer + ", " + c.dump().substr(0, 60));
      ++cases;
    }
  }
  EXPECT_EQ(cases, 8);
}

TEST_F(DampingOfOthers, KfacPytorchWithInverses) {
  int cases = 0;
  for (const auto& c : golden_["kfac_pytorch"]) {
    if (c["method"].get<std::string>() != "inverse") continue;
    const auto damping = c["damping"].get<double>();
    const auto scale = c["loss_scale"].get<double>();
    for (const std::string& layer : layers_) {
      if (!c["gradients"].contains(layer)) continue;
      const auto& gradient = c["gradients"][layer];
      const double t5 = std::pow(positions(layer), 5);
      const double f = samples / scale;  // pi = 1 / f
      expect_multiple(
          gradient, f * t5,
          direction<Thor>(
              layer, thor_options(t5 * damping * damping, f * scale), scale),
          single_precision, layer + ", " + c.dump().substr(0, 60));
      ++cases;
    }
  }
  EXPECT_EQ(cases, 5);
}

TEST_F(DampingOfOthers, KfacJaxWithTheEmpiricalFisher) {
  int cases = 0;
  for (const auto& c : golden_["kfac_jax"]) {
    const auto damping = c["damping"].get<double>();
    const bool exact = c["exact"].get<bool>();
    for (const std::string& layer : layers_) {
      if (!c["gradients"].contains(layer)) continue;
      const auto& gradient = c["gradients"][layer];
      const double lambda = samples * damping;
      const Doubles ours =
          exact ? direction<Ekfac>(layer, ekfac_options(lambda, 1.0), 1.0)
                : direction<Kfac>(layer, kfac_options(lambda), 1.0);
      expect_multiple(gradient, samples, ours, double_precision,
                      layer + (exact ? ", exact" : ", factored"));
      ++cases;
    }
  }
  EXPECT_EQ(cases, 6);
}

TEST_F(DampingOfOthers, MindSporeOnAscendIsTheSame) {
  int cases = 0;
  for (const auto& c : golden_["mindspore"]) {
    if (c["device"].get<std::string>() != "ascend") continue;
    const auto damping = c["damping"].get<double>();
    for (const std::string& layer : layers_) {
      if (!c["gradients"].contains(layer)) continue;
      const auto& gradient = c["gradients"][layer];
      expect_multiple(gradient, 1.0,
                      direction<Thor>(layer, thor_options(damping, 4.0), 4.0),
                      double_precision, layer);
      ++cases;
    }
  }
  EXPECT_EQ(cases, 4);
}

TEST_F(DampingOfOthers, MindSporeOnGpus) {
  int cases = 0;
  for (const auto& c : golden_["mindspore"]) {
    if (c["device"].get<std::string>() != "gpu") continue;
    const auto damping = c["damping"].get<double>();
    ThorOptions conv = thor_options(damping, 4.0);
    conv.statistics = ThorStatistics::MindSporeGpu;
    expect_multiple(c["gradients"]["conv"], 1.0,
                    direction<Thor>("conv", conv, 4.0), double_precision,
                    "conv");
    // A of a dense layer divided by D: pi = sqrt(D / N)
    const double q = inputs / samples;
    const ThorOptions dense = thor_options(q * q * damping, 4.0 / std::sqrt(q));
    expect_multiple(c["gradients"]["dense"], q * std::sqrt(q),
                    direction<Thor>("dense", dense, 4.0), double_precision,
                    "dense");
    ++cases;
  }
  EXPECT_EQ(cases, 2);
}

}  // namespace
}  // namespace mjolnir::optim

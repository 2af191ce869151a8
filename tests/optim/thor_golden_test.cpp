// THOR against golden numbers: one step worked out by hand, and ten steps of
// an independent script (tests/golden/thor_numpy.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_net.h"
#include "tests/optim/trajectory.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

const TensorOptions f64{DType::F64, Layout::RowMajor};

struct OneConv : Module {
  explicit OneConv(Generator& rng) : conv(options(), rng) { add("conv", conv); }
  static Conv2dThorOptions options() {
    Conv2dThorOptions o;
    o.in_channels = 1;
    o.out_channels = 2;
    o.kernel_size = 2;
    o.weight_init = "zeros";
    o.dtype = DType::F64;
    return o;
  }
  Conv2dThor conv;
};

/** Two 2x2 images through a 2x2 kernel, same padding, T = 4; dout is the
 * weight of each output in the loss. Returns g' of the step. */
Doubles golden_step(ThorStatistics statistics) {
  Generator rng(1);
  OneConv net(rng);
  ThorOptions options;
  options.learning_rate = 1.0;
  options.damping = 0.04;
  options.momentum = 0.0;
  options.loss_scale = 2.0;
  options.statistics = statistics;
  Thor thor(net, options);
  const Tensor x = Tensor::from<double>({1, 2, 3, 4, 0, 1, 1, 0}, {2, 1, 2, 2});
  const Tensor dout = Tensor::from<double>(
      {1, -1, 2, 0, 0, 1, 1, -2, 3, 1, 0, 0, 2, -1, 1, 0}, {2, 2, 2, 2});
  thor.zero_grad();
  sum(net.conv(x) * dout).backward();
  // twice the g of the example, which is already divided by the loss scale
  const Tensor g =
      Tensor::from<double>({2, 4, 6, 8, -2, 0, 2, 4}, {2, 1, 2, 2});
  net.conv.weight.set_grad(g);
  thor.step();
  Doubles step = net.conv.weight.to_vector<double>();
  for (double& v : step) v = -v;
  return step;
}

void expect_near(const Doubles& got, const Doubles& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], tolerance) << "element " << i;
  }
}

TEST(ThorGolden, OneStepWithPerSampleStatistics) {
  expect_near(golden_step(ThorStatistics::PerSample),
              {0.013917, 0.024108, 0.013654, 0.183973, -0.048073, -0.048955,
               -0.014573, 0.096233},
              5e-7);
}

TEST(ThorGolden, OneStepWithTheStatisticsOfMindSpore) {
  expect_near(golden_step(ThorStatistics::MindSporeGpu),
              {0.248878, -0.061894, -0.131844, 0.843646, -0.177313, -0.318832,
               -0.091789, 0.224578},
              5e-7);
}

class ThorNumpy : public ::testing::TestWithParam<DType> {
 protected:
  ThorNumpy() {
    std::ifstream file(MJOLNIR_SOURCE_DIR "/tests/golden/thor_numpy.json");
    golden_ = nlohmann::json::parse(file);
    Generator rng(1);
    net_ = std::make_unique<ThorNet>(rng, GetParam());
    for (const auto& [name, tensor] : net_->named_parameters()) {
      tensor.copy_from(
          tensor_of(golden_["start"][name].get<Doubles>(), tensor.shape()));
    }
  }

  static Tensor tensor_of(const Doubles& numbers, const Shape& shape) {
    return Tensor::from<double>(numbers, shape).to(GetParam());
  }

  /** Ten steps on the two batches, compared after each. f64: the digits of the
   * file and rounding; f32: eps, 6e-8, times the condition of the damped
   * factors, some tens, added up over ten steps. */
  void expect_trajectory(const std::string& name, const ThorOptions& options) {
    const auto images = golden_["images"].get<Doubles>();
    const auto labels = golden_["labels"].get<std::vector<std::int64_t>>();
    const std::int64_t n = 3, pixels = n * 3 * 5 * 6;
    const double tolerance = GetParam() == DType::F64 ? 1e-10 : 1e-5;
    Thor thor(*net_, options);
    ASSERT_EQ(golden_["steps"].get<long>(), 10);
    for (long step = 0; step < 10; ++step) {
      const auto batch = step % 2;
      const Tensor x = tensor_of({images.begin() + batch * pixels,
                                  images.begin() + (batch + 1) * pixels},
                                 {n, 3, 5, 6});
      const Tensor y = Tensor::from<std::int64_t>(
          {labels.begin() + batch * n, labels.begin() + (batch + 1) * n}, {n});
      thor.zero_grad();
      const Tensor loss = cross_entropy((*net_)(x), y) * options.loss_scale;
      loss.backward();
      thor.step();
      expect_parameters(*net_,
                        golden_["cases"][name][static_cast<std::size_t>(step)],
                        tolerance, name + ", step " + std::to_string(step));
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  nlohmann::json golden_;
  std::unique_ptr<ThorNet> net_;
};

TEST_P(ThorNumpy, PerSampleWithDecayAndLossScale) {
  ThorOptions o = trajectory_options(3, 0.05, 0.03);
  o.weight_decay = 0.01;
  o.loss_scale = 8.0;
  expect_trajectory("per_sample", o);
}

TEST_P(ThorNumpy, PerSampleSplitAndNesterov) {
  ThorOptions o = trajectory_options(1, 0.05, 0.1);
  o.split_dim = 5;
  o.nesterov = true;
  expect_trajectory("per_sample_split", o);
}

TEST_P(ThorNumpy, ParityWithMindSpore) {
  ThorOptions o = trajectory_options(2, 0.03, 0.05);
  o.statistics = ThorStatistics::MindSporeGpu;
  o.split_dim = 7;
  o.weight_decay = 0.02;
  o.loss_scale = 4.0;
  expect_trajectory("parity", o);
}

TEST_P(ThorNumpy, TraceSplitRunningAverageAndKlClip) {
  ThorOptions o = trajectory_options(2, 0.1, 0.02);
  o.damping_split = DampingSplit::Trace;
  o.running_average = 0.6;
  o.kl_clip = 1e-3;
  expect_trajectory("kfac", o);
}

TEST_P(ThorNumpy, EachTensorClipped) {
  ThorOptions o = trajectory_options(4, 0.2, 0.003);
  o.weight_decay = 0.1;
  o.enable_clip_grad = true;
  expect_trajectory("clipped", o);
}

INSTANTIATE_TEST_SUITE_P(Types, ThorNumpy,
                         ::testing::Values(DType::F64, DType::F32),
                         [](const auto& info) {
                           return std::string(name_of(info.param));
                         });

}  // namespace
}  // namespace mjolnir::optim

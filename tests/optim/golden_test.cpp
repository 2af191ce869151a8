// Ten steps against PyTorch: tests/golden/optim.py made the numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/sgd.h>

namespace mjolnir::optim {
namespace {

using Numbers = std::vector<double>;

class Golden : public ::testing::TestWithParam<DType> {
 protected:
  Golden() {
    std::ifstream file(MJOLNIR_SOURCE_DIR "/tests/golden/optim.json");
    golden_ = nlohmann::json::parse(file);
    p_ = tensor(golden_["p"].get<Numbers>(), {3, 2});
    q_ = tensor(golden_["q"].get<Numbers>(), {5});
    p_.set_requires_grad(true);
    q_.set_requires_grad(true);
  }

  static Tensor tensor(const Numbers& numbers, const Shape& shape) {
    return Tensor::from<double>(numbers, shape).to(GetParam());
  }

  std::vector<ParameterGroup> one_group() const {
    ParameterGroup group;
    group.parameters = {{"p", p_}, {"q", q_}};
    return {group};
  }

  /** Ten steps with the recorded gradients, compared after each. */
  void expect_trajectory(const std::string& name, Optimizer& optimizer) {
    const auto skipped = golden_["skipped"].get<std::vector<long>>();
    // f64: rounding of ten steps; f32: ten steps of numbers up to 8.
    const double tolerance = GetParam() == DType::F64 ? 1e-14 : 1e-5;
    for (long step = 0; step < 10; ++step) {
      const auto index = static_cast<std::size_t>(step);
      const auto g = golden_["gradients"][index].get<Numbers>();
      optimizer.zero_grad();
      p_.set_grad(tensor({g.begin(), g.begin() + 6}, {3, 2}));
      if (std::count(skipped.begin(), skipped.end(), step) == 0) {
        q_.set_grad(tensor({g.begin() + 6, g.end()}, {5}));
      }
      optimizer.step();
      Numbers now = p_.to(DType::F64).to_vector<double>();
      const Numbers q = q_.to(DType::F64).to_vector<double>();
      now.insert(now.end(), q.begin(), q.end());
      const auto want = golden_["cases"][name]["after"][index].get<Numbers>();
      ASSERT_EQ(now.size(), want.size());
      for (std::size_t i = 0; i < now.size(); ++i) {
        ASSERT_NEAR(now[i], want[i], tolerance)
            << name << ", step " << step << ", element " << i;
      }
    }
    EXPECT_EQ(optimizer.steps(), 10);
  }

  nlohmann::json golden_;
  Tensor p_;
  Tensor q_;
};

TEST_P(Golden, Sgd) {
  SgdOptions options;
  options.learning_rate = 0.1;
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd", sgd);
}

TEST_P(Golden, SgdWithMomentum) {
  SgdOptions options;
  options.learning_rate = 0.05;
  options.momentum = 0.9;
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd_momentum", sgd);
}

TEST_P(Golden, SgdWithDampeningAndDecay) {
  SgdOptions options;
  options.learning_rate = 0.05;
  options.momentum = 0.8;
  options.dampening = 0.3;
  options.weight_decay = 0.02;
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd_dampening", sgd);
}

TEST_P(Golden, SgdWithNesterovAndDecay) {
  SgdOptions options;
  options.learning_rate = 0.05;
  options.momentum = 0.9;
  options.nesterov = true;
  options.weight_decay = 0.1;
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd_nesterov", sgd);
}

TEST_P(Golden, SgdClippedByNorm) {
  SgdOptions options;
  options.learning_rate = 0.1;
  options.momentum = 0.9;
  options.clip = GradientClip::norm(1.5);
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd_clip_norm", sgd);
}

TEST_P(Golden, SgdClippedByValue) {
  SgdOptions options;
  options.learning_rate = 0.1;
  options.momentum = 0.9;
  options.clip = GradientClip::value(0.7);
  Sgd sgd(one_group(), options);
  expect_trajectory("sgd_clip_value", sgd);
}

TEST_P(Golden, AdamW) {
  AdamWOptions options;
  options.learning_rate = 0.01;
  AdamW adamw(one_group(), options);
  expect_trajectory("adamw", adamw);
}

TEST_P(Golden, AdamWWithOtherBetas) {
  AdamWOptions options;
  options.learning_rate = 0.03;
  options.beta1 = 0.7;
  options.beta2 = 0.95;
  options.epsilon = 1e-3;
  options.weight_decay = 0.2;
  AdamW adamw(one_group(), options);
  expect_trajectory("adamw_betas", adamw);
}

TEST_P(Golden, AdamWWithTwoGroups) {
  ParameterGroup first;
  first.parameters = {{"p", p_}};
  first.learning_rate = 0.02;
  first.weight_decay = 0.3;
  ParameterGroup second;
  second.parameters = {{"q", q_}};
  second.weight_decay = 0.0;
  AdamWOptions options;
  options.learning_rate = 0.01;
  AdamW adamw({first, second}, options);
  expect_trajectory("adamw_groups", adamw);
}

INSTANTIATE_TEST_SUITE_P(Types, Golden,
                         ::testing::Values(DType::F32, DType::F64),
                         [](const auto& info) {
                           return std::string(name_of(info.param));
                         });

}  // namespace
}  // namespace mjolnir::optim

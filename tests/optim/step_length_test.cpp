// KL clip, clips of each tensor, norm constraint, grafting and adaptive damping
// of Thor, each against the definition written out with explicit matrices.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/optim/preconditioned.h>
#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using ::testing::HasSubstr;

Doubles minus(const Doubles& x, const Doubles& y) {
  Doubles z(x);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] -= y[i];
  return z;
}

double dot(const Doubles& x, const Doubles& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

/** <x, G x A> of x (rows, columns) in weight order. */
double energy(const Doubles& x, const Doubles& a, const Doubles& g) {
  const auto columns = static_cast<std::size_t>(std::sqrt(a.size()));
  const auto rows = static_cast<std::size_t>(std::sqrt(g.size()));
  double sum = 0.0;
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      for (std::size_t k = 0; k < rows; ++k) {
        for (std::size_t l = 0; l < columns; ++l) {
          sum += x[i * columns + j] * g[i * rows + k] * a[l * columns + j] *
                 x[k * columns + l];
        }
      }
    }
  }
  return sum;
}

/** One step of a net without weight decay and momentum, and what it met. */
struct OneStep {
  struct Parameter {
    std::string name;
    Doubles gradient, step;
  };
  struct Factors {
    Doubles a, g;
    double positions = 1.0;
  };

  explicit OneStep(ThorOptions options) {
    options.momentum = 0.0;
    options.weight_decay = 0.0;
    const auto net = make_net();
    Thor thor(*net, options);
    const Data data = random_data(samples, 5);
    thor.zero_grad();
    const auto loss = [&] { return cross_entropy((*net)(data.x), data.y); };
    const Tensor value = loss();
    before = value.item();
    value.backward();
    for (Conv2d* layer : {static_cast<Conv2d*>(&net->conv1),
                          static_cast<Conv2d*>(&net->conv2)}) {
      note(*layer, layer->factors()->sums().positions_per_sample);
    }
    note(net->fc, 1.0);
    for (const auto& [name, tensor] : net->named_parameters()) {
      parameters.push_back({name, tensor.grad().to_vector<double>(),
                            tensor.to_vector<double>()});
    }
    if (options.adaptive_damping) {
      thor.step(loss);
      ratio = thor.adaptive_damping()->ratio();
    } else {
      thor.step();
    }
    for (Parameter& p : parameters) {
      for (const auto& [name, tensor] : net->named_parameters()) {
        if (name == p.name) p.step = minus(tensor.to_vector<double>(), p.step);
      }
    }
    NoGrad no_grad;
    after = loss().item();
    damping = thor.damping();
  }

  void note(const CurvatureSource& layer, double positions) {
    factors.push_back({layer.matrix_a().to_vector<double>(),
                       layer.matrix_g().to_vector<double>(), positions});
    for (double& v : factors.back().g) v *= samples * samples;
  }

  /** <step, F step> with F = T (G kron A) + lambda I, I for the rest. */
  double total_energy(double lambda) const {
    double sum = 0.0;
    for (const Parameter& p : parameters) {
      const int layer = p.name == "conv1.weight"   ? 0
                        : p.name == "conv2.weight" ? 1
                        : p.name == "fc.weight"    ? 2
                                                   : -1;
      if (layer < 0) {
        sum += dot(p.step, p.step);
        continue;
      }
      const Factors& f = factors[static_cast<std::size_t>(layer)];
      sum +=
          f.positions * energy(p.step, f.a, f.g) + lambda * dot(p.step, p.step);
    }
    return sum;
  }

  static constexpr int samples = 4;
  std::vector<Parameter> parameters;
  std::vector<Factors> factors;
  double before = 0.0, after = 0.0, ratio = 0.0, damping = 0.0;
};

ThorOptions one_step_options() {
  ThorOptions options;
  options.learning_rate = 0.3;
  options.damping = 0.05;
  return options;
}

TEST(StepLength, IsOffByDefault) {
  const ThorOptions thor;
  EXPECT_EQ(thor.kl_clip, 0.0);
  EXPECT_EQ(thor.norm_constraint, 0.0);
  EXPECT_FALSE(thor.enable_clip_grad);
  EXPECT_FALSE(thor.graft);
  EXPECT_FALSE(thor.adaptive_damping);
  const StepLengthOptions length = PreconditionedOptions().step_length;
  EXPECT_EQ(length.kl_clip, 0.0);
  EXPECT_EQ(length.norm_constraint, 0.0);
  EXPECT_FALSE(length.graft);
}

// nu = min(1, sqrt(kappa / (eta^2 |sum <g', g>|))), one nu for all tensors.
TEST(KlClip, BoundsTheSumOfTheProducts) {
  ThorOptions options = one_step_options();
  const OneStep free(options);
  double sum = 0.0;  // of <eta g', g>
  for (const OneStep::Parameter& p : free.parameters) {
    sum -= dot(p.step, p.gradient);
  }
  const double eta = 0.3;
  for (const double nu : {0.25, 1.0}) {
    // nu^2 eta^2 |sum <g', g>|, and a little more where nothing is to clip
    options.kl_clip = nu * nu * eta * sum * (nu < 1.0 ? 1.0 : 1.01);
    const OneStep clipped(options);
    for (std::size_t i = 0; i < free.parameters.size(); ++i) {
      const Doubles& x = free.parameters[i].step;
      const Doubles& y = clipped.parameters[i].step;
      for (std::size_t k = 0; k < x.size(); ++k) {
        ASSERT_NEAR(y[k], nu * x[k], 1e-9 * std::abs(x[k]) + 1e-15);
      }
    }
  }
}

TEST(EachTensorsClip, BoundsEachNormByOne) {
  ThorOptions options = one_step_options();
  options.damping = 1e-3;
  const OneStep free(options);
  options.enable_clip_grad = true;
  const OneStep clipped(options);
  int bound = 0;
  for (std::size_t i = 0; i < free.parameters.size(); ++i) {
    const Doubles& x = free.parameters[i].step;
    const Doubles& y = clipped.parameters[i].step;
    const double norm = std::sqrt(dot(x, x)) / 0.3;
    bound += norm > 1.0 ? 1 : 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      ASSERT_NEAR(y[k], x[k] / std::max(1.0, norm),
                  1e-9 * std::abs(x[k]) + 1e-15);
    }
  }
  EXPECT_GT(bound, 0);
  EXPECT_LT(bound, static_cast<int>(free.parameters.size()));
}

TEST(NormConstraint, BoundsTheStepInTheMetricOfTheFisherMatrix) {
  ThorOptions options = one_step_options();
  const OneStep free(options);
  const double length = free.total_energy(0.05);
  options.norm_constraint = length / 9.0;
  const OneStep bound(options);
  EXPECT_NEAR(bound.total_energy(0.05), length / 9.0, 1e-9 * length);
  for (std::size_t i = 0; i < free.parameters.size(); ++i) {
    const Doubles& x = free.parameters[i].step;
    const Doubles& y = bound.parameters[i].step;
    for (std::size_t k = 0; k < x.size(); ++k) {
      ASSERT_NEAR(y[k], x[k] / 3.0, 1e-9 * std::abs(x[k]) + 1e-15);
    }
  }
  options.norm_constraint = length * 1.01;
  const OneStep loose(options);
  for (std::size_t i = 0; i < free.parameters.size(); ++i) {
    EXPECT_EQ(loose.parameters[i].step, free.parameters[i].step);
  }
}

TEST(Grafting, GivesEachTensorTheLengthOfItsGradient) {
  ThorOptions options = one_step_options();
  const OneStep free(options);
  options.graft = true;
  const OneStep grafted(options);
  for (std::size_t i = 0; i < free.parameters.size(); ++i) {
    const Doubles& g = grafted.parameters[i].gradient;
    const Doubles& x = grafted.parameters[i].step;
    const Doubles& y = free.parameters[i].step;
    EXPECT_NEAR(std::sqrt(dot(x, x)), 0.3 * std::sqrt(dot(g, g)), 1e-12);
    // and leaves the direction alone
    EXPECT_NEAR(dot(x, y), std::sqrt(dot(x, x) * dot(y, y)),
                1e-12 * std::sqrt(dot(x, x) * dot(y, y)));
  }
}

TEST(AdaptiveDamping, ComparesTheLossWithTheQuadraticModel) {
  ThorOptions options = one_step_options();
  LevenbergMarquardtOptions adaptive;
  adaptive.period = 1;
  adaptive.omega = 0.8;
  options.adaptive_damping = adaptive;
  const OneStep step(options);
  double slope = 0.0;
  for (const OneStep::Parameter& p : step.parameters) {
    slope += dot(p.gradient, p.step);
  }
  const double model = slope + 0.5 * step.total_energy(0.05);
  const double ratio = (step.after - step.before) / model;
  EXPECT_NEAR(step.ratio, ratio, 1e-9 * std::abs(ratio));
  const double factor = ratio > 0.75 ? 0.8 : ratio < 0.25 ? 1.25 : 1.0;
  EXPECT_NEAR(step.damping, 0.05 * factor, 1e-15);
}

TEST(AdaptiveDamping, NeedsTheClosure) {
  const auto net = make_net();
  ThorOptions options = one_step_options();
  options.adaptive_damping = LevenbergMarquardtOptions{};
  Thor thor(*net, options);
  const Doubles before = weights_of(*net);
  try {
    train(*net, thor, 1);
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_THAT(e.what(), HasSubstr("step(closure)"));
  }
  EXPECT_EQ(weights_of(*net), before);
}

TEST(AdaptiveDamping, AClosureThatThrowsLeavesAWholeStepOrNone) {
  for (const int fails : {1, 2}) {  // before the step, and after it
    const auto net = make_net();
    ThorOptions options = one_step_options();
    options.adaptive_damping = LevenbergMarquardtOptions{};
    options.adaptive_damping->period = 1;
    Thor thor(*net, options);
    const Data data = random_data(4, 5);
    const Doubles before = weights_of(*net);
    int calls = 0;
    thor.zero_grad();
    cross_entropy((*net)(data.x), data.y).backward();
    EXPECT_THROW(thor.step([&] {
      if (++calls == fails) throw std::runtime_error("no loss");
      return cross_entropy((*net)(data.x), data.y);
    }),
                 std::runtime_error);
    EXPECT_EQ(thor.steps(), fails - 1);
    EXPECT_EQ(weights_of(*net) == before, fails == 1);
    EXPECT_EQ(thor.damping(), options.damping(0));
  }
  const auto net = make_net();
  Thor thor(*net, one_step_options());
  EXPECT_THROW(thor.step(LossClosure()), ValueError);
}

TEST(AdaptiveDamping, LooksAtTheLossInItsPeriodOnly) {
  const auto net = make_net();
  const auto twin = make_net();
  ThorOptions options = one_step_options();
  options.frequency = 2;
  Thor plain(*twin, options);
  LevenbergMarquardtOptions adaptive;
  adaptive.period = 3;
  options.adaptive_damping = adaptive;
  Thor thor(*net, options);
  int calls = 0;
  for (int step = 0; step < 3; ++step) {
    const Data data = random_data(4, static_cast<std::uint64_t>(100 + step));
    const auto loss = [&] {
      ++calls;
      return cross_entropy((*net)(data.x), data.y);
    };
    thor.zero_grad();
    loss().backward();
    thor.step(loss);
    EXPECT_EQ(calls, step < 2 ? step + 1 : 5);
  }
  train(*twin, plain, 3);
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
  EXPECT_NE(thor.damping(), plain.damping());
}

TEST(AdaptiveDamping, TheLossScaleChangesNothing) {
  const auto run = [](double scale) {
    const auto net = make_net();
    ThorOptions options = one_step_options();
    options.loss_scale = scale;
    LevenbergMarquardtOptions adaptive;
    adaptive.period = 2;
    options.adaptive_damping = adaptive;
    Thor thor(*net, options);
    for (int step = 0; step < 4; ++step) {
      const Data data = random_data(4, static_cast<std::uint64_t>(100 + step));
      const auto loss = [&] {
        return cross_entropy((*net)(data.x), data.y) * scale;
      };
      thor.zero_grad();
      loss().backward();
      thor.step(loss);
    }
    return thor.adaptive_damping()->ratio();
  };
  EXPECT_NEAR(run(1.0), run(128.0), 1e-9 * std::abs(run(1.0)));
}

TEST(StepLength, RefusesWhatCannotBe) {
  const auto net = make_net();
  ThorOptions options = one_step_options();
  options.norm_constraint = 1.0;
  options.kl_clip = 1.0;
  EXPECT_THROW(Thor(*net, options), ValueError);
  options.kl_clip = 0.0;
  options.norm_constraint = -1.0;
  EXPECT_THROW(Thor(*net, options), ValueError);
}

}  // namespace
}  // namespace mjolnir::optim

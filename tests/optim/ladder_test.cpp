// Faults 39 to 42 through whole optimizers: factors that are no use, written
// into the sums of a step, and a LAPACK that lies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/events.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/ekfac.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/preconditioned.h>

#include "core/detail/lapack_fault.h"
#include "tests/curvature/listener.h"
#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;
using mjolnir::detail::LapackFault;
using mjolnir::detail::ScopedLapackFault;
using ::testing::HasSubstr;

/** An optimizer that looks at every step, and what one may ask of it. */
struct Subject {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(ThorNet&, double damping)> make;
  bool has_basis = false;  ///< Ekfac, which inverts nothing.
};

template <class Options>
Options every_step(double damping) {
  Options o;
  o.learning_rate = 1e-3;
  o.damping = damping;
  o.frequency = 1;
  return o;
}

std::vector<Subject> subjects() {
  return {
      {"Thor",
       [](ThorNet& net, double damping) {
         return std::make_unique<Thor>(net, every_step<ThorOptions>(damping));
       }},
      {"Kfac",
       [](ThorNet& net, double damping) {
         auto o = every_step<KfacOptions>(damping);
         o.joint_bias = false;
         return std::make_unique<Kfac>(net, o);
       }},
      {"Preconditioned<AdamW>",
       [](ThorNet& net, double damping) {
         PreconditionedOptions o;
         o.damping = damping;
         o.frequency = 1;
         return std::make_unique<Preconditioned<AdamW>>(net, AdamWOptions(), o);
       }},
      {"Ekfac",
       [](ThorNet& net, double damping) {
         return std::make_unique<Ekfac>(net, every_step<EkfacOptions>(damping));
       },
       true}};
}

LadderCounts counts_of(const Optimizer& optimizer, const std::string& layer) {
  if (const auto* ekfac = dynamic_cast<const Ekfac*>(&optimizer)) {
    return ekfac->block(layer).ladder();
  }
  for (const LayerCurvature& l :
       dynamic_cast<const CurvatureState&>(optimizer).curvature()) {
    if (l.name == layer) return l.ladder;
  }
  ADD_FAILURE() << layer;
  return {};
}

/** What a layer is divided by: two inverses, or a basis. */
Doubles divisor_of(const Optimizer& optimizer, const std::string& layer) {
  const auto* ekfac = dynamic_cast<const Ekfac*>(&optimizer);
  const auto* state = dynamic_cast<const CurvatureState*>(&optimizer);
  const Tensor pair[] = {
      ekfac != nullptr ? ekfac->block(layer).u_a() : state->inverse_a(layer),
      ekfac != nullptr ? ekfac->block(layer).u_g() : state->inverse_g(layer)};
  Doubles all;
  for (const Tensor& m : pair) {
    if (!m.defined()) continue;
    const Doubles numbers = m.to(DType::F64).to_vector<double>();
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

/** Element (i,j) of an (n,n) factor. */
struct Awkward {
  const char* name;
  std::function<double(std::int64_t i, std::int64_t j)> element;
  bool finite = true;
};

std::vector<Awkward> awkward_factors() {
  const auto eye = [](std::int64_t i, std::int64_t j) {
    return i == j ? 1.0 : 0.0;
  };
  const auto v = [](std::int64_t i) { return double(i % 3) - 0.7; };
  return {
      {"NaN",
       [eye](std::int64_t i, std::int64_t j) {
         return i == 1 && j == 1 ? std::nan("") : eye(i, j);
       },
       false},
      {"Inf",
       [eye](std::int64_t i, std::int64_t j) {
         return i + j == 1 ? std::numeric_limits<double>::infinity()
                           : eye(i, j);
       },
       false},
      {"zero", [](std::int64_t, std::int64_t) { return 0.0; }},
      {"rank 1", [v](std::int64_t i, std::int64_t j) { return v(i) * v(j); }},
      {"1e-30",
       [eye](std::int64_t i, std::int64_t j) { return 1e-30 * eye(i, j); }},
      {"1e12",
       [eye, v](std::int64_t i, std::int64_t j) {
         return 1e12 * (eye(i, j) + v(i) * v(j));
       }},
      // every second unit is dead
      {"dead ReLU",
       [](std::int64_t i, std::int64_t j) {
         return i == j && i % 2 == 0 ? 2.0 : 0.0;
       }},
      {"duplicate columns",
       [](std::int64_t i, std::int64_t j) {
         return i / 2 == j / 2 ? 1.0 : 0.0;
       }},
      {"indefinite", [](std::int64_t i, std::int64_t j) {
         return i == j ? 1e3 * (i == 0 ? -1.0 : 1.0) : 0.0;
       }}};
}

void overwrite(const Tensor& sums, const Awkward& with, double scale) {
  const std::int64_t n = sums.size(0);
  Doubles numbers;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      numbers.push_back(scale * with.element(i, j));
    }
  }
  sums.copy_from(Tensor::from<double>(numbers, {n, n}).to(sums.dtype()));
}

/** A step; between backward() and step() `meddle` sees the net. */
void step(ThorNet& net, Optimizer& optimizer, DType dtype, int number,
          const std::function<void()>& meddle = {}) {
  const Data data =
      random_data(4, static_cast<std::uint64_t>(100 + number), dtype);
  optimizer.zero_grad();
  cross_entropy(net(data.x), data.y).backward();
  if (meddle) meddle();
  optimizer.step();
}

/** Every rung is counted, and each count is an event that names the layer, the
 * step and the reason. */
void expect_told(const LadderCounts& now, const LadderCounts& before,
                 const std::vector<Event>& events, const std::string& layer,
                 long step) {
  const std::string start =
      "layer " + layer + ", step " + std::to_string(step) + ": ";
  const auto said = [&](const std::string& words) {
    return std::count_if(events.begin(), events.end(), [&](const Event& e) {
      return e.topic == "ladder" && e.message.rfind(start, 0) == 0 &&
             e.message.find(words) != std::string::npos;
    });
  };
  EXPECT_EQ(said("is not finite"), now.not_finite - before.not_finite);
  EXPECT_EQ(said("is now multiplied by"), now.raised - before.raised);
  EXPECT_EQ(said("stays in use"), now.kept - before.kept);
  EXPECT_EQ(said("is divided by"), now.scalar - before.scalar);
  EXPECT_EQ(said("is left alone"), now.skipped - before.skipped);
  EXPECT_EQ(said("the factor "), now.no_basis - before.no_basis);
}

void expect_finite(const ThorNet& net) {
  for (const double v : weights_of(net)) ASSERT_TRUE(std::isfinite(v));
}

// A good step, a step whose factor of fc is overwritten, a good step.
TEST(Ladder, AwkwardFactorsGoThroughEveryOptimizer) {
  for (const Subject& subject : subjects()) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const Awkward& awkward : awkward_factors()) {
        for (const bool on_a : {true, false}) {
          for (const double damping : {0.05, 0.0}) {
            SCOPED_TRACE(subject.name + " " + name_of(dtype) + " " +
                         awkward.name + (on_a ? " A" : " G") +
                         (damping > 0.0 ? "" : " undamped"));
            const auto net = make_net(dtype);
            const auto optimizer = subject.make(*net, damping);
            step(*net, *optimizer, dtype, 0);
            const LadderCounts before = counts_of(*optimizer, "fc");
            const Doubles divisor = divisor_of(*optimizer, "fc");
            Listener listener;
            step(*net, *optimizer, dtype, 1, [&] {
              const FactorSums& sums = net->fc.factors()->sums();
              // 4 positions; G is scaled by N^2 = 16
              overwrite(on_a ? sums.a : sums.g, awkward, on_a ? 4.0 : 0.25);
            });
            const LadderCounts now = counts_of(*optimizer, "fc");
            expect_told(now, before, listener.events, "fc", 1);
            expect_finite(*net);
            EXPECT_EQ(now.not_finite - before.not_finite,
                      awkward.finite ? 0 : 1);
            if (!awkward.finite) {
              EXPECT_EQ(now.kept - before.kept, 1);
              EXPECT_EQ(divisor_of(*optimizer, "fc"), divisor);
            }
            for (const double x : divisor_of(*optimizer, "fc")) {
              ASSERT_TRUE(std::isfinite(x));
            }
            const bool fails = std::string(awkward.name) == "indefinite";
            if (damping > 0.0 && !subject.has_basis && awkward.finite) {
              EXPECT_EQ(now.raised - before.raised > 0, fails);
            }
            step(*net, *optimizer, dtype, 2);
            expect_finite(*net);
          }
        }
      }
    }
  }
}

// Without a last good inverse.
TEST(Ladder, AwkwardFactorsInTheFirstStep) {
  for (const Subject& subject : subjects()) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const Awkward& awkward : awkward_factors()) {
        SCOPED_TRACE(subject.name + " " + name_of(dtype) + " " + awkward.name);
        const auto net = make_net(dtype);
        const auto optimizer = subject.make(*net, 0.05);
        const Doubles weight =
            net->fc.weight.to(DType::F64).to_vector<double>();
        Listener listener;
        step(*net, *optimizer, dtype, 0,
             [&] { overwrite(net->fc.factors()->sums().a, awkward, 4.0); });
        const LadderCounts now = counts_of(*optimizer, "fc");
        expect_told(now, {}, listener.events, "fc", 0);
        expect_finite(*net);
        if (!awkward.finite) {
          EXPECT_EQ(now.not_finite, 1);
          EXPECT_EQ(now.skipped, 1);
          EXPECT_EQ(now.kept, 0);
          EXPECT_EQ(net->fc.weight.to(DType::F64).to_vector<double>(), weight);
        }
        step(*net, *optimizer, dtype, 1);
        expect_finite(*net);
        if (std::string(awkward.name) == "1e12") continue;  // steps of 1e-12
        EXPECT_NE(net->fc.weight.to(DType::F64).to_vector<double>(), weight);
      }
    }
  }
}

// Fault 41: a second refresh from the same sums gives the same bits.
TEST(Ladder, RefreshingAgainDampsOnce) {
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    const auto net = make_net();
    auto options = every_step<ThorOptions>(0.05);
    options.learning_rate = 0.0;
    options.damping_split = split;
    Thor thor(*net, options);
    std::vector<Doubles> inverses;
    for (int i = 0; i < 3; ++i) {
      step(*net, thor, DType::F64, 0);
      inverses.push_back(divisor_of(thor, "conv2"));
      EXPECT_EQ(inverses.back(), inverses.front());
    }
    EXPECT_EQ(thor.refreshes(), 9);
  }
}

// A bias of -1000 before the ReLU: A of conv2 and G of conv1 are zero.
TEST(Ladder, ADeadReluGoesThroughEveryOptimizer) {
  for (const Subject& subject : subjects()) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const double damping : {0.05, 0.0}) {
        SCOPED_TRACE(subject.name + " " + name_of(dtype));
        const auto net = make_net(dtype);
        net->conv1.bias.fill(-1000.0);
        const auto optimizer = subject.make(*net, damping);
        const Doubles conv2 =
            net->conv2.weight.to(DType::F64).to_vector<double>();
        for (int number = 0; number < 3; ++number) {
          const LadderCounts before = counts_of(*optimizer, "conv2");
          Listener listener;
          step(*net, *optimizer, dtype, number);
          expect_told(counts_of(*optimizer, "conv2"), before, listener.events,
                      "conv2", number);
        }
        expect_finite(*net);
        if (subject.name == "Thor") {  // no gradient, no step
          EXPECT_EQ(net->conv2.weight.to(DType::F64).to_vector<double>(),
                    conv2);
        }
      }
    }
  }
}

// LAPACK refuses good matrices, or reports success and returns zeros, another
// number, a NaN: the last good inverse stays, to the bit, and the run goes on.
TEST(Ladder, ALapackThatLiesIsSurvived) {
  for (const Subject& subject : subjects()) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      for (const LapackFault lie :
           {LapackFault::Refuses, LapackFault::Zeros, LapackFault::Wrong,
            LapackFault::NotFinite}) {
        SCOPED_TRACE(subject.name + " " + name_of(dtype) + " " +
                     std::to_string(int(lie)));
        const auto net = make_net(dtype);
        const auto optimizer = subject.make(*net, 0.05);
        step(*net, *optimizer, dtype, 0);
        const Doubles weights = weights_of(*net);
        for (const std::string layer : {"conv1", "conv2", "fc"}) {
          const LadderCounts clean = counts_of(*optimizer, layer);
          EXPECT_EQ(clean.raised + clean.kept + clean.no_basis, 0);
        }
        const Doubles divisor = divisor_of(*optimizer, "conv2");
        Listener listener;
        {
          const ScopedLapackFault fault(lie);
          step(*net, *optimizer, dtype, 1);
        }
        for (const std::string layer : {"conv1", "conv2", "fc"}) {
          const LadderCounts now = counts_of(*optimizer, layer);
          expect_told(now, {}, listener.events, layer, 1);
          EXPECT_EQ(now.kept, 1);
          EXPECT_EQ(now.raised, subject.has_basis ? 0 : 6);  // both sides
          EXPECT_EQ(now.no_basis, subject.has_basis ? 2 : 0);
        }
        EXPECT_EQ(divisor_of(*optimizer, "conv2"), divisor);
        expect_finite(*net);
        EXPECT_NE(weights_of(*net), weights);
        step(*net, *optimizer, dtype, 2);
        EXPECT_NE(divisor_of(*optimizer, "conv2"), divisor);
        EXPECT_EQ(counts_of(*optimizer, "conv2").kept, 1);
        expect_finite(*net);
      }
    }
  }
}

// From the first step on there is nothing to fall back on but a scalar.
TEST(Ladder, ALapackThatLiesFromTheStartIsSurvived) {
  for (const Subject& subject : subjects()) {
    SCOPED_TRACE(subject.name);
    const auto net = make_net();
    const auto optimizer = subject.make(*net, 0.05);
    const Doubles before = net->fc.weight.to_vector<double>();
    const ScopedLapackFault fault(LapackFault::Wrong);
    for (int number = 0; number < 3; ++number) {
      step(*net, *optimizer, DType::F64, number);
    }
    expect_finite(*net);
    const LadderCounts now = counts_of(*optimizer, "fc");
    EXPECT_EQ(now.scalar, subject.has_basis ? 0 : 3);
    EXPECT_EQ(now.skipped, subject.has_basis ? 3 : 0);
    EXPECT_EQ(net->fc.weight.to_vector<double>() == before, subject.has_basis);
  }
}

}  // namespace
}  // namespace mjolnir::optim

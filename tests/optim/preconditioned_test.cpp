#include <mjolnir/optim/preconditioned.h>

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/optim/adamw.h>
#include <mjolnir/optim/sgd.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

TEST(Preconditioned, SgdIsThorBitForBit) {
  const auto net = make_net();
  const auto twin = make_net();
  SgdOptions sgd;
  sgd.learning_rate = 0.05;
  sgd.momentum = 0.9;
  sgd.weight_decay = 0.01;
  PreconditionedOptions curvature;
  curvature.damping = 0.05;
  curvature.frequency = 2;
  curvature.loss_scale = 4.0;
  curvature.step_length.kl_clip = 1e-3;
  Preconditioned<Sgd> wrapped(*net, sgd, curvature);
  ThorOptions options = small_options();
  options.loss_scale = 4.0;
  options.kl_clip = 1e-3;
  Thor thor(*twin, options);
  train(*net, wrapped, 7, 4.0);
  train(*twin, thor, 7, 4.0);
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
  EXPECT_EQ(wrapped.refreshes(), thor.refreshes());
}

TEST(Preconditioned, AdamWOfIdentityInversesIsAdamWBitForBit) {
  const auto net = make_net();
  const auto twin = make_net();
  AdamWOptions adamw;
  adamw.learning_rate = 0.01;
  PreconditionedOptions curvature;
  curvature.frequency = 1000;
  Preconditioned<AdamW> wrapped(*net, adamw, curvature);
  AdamW plain(*twin, adamw);
  const auto identity = [](std::int64_t n) {
    const Tensor matrix = Tensor::zeros({n, n}, {DType::F64});
    for (std::int64_t i = 0; i < n; ++i) {
      matrix.mutable_data<double>()[i * n + i] = 1.0;
    }
    return matrix;
  };
  wrapped.set_inverses("conv1", identity(18), identity(4), 1.0);
  wrapped.set_inverses("conv2", identity(24), identity(5), 1.0);
  wrapped.set_inverses("fc", identity(5), identity(3), 1.0);
  train(*net, wrapped, 20);
  train(*twin, plain, 20);
  EXPECT_EQ(weights_of(*net), weights_of(*twin));
}

TEST(Preconditioned, AdamWGetsThePreconditionedGradient) {
  const auto net = make_net();
  const auto twin = make_net();
  const auto by_hand = make_net();
  AdamWOptions adamw;
  adamw.learning_rate = 0.01;
  PreconditionedOptions curvature;
  curvature.damping = 0.05;
  curvature.frequency = 1;
  Preconditioned<AdamW> wrapped(*net, adamw, curvature);
  // What Sgd with rate 1 does in one step is g'; AdamW is then given that.
  SgdOptions unit;
  unit.learning_rate = 1.0;
  Preconditioned<Sgd> shower(*twin, unit, curvature);
  AdamW plain(*by_hand, adamw);
  for (int step = 0; step < 3; ++step) {
    for (std::size_t i = 0; i < net->parameters().size(); ++i) {
      twin->parameters()[i].copy_from(net->parameters()[i]);
      by_hand->parameters()[i].copy_from(net->parameters()[i]);
    }
    const Data data = random_data(4, static_cast<std::uint64_t>(30 + step));
    for (auto [module, optimizer] :
         {std::pair<ThorNet*, Optimizer*>{net.get(), &wrapped},
          std::pair<ThorNet*, Optimizer*>{twin.get(), &shower}}) {
      optimizer->zero_grad();
      cross_entropy((*module)(data.x), data.y).backward();
      optimizer->step();
    }
    plain.zero_grad();
    for (std::size_t i = 0; i < by_hand->parameters().size(); ++i) {
      const Tensor p = by_hand->parameters()[i];
      p.set_grad((p.detach() - twin->parameters()[i].detach()).to(p.layout()));
    }
    plain.step();
    const Doubles got = weights_of(*net), want = weights_of(*by_hand);
    for (std::size_t i = 0; i < got.size(); ++i) {
      // The difference of weights of size 1 has lost some digits of g'.
      ASSERT_NEAR(got[i], want[i], 1e-8) << "step " << step << ", " << i;
    }
  }
}

TEST(Preconditioned, RefusesOptionsOutsideTheirDomain) {
  const auto net = make_net();
  const auto refused = [&](auto change) {
    PreconditionedOptions o;
    change(o);
    EXPECT_THROW(Preconditioned<Sgd>(*net, SgdOptions{}, o), ValueError);
  };
  refused([](PreconditionedOptions& o) { o.damping = -1.0; });
  refused([](PreconditionedOptions& o) { o.frequency = 0; });
  refused([](PreconditionedOptions& o) { o.running_average = 1.0; });
  refused([](PreconditionedOptions& o) { o.loss_scale = 0.0; });
  refused([](PreconditionedOptions& o) { o.split_dim = -1; });
  refused([](PreconditionedOptions& o) { o.step_length.kl_clip = -1.0; });
}

}  // namespace
}  // namespace mjolnir::optim

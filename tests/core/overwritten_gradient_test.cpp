// A gradient's memory may become that of the next one, where nobody sees it.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/reduce.h>

namespace mjolnir {
namespace {

using Floats = std::vector<float>;
using Op = std::function<Tensor(const Tensor&)>;

// Ops that write their gradient into the place of the one they get.
std::vector<Op> overwriting_ops() {
  const auto norm = [](const Tensor& x, const Tensor& addend) {
    BatchNormOptions options;
    options.training = true;
    return batch_norm_relu(x, Tensor(), Tensor(), Tensor(), Tensor(), options,
                           addend);
  };
  return {
      [](const Tensor& x) { return relu(x); },
      [](const Tensor& x) { return exp(x); },
      [norm](const Tensor& x) { return norm(x, Tensor()); },
      [norm](const Tensor& x) { return norm(x * 2.0, x); },
      [norm](const Tensor& x) { return norm(x * 2.0, x.detach()); },
      [norm](const Tensor& x) { return norm(x.detach(), x); },
  };
}

Tensor input() {
  Tensor x = Tensor::from<float>({-1, 2, 3, -4, 5, 0.5f, 7, -8}, {4, 2});
  x.set_requires_grad(true);
  return x;
}

Tensor weights() {
  return Tensor::from<float>({1, -2, 3, 4, -5, 6, 7, 8}, {4, 2});
}

// The gradient of x where nobody keeps any of those on the way.
Floats gradient(const Op& op) {
  const Tensor x = input();
  sum(op(x) * weights()).backward();
  return x.grad().to_vector<float>();
}

TEST(OverwrittenGradient, IsNotOneThatTheCallerGave) {
  for (const Op& op : overwriting_ops()) {
    const Tensor x = input(), dy = weights();
    BackwardOptions options;
    options.gradient = dy;
    op(x).backward(options);
    EXPECT_EQ(dy.to_vector<float>(), weights().to_vector<float>());
    EXPECT_EQ(x.grad().to_vector<float>(), gradient(op));
  }
}

TEST(OverwrittenGradient, IsNotOneThatAHookOrATapKeeps) {
  for (const Op& op : overwriting_ops()) {
    const Tensor x = input();
    const Tensor y = op(x);
    Tensor hooked, tapped;
    y.on_gradient([&](const Tensor& dy) {
      hooked = dy;
      return Tensor();
    });
    sum(y * weights()).backward();
    EXPECT_EQ(hooked.to_vector<float>(), weights().to_vector<float>());
    const Tensor z = op(x);
    on_backward(z, [&](const Tensor& dy, const BackwardPass&) { tapped = dy; });
    sum(z * weights()).backward();
    EXPECT_EQ(tapped.to_vector<float>(), weights().to_vector<float>());
  }
}

TEST(OverwrittenGradient, IsNotOneThatIsAskedFor) {
  for (const Op& op : overwriting_ops()) {
    const Tensor x = input();
    const Tensor y = op(x);
    const auto gradients = grad({sum(y * weights())}, {y, x});
    EXPECT_EQ(gradients[0].to_vector<float>(), weights().to_vector<float>());
    EXPECT_EQ(gradients[1].to_vector<float>(), gradient(op));
  }
}

// An addition hands one tensor to both of its terms.
TEST(OverwrittenGradient, IsNotOneThatAnotherOpGetsToo) {
  for (const Op& op : overwriting_ops()) {
    const Tensor a = input(), b = input();
    sum((op(a) + relu(b)) * weights()).backward();
    EXPECT_EQ(a.grad().to_vector<float>(), gradient(op));
    EXPECT_EQ(b.grad().to_vector<float>(),
              gradient([](const Tensor& x) { return relu(x); }));
  }
}

TEST(OverwrittenGradient, IsTheSameTwiceThroughARetainedGraph) {
  for (const Op& op : overwriting_ops()) {
    const Tensor x = input();
    const Tensor loss = sum(op(x) * weights());
    BackwardOptions options;
    options.retain_graph = true;
    for (int call = 0; call < 2; ++call) {
      x.zero_grad();
      loss.backward(options);
      EXPECT_EQ(x.grad().to_vector<float>(), gradient(op));
    }
  }
}

TEST(OverwrittenGradient, TakesNoMemoryOfItsOwn) {
  const std::size_t bytes = 1 << 20;
  const Tensor x = Tensor::ones({1 << 18});
  x.set_requires_grad(true);
  const Tensor y = relu(x);
  const Tensor loss = sum(relu(relu(relu(y))));
  reset_allocator_peak();
  const std::size_t before = allocator_statistics().in_use;
  loss.backward();
  // One gradient, which becomes that of x.
  EXPECT_LT(allocator_statistics().peak - before, bytes + bytes / 2);
}

}  // namespace
}  // namespace mjolnir

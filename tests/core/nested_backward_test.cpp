// Backward calls made by the hooks and backward functions of another one.
#include <gtest/gtest.h>

#include "tests/core/tape_ops.h"

namespace mjolnir {
namespace {

using tape::error_of;
using tape::leaf;
using tape::product;
using tape::total;
using tape::Values;

Tensor cube(const Tensor& x) {
  const EnableGrad recorded;
  return total(product(product(x, x), x));
}

TEST(NestedBackward, AHookMayDifferentiateAnotherLossOfTheSameLeaf) {
  const Tensor w = leaf({2, 3});
  const Tensor h = product(w, w);
  Values inner;
  h.on_gradient([&](const Tensor&) {
    inner = grad({cube(w)}, {w})[0].to_vector<double>();
    return Tensor();
  });
  total(h).backward();
  EXPECT_EQ(inner, (Values{12, 27}));
  EXPECT_EQ(w.grad().to_vector<double>(), (Values{4, 6}));
}

TEST(NestedBackward, BothAccumulate) {
  const Tensor w = leaf({2, 3});
  const Tensor h = product(w, w);
  h.on_gradient([&](const Tensor&) {
    cube(w).backward();
    return Tensor();
  });
  total(product(h, w)).backward();
  EXPECT_EQ(w.grad().to_vector<double>(), (Values{24, 54}));
}

// w has part of its gradient when the hook runs, and waits for the rest.
TEST(NestedBackward, LeavesTheOuterSumAlone) {
  const Tensor w = leaf({2, 3});
  const Tensor first = product(w, Tensor::from<double>({1, 1}, {2}));
  first.on_gradient([&](const Tensor&) {
    cube(w).backward();
    w.zero_grad();
    return Tensor();
  });
  const Tensor loss = total(product(first, product(w, w)));
  loss.backward();
  EXPECT_EQ(w.grad().to_vector<double>(), (Values{12, 27}));
}

TEST(NestedBackward, AnInputThatTheInnerOneDoesNotReachIsStillTheOuters) {
  const Tensor w = leaf({2, 3});
  const Tensor v = leaf({5, 7});
  const Tensor h = product(w, w);
  h.on_gradient([&](const Tensor&) {
    GradOptions options;
    options.allow_unused = true;
    const std::vector<Tensor> d = grad({cube(v)}, {v, w}, options);
    EXPECT_EQ(d[0].to_vector<double>(), (Values{75, 147}));
    EXPECT_FALSE(d[1].defined());
    return Tensor();
  });
  EXPECT_EQ(grad({total(h)}, {w})[0].to_vector<double>(), (Values{4, 6}));
}

TEST(NestedBackward, TheHooksThatMakeItAreNotRunAgain) {
  const Tensor w = leaf({2, 3});
  int calls = 0;
  w.on_gradient([&](const Tensor&) {
    ++calls;
    return grad({cube(w)}, {w})[0];
  });
  total(w).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(w.grad().to_vector<double>(), (Values{12, 27}));
  total(w).backward();
  EXPECT_EQ(calls, 2);
}

TEST(NestedBackward, MustNotRunTheGraphThatCalledIt) {
  const Tensor x = leaf({3});
  const Tensor y = product(x, x);
  const Tensor loss = total(y);
  y.on_gradient([&](const Tensor&) {
    loss.backward();
    return Tensor();
  });
  BackwardOptions keep;
  for (const bool retain : {true, false}) {
    keep.retain_graph = retain;
    const std::string text = error_of([&] { loss.backward(keep); });
    EXPECT_EQ(text.find("[backward] op total is already part of a running"), 0u)
        << text;
    EXPECT_NE(text.find("hook"), std::string::npos);
    EXPECT_FALSE(x.grad().defined());
  }
}

TEST(NestedBackward, MayUseResultsOfThatGraphAsTheyAre) {
  const Tensor x = leaf({3});
  const Tensor v = leaf({5});
  const Tensor y = product(x, x);
  y.on_gradient([&](const Tensor&) {
    const EnableGrad recorded;
    EXPECT_EQ(grad({total(product(y, v))}, {v})[0].item(), 9);
    EXPECT_EQ(grad({total(product(y, v))}, {y})[0].item(), 5);
    const std::string text =
        error_of([&] { grad({total(product(y, v))}, {x}); });
    EXPECT_EQ(text.find("[grad] op product is already part"), 0u) << text;
    return Tensor();
  });
  total(y).backward();
  EXPECT_EQ(x.grad().item(), 6);
}

TEST(NestedBackward, AnErrorInItLeavesNoTrace) {
  const Tensor w = leaf({2});
  const Tensor h = product(w, w);
  h.on_gradient([&](const Tensor&) {
    const Tensor inner = cube(w);
    w.detach().fill(2);
    return grad({inner}, {w})[0];
  });
  EXPECT_NE(error_of([&] { total(h).backward(); }).find("changed"),
            std::string::npos);
  total(product(w, w)).backward();
  EXPECT_EQ(w.grad().item(), 4);
}

// Checkpointing: the forward pass is done again in the backward pass.
TEST(NestedBackward, ABackwardFunctionMayDifferentiate) {
  const Tensor w = leaf({2, 3});
  const Tensor value = product(product(w, w), w).detach();
  const Tensor y = make_op(
      "checkpoint", {w}, value, [w](const Tensor& dy, const BackwardContext&) {
        const EnableGrad recorded;
        GradOptions options;
        options.grad_outputs = {dy};
        return grad({product(product(w, w), w)}, {w}, options);
      });
  total(product(y, w)).backward();  // 4 w^3
  EXPECT_EQ(w.grad().to_vector<double>(), (Values{32, 108}));
}

}  // namespace
}  // namespace mjolnir

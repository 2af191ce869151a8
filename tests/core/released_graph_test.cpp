// What may still be asked of a graph that has run.
#include <gtest/gtest.h>

#include "core/detail/tensor_impl.h"
#include "tests/core/tape_ops.h"

namespace mjolnir {
namespace {

using tape::error_of;
using tape::leaf;
using tape::product;
using tape::total;
using tape::Values;

TEST(ReleasedGraph, APartOfItIsReportedByTheCallThatNeedsIt) {
  const Tensor x = leaf({2});
  const Tensor shared = product(x, x);
  const Tensor first = total(shared);
  const Tensor second = total(product(shared, shared));
  first.backward();
  const std::string text = error_of([&] { second.backward(); });
  EXPECT_EQ(text.find("[backward] the graph of op product was already "
                      "released"),
            0u)
      << text;
  const std::string other = error_of([&] { grad({second}, {x}); });
  EXPECT_EQ(other.find("[grad] the graph of op product was already released"),
            0u)
      << other;
}

TEST(ReleasedGraph, IsNoErrorWhereItNeedNotRun) {
  const Tensor x = leaf({2, 3});
  const Tensor w = leaf({5, 7});
  const Tensor features = product(x, x);
  total(features).backward();
  const std::vector<Tensor> d = grad({total(product(features, w))}, {w});
  EXPECT_EQ(d[0].to_vector<double>(), (Values{4, 9}));
  EXPECT_EQ(x.grad().to_vector<double>(), (Values{4, 6}));
}

// The gradient through `features` is gone: the rest alone would be wrong.
TEST(ReleasedGraph, IsAnErrorWhereAnotherPathReachesTheSameInput) {
  const Tensor x = leaf({2, 3});
  const Tensor w = leaf({5, 7});
  const Tensor features = product(product(x, w), x);
  total(features).backward();
  for (const bool unused : {false, true}) {
    GradOptions options;
    options.allow_unused = unused;
    const std::string text =
        error_of([&] { grad({total(product(features, w))}, {w}, options); });
    EXPECT_EQ(text.find("[grad] the graph of op product was already"), 0u)
        << text;
  }
}

TEST(ReleasedGraph, OfGradIsOnlyWhatItRan) {
  const Tensor x = leaf({2, 3});
  const Tensor y = product(x, x);
  const Tensor z = product(y, y);
  EXPECT_EQ(grad({total(z)}, {y})[0].to_vector<double>(), (Values{8, 18}));
  EXPECT_EQ(grad({total(y)}, {x})[0].to_vector<double>(), (Values{4, 6}));
  EXPECT_NE(error_of([&] { grad({total(z)}, {x}); }).find("released"),
            std::string::npos);
}

TEST(ReleasedGraph, ALossThatIsKeptKeepsNoNodeBelow) {
  const Tensor x = leaf({2, 3});
  const Tensor w = leaf({5, 7});
  std::vector<std::weak_ptr<detail::Node>> nodes;
  std::weak_ptr<detail::Node> held;
  Tensor loss;
  Tensor middle;
  {
    Tensor y = x;
    for (int i = 0; i < 6; ++i) {
      y = product(product(y, w), x);
      if (i == 3) {
        middle = y;
        held = y.impl()->producer;
      } else {
        nodes.push_back(y.impl()->producer);
      }
    }
    loss = total(y);
  }
  loss.backward();
  for (const auto& node : nodes) EXPECT_TRUE(node.expired());
  EXPECT_FALSE(held.expired());
  // And what is left still knows what it depends on.
  const Tensor other = leaf({1, 1});
  EXPECT_EQ(grad({total(product(middle, other))}, {other})[0].numel(), 2);
  EXPECT_NE(error_of([&] { grad({loss}, {w}); }).find("released"),
            std::string::npos);
  GradOptions options;
  options.allow_unused = true;
  EXPECT_FALSE(grad({loss}, {other}, options)[0].defined());
}

TEST(ReleasedGraph, AnErrorInTheMiddleLeavesWhatWasDone) {
  const Tensor a = leaf({2});
  const Tensor b = leaf({3});
  const Tensor early = product(b, b);  // recorded first, so it runs last
  const Tensor late = product(a, Tensor::from<double>({5}, {1}));
  const Tensor loss = total(product(early, late));
  BackwardOptions keep;
  keep.retain_graph = true;
  b.detach().fill(4);
  EXPECT_NE(error_of([&] { loss.backward(keep); }).find("changed"),
            std::string::npos);
  EXPECT_EQ(a.grad().item(), 45);  // 5 b^2
  EXPECT_FALSE(b.grad().defined());
}

}  // namespace
}  // namespace mjolnir

// A leaf's gradient comes in the leaf's memory layout, wherever it is seen.
#include <gtest/gtest.h>

#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

namespace mjolnir {
namespace {

const Shape shape{2, 3, 2, 5};

std::vector<float> counted() {
  std::vector<float> values;
  for (int i = 0; i < 60; ++i) values.push_back(static_cast<float>(i));
  return values;
}

Tensor leaf(Layout layout) {
  const Tensor x = Tensor::from(counted(), shape, layout);
  return x.set_requires_grad(true);
}

Layout other(Layout layout) {
  return layout == Layout::RowMajor ? Layout::ChannelsLast : Layout::RowMajor;
}

// An op whose gradient comes in the layout that x does not have.
Tensor crossing(const Tensor& x) {
  return make_op("crossing", {x}, x.clone(),
                 [](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{dy.to(other(dy.layout()))};
                 });
}

class GradientLayout : public ::testing::TestWithParam<Layout> {};

TEST_P(GradientLayout, OfGrad) {
  const Tensor p = leaf(GetParam());
  const Tensor half = mul(crossing(p), crossing(p));
  for (const bool create_graph : {true, false}) {
    GradOptions options;
    options.create_graph = create_graph;
    const Tensor g = grad({sum(mul(half, 0.5))}, {p}, options)[0];
    EXPECT_EQ(g.layout(), GetParam());
    EXPECT_EQ(g.to_vector<float>(), counted());
    if (create_graph) {
      EXPECT_EQ(grad({sum(g)}, {p}, options)[0].layout(), GetParam());
    }
  }
}

TEST_P(GradientLayout, OfAnUnusedInput) {
  const Tensor p = leaf(GetParam());
  const Tensor y = make_op("none", {p}, Tensor::scalar(1),
                           [](const Tensor&, const BackwardContext&) {
                             return std::vector<Tensor>(1);
                           });
  EXPECT_EQ(grad({y}, {p})[0].layout(), GetParam());
}

TEST_P(GradientLayout, OfHooksAndOfWhatTheyReturn) {
  const Tensor p = leaf(GetParam());
  std::vector<Layout> seen;
  for (int i = 0; i < 2; ++i) {
    p.on_gradient([&](const Tensor& g) {
      seen.push_back(g.layout());
      return mul(g, 2.0).to(other(g.layout()));
    });
  }
  const Tensor g = grad({sum(crossing(p))}, {p})[0];
  EXPECT_EQ(g.layout(), GetParam());
  sum(crossing(p)).backward();
  EXPECT_EQ(p.grad().layout(), GetParam());
  EXPECT_EQ(p.grad().to_vector<float>(), std::vector<float>(60, 4.0f));
  EXPECT_EQ(seen, std::vector<Layout>(4, GetParam()));
}

TEST_P(GradientLayout, OfSetGrad) {
  const Tensor p = leaf(GetParam());
  p.set_grad(Tensor::from(counted(), shape, other(GetParam())));
  EXPECT_EQ(p.grad().layout(), GetParam());
  EXPECT_EQ(p.grad().to_vector<float>(), counted());
  p.set_grad(Tensor());
  EXPECT_FALSE(p.grad().defined());
}

INSTANTIATE_TEST_SUITE_P(Layouts, GradientLayout,
                         ::testing::Values(Layout::RowMajor,
                                           Layout::ChannelsLast));

}  // namespace
}  // namespace mjolnir

#include <mjolnir/core/adopt.h>
#include <mjolnir/core/autograd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/core/tape_ops.h"

namespace mjolnir {
namespace {

using tape::error_of;
using tape::exponential;
using tape::leaf;
using tape::product;
using tape::total;
using tape::Values;

TEST(Autograd, GradientOfAReusedTensorIsTheSum) {
  const Tensor x = leaf({2, 3});
  total(product(product(x, x), x)).backward();  // 3 x^2
  EXPECT_EQ(x.grad().to_vector<double>(), (Values{12, 27}));
}

TEST(Autograd, BackwardAccumulatesAndZeroGradForgets) {
  const Tensor x = leaf({2, 3});
  total(product(x, x)).backward();
  total(product(x, x)).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (Values{8, 12}));
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, AccumulatingLeavesAGradientSomebodyHolds) {
  const Tensor x = leaf({2, 3});
  total(product(x, x)).backward();
  const Tensor held = x.grad();
  total(product(x, x)).backward();
  EXPECT_EQ(held.to_vector<double>(), (Values{4, 6}));
}

TEST(Autograd, GradientsOfTwoLeavesNeverShareABuffer) {
  const Tensor x = leaf({2, 3});
  const Tensor y = leaf({5, 7});
  const Tensor sum = Tensor::from<double>({7, 10}, {2});
  total(make_op("plus", {x, y}, sum,
                [](const Tensor& dy, const BackwardContext&) {
                  return std::vector<Tensor>{dy, dy};
                }))
      .backward();
  EXPECT_FALSE(x.grad().shares_buffer_with(y.grad()));
}

TEST(Autograd, ThirdDerivative) {
  const Tensor x = leaf({0.5});
  GradOptions options;
  options.create_graph = true;
  Tensor d = total(exponential(product(x, x)));
  for (int i = 0; i < 3; ++i) d = total(grad({d}, {x}, options)[0]);
  // d3/dx3 exp(x^2) = (8 x^3 + 12 x) exp(x^2)
  EXPECT_NEAR(d.item(), (8 * 0.125 + 12 * 0.5) * std::exp(0.25), 1e-12);
}

TEST(Autograd, ASavedOutputDoesNotKeepItsGraphAlive) {
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = token;
  {
    const Tensor x = leaf({1});
    const Tensor y = exponential(x);
    on_backward(y, [token](const Tensor&, const BackwardPass&) {});
    token.reset();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Autograd, GradOfAnIntermediateResult) {
  const Tensor x = leaf({2, 3});
  const Tensor y = product(x, x);
  const std::vector<Tensor> d = grad({total(product(y, y))}, {y, x});
  EXPECT_EQ(d[0].to_vector<double>(), (Values{8, 18}));    // 2 y
  EXPECT_EQ(d[1].to_vector<double>(), (Values{32, 108}));  // 4 x^3
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, SeveralOutputsAddUp) {
  const Tensor x = leaf({2, 3});
  const Tensor a = total(x);
  const Tensor b = total(product(x, x));
  GradOptions options;
  options.grad_outputs = {Tensor::scalar(10, DType::F64),
                          Tensor::scalar(1, DType::F64)};
  EXPECT_EQ(grad({a, b}, {x}, options)[0].to_vector<double>(),
            (Values{14, 16}));
}

TEST(Autograd, UnusedInputIsAnErrorUnlessAllowed) {
  const Tensor x = leaf({2});
  const Tensor other = leaf({3});
  EXPECT_NE(error_of([&] { grad({total(x)}, {other}); }).find("input 0"),
            std::string::npos);
  GradOptions options;
  options.allow_unused = true;
  EXPECT_FALSE(grad({total(x)}, {other}, options)[0].defined());
}

TEST(Autograd, NamedErrors) {
  const Tensor x = leaf({2, 3});
  EXPECT_NE(error_of([&] { product(x, x).backward(); }).find("(2)"),
            std::string::npos);
  EXPECT_NE(
      error_of([&] { Tensor::scalar(1).backward(); }).find("not connected"),
      std::string::npos);
  const Tensor loss = total(product(x, x));
  loss.backward();
  EXPECT_NE(error_of([&] { loss.backward(); }).find("released"),
            std::string::npos);
  EXPECT_NE(error_of([&] { loss.set_requires_grad(true); }).find("leaf"),
            std::string::npos);
  EXPECT_NE(error_of([&] { x.set_grad(Tensor::scalar(1)); }).find("(2)"),
            std::string::npos);
}

TEST(Autograd, RefusalsOfCallsThatMakeNoSense) {
  const Tensor x = leaf({2, 3});
  const Tensor loss = total(product(x, x));
  GradOptions two;
  two.grad_outputs = {Tensor(), Tensor()};
  EXPECT_NE(error_of([&] {
              grad({loss}, {x}, two);
            }).find("[grad] expected one gradient per output (1), got 2"),
            std::string::npos);
  const Tensor plain = Tensor::ones({2});
  EXPECT_NE(error_of([&] {
              plain.on_gradient([](const Tensor&) { return Tensor(); });
            }).find("[on_gradient] no gradient flows"),
            std::string::npos);
  BackwardOptions both;
  both.curvature_only = true;
  both.create_graph = true;
  const std::string text = error_of([&] { loss.backward(both); });
  EXPECT_NE(text.find("[backward] curvature_only"), std::string::npos) << text;
  EXPECT_NE(text.find("create_graph"), std::string::npos) << text;
  const Tensor labels = Tensor::zeros({2}, {DType::I64, Layout::RowMajor});
  EXPECT_NE(error_of([&] {
              labels.set_requires_grad(true);
            }).find("[set_requires_grad] expected f32 or f64, got i64"),
            std::string::npos);
}

TEST(Autograd, RetainedGraphRunsAgain) {
  const Tensor x = leaf({2});
  const Tensor loss = total(product(x, x));
  BackwardOptions options;
  options.retain_graph = true;
  loss.backward(options);
  loss.backward();
  EXPECT_EQ(x.grad().item(), 8);
}

TEST(Autograd, AChangedBufferIsReported) {
  const Tensor x = leaf({2, 3});
  const Tensor loss = total(product(x, x));
  x.detach().fill(1);
  const std::string text = error_of([&] { loss.backward(); });
  EXPECT_NE(text.find("[product]"), std::string::npos) << text;
  EXPECT_NE(text.find("changed"), std::string::npos) << text;
}

TEST(Autograd, NoGradRecordsNothing) {
  const Tensor x = leaf({2});
  const NoGrad guard;
  EXPECT_FALSE(product(x, x).requires_grad());
  const EnableGrad inner;
  EXPECT_TRUE(product(x, x).requires_grad());
}

TEST(Autograd, HooksSeeTheCompleteGradientOnce) {
  const Tensor x = leaf({3});
  const Tensor y = product(x, x);
  int calls = 0;
  y.on_gradient([&](const Tensor& dy) {
    ++calls;
    EXPECT_EQ(dy.item(), 18);  // d(y*y)/dy = 2 y
    return Tensor::from<double>({1}, {1});
  });
  Values leaf_saw;
  HookHandle handle = x.on_gradient([&](const Tensor& dx) {
    leaf_saw.push_back(dx.item());
    return Tensor();
  });
  BackwardOptions keep;
  keep.retain_graph = true;
  const Tensor loss = total(product(y, y));
  loss.backward(keep);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.grad().item(), 6);  // the hook made dy 1
  handle.remove();
  loss.backward();
  EXPECT_EQ(leaf_saw, Values{6});
}

TEST(Autograd, AHookMustKeepTheShape) {
  const Tensor x = leaf({3, 4});
  const Tensor y = product(x, x);
  y.on_gradient([](const Tensor&) { return Tensor::scalar(1, DType::F64); });
  EXPECT_THROW(total(y).backward(), ShapeError);
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, TapsRunInTheirPassesOnly) {
  const Tensor x = leaf({3});
  const Tensor y = product(x, x);
  std::vector<Purpose> seen;
  std::vector<std::uint64_t> ids;
  on_backward(y, [&](const Tensor& dy, const BackwardPass& pass) {
    EXPECT_EQ(dy.item(), 1);
    seen.push_back(pass.purpose);
    ids.push_back(pass.id);
  });
  int hooks = 0;
  x.on_gradient([&](const Tensor&) {
    ++hooks;
    return Tensor();
  });
  const Tensor loss = total(y);
  BackwardOptions curvature;
  curvature.curvature_only = true;
  curvature.retain_graph = true;
  loss.backward(curvature);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_EQ(hooks, 0);
  GradOptions quiet;
  quiet.create_graph = true;
  grad({loss}, {x}, quiet);
  loss.backward();
  EXPECT_EQ(seen,
            (std::vector<Purpose>{Purpose::Curvature, Purpose::Training}));
  EXPECT_NE(ids[0], ids[1]);
}

TEST(Autograd, MakeOpChecksItsBackwardFunction) {
  const Tensor x = leaf({3, 4});
  const auto with = [&](std::vector<Tensor> result) {
    return error_of([&] {
      total(make_op("mine", {x}, x.clone(),
                    [result](const Tensor&, const BackwardContext&) {
                      return result;
                    }))
          .backward();
    });
  };
  EXPECT_NE(with({}).find("[mine]"), std::string::npos);
  EXPECT_NE(with({Tensor::scalar(1, DType::F64)}).find("[mine]"),
            std::string::npos);
  EXPECT_NE(with({Tensor::ones({2})}).find("f32"), std::string::npos);
}

TEST(Autograd, MakeOpChecksWhatItIsGiven) {
  const Tensor x = leaf({3, 4});
  const Tensor plain = Tensor::zeros_like(x);
  const BackwardFunction same = [](const Tensor& dy, const BackwardContext&) {
    return std::vector<Tensor>{dy, dy};
  };
  EXPECT_NE(error_of([&] {
              make_op("mine", {x}, x.clone(), nullptr);
            }).find("[mine] make_op got no backward function"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              make_op("mine", {x}, product(x, x), same);
            }).find("[mine] the output of make_op must be fresh"),
            std::string::npos);
  // An input that wants no gradient itself would become its own producer.
  EXPECT_NE(error_of([&] {
              make_op("mine", {plain, x}, plain, same);
            }).find("[mine] the output of make_op must be fresh"),
            std::string::npos);
  EXPECT_FALSE(plain.requires_grad());
  const Tensor counts = Tensor::zeros({2}, {DType::I64, Layout::RowMajor});
  EXPECT_NE(error_of([&] {
              make_op("mine", {x}, counts, same);
            }).find("[mine] a recorded op must give f32 or f64, got i64"),
            std::string::npos);
}

TEST(Autograd, GradientsOnMemoryOfOthersAreNotWrittenTo) {
  const auto memory = std::make_shared<Values>(3, 1.0);
  const Tensor x = leaf({1, 1, 1});
  const auto external = [&] {
    return total(make_op("external", {x}, x.clone(),
                         [memory](const Tensor&, const BackwardContext&) {
                           return std::vector<Tensor>{
                               adopt(memory->data(), {3}, DType::F64, memory)};
                         }));
  };
  external().backward();
  external().backward();
  EXPECT_EQ(*memory, Values(3, 1.0));
  EXPECT_EQ(x.grad().to_vector<double>(), Values(3, 2.0));
  grad({external(), external()}, {x});
  EXPECT_EQ(*memory, Values(3, 1.0));
}

TEST(Autograd, AnUndefinedGradientIsZero) {
  const Tensor x = leaf({3});
  const Tensor y = make_op("stop", {x}, x.clone(),
                           [](const Tensor&, const BackwardContext&) {
                             return std::vector<Tensor>(1);
                           });
  const Tensor loss = total(y);
  EXPECT_EQ(grad({loss}, {x})[0].item(), 0);
}

// Recursion over the nodes would need more than the 8 MB of a usual stack; less
// is enough for that, and for a sanitizer's time, where frames are larger.
#ifdef __SANITIZE_ADDRESS__
constexpr int length = 100000;
#else
constexpr int length = 500000;
#endif

TEST(Autograd, AChainOfHalfAMillionNodes) {
  const Tensor x = leaf({1});
  const Tensor one = Tensor::from<double>({1}, {1});
  {
    Tensor y = x;
    for (int i = 0; i < length; ++i) y = product(y, one);
    const Tensor loss = total(y);
    loss.backward();
    EXPECT_EQ(x.grad().item(), 1);
  }
  Tensor y = x;  // and one that is dropped without having run
  for (int i = 0; i < length; ++i) y = product(y, one);
}

TEST(Autograd, CreateGraphOnBackwardRecordsTheGradient) {
  const Tensor x = leaf({3});
  BackwardOptions options;
  options.create_graph = true;
  total(product(product(x, x), x)).backward(options);
  const Tensor first = x.grad();
  EXPECT_EQ(first.item(), 27);
  EXPECT_EQ(grad({total(first)}, {x})[0].item(), 18);
  x.zero_grad();  // grad() holds the graph that holds x
}

TEST(Autograd, CastAndLayoutAreDifferentiable) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4}, {1, 2, 1, 2});
  x.set_requires_grad(true);
  const Tensor y = x.to(Layout::ChannelsLast).to(DType::F64);
  BackwardOptions options;
  options.gradient = Tensor::from<double>({5, 6, 7, 8}, {1, 2, 1, 2});
  y.backward(options);
  EXPECT_EQ(x.grad().layout(), Layout::RowMajor);
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{5, 6, 7, 8}));
}

TEST(Autograd, AFrozenLeafGetsNothing) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({2});
  w.set_requires_grad(false);
  total(product(x, w)).backward();
  EXPECT_FALSE(w.grad().defined());
  EXPECT_EQ(x.grad().item(), 2);
}

}  // namespace
}  // namespace mjolnir

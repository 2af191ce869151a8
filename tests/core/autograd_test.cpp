#include <mjolnir/core/autograd.h>

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>

namespace mjolnir {
namespace {

using Values = std::vector<double>;

Tensor leaf(const Values& values) {
  const Tensor x =
      Tensor::from(values, {static_cast<std::int64_t>(values.size())});
  return x.set_requires_grad(true);
}

// Three small ops of this test's own, so that the tape is tested alone.
Tensor product(const Tensor& a, const Tensor& b) {
  const Tensor y = Tensor::empty_like(a);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    y.mutable_data<double>()[i] = a.data<double>()[i] * b.data<double>()[i];
  }
  return make_op("product", {a, b}, y,
                 [sa = Saved(a), sb = Saved(b)](const Tensor& dy,
                                                const BackwardContext& c) {
                   std::vector<Tensor> d(2);
                   if (c.needs(0)) d[0] = product(dy, sb.get());
                   if (c.needs(1)) d[1] = product(dy, sa.get());
                   return d;
                 });
}

Tensor exponential(const Tensor& x) {
  const Tensor y = Tensor::empty_like(x);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    y.mutable_data<double>()[i] = std::exp(x.data<double>()[i]);
  }
  return make_op(
      "exponential", {x}, y,
      [sy = Saved::output(y)](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{product(dy, sy.get())};
      });
}

Tensor spread(const Tensor& x, std::int64_t n);

Tensor total(const Tensor& x) {
  double sum = 0;
  for (const double v : x.to_vector<double>()) sum += v;
  const std::int64_t n = x.numel();
  return make_op("total", {x}, Tensor::scalar(sum, DType::F64),
                 [n](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{spread(dy, n)};
                 });
}

Tensor spread(const Tensor& x, std::int64_t n) {
  TensorOptions f64;
  f64.dtype = DType::F64;
  return make_op("spread", {x}, Tensor::full({n}, x.item(), f64),
                 [](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{total(dy)};
                 });
}

// The message of the Error that f throws.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

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

TEST(Autograd, RetainedGraphRunsAgain) {
  const Tensor x = leaf({2});
  const Tensor loss = total(product(x, x));
  BackwardOptions options;
  options.retain_graph = true;
  loss.backward(options);
  loss.backward();
  EXPECT_EQ(x.grad().item(), 8);
}

TEST(Autograd, APartOfAReleasedGraphIsReported) {
  const Tensor x = leaf({2});
  const Tensor shared = product(x, x);
  const Tensor first = total(shared);
  const Tensor second = total(product(shared, shared));
  first.backward();
  EXPECT_NE(error_of([&] { second.backward(); }).find("released"),
            std::string::npos);
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

TEST(Autograd, AHookMustNotRunItsOwnGraph) {
  const Tensor x = leaf({3});
  const Tensor y = product(x, x);
  const Tensor loss = total(y);
  y.on_gradient([&](const Tensor&) {
    loss.backward();
    return Tensor();
  });
  EXPECT_NE(error_of([&] { loss.backward(); }).find("hook"), std::string::npos);
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
  EXPECT_THROW(make_op("mine", {x}, x, nullptr), ValueError);
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

TEST(Autograd, AChainOfAHundredThousandNodes) {
  const Tensor x = leaf({1});
  const Tensor one = Tensor::from<double>({1}, {1});
  {
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) y = product(y, one);
    total(y).backward();
    EXPECT_EQ(x.grad().item(), 1);
  }
  Tensor y = x;  // and one that is dropped without having run
  for (int i = 0; i < 100000; ++i) y = product(y, one);
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

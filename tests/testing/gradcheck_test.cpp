#include <mjolnir/testing/gradcheck.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>

namespace mjolnir::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor random_input(const Shape& shape, std::uint64_t seed = 3) {
  Generator rng(seed);
  TensorOptions options;
  options.dtype = DType::F64;
  return uniform(shape, 0.5, 1.5, rng, options);
}

// y = x^2 whose backward claims dx = factor(x) dy.
CheckedFunction square_with(std::function<Tensor(const Tensor&)> factor) {
  return [factor](const Tensors& in) {
    const Tensor x = in[0];
    Tensor y;
    {
      const NoGrad guard;
      y = mul(x, x);
    }
    return make_op(
        "square", {x}, y,
        [factor, saved = Saved(x)](const Tensor& dy, const BackwardContext&) {
          return Tensors{mul(factor(saved.get()), dy)};
        });
  };
}

TEST(Gradcheck, AcceptsTheRightGradientAndTheRightGradientOfIt) {
  const auto right = square_with([](const Tensor& x) { return mul(x, 2.0); });
  const Tensors x{random_input({2, 3})};
  const GradcheckResult first = check_gradients(right, x);
  EXPECT_TRUE(first) << first.message;
  EXPECT_EQ(first.checked, 6);
  EXPECT_LT(first.worst_error, 1e-8);
  const GradcheckResult second = check_gradients_of_gradients(right, x);
  EXPECT_TRUE(second) << second.message;
  // The input, and the gradient that arrives.
  EXPECT_EQ(second.checked, 12);
}

TEST(Gradcheck, CatchesAGradientThatIsOffByOnePartInAHundredThousand) {
  GradcheckOptions options;
  options.name = "off";
  const GradcheckResult result = check_gradients(
      square_with([](const Tensor& x) { return mul(x, 2.0 * (1.0 + 1e-5)); }),
      {random_input({2, 3})}, options);
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.message,
              ::testing::StartsWith("[gradcheck] off: wrong gradient"));
}

TEST(Gradcheck, ReportsTheWorstInputIndexAndBothNumbers) {
  // Only element (1,0,2) of the second input gets a wrong gradient, 5.
  const CheckedFunction f = [](const Tensors& in) {
    const Tensor y = add(in[0].detach(), in[1].detach());
    return make_op("broken", {in[0], in[1]}, y,
                   [](const Tensor& dy, const BackwardContext&) {
                     const Tensor db = dy.clone();
                     db.mutable_data<double>()[1 * 2 * 3 + 0 * 3 + 2] = 5.0;
                     return Tensors{dy, db};
                   });
  };
  const GradcheckResult result =
      check_gradients(f, {random_input({2, 2, 3}), random_input({2, 2, 3})});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.input, 1u);
  EXPECT_EQ(result.index, "(1,0,2)");
  EXPECT_EQ(result.analytic, 5.0);
  EXPECT_LT(std::abs(result.numeric), 1.0 + 1e-6);
  EXPECT_THAT(result.message, ::testing::HasSubstr("input 1, index (1,0,2)"));
}

TEST(Gradcheck, ReportsLogicalIndicesOfChannelsLastInputs) {
  const CheckedFunction f = [](const Tensors& in) {
    return make_op("broken", {in[0]}, in[0].clone(),
                   [](const Tensor& dy, const BackwardContext&) {
                     const Tensor dx = dy.to(Layout::ChannelsLast).clone();
                     // (0,2,3,1) of (1,3,5,2) lies at ((3*2)+1)*3+2.
                     dx.mutable_data<double>()[23] = 5.0;
                     return Tensors{dx};
                   });
  };
  const GradcheckResult result =
      check_gradients(f, {random_input({1, 3, 5, 2}).to(Layout::ChannelsLast)});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.index, "(0,2,3,1)");
}

TEST(Gradcheck, CatchesAMissingGradientAndNaN) {
  const CheckedFunction constant = [](const Tensors& in) {
    return in[0].detach();
  };
  EXPECT_FALSE(check_gradients(constant, {random_input({3})}).ok);
  const auto nan = square_with([](const Tensor& x) {
    return mul(x, std::numeric_limits<double>::quiet_NaN());
  });
  EXPECT_FALSE(check_gradients(nan, {random_input({3})}).ok);
}

TEST(Gradcheck, CatchesAWrongGradientOfARightGradient) {
  // 2x as a number, so that the graph of the gradient forgets x.
  const auto detached =
      square_with([](const Tensor& x) { return mul(x.detach(), 2.0); });
  const Tensors x{random_input({2, 3})};
  EXPECT_TRUE(check_gradients(detached, x).ok);
  const GradcheckResult second = check_gradients_of_gradients(detached, x);
  EXPECT_FALSE(second.ok);
  EXPECT_THAT(second.message,
              ::testing::HasSubstr("gradient of function: wrong gradient"));
}

TEST(Gradcheck, LeavesFixedInputsAloneAndDrawsElements) {
  const CheckedFunction f = [](const Tensors& in) {
    return mul(in[0], in[1].detach());
  };
  const Tensors x{random_input({20}), random_input({20}, 4)};
  EXPECT_FALSE(check_gradients(f, x).ok);
  GradcheckOptions options;
  options.fixed = {1};
  options.max_elements = 5;
  const GradcheckResult result = check_gradients(f, x, options);
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_EQ(result.checked, 5);
}

TEST(Gradcheck, RefusesWhatItCannotDifference) {
  const CheckedFunction f = [](const Tensors& in) { return neg(in[0]); };
  EXPECT_THROW(check_gradients(f, {Tensor::ones({2})}), ValueError);
  const CheckedFunction narrow = [](const Tensors& in) {
    return in[0].to(DType::F32);
  };
  EXPECT_THROW(check_gradients(narrow, {random_input({2})}), ValueError);
}

TEST(Gradcheck, DoesNotChangeItsInputs) {
  const Tensor x = random_input({2, 3});
  const std::vector<double> before = x.to_vector<double>();
  check_gradients([](const Tensors& in) { return exp(in[0]); }, {x});
  EXPECT_EQ(x.to_vector<double>(), before);
  EXPECT_FALSE(x.requires_grad());
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace mjolnir::testing

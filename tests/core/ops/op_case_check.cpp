#include "tests/core/ops/op_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/random.h>
#include <mjolnir/testing/gradcheck.h>

namespace mjolnir::testing {

namespace {

constexpr double kEps32 = std::numeric_limits<float>::epsilon();

bool is_fixed(const OpCase& c, std::size_t i) {
  return c.inputs[i].fixed.defined();
}

struct Arrangement {
  std::string name;
  std::vector<Layout> layouts;
};

// Row-major; channels-last; and, with several inputs of rank 4, each of them
// alone channels-last.
std::vector<Arrangement> arrangements(const OpCase& c) {
  const std::size_t n = c.inputs.size();
  std::vector<std::size_t> images;
  for (std::size_t i = 0; i < n; ++i) {
    if (c.inputs[i].shape.rank() == 4) images.push_back(i);
  }
  std::vector<Arrangement> result;
  result.push_back({"row-major", std::vector<Layout>(n, Layout::RowMajor)});
  if (images.empty()) return result;
  Arrangement all = result.front();
  all.name = "channels-last";
  for (const std::size_t i : images) all.layouts[i] = Layout::ChannelsLast;
  result.push_back(all);
  if (images.size() < 2) return result;
  for (const std::size_t i : images) {
    Arrangement one = result.front();
    one.name = "input " + std::to_string(i) + " channels-last";
    one.layouts[i] = Layout::ChannelsLast;
    result.push_back(one);
  }
  return result;
}

Tensors arrange(const Tensors& inputs, const Arrangement& how) {
  Tensors result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    result.push_back(inputs[i].to(how.layouts[i]));
  }
  return result;
}

std::vector<double> values_of(const Tensor& x) {
  return x.to(DType::F64).to_vector<double>();
}

// |actual - truth| <= factor terms, element by element.
void expect_near(const std::vector<double>& actual,
                 const std::vector<double>& truth,
                 const std::vector<double>& terms, double factor) {
  ASSERT_EQ(actual.size(), truth.size());
  ASSERT_EQ(terms.size(), truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double allowed = factor * std::max(std::abs(terms[i]), 1e-30);
    ASSERT_LE(std::abs(actual[i] - truth[i]), allowed)
        << "element " << i << ": got " << actual[i] << ", expected "
        << truth[i];
  }
}

std::vector<double> terms_of(const OpCase& c, const Tensors& inputs,
                             const std::vector<double>& truth) {
  if (c.terms) return values_of(c.terms(inputs));
  return truth;
}

void check_values(const OpCase& c, const Tensors& inputs) {
  const NoGrad guard;
  const Tensor y = c.run(inputs);
  const std::vector<double> truth = values_of(y);
  const std::vector<double> terms = terms_of(c, inputs, truth);
  if (c.expected) {
    SCOPED_TRACE("f64 against the definition");
    expect_near(truth, c.expected(inputs), terms, 1e-12);
  }
  const double factor = 8.0 * kEps32 * std::sqrt(c.terms_count);
  for (const Arrangement& how : arrangements(c)) {
    SCOPED_TRACE(how.name);
    {
      SCOPED_TRACE("f64");
      const Tensor other = c.run(arrange(inputs, how));
      EXPECT_EQ(other.shape(), y.shape());
      expect_near(values_of(other), truth, terms, 1e-12);
    }
    for (const Backend backend : {Backend::Auto, Backend::Reference}) {
      SCOPED_TRACE(backend == Backend::Auto ? "f32 fast" : "f32 reference");
      const ScopedBackend scope(backend);
      const Tensor z = c.run(arrange(in_f32(c, inputs), how));
      EXPECT_EQ(z.shape(), y.shape());
      if (is_floating(y.dtype())) {
        EXPECT_EQ(z.dtype(), DType::F32);
      }
      expect_near(values_of(z), truth, terms, factor);
    }
  }
}

// Gradients of the op under a fixed random dy, one vector per input.
std::vector<std::vector<double>> gradients_of(const OpCase& c,
                                              const Tensors& inputs) {
  Tensors leaves, wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(is_fixed(c, i) ? inputs[i] : inputs[i].clone());
    if (is_fixed(c, i)) continue;
    leaves.back().set_requires_grad(true);
    wanted.push_back(leaves.back());
  }
  const Tensor y = c.run(leaves);
  Generator rng(7);
  TensorOptions wide;
  wide.dtype = DType::F64;
  GradOptions how;
  how.allow_unused = true;
  how.grad_outputs = {
      uniform(y.shape(), -1.0, 1.0, rng, wide).to(DType::F32).to(y.dtype())};
  std::vector<std::vector<double>> result;
  const Tensors gradients = grad({y}, wanted, how);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    result.push_back(values_of(
        gradients[i].defined() ? gradients[i] : Tensor::zeros_like(wanted[i])));
  }
  return result;
}

// The f32 gradients of both backends against f64: a sum of as many terms as
// the output has elements, each about as large as the largest gradient.
void check_f32_gradients(const OpCase& c, const Tensors& inputs) {
  const auto truth = gradients_of(c, inputs);
  double count = c.terms_count;
  for (const OpInput& in : c.inputs) {
    count = std::max(count, static_cast<double>(in.shape.numel()));
  }
  for (const Arrangement& how : arrangements(c)) {
    SCOPED_TRACE(how.name);
    for (const Backend backend : {Backend::Auto, Backend::Reference}) {
      SCOPED_TRACE(backend == Backend::Auto ? "f32 fast" : "f32 reference");
      const ScopedBackend scope(backend);
      const auto actual = gradients_of(c, arrange(in_f32(c, inputs), how));
      for (std::size_t i = 0; i < truth.size(); ++i) {
        SCOPED_TRACE("gradient " + std::to_string(i));
        double largest = 1.0;
        for (const double g : truth[i]) {
          largest = std::max(largest, std::abs(g));
        }
        expect_near(actual[i], truth[i],
                    std::vector<double>(truth[i].size(), largest),
                    8.0 * kEps32 * std::sqrt(count));
      }
    }
  }
}

void check_gradient_twice(const OpCase& c, const Tensors& inputs) {
  GradcheckOptions options;
  options.name = c.name;
  if (c.step > 0.0) options.step = c.step;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_fixed(c, i)) options.fixed.push_back(i);
  }
  for (const Arrangement& how : arrangements(c)) {
    SCOPED_TRACE(how.name);
    const Tensors arranged = arrange(inputs, how);
    const GradcheckResult first = check_gradients(c.run, arranged, options);
    EXPECT_TRUE(first.ok) << first.message;
    EXPECT_GT(first.checked, 0);
    const GradcheckResult second =
        check_gradients_of_gradients(c.run, arranged, options);
    EXPECT_TRUE(second.ok) << second.message;
  }
}

void check_refusals(const OpCase& c, const Tensors& inputs) {
  const Tensors floats = in_f32(c, inputs);
  for (const OpError& error : c.errors) {
    SCOPED_TRACE("refusal: " + error.text);
    expect_refusal([&] { error.run(floats); }, error.text);
  }
  if (!c.refuses_dtypes) return;
  std::size_t differentiable = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    differentiable += is_fixed(c, i) ? 0 : 1;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_fixed(c, i)) continue;
    SCOPED_TRACE("dtype of input " + std::to_string(i));
    Tensors wrong = floats;
    wrong[i] = floats[i].to(DType::I64);
    expect_refusal([&] { c.run(wrong); }, "i64");
    if (differentiable < 2) continue;
    wrong[i] = floats[i].to(DType::F64);
    expect_refusal([&] { c.run(wrong); }, "f64");
    expect_refusal([&] { c.run(wrong); }, "f32");
  }
}

}  // namespace

void expect_refusal(const std::function<void()>& call,
                    const std::string& text) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected " << text;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("["));
    EXPECT_THAT(error.what(), ::testing::HasSubstr(text));
  }
}

void check_op_case(const OpCase& c) {
  SCOPED_TRACE(c.name);
  const Tensors inputs = case_inputs(c);
  check_values(c, inputs);
  if (c.differentiable) {
    check_f32_gradients(c, inputs);
    check_gradient_twice(c, inputs);
  }
  check_refusals(c, inputs);
}

}  // namespace mjolnir::testing

// Every case with an empty batch, and with ranks that are not its own.

#include "tests/core/ops/op_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>

namespace mjolnir::testing {
namespace {

Tensors in_dtype(const OpCase& c, const Tensors& inputs, DType dtype) {
  Tensors result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool fixed = c.inputs[i].fixed.defined();
    result.push_back(fixed ? inputs[i] : inputs[i].to(dtype).clone());
  }
  return result;
}

// The numbers of y, and the gradients of their sum. Memory of that size held
// sevens before, which must not show.
std::vector<std::vector<double>> results_of(const OpCase& c,
                                            const Tensors& inputs) {
  const Tensor first = c.run(inputs);
  Tensors wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (c.inputs[i].fixed.defined() || !c.differentiable) continue;
    inputs[i].set_requires_grad(true);
    wanted.push_back(inputs[i]);
  }
  { const Tensor junk = Tensor::full(first.shape(), 7.0, first.options()); }
  const Tensor y = c.run(inputs);
  std::vector<std::vector<double>> result{
      y.detach().to(DType::F64).to_vector<double>()};
  if (wanted.empty()) return result;
  GradOptions how;
  how.allow_unused = true;
  how.grad_outputs = {Tensor::ones_like(y)};
  const Tensors gradients = grad({y}, wanted, how);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(gradients[i].defined()) << "gradient " << i;
    if (!gradients[i].defined()) continue;
    EXPECT_EQ(gradients[i].shape(), wanted[i].shape()) << "gradient " << i;
    result.push_back(gradients[i].to(DType::F64).to_vector<double>());
  }
  return result;
}

void expect_same(const std::vector<std::vector<double>>& got,
                 const std::vector<std::vector<double>>& truth) {
  ASSERT_EQ(got.size(), truth.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    ASSERT_EQ(got[k].size(), truth[k].size());
    for (std::size_t i = 0; i < got[k].size(); ++i) {
      if (std::isnan(truth[k][i]) && std::isnan(got[k][i])) continue;
      // A sum of few terms of size 1 to 10 at most.
      EXPECT_NEAR(got[k][i], truth[k][i], 1e-4) << "result " << k << ", " << i;
    }
  }
}

void check_empty_batch(const OpCase& c) {
  Tensors empty = case_inputs(c);
  for (const std::size_t i : c.batched) {
    if (empty[i].rank() == 0) return;
    empty[i] = Tensor::empty(empty[i].shape().with(0, 0), {empty[i].dtype()});
  }
  if (!c.empty_text.empty()) {
    for (const DType dtype : {DType::F32, DType::F64}) {
      const Tensors inputs = in_dtype(c, empty, dtype);
      expect_refusal([&] { c.run(inputs); }, c.empty_text);
    }
    return;
  }
  const auto truth = results_of(c, in_dtype(c, empty, DType::F64));
  for (const Backend which : {Backend::Auto, Backend::Reference}) {
    SCOPED_TRACE(which == Backend::Auto ? "f32 fast" : "f32 reference");
    const ScopedBackend scope(which);
    expect_same(results_of(c, in_dtype(c, empty, DType::F32)), truth);
  }
}

// True if the text starts with the name of the case's op in brackets.
bool names_the_op(const OpCase& c, const std::string& text) {
  if (text.empty() || text[0] != '[') return false;
  const std::string name = text.substr(1, text.find(']') - 1);
  return c.name.rfind(name, 0) == 0 ||
         std::count(c.ops.begin(), c.ops.end(), name) > 0;
}

// The first input with an axis more, and as a scalar: it works or is refused
// under the op's own name.
void check_ranks(const OpCase& c) {
  if (c.inputs.front().fixed.defined()) return;
  for (const bool more : {true, false}) {
    SCOPED_TRACE(more ? "an axis more" : "a scalar");
    Tensors inputs = in_f32(c, case_inputs(c));
    std::vector<std::int64_t> lengths;
    if (more) {
      lengths = inputs[0].shape().to_vector();
      lengths.insert(lengths.begin(), 1);
    }
    inputs[0] = Tensor::ones(Shape(lengths));
    try {
      c.run(inputs);
      EXPECT_FALSE(c.one_rank) << "it was not refused";
    } catch (const Error& error) {
      EXPECT_TRUE(names_the_op(c, error.what())) << error.what();
    }
  }
}

}  // namespace

void check_op_case_edges(const OpCase& c) {
  SCOPED_TRACE(c.name);
  if (c.inputs.empty()) return;
  {
    SCOPED_TRACE("an empty batch");
    check_empty_batch(c);
  }
  check_ranks(c);
}

}  // namespace mjolnir::testing

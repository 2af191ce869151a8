// What a closure keeps: an operand whose only use is in a gradient that nobody
// wants may be changed, and is not kept alive.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>

namespace mjolnir {
namespace {

using Inputs = std::vector<Tensor>;

struct SavedCase {
  std::string name;
  std::vector<Shape> shapes;
  std::function<Tensor(const Inputs&)> run;
  // [i]: which inputs the gradient of input i is made of
  std::vector<std::vector<bool>> uses;
};

std::vector<SavedCase> saved_cases() {
  const Shape square{3, 3};
  BatchNormOptions training;
  training.training = true;
  return {
      {"mul",
       {square, square},
       [](const Inputs& x) { return mul(x[0], x[1]); },
       {{false, true}, {true, false}}},
      {"div",
       {square, square},
       [](const Inputs& x) { return div(x[0], x[1]); },
       {{false, true}, {true, true}}},
      {"pow",
       {square, square},
       [](const Inputs& x) { return pow(x[0], x[1]); },
       {{true, true}, {true, false}}},
      {"matmul",
       {square, square},
       [](const Inputs& x) { return matmul(x[0], x[1]); },
       {{false, true}, {true, false}}},
      {"linear",
       {square, square, {3}},
       [](const Inputs& x) { return linear(x[0], x[1], x[2]); },
       {{false, true, false}, {true, false, false}, {false, false, false}}},
      {"cross_entropy",
       {square, square},
       [](const Inputs& x) { return cross_entropy(x[0], x[1]); },
       {{true, true}, {true, false}}},
      {"binary_cross_entropy_with_logits",
       {square, square},
       [](const Inputs& x) {
         return binary_cross_entropy_with_logits(x[0], x[1]);
       },
       {{true, true}, {true, false}}},
      {"batch_norm",
       {square, {3}, {3}},
       [training](const Inputs& x) {
         return batch_norm(x[0], x[1], x[2], Tensor(), Tensor(), training);
       },
       {{true, true, false}, {true, false, false}, {true, false, false}}},
      {"batch_norm_relu",
       {square, {3}, {3}},
       [training](const Inputs& x) {
         return batch_norm_relu(x[0], x[1], x[2], Tensor(), Tensor(), training);
       },
       {{true, true, true}, {true, true, true}, {true, true, true}}},
      {"batch_norm_relu with an addend",
       {square, {3}, {3}, square},
       [training](const Inputs& x) {
         return batch_norm_relu(x[0], x[1], x[2], Tensor(), Tensor(), training,
                                x[3]);
       },
       {{true, true, false, false},
        {true, false, false, false},
        {true, false, false, false},
        {false, false, false, false}}},
      {"layer_norm",
       {square, {3}, {3}},
       [](const Inputs& x) { return layer_norm(x[0], x[1], x[2], 1); },
       {{true, true, false}, {true, false, false}, {true, false, false}}},
  };
}

// Changes input j after the op in which input i wants a gradient.
void check(const SavedCase& c, std::size_t i, std::size_t j) {
  SCOPED_TRACE(c.name + ": gradient of " + std::to_string(i) + ", change of " +
               std::to_string(j));
  Inputs x;
  for (const Shape& shape : c.shapes) x.push_back(Tensor::full(shape, 0.5));
  x[i].set_requires_grad(true);
  const Tensor loss = sum(c.run(x));
  x[j].fill(5.0);
  if (c.uses[i][j]) {
    EXPECT_THAT([&] { loss.backward(); },
                ::testing::ThrowsMessage<ValueError>(
                    ::testing::HasSubstr("was changed")));
  } else {
    EXPECT_NO_THROW(loss.backward());
  }
}

TEST(Saved, WhatNoGradientNeedsMayBeChanged) {
  for (const SavedCase& c : saved_cases()) {
    for (std::size_t i = 0; i < c.shapes.size(); ++i) {
      for (std::size_t j = 0; j < c.shapes.size(); ++j) check(c, i, j);
    }
  }
}

TEST(Saved, TheConstantAloneDecidesTheGradientOfAProduct) {
  const Tensor w = Tensor::full({2}, 3.0);
  w.set_requires_grad(true);
  const Tensor y = mul(w, Tensor::from<float>({4, 7}, {2}));
  w.fill(5.0);
  sum(y).backward();
  EXPECT_EQ(w.grad().to_vector<float>(), (std::vector<float>{4, 7}));
}

}  // namespace
}  // namespace mjolnir

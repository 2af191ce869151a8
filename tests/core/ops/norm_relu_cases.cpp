#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

#include <cmath>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

constexpr double epsilon = 1e-2;
const std::vector<double> mean_of{0.25, -0.5, 0};
const std::vector<double> var_of{0.5, 1, 2};

struct Case {
  std::string name;
  Shape shape;
  bool training, affine, addend;
};

Tensor running(const Tensor& x, const std::vector<double>& values) {
  return Tensor::from(values, {3}).to(x.dtype());
}

// What relu is applied to, element by element in logical order.
std::vector<double> before_relu(const Case& c, const Tensors& in) {
  std::vector<double> y = in[0].to_vector<double>();
  const std::int64_t inner = c.shape.numel() / (c.shape[0] * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (static_cast<std::int64_t>(i) / inner % 3 ==
          static_cast<std::int64_t>(channel)) {
        places.push_back(i);
      }
    }
    double mean = mean_of[channel], variance = var_of[channel];
    if (c.training) {
      const double count = static_cast<double>(places.size());
      mean = variance = 0;
      for (const std::size_t i : places) mean += y[i] / count;
      for (const std::size_t i : places) {
        variance += (y[i] - mean) * (y[i] - mean) / count;
      }
    }
    for (const std::size_t i : places) {
      y[i] = (y[i] - mean) / std::sqrt(variance + epsilon);
      if (c.affine) {
        y[i] = y[i] * in[1].to_vector<double>()[channel] +
               in[2].to_vector<double>()[channel];
      }
    }
  }
  if (c.addend) {
    const std::vector<double> added = in.back().to_vector<double>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += added[i];
  }
  return y;
}

Tensor run(const Case& c, const Tensors& in) {
  BatchNormOptions options;
  options.training = c.training;
  options.epsilon = epsilon;
  return batch_norm_relu(in[0], c.affine ? in[1] : Tensor(),
                         c.affine ? in[2] : Tensor(), running(in[0], mean_of),
                         running(in[0], var_of), options,
                         c.addend ? in.back() : Tensor());
}

// The terms x w s, mean w s, b and the addend.
Tensor terms(const Case& c, const Tensors& in) {
  const bool image = c.shape.rank() == 4;
  const Shape row = image ? Shape{1, 3, 1, 1} : Shape{1, 3};
  VarOptions biased;
  biased.correction = 0;
  biased.keep_dims = true;
  const Tensor spread =
      c.training ? var(in[0], image ? Axes{0, 2, 3} : Axes{0}, biased)
                 : reshape(running(in[0], var_of), row);
  Tensor size = (abs(in[0]) + 0.5) * pow(spread + epsilon, -0.5);
  if (c.affine) size = size * reshape(in[1], row) + reshape(abs(in[2]), row);
  return c.addend ? size + abs(in.back()) : size;
}

OpCase make_case(const Case& c) {
  OpCase test("batch_norm_relu" + c.name,
              [c](const Tensors& in) { return run(c, in); });
  test.ops = {"batch_norm_relu"};
  test.ranked();
  if (c.training) {
    test.refuses_empty("[batch_norm_relu] expected more than one value");
  }
  test.input(c.shape);
  if (c.affine) test.input({3}, 0.5, 1.5).input({3}, -0.5, 0.5);
  if (c.addend) {
    test.input(c.shape).batch({0, test.inputs.size() - 1});
    test.refuses("expected addend of shape", [c](const Tensors& in) {
      Tensors wrong = in;
      wrong.back() = slice(wrong.back(), 0, 0, 1);
      return run(c, wrong);
    });
  }
  return test.sums(4, [c](const Tensors& in) { return terms(c, in); })
      .equals([c](const Tensors& in) {
        std::vector<double> y = before_relu(c, in);
        for (double& value : y) value = value > 0 ? value : 0;
        return y;
      });
}

const AddOpCases batch_norm_relus([](std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{2, 3, 4, 3}, Shape{5, 3}}) {
    for (const bool training : {true, false}) {
      for (const bool affine : {true, false}) {
        for (const bool addend : {true, false}) {
          Case c{"", shape, training, affine, addend};
          c.name = std::string(shape.rank() == 4 ? "" : "_rank2") +
                   (training ? "_training" : "_evaluation") +
                   (affine ? "" : "_plain") + (addend ? "_addend" : "");
          cases.push_back(make_case(c));
        }
      }
    }
  }
});

}  // namespace
}  // namespace mjolnir::testing

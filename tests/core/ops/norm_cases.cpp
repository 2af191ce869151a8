#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/ops/shape.h>

#include <cmath>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

constexpr double epsilon = 1e-2;

// The places in logical order of x (N,C,...) that share channel c.
std::vector<std::size_t> channel(const Shape& x, std::int64_t c) {
  const std::int64_t inner = x.numel() / (x[0] * x[1]);
  std::vector<std::size_t> places;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    if (i / inner % x[1] == c) places.push_back(static_cast<std::size_t>(i));
  }
  return places;
}

// (x - mean) / sqrt(variance + epsilon) over the given places.
void normalize(const std::vector<std::size_t>& places,
               std::vector<double>& values) {
  const double count = static_cast<double>(places.size());
  double mean = 0, variance = 0;
  for (const std::size_t i : places) mean += values[i] / count;
  for (const std::size_t i : places) {
    variance += (values[i] - mean) * (values[i] - mean) / count;
  }
  for (const std::size_t i : places) {
    values[i] = (values[i] - mean) / std::sqrt(variance + epsilon);
  }
}

Tensor running(const Tensor& x, const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())})
      .to(x.dtype());
}

const AddOpCases batch_norms([](std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{2, 3, 4, 3}, Shape{5, 3}}) {
    const bool image = shape.rank() == 4;
    const Axes axes = image ? Axes{0, 2, 3} : Axes{0};
    const Shape row = image ? Shape{1, 3, 1, 1} : Shape{1, 3};
    for (const bool training : {true, false}) {
      for (const bool affine : {true, false}) {
        BatchNormOptions options;
        options.training = training;
        options.epsilon = epsilon;
        const std::vector<double> mean_of{0.25, -0.5, 0};
        const std::vector<double> var_of{0.5, 1, 2};
        const auto run = [=](const Tensors& in) {
          return batch_norm(in[0], affine ? in[1] : Tensor(),
                            affine ? in[2] : Tensor(), running(in[0], mean_of),
                            running(in[0], var_of), options);
        };
        OpCase test(std::string("batch_norm") + (image ? "" : "_rank2") +
                        (training ? "_training" : "_evaluation") +
                        (affine ? "" : "_plain"),
                    run);
        test.ops = {"batch_norm"};
        test.ranked();
        if (training) {
          test.refuses_empty("[batch_norm] expected more than one value");
        }
        test.input(shape);
        if (affine) test.input({3}, 0.5, 1.5).input({3});
        // the terms x w s, mean w s and b
        test.sums(3,
                  [=](const Tensors& in) {
                    VarOptions biased;
                    biased.correction = 0;
                    biased.keep_dims = true;
                    const Tensor spread =
                        training ? var(in[0], axes, biased)
                                 : reshape(running(in[0], var_of), row);
                    const Tensor size =
                        (abs(in[0]) + 0.5) * pow(spread + epsilon, -0.5);
                    if (!affine) return size;
                    return size * reshape(in[1], row) +
                           reshape(abs(in[2]), row);
                  })
            .equals([=](const Tensors& in) {
              auto y = in[0].to_vector<double>();
              for (std::int64_t c = 0; c < 3; ++c) {
                const auto at = static_cast<std::size_t>(c);
                const auto places = channel(shape, c);
                if (training) normalize(places, y);
                for (const std::size_t i : places) {
                  if (!training) {
                    y[i] =
                        (y[i] - mean_of[at]) / std::sqrt(var_of[at] + epsilon);
                  }
                  if (affine) {
                    y[i] = y[i] * in[1].to_vector<double>()[at] +
                           in[2].to_vector<double>()[at];
                  }
                }
              }
              return y;
            });
        cases.push_back(test);
      }
    }
  }
});

const AddOpCases layer_norms([](std::vector<OpCase>& cases) {
  struct Case {
    const char* name;
    Shape x, normalized;
    bool affine;
  };
  for (const Case& c : {Case{"", {4, 5}, {5}, true},
                        {"_plain", {4, 5}, {5}, false},
                        {"_rank3", {2, 3, 4}, {4}, true},
                        {"_image", {2, 3, 2, 3}, {3, 2, 3}, true}}) {
    const auto axes = static_cast<std::int64_t>(c.normalized.rank());
    const auto run = [=](const Tensors& in) {
      return layer_norm(in[0], c.affine ? in[1] : Tensor(),
                        c.affine ? in[2] : Tensor(), axes, epsilon);
    };
    OpCase test(std::string("layer_norm") + c.name, run);
    test.ops = {"layer_norm"};
    test.input(c.x);
    if (c.affine) test.input(c.normalized, 0.5, 1.5).input(c.normalized);
    const std::int64_t D = c.normalized.numel();
    test.sums(3,
              [=](const Tensors& in) {
                // epsilon alone bounds 1 / std by 10
                const Tensor size = 10.0 * (abs(in[0]) + 0.5);
                return c.affine ? size * in[1] + abs(in[2]) : size;
              })
        .equals([=](const Tensors& in) {
          auto y = in[0].to_vector<double>();
          for (std::size_t r = 0; r < y.size(); r += D) {
            std::vector<std::size_t> places;
            for (std::int64_t i = 0; i < D; ++i) places.push_back(r + i);
            normalize(places, y);
          }
          for (std::size_t i = 0; c.affine && i < y.size(); ++i) {
            y[i] = y[i] * in[1].to_vector<double>()[i % D] +
                   in[2].to_vector<double>()[i % D];
          }
          return y;
        });
    cases.push_back(test);
  }
});

const AddOpCases dropouts([](std::vector<OpCase>& cases) {
  OpCase test("dropout", [](const Tensors& in) {
    Generator rng(11);
    return dropout(in[0], 0.3, rng, true);
  });
  test.input({3, 5, 7});
  cases.push_back(test);
});

}  // namespace
}  // namespace mjolnir::testing

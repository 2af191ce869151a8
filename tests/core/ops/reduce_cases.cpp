#include <cmath>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

// Sum of (2,3,5,4) over axes 0, 2 and 3.
std::vector<double> channel_sums(const Tensors& x) {
  const std::vector<double> in = x[0].to_vector<double>();
  std::vector<double> y(3, 0.0);
  for (std::size_t i = 0; i < in.size(); ++i) y[i / 20 % 3] += in[i];
  return y;
}

const AddOpCases reductions([](std::vector<OpCase>& cases) {
  const auto over = [&](const std::string& op, const std::string& suffix,
                        const Shape& shape, const Axes& axes, bool keep) {
    const bool is_sum = op == "sum";
    const auto run = [=](const Tensors& x) {
      return is_sum ? sum(x[0], axes, keep) : mean(x[0], axes, keep);
    };
    double count = 1.0;
    for (const std::int64_t axis : axes) {
      count *= static_cast<double>(shape.dim(axis));
    }
    OpCase c(op + suffix, run);
    c.ops = {op};
    cases.push_back(
        c.input(shape, -1.0, 2.0).sums(count, [=](const Tensors& x) {
          return run({abs(x[0])});
        }));
  };
  for (const std::string op : {"sum", "mean"}) {
    over(op, "_channels", {2, 3, 5, 4}, {0, 2, 3}, false);
    over(op, "_channels_kept", {2, 3, 5, 4}, {0, -2, 3}, true);
    over(op, "_images", {2, 3, 5, 4}, {1, 2, 3}, false);
    over(op, "_pixels", {2, 3, 5, 4}, {2, 3}, false);
    over(op, "_axis_1", {2, 3, 5, 4}, {1}, true);
    over(op, "_samples", {2, 3, 5, 4}, {0}, false);
    over(op, "_width", {2, 3, 5, 4}, {3}, true);
    over(op, "_last", {7, 33}, {-1}, false);
    over(op, "_first", {33, 7}, {0}, false);
    over(op, "_middle", {3, 4, 5}, {1}, true);
    over(op, "_none", {3, 4}, {}, false);
  }
  cases.push_back(OpCase("sum", [](const Tensors& x) {
                    return sum(x[0]);
                  }).input({2, 3, 5, 4}));
  cases.back().sums(120, [](const Tensors& x) { return sum(abs(x[0])); });
  cases.push_back(OpCase("mean", [](const Tensors& x) {
                    return mean(x[0]);
                  }).input({3, 7}));
  cases.back().sums(21, [](const Tensors& x) { return mean(abs(x[0])); });
  cases.push_back(
      OpCase("sum_definition",
             [](const Tensors& x) {
               return sum(x[0], {0, 2, 3});
             })
          .input({2, 3, 5, 4})
          .equals(channel_sums)
          .sums(40,
                [](const Tensors& x) {
                  return sum(abs(x[0]), {0, 2, 3});
                })
          .refuses("[sum]", [](const Tensors& x) { return sum(x[0], {4}); })
          .refuses("[sum] axis -4 is given twice for shape (2,3,5,4)",
                   [](const Tensors& x) {
                     return sum(x[0], {0, -4});
                   }));
  cases.back().ops = {"sum"};
});

const AddOpCases variances([](std::vector<OpCase>& cases) {
  for (const std::int64_t correction : {0, 1}) {
    const auto run = [correction](const Tensors& x) {
      VarOptions options;
      options.correction = correction;
      options.keep_dims = true;
      return var(x[0], {0, 2, 3}, options);
    };
    // The two-pass definition on the 40 elements of each channel.
    const auto definition = [correction](const Tensors& x) {
      const std::vector<double> in = x[0].to_vector<double>();
      const std::vector<double> total = channel_sums(x);
      std::vector<double> y(3, 0.0);
      for (std::size_t i = 0; i < in.size(); ++i) {
        const std::size_t c = i / 20 % 3;
        y[c] += std::pow(in[i] - total[c] / 40, 2) /
                static_cast<double>(40 - correction);
      }
      return y;
    };
    cases.push_back(OpCase("var_" + std::to_string(correction), run)
                        .input({2, 3, 5, 4}, 1.0, 3.0)
                        .equals(definition)
                        .sums(80, [](const Tensors& x) {
                          return mean(mul(x[0], x[0]), {0, 2, 3}, true);
                        }));
  }
});

// x spread so far that a step of the checker changes no order.
Tensor spread(const Tensor& x) {
  std::vector<double> steps(static_cast<std::size_t>(x.numel()));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i] = static_cast<double>(i * 37 % steps.size());
  }
  return add(x, Tensor::from(steps, x.shape()).to(x.dtype()));
}

const AddOpCases extremes([](std::vector<OpCase>& cases) {
  const auto over = [&](const std::string& suffix, const Shape& shape,
                        const Axes& axes, bool keep) {
    OpCase c("max" + suffix,
             [=](const Tensors& x) { return max(spread(x[0]), axes, keep); });
    c.ops = {"max"};
    cases.push_back(c.input(shape, 0.0, 0.5));
    if (axes.front() == 0) {
      cases.back().refuses_empty("[max] no elements to choose from");
    }
  };
  over("_channels", {2, 3, 5, 4}, {0, 2, 3}, false);
  over("_axis_1", {2, 3, 5, 4}, {1}, true);
  over("_last", {7, 33}, {1}, false);
  over("_first", {33, 7}, {0}, false);
  cases.push_back(
      OpCase("max", [](const Tensors& x) { return max(x[0]); })
          .input({1, 1, 3, 5}, -1, 1)
          .refuses_empty("[max] no elements to choose from")
          .covers({"max_place", "max_take"})
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            double best = in[0];
            for (const double v : in) best = v > best ? v : best;
            return std::vector<double>{best};
          })
          .refuses("[max] no elements to choose from in shape (0,3)",
                   [](const Tensors&) {
                     return max(Tensor::ones({0, 3}));
                   }));
  cases.push_back(
      OpCase("argmax", [](const Tensors& x) { return argmax(x[0], 1); })
          .input({2, 3, 5, 4})
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            std::vector<double> y;
            for (std::size_t n = 0; n < 2; ++n) {
              for (std::size_t p = 0; p < 20; ++p) {
                std::size_t best = 0;
                for (std::size_t c = 1; c < 3; ++c) {
                  if (in[n * 60 + c * 20 + p] > in[n * 60 + best * 20 + p]) {
                    best = c;
                  }
                }
                y.push_back(static_cast<double>(best));
              }
            }
            return y;
          })
          .not_differentiable());
});

}  // namespace
}  // namespace mjolnir::testing

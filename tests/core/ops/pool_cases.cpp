#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/pool.h>

#include <algorithm>
#include <limits>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

struct PoolCase {
  std::string name;
  Shape x;
  Conv2dGeometry geometry;
};

// {kh, kw, sh, sw, top, bottom, left, right, dh, dw, groups}
const std::vector<PoolCase> pool_cases = {
    {"halves", {2, 3, 4, 6}, {2, 2, 2, 2, 0, 0, 0, 0, 1, 1, 1}},
    {"overlapping", {1, 2, 7, 5}, {3, 2, 2, 1, 1, 1, 1, 0, 1, 1, 1}},
    {"dilated", {2, 1, 6, 7}, {2, 3, 1, 2, 0, 1, 1, 1, 2, 2, 1}},
};

// Folds the cells of each window that lie inside x (N,C,H,W).
template <class Fold>
std::vector<double> folded(const PoolCase& c, const Tensor& tensor,
                           double start, Fold fold) {
  const Conv2dGeometry& g = c.geometry;
  const auto x = tensor.to_vector<double>();
  std::vector<double> y;
  for (std::int64_t plane = 0; plane < c.x[0] * c.x[1]; ++plane)
    for (std::int64_t h = 0; h < g.out_h(c.x[2]); ++h)
      for (std::int64_t w = 0; w < g.out_w(c.x[3]); ++w) {
        double value = start;
        for (std::int64_t i = 0; i < g.kernel_h; ++i)
          for (std::int64_t j = 0; j < g.kernel_w; ++j) {
            const std::int64_t row =
                h * g.stride_h - g.pad_top + i * g.dilation_h;
            const std::int64_t column =
                w * g.stride_w - g.pad_left + j * g.dilation_w;
            if (row < 0 || row >= c.x[2]) continue;
            if (column < 0 || column >= c.x[3]) continue;
            value = fold(value, x[static_cast<std::size_t>(
                                    (plane * c.x[2] + row) * c.x[3] + column)]);
          }
        y.push_back(value);
      }
  return y;
}

const AddOpCases windows([](std::vector<OpCase>& cases) {
  for (const PoolCase& c : pool_cases) {
    const Conv2dGeometry g = c.geometry;
    const double cells = static_cast<double>(g.kernel_h * g.kernel_w);
    OpCase max("max_pool2d_" + c.name,
               [g](const Tensors& in) { return max_pool2d(in[0], g); });
    max.ops = {"max_pool2d", "max_pool2d_scatter", "max_pool2d_gather"};
    max.ranked().input(c.x).equals([c](const Tensors& in) {
      return folded(c, in[0], -std::numeric_limits<double>::infinity(),
                    [](double a, double b) { return std::max(a, b); });
    });
    cases.push_back(max);
    OpCase avg("avg_pool2d_" + c.name,
               [g](const Tensors& in) { return avg_pool2d(in[0], g); });
    avg.ops = {"avg_pool2d", "avg_pool2d_spread"};
    avg.ranked()
        .input(c.x)
        .sums(cells,
              [g](const Tensors& in) { return avg_pool2d(abs(in[0]), g); })
        .equals([c, cells](const Tensors& in) {
          return folded(c, in[0], 0,
                        [=](double a, double b) { return a + b / cells; });
        });
    cases.push_back(avg);
  }
});

const AddOpCases global([](std::vector<OpCase>& cases) {
  OpCase test("global_avg_pool",
              [](const Tensors& in) { return global_avg_pool(in[0]); });
  test.ranked()
      .input({2, 3, 4, 5})
      .covers({"global_avg_pool_spread"})
      .sums(20, [](const Tensors& in) { return global_avg_pool(abs(in[0])); })
      .equals([](const Tensors& in) {
        const auto x = in[0].to_vector<double>();
        std::vector<double> y(6);
        for (std::size_t i = 0; i < x.size(); ++i) y[i / 20] += x[i] / 20;
        return y;
      });
  cases.push_back(test);
});

}  // namespace
}  // namespace mjolnir::testing

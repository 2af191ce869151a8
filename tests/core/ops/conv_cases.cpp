#include <mjolnir/core/ops/conv.h>
#include <mjolnir/core/ops/elementwise.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

struct ConvCase {
  std::string name;
  Shape x, w;
  Conv2dGeometry geometry;
};

Shape output_shape(const ConvCase& c) {
  return {c.x[0], c.w[0], c.geometry.out_h(c.x[2]), c.geometry.out_w(c.x[3])};
}

// {kh, kw, sh, sw, top, bottom, left, right, dh, dw, groups}
const std::vector<ConvCase> conv_cases = {
    {"padded", {2, 3, 4, 5}, {2, 3, 3, 3}, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"strided", {1, 2, 7, 4}, {3, 2, 2, 3}, {2, 3, 2, 1, 0, 1, 2, 0, 1, 1, 1}},
    {"dilated", {2, 2, 6, 7}, {3, 2, 2, 3}, {2, 3, 1, 2, 1, 0, 0, 1, 3, 2, 1}},
    {"groups", {2, 4, 4, 3}, {6, 2, 3, 2}, {3, 2, 1, 1, 1, 0, 1, 1, 1, 1, 2}},
    {"depthwise",
     {1, 3, 5, 4},
     {3, 1, 3, 2},
     {3, 2, 2, 1, 1, 1, 0, 0, 1, 1, 3}},
    {"pointwise", {2, 3, 3, 4}, {5, 3, 1, 1}, {}},
};

// Calls f(x, w, y) with the logical places of the three factors of every term.
template <class F>
void for_each_term(const ConvCase& c, F f) {
  const Conv2dGeometry& g = c.geometry;
  const Shape y = output_shape(c);
  const auto at = [](const Shape& s, std::int64_t i, std::int64_t j,
                     std::int64_t k, std::int64_t l) {
    return static_cast<std::size_t>(((i * s[1] + j) * s[2] + k) * s[3] + l);
  };
  for (std::int64_t n = 0; n < y[0]; ++n)
    for (std::int64_t o = 0; o < y[1]; ++o)
      for (std::int64_t h = 0; h < y[2]; ++h)
        for (std::int64_t w = 0; w < y[3]; ++w)
          for (std::int64_t k = 0; k < c.w[1]; ++k)
            for (std::int64_t i = 0; i < g.kernel_h; ++i)
              for (std::int64_t j = 0; j < g.kernel_w; ++j) {
                const std::int64_t row =
                    h * g.stride_h - g.pad_top + i * g.dilation_h;
                const std::int64_t column =
                    w * g.stride_w - g.pad_left + j * g.dilation_w;
                if (row < 0 || row >= c.x[2]) continue;
                if (column < 0 || column >= c.x[3]) continue;
                const std::int64_t group = o / (c.w[0] / g.groups);
                f(at(c.x, n, group * c.w[1] + k, row, column),
                  at(c.w, o, k, i, j), at(y, n, o, h, w));
              }
}

double patch_length(const ConvCase& c) {
  return static_cast<double>(c.w[1] * c.w[2] * c.w[3]);
}

const AddOpCases convolutions([](std::vector<OpCase>& cases) {
  for (const ConvCase& c : conv_cases) {
    for (const bool bias : {false, true}) {
      const auto run = [c, bias](const Tensors& in) {
        return conv2d(in[0], in[1], bias ? in[2] : Tensor(), c.geometry);
      };
      OpCase test("conv2d_" + c.name + (bias ? "_bias" : ""), run);
      test.ops = {"conv2d"};
      if (bias) test.covers({"conv2d_bias_gradient", "conv2d_bias_spread"});
      test.ranked().input(c.x).input(c.w);
      if (bias) test.input({c.w[0]});
      test.sums(patch_length(c) + 1,
                [run](const Tensors& in) {
                  Tensors sizes;
                  for (const Tensor& t : in) sizes.push_back(abs(t));
                  return run(sizes);
                })
          .equals([c, bias](const Tensors& in) {
            const auto x = in[0].to_vector<double>();
            const auto w = in[1].to_vector<double>();
            const Shape shape = output_shape(c);
            std::vector<double> y(static_cast<std::size_t>(shape.numel()));
            const auto cells = static_cast<std::size_t>(shape[2] * shape[3]);
            for (std::size_t i = 0; bias && i < y.size(); ++i) {
              y[i] = in[2].to_vector<double>()[i / cells % c.w[0]];
            }
            for_each_term(c, [&](auto at_x, auto at_w, auto at_y) {
              y[at_y] += x[at_x] * w[at_w];
            });
            return y;
          });
      cases.push_back(test);
    }
  }
});

const AddOpCases input_gradients([](std::vector<OpCase>& cases) {
  for (const ConvCase& c : conv_cases) {
    const auto run = [c](const Tensors& in) {
      return conv2d_input_gradient(in[0], in[1], c.x, c.geometry);
    };
    OpCase test("conv2d_input_gradient_" + c.name, run);
    test.ops = {"conv2d_input_gradient"};
    test.ranked().refuses_empty("[conv2d_input_gradient] expected dy of shape");
    test.input(output_shape(c))
        .input(c.w)
        .sums(static_cast<double>(c.w.numel()) / double(c.w[1]),
              [run](const Tensors& in) {
                return run({abs(in[0]), abs(in[1])});
              })
        .equals([c](const Tensors& in) {
          const auto dy = in[0].to_vector<double>();
          const auto w = in[1].to_vector<double>();
          std::vector<double> dx(static_cast<std::size_t>(c.x.numel()));
          for_each_term(c, [&](auto at_x, auto at_w, auto at_y) {
            dx[at_x] += dy[at_y] * w[at_w];
          });
          return dx;
        });
    cases.push_back(test);
  }
});

const AddOpCases weight_gradients([](std::vector<OpCase>& cases) {
  for (const ConvCase& c : conv_cases) {
    const auto run = [c](const Tensors& in) {
      return conv2d_weight_gradient(in[0], in[1], c.w, c.geometry);
    };
    OpCase test("conv2d_weight_gradient_" + c.name, run);
    test.ops = {"conv2d_weight_gradient"};
    test.ranked().batch({0, 1});
    const Shape y = output_shape(c);
    test.input(c.x)
        .input(y)
        .sums(static_cast<double>(y[0] * y[2] * y[3]),
              [run](const Tensors& in) {
                return run({abs(in[0]), abs(in[1])});
              })
        .equals([c](const Tensors& in) {
          const auto x = in[0].to_vector<double>();
          const auto dy = in[1].to_vector<double>();
          std::vector<double> dw(static_cast<std::size_t>(c.w.numel()));
          for_each_term(c, [&](auto at_x, auto at_w, auto at_y) {
            dw[at_w] += dy[at_y] * x[at_x];
          });
          return dw;
        });
    cases.push_back(test);
  }
});

}  // namespace
}  // namespace mjolnir::testing

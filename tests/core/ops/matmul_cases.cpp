#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/matmul.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

MatmulOptions flags(bool a, bool b) {
  MatmulOptions options;
  options.transpose_a = a;
  options.transpose_b = b;
  return options;
}

// y (4,3) of op(a) (4,5) and op(b) (5,3), by the definition
std::vector<double> product(const Tensors& x, bool ta, bool tb) {
  const std::vector<double> a = x[0].to_vector<double>();
  const std::vector<double> b = x[1].to_vector<double>();
  std::vector<double> y(12, 0.0);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t k = 0; k < 5; ++k) {
        y[i * 3 + j] +=
            a[ta ? k * 4 + i : i * 5 + k] * b[tb ? j * 5 + k : k * 3 + j];
      }
    }
  }
  return y;
}

const AddOpCases products([](std::vector<OpCase>& cases) {
  const auto make = [&](const std::string& suffix, const Shape& a,
                        const Shape& b, bool ta, bool tb) -> OpCase& {
    const auto run = [=](const Tensors& x) {
      return matmul(x[0], x[1], flags(ta, tb));
    };
    OpCase c("matmul" + suffix, run);
    c.ops = {"matmul"};
    c.input(a).input(b).sums(static_cast<double>(a.dim(ta ? -2 : -1)),
                             [=](const Tensors& x) {
                               return run({abs(x[0]), abs(x[1])});
                             });
    cases.push_back(c);
    return cases.back();
  };
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const std::string name = std::string(ta ? "_ta" : "") + (tb ? "_tb" : "");
      OpCase& plain =
          make(name.empty() ? "_plain" : name, ta ? Shape{5, 4} : Shape{4, 5},
               tb ? Shape{3, 5} : Shape{5, 3}, ta, tb)
              .equals([=](const Tensors& x) { return product(x, ta, tb); });
      // Transposed, the first axis of a is the one that is summed.
      if (ta && tb) plain.refuses_empty("[matmul] expected equal inner");
      if (ta && !tb) plain.batch({0, 1});
      make("_batch" + name, ta ? Shape{2, 5, 4} : Shape{2, 4, 5},
           tb ? Shape{2, 3, 5} : Shape{2, 5, 3}, ta, tb)
          .batch({0, 1});
      make("_shared_b" + name, ta ? Shape{2, 5, 4} : Shape{2, 4, 5},
           tb ? Shape{3, 5} : Shape{5, 3}, ta, tb);
      make("_broadcast" + name, ta ? Shape{2, 1, 5, 4} : Shape{2, 1, 4, 5},
           tb ? Shape{3, 3, 5} : Shape{3, 5, 3}, ta, tb);
    }
  }
  make("_row", {1, 6}, {6, 1}, false, false)
      .refuses("[matmul] expected equal inner lengths, got (1,6) times (5,3)",
               [](const Tensors& x) {
                 return matmul(x[0], Tensor::ones({5, 3}));
               })
      .refuses("(1,6) times (5,6); they fit with transpose_b",
               [](const Tensors& x) {
                 return matmul(x[0], Tensor::ones({5, 6}));
               })
      .refuses("(1,6) times (6,5) transposed; they fit without transpose_b",
               [](const Tensors& x) {
                 return matmul(x[0], Tensor::ones({6, 5}), flags(false, true));
               })
      .refuses("(6,4) times (6,5); they fit with transpose_a",
               [](const Tensors&) {
                 return matmul(Tensor::ones({6, 4}), Tensor::ones({6, 5}));
               })
      .refuses("(1,6) transposed times (6,5); they fit without transpose_a",
               [](const Tensors& x) {
                 return matmul(x[0], Tensor::ones({6, 5}), flags(true, false));
               })
      .refuses("[matmul] expected two tensors of rank 2 or more",
               [](const Tensors& x) { return matmul(x[0], Tensor::ones({6})); })
      .refuses(
          "[matmul] expected shapes that broadcast, got (2) and (3)",
          [](const Tensors&) {
            return matmul(Tensor::ones({2, 4, 5}), Tensor::ones({3, 5, 4}));
          });
});

const AddOpCases linears([](std::vector<OpCase>& cases) {
  const auto make = [&](const std::string& suffix, const Shape& x,
                        bool bias) -> OpCase& {
    const auto run = [=](const Tensors& in) {
      return linear(in[0], in[1], bias ? in[2] : Tensor());
    };
    OpCase c("linear" + suffix, run);
    c.ops = {"linear"};
    c.input(x).input({3, x.dim(-1)});
    if (bias) c.input({3});
    c.sums(6, [=](const Tensors& in) {
      Tensors sizes;
      for (const Tensor& t : in) sizes.push_back(abs(t));
      return run(sizes);
    });
    cases.push_back(c);
    return cases.back();
  };
  make("", {4, 5}, true)
      .equals([](const Tensors& x) {
        std::vector<double> y = product(x, false, true);
        const std::vector<double> bias = x[2].to_vector<double>();
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += bias[i % 3];
        return y;
      })
      .refuses("[linear] expected x with 5 features, got shape (4,6)",
               [](const Tensors& x) {
                 return linear(Tensor::ones({4, 6}), x[1]);
               })
      .refuses("[linear] expected bias of shape (3), got (4)",
               [](const Tensors& x) {
                 return linear(x[0], x[1], Tensor::ones({4}));
               });
  make("_no_bias", {4, 5}, false);
  make("_sequence", {2, 4, 5}, true);
  make("_image", {2, 3, 2, 5}, true);
  make("_vector", {5}, true)
      .refuses_empty("[linear] expected x with 5 features");
  make("_no_features", {4, 0}, true).equals([](const Tensors& x) {
    const std::vector<double> bias = x[2].to_vector<double>();
    std::vector<double> y;
    for (std::size_t i = 0; i < 12; ++i) y.push_back(bias[i % 3]);
    return y;
  });
});

}  // namespace
}  // namespace mjolnir::testing

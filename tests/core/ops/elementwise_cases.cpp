#include <algorithm>
#include <cmath>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

using Definition = std::function<std::vector<double>(const Tensors&)>;

Definition each(double (*f)(double)) {
  return [f](const Tensors& x) {
    std::vector<double> y = x[0].to_vector<double>();
    std::transform(y.begin(), y.end(), y.begin(), f);
    return y;
  };
}

// Element i of (2,3,4,5) combined with the channel i / 20 % 3 of (3,1,1).
Definition per_channel(double (*f)(double, double)) {
  return [f](const Tensors& x) {
    std::vector<double> y = x[0].to_vector<double>();
    const std::vector<double> b = x[1].to_vector<double>();
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = f(y[i], b[i / 20 % 3]);
    return y;
  };
}

double plus(double a, double b) { return a + b; }
double minus(double a, double b) { return a - b; }
double times(double a, double b) { return a * b; }
double over(double a, double b) { return a / b; }

using Two = Tensor (*)(const Tensor&, const Tensor&);
OpFunction two(Two f) {
  return [f](const Tensors& x) { return f(x[0], x[1]); };
}

using One = Tensor (*)(const Tensor&);
OpCase one(const std::string& name, One f, double low, double high) {
  OpCase c(name, [f](const Tensors& x) { return f(x[0]); });
  return c.input({2, 3, 5, 4}, low, high);
}

// Same shapes, channels against an image, a scalar, and both sides repeated.
void add_binary(std::vector<OpCase>& cases, const std::string& name, Two f,
                double (*definition)(double, double), double low, double high,
                const OpFunction& terms) {
  const auto make = [&](const std::string& suffix, const Shape& a,
                        const Shape& b) -> OpCase& {
    cases.push_back(OpCase(name + suffix, two(f)));
    OpCase& c = cases.back();
    c.ops = {name};
    c.input(a, low, high).input(b, low, high);
    if (terms) c.sums(2.0, terms);
    return c;
  };
  make("_same", {2, 3, 4, 5}, {2, 3, 4, 5})
      .batch({0, 1})
      .refuses("[" + name +
                   "] expected shapes that broadcast, got (2,3,4,5) and (7)",
               [f](const Tensors& x) { return f(x[0], Tensor::ones({7})); });
  make("_channels", {2, 3, 4, 5}, {3, 1, 1}).equals(per_channel(definition));
  make("_rank4_channels", {1, 3, 1, 1}, {2, 3, 4, 5}).batch({1});
  make("_row", {7, 19}, {19});
  make("_scalar", {3, 5}, {});
  make("_both", {4, 1, 3}, {5, 1});
  make("_one", {1}, {1, 1});
}

const AddOpCases arithmetic([](std::vector<OpCase>& cases) {
  const OpFunction sum_of_sizes = [](const Tensors& x) {
    return add(abs(x[0]), abs(x[1]));
  };
  add_binary(cases, "add", add, plus, -2, 2, sum_of_sizes);
  add_binary(cases, "sub", sub, minus, -2, 2, sum_of_sizes);
  add_binary(cases, "mul", mul, times, -2, 2, nullptr);
  add_binary(cases, "div", div, over, 0.5, 2, nullptr);

  const auto scalar = [&](const std::string& name, const std::string& op,
                          Tensor (*f)(const Tensor&), double (*d)(double),
                          double low) {
    OpCase c = one(name, f, low, 2.0);
    c.ops = {op};
    const auto size = [](const Tensors& x) { return add(abs(x[0]), 3.0); };
    if (op == "add" || op == "sub") c.sums(2.0, size);
    cases.push_back(c.equals(each(d)));
  };
  scalar(
      "add_double", "add", [](const Tensor& x) { return x + 1.5; },
      [](double x) { return x + 1.5; }, -2);
  scalar(
      "double_add", "add", [](const Tensor& x) { return 1.5 + x; },
      [](double x) { return x + 1.5; }, -2);
  scalar(
      "sub_double", "sub", [](const Tensor& x) { return x - 1.5; },
      [](double x) { return x - 1.5; }, -2);
  scalar(
      "double_sub", "sub", [](const Tensor& x) { return 1.5 - x; },
      [](double x) { return 1.5 - x; }, -2);
  scalar(
      "mul_double", "mul", [](const Tensor& x) { return x * -2.5; },
      [](double x) { return x * -2.5; }, -2);
  scalar(
      "double_mul", "mul", [](const Tensor& x) { return -2.5 * x; },
      [](double x) { return x * -2.5; }, -2);
  scalar(
      "div_double", "div", [](const Tensor& x) { return x / 3.0; },
      [](double x) { return x / 3.0; }, -2);
  scalar(
      "double_div", "div", [](const Tensor& x) { return 3.0 / x; },
      [](double x) { return 3.0 / x; }, 0.5);
  cases.push_back(one(
                      "neg", [](const Tensor& x) { return -x; }, -2, 2)
                      .equals(each([](double x) { return -x; })));
});

const AddOpCases ties([](std::vector<OpCase>& cases) {
  const auto make = [&](const std::string& name, Two f,
                        double (*d)(double, double)) {
    // Ranges that overlap without equal elements.
    OpCase c(name, two(f));
    c.input({2, 3, 4, 5}, -1.0, 1.0).input({3, 1, 1}, -0.02, 0.02);
    c.inputs[0].kinks = {0.0};
    cases.push_back(
        c.equals(per_channel(d))
            .refuses(
                "[" + name + "] expected shapes that broadcast",
                [f](const Tensors& x) { return f(x[0], Tensor::ones({3})); }));
  };
  make("maximum", maximum, [](double a, double b) { return std::max(a, b); });
  make("minimum", minimum, [](double a, double b) { return std::min(a, b); });
  cases.push_back(one("abs", abs, -1, 1).kinks({0.0}).equals(each([](double x) {
    return std::fabs(x);
  })));
  cases.push_back(
      one(
          "clamp", [](const Tensor& x) { return clamp(x, -0.4, 0.6); }, -1, 1)
          .kinks({-0.4, 0.6})
          .equals(
              each([](double x) { return std::min(std::max(x, -0.4), 0.6); }))
          .refuses("[clamp] expected low <= high",
                   [](const Tensors& x) { return clamp(x[0], 1.0, 0.0); }));
  // clamp's edges round differently in f32.
  cases.back().inputs.back().low = -0.95;
});

const AddOpCases powers([](std::vector<OpCase>& cases) {
  cases.push_back(one("exp", exp, -3, 3).equals(each([](double x) {
    return std::exp(x);
  })));
  cases.push_back(one("log", log, 1.5, 4).equals(each([](double x) {
    return std::log(x);
  })));
  cases.push_back(one("sqrt", sqrt, 0.5, 4).equals(each([](double x) {
    return std::sqrt(x);
  })));
  const auto power = [&](const std::string& name, One f, double (*d)(double),
                         double low) {
    OpCase c = one(name, f, low, 2.0).equals(each(d));
    c.ops = {"pow"};
    cases.push_back(c);
  };
  power(
      "pow_2", [](const Tensor& x) { return pow(x, 2.0); },
      [](double x) { return x * x; }, -2);
  power(
      "pow_3", [](const Tensor& x) { return pow(x, 3.0); },
      [](double x) { return x * x * x; }, -2);
  power(
      "pow_1", [](const Tensor& x) { return pow(x, 1.0); },
      [](double x) { return x; }, -2);
  power(
      "pow_0", [](const Tensor& x) { return pow(x, 0.0); },
      [](double) { return 1.0; }, -2);
  power(
      "pow_fraction", [](const Tensor& x) { return pow(x, -1.5); },
      [](double x) { return std::pow(x, -1.5); }, 0.5);
  const Two tensor_power = [](const Tensor& a, const Tensor& b) {
    return pow(a, b);
  };
  OpCase c("pow", two(tensor_power));
  c.input({2, 3, 4, 5}, 0.5, 2.0).input({3, 1, 1}, -2.0, 2.0);
  cases.push_back(
      c.equals(per_channel([](double a, double b) { return std::pow(a, b); }))
          .refuses(
              "[pow] expected shapes that broadcast",
              [](const Tensors& x) { return pow(x[0], Tensor::ones({3})); }));
});

const AddOpCases activations([](std::vector<OpCase>& cases) {
  cases.push_back(one("relu", relu, -1, 1)
                      .kinks({0.0})
                      .covers({"piecewise_gradient"})
                      .equals(each([](double x) { return x > 0 ? x : 0.0; })));
  cases.push_back(
      one(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }, -1,
          1)
          .kinks({0.0})
          .equals(each([](double x) { return x > 0 ? x : 0.2 * x; })));
  cases.push_back(one("sigmoid", sigmoid, -4, 4).equals(each([](double x) {
    return std::exp(x) / (std::exp(x) + 1.0);
  })));
  cases.push_back(one("tanh", tanh, -3, 3).equals(each([](double x) {
    return (std::exp(2 * x) - 1.0) / (std::exp(2 * x) + 1.0);
  })));
  // Below, the definition itself cancels: 1e-12 of 1 is what it can give.
  const OpFunction one_and_size = [](const Tensors& x) {
    return add(abs(x[0]), 1.0);
  };
  cases.back().sums(1.0, one_and_size);
  cases.push_back(one("softplus", softplus, -4, 4).equals(each([](double x) {
    return std::log(1.0 + std::exp(x));
  })));
  cases.push_back(one("silu", silu, -4, 4).equals(each([](double x) {
    return x * std::exp(x) / (std::exp(x) + 1.0);
  })));
  cases.push_back(one("gelu", gelu, -3, 3)
                      .covers({"normal_distribution"})
                      .equals(each([](double x) {
                        return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
                      }))
                      .sums(2.0, [](const Tensors& x) { return abs(x[0]); }));
});

}  // namespace
}  // namespace mjolnir::testing

#include <cmath>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/reduce.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

// e^x / sum e^x of rows of C numbers that lie `step` apart
std::vector<double> softmax_of(const std::vector<double>& x,
                               std::size_t classes, std::size_t step) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t first = i - i / step % classes * step;
    double total = 0.0;
    for (std::size_t c = 0; c < classes; ++c) {
      total += std::exp(x[first + c * step]);
    }
    y[i] = std::exp(x[i]) / total;
  }
  return y;
}

const AddOpCases softmaxes([](std::vector<OpCase>& cases) {
  const auto make = [&](const std::string& suffix, const Shape& shape,
                        std::int64_t axis, std::size_t classes,
                        std::size_t step) {
    OpCase c("softmax" + suffix,
             [axis](const Tensors& x) { return softmax(x[0], axis); });
    c.ops = {"softmax"};
    cases.push_back(
        c.input(shape, -2, 2)
            .equals([=](const Tensors& x) {
              return softmax_of(x[0].to_vector<double>(), classes, step);
            })
            .sums(static_cast<double>(classes),
                  [axis](const Tensors& x) { return softmax(x[0], axis); })
            .refuses("[softmax]",
                     [](const Tensors& x) { return softmax(x[0], 7); }));
    OpCase l("log_softmax" + suffix,
             [axis](const Tensors& x) { return log_softmax(x[0], axis); });
    l.ops = {"log_softmax"};
    cases.push_back(l.input(shape, -2, 2)
                        .equals([=](const Tensors& x) {
                          std::vector<double> y = softmax_of(
                              x[0].to_vector<double>(), classes, step);
                          for (double& v : y) v = std::log(v);
                          return y;
                        })
                        .sums(static_cast<double>(classes),
                              [axis](const Tensors& x) {
                                return add(abs(log_softmax(x[0], axis)), 2.0);
                              })
                        .refuses("[log_softmax]", [](const Tensors& x) {
                          return log_softmax(x[0], 7);
                        }));
  };
  make("", {5, 7}, -1, 7, 1);
  make("_channels", {2, 3, 5, 4}, 1, 3, 20);
  make("_first", {6, 3}, 0, 6, 3);
  make("_one_class", {3, 1}, 1, 1, 1);
});

CrossEntropyOptions how(double smoothing, Reduction reduction) {
  CrossEntropyOptions options;
  options.label_smoothing = smoothing;
  options.reduction = reduction;
  return options;
}

std::vector<double> reduced(std::vector<double> losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  double total = 0.0;
  for (const double loss : losses) total += loss;
  const double n = static_cast<double>(losses.size());
  return {reduction == Reduction::Mean ? total / n : total};
}

std::string name_of_reduction(Reduction reduction) {
  return reduction == Reduction::Mean  ? "mean"
         : reduction == Reduction::Sum ? "sum"
                                       : "none";
}

// -sum_c q_c log softmax(x)_c for q (4,6), smoothed
std::vector<double> cross_entropies(const Tensor& logits,
                                    const std::vector<double>& q,
                                    double smoothing) {
  const std::vector<double> p = softmax_of(logits.to_vector<double>(), 6, 1);
  std::vector<double> losses(4, 0.0);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double share = (1.0 - smoothing) * q[i] + smoothing / 6.0;
    losses[i / 6] -= share * std::log(p[i]);
  }
  return losses;
}

const AddOpCases cross_entropies_cases([](std::vector<OpCase>& cases) {
  const Tensor labels = Tensor::from<std::int64_t>({2, 0, 5, 2}, {4});
  std::vector<double> one_hot(24, 0.0);
  one_hot[2] = one_hot[6] = one_hot[17] = one_hot[20] = 1.0;
  // |terms| of a loss below, for logits in [-2, 2): at most 4 + log 6.
  const auto six = [](const Tensors& x, Reduction reduction) {
    const double size = reduction == Reduction::Sum ? 24.0 : 6.0;
    return reduction == Reduction::None
               ? Tensor::full({4}, size, x[0].options())
               : Tensor::full({}, size, x[0].options());
  };
  for (const Reduction reduction :
       {Reduction::Mean, Reduction::Sum, Reduction::None}) {
    for (const double smoothing : {0.0, 0.1}) {
      const CrossEntropyOptions options = how(smoothing, reduction);
      const std::string suffix =
          name_of_reduction(reduction) + (smoothing > 0.0 ? "_smoothed" : "");
      const auto run = [=](const Tensors& x) {
        return cross_entropy(x[0], x[1], options);
      };
      OpCase c("cross_entropy_labels_" + suffix, run);
      c.ops = {"cross_entropy"};
      cases.push_back(
          c.batch({0, 1})
              .ranked()
              .input({4, 6}, -2, 2)
              .constant(labels)
              .equals([=](const Tensors& x) {
                return reduced(cross_entropies(x[0], one_hot, smoothing),
                               reduction);
              })
              .sums(6, [=](const Tensors& x) { return six(x, reduction); }));
      OpCase p("cross_entropy_probabilities_" + suffix, run);
      p.ops = {"cross_entropy"};
      cases.push_back(
          p.batch({0, 1})
              .ranked()
              .input({4, 6}, -2, 2)
              .input({4, 6}, 0.0, 0.3)
              .equals([=](const Tensors& x) {
                return reduced(
                    cross_entropies(x[0], x[1].to_vector<double>(), smoothing),
                    reduction);
              })
              .sums(6, [=](const Tensors& x) { return six(x, reduction); }));
    }
  }
  using Labels = std::vector<std::int64_t>;
  cases.back()
      .refuses(
          "[cross_entropy] expected labels of the 6 classes of the logits, "
          "got 6 for sample 1",
          [](const Tensors& x) {
            return cross_entropy(x[0], Tensor::from(Labels{0, 6, 1, 2}, {4}));
          })
      .refuses(
          "got -1 for sample 0",
          [](const Tensors& x) {
            return cross_entropy(x[0], Tensor::from(Labels{-1, 0, 1, 2}, {4}));
          })
      .refuses("[cross_entropy] expected i64 labels of shape (4), got (3)",
               [](const Tensors& x) {
                 return cross_entropy(x[0], Tensor::from(Labels{0, 1, 2}, {3}));
               })
      .refuses(
          "[cross_entropy] expected probabilities of shape (4,6), got "
          "(4,5)",
          [](const Tensors& x) {
            return cross_entropy(x[0], Tensor::ones({4, 5}));
          })
      .refuses(
          "[cross_entropy] expected labels or probabilities as targets, got "
          "an undefined tensor",
          [](const Tensors& x) { return cross_entropy(x[0], Tensor()); })
      .refuses(
          "[cross_entropy] expected labels of i64 or probabilities of f32, "
          "got u8; convert labels with to(DType::I64)",
          [](const Tensors& x) {
            return cross_entropy(x[0], Tensor::zeros({4}, {DType::U8}));
          })
      .refuses("[cross_entropy] expected logits of rank 2",
               [](const Tensors& x) {
                 return cross_entropy(Tensor::ones({4}), x[1]);
               })
      .refuses("[cross_entropy] expected label_smoothing in [0, 1]",
               [](const Tensors& x) {
                 return cross_entropy(x[0], x[1], how(1.5, Reduction::Mean));
               })
      .refuses(
          "[cross_entropy] expected at least one class", [](const Tensors&) {
            return cross_entropy(Tensor::ones({4, 0}), Tensor::ones({4, 0}));
          });
});

const AddOpCases element_losses([](std::vector<OpCase>& cases) {
  for (const Reduction reduction :
       {Reduction::Mean, Reduction::Sum, Reduction::None}) {
    const std::string suffix = "_" + name_of_reduction(reduction);
    OpCase m("mse" + suffix, [reduction](const Tensors& x) {
      return mse(x[0], x[1], reduction);
    });
    m.ops = {"mse"};
    cases.push_back(
        m.batch({0, 1})
            .ranked()
            .input({2, 3, 4, 5})
            .input({2, 3, 4, 5})
            .equals([=](const Tensors& x) {
              const std::vector<double> a = x[0].to_vector<double>();
              const std::vector<double> b = x[1].to_vector<double>();
              std::vector<double> losses;
              for (std::size_t i = 0; i < a.size(); ++i) {
                losses.push_back((a[i] - b[i]) * (a[i] - b[i]));
              }
              return reduced(losses, reduction);
            })
            .sums(120,
                  [reduction](const Tensors& x) {
                    const Tensor size = add(abs(x[0]), abs(x[1]));
                    return mse(size, neg(size), reduction);
                  })
            .refuses(
                "[mse] expected b of shape (2,3,4,5), got (5)",
                [](const Tensors& x) { return mse(x[0], Tensor::ones({5})); }));
    OpCase b("binary_cross_entropy_with_logits" + suffix,
             [reduction](const Tensors& x) {
               return binary_cross_entropy_with_logits(x[0], x[1], reduction);
             });
    b.ops = {"binary_cross_entropy_with_logits"};
    cases.push_back(
        b.batch({0, 1})
            .ranked()
            .input({2, 3, 4, 5}, -3, 3)
            .input({2, 3, 4, 5}, 0, 1)
            .equals([=](const Tensors& x) {
              const std::vector<double> in = x[0].to_vector<double>();
              const std::vector<double> t = x[1].to_vector<double>();
              std::vector<double> losses;
              for (std::size_t i = 0; i < in.size(); ++i) {
                const double p = 1.0 / (1.0 + std::exp(-in[i]));
                losses.push_back(-t[i] * std::log(p) -
                                 (1.0 - t[i]) * std::log(1.0 - p));
              }
              return reduced(losses, reduction);
            })
            .sums(120,
                  [reduction](const Tensors& x) {
                    const Tensor size = add(mul(abs(x[0]), 2.0), 1.0);
                    return reduction == Reduction::Mean  ? mean(size)
                           : reduction == Reduction::Sum ? sum(size)
                                                         : size;
                  })
            .refuses("[binary_cross_entropy_with_logits] expected targets of "
                     "shape (2,3,4,5), got (5)",
                     [](const Tensors& x) {
                       return binary_cross_entropy_with_logits(
                           x[0], Tensor::ones({5}));
                     }));
  }
});

}  // namespace
}  // namespace mjolnir::testing

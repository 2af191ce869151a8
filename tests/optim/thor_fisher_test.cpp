// THOR's blocks beside the explicit Fisher matrix, and what damping means.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/linalg.h>
#include <mjolnir/curvature/fisher.h>
#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

Batch batch_of(const Data& data) {
  Batch batch;
  batch.images = data.x;
  batch.labels = data.y;
  return batch;
}

double norm(const Doubles& x) {
  double sum = 0.0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

/** |x - y| / |y| */
double gap(const Doubles& x, const Doubles& y) {
  Doubles difference(x);
  for (std::size_t i = 0; i < x.size(); ++i) difference[i] -= y[i];
  return norm(difference) / norm(y);
}

/** T (G kron A) of what a layer collected from a mean over N samples; with a
 * joint bias its rows and columns go to where fisher_matrix() has them, behind
 * the weight. */
Doubles kronecker(const CurvatureSource& layer, double samples) {
  const FactorSums& sums = layer.factors()->sums();
  const Doubles a = layer.matrix_a().to_vector<double>();
  const Doubles g = layer.matrix_g().to_vector<double>();
  const auto d = static_cast<std::size_t>(std::sqrt(a.size()));
  const auto o = static_cast<std::size_t>(std::sqrt(g.size()));
  const std::size_t inputs = sums.a_sum.defined() ? d - 1 : d;
  const auto place = [&](std::size_t row, std::size_t column) {
    return column < inputs ? row * inputs + column : o * inputs + row;
  };
  Doubles f(o * d * o * d);
  for (std::size_t i = 0; i < o; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t k = 0; k < o; ++k) {
        for (std::size_t l = 0; l < d; ++l) {
          f[place(i, j) * o * d + place(k, l)] = sums.positions_per_sample *
                                                 samples * samples *
                                                 g[i * o + k] * a[j * d + l];
        }
      }
    }
  }
  return f;
}

/** Rows and columns [begin, begin + size) of a square matrix. */
Doubles block_of(const Tensor& matrix, std::size_t begin, std::size_t size) {
  const Doubles all = matrix.to_vector<double>();
  const auto n = static_cast<std::size_t>(matrix.size(0));
  Doubles block;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      block.push_back(all[(begin + i) * n + begin + j]);
    }
  }
  return block;
}

/** One dense layer, or one convolution with a single position. */
template <class Layer>
struct Single : Module {
  template <class Options>
  Single(const Options& options, Generator& rng) : layer(options, rng) {
    add("layer", layer);
  }
  Tensor operator()(const Tensor& x) override {
    return reshape(layer(x), {x.size(0), -1});
  }
  Layer layer;
};

/** The gap of the only layer's block, of one datum, to the Fisher matrix. */
template <class Net>
double gap_of_one_datum(Net& net, const Data& data) {
  net.layer.collect(Collect::Factors);
  cross_entropy(net(data.x), data.y).backward();
  const Tensor f = fisher_matrix(net, Likelihood::Categorical, batch_of(data),
                                 FisherKind::Empirical);
  return gap(kronecker(net.layer, 1.0), f.to_vector<double>());
}

// Fault 45: undamped, and for one datum, the block is the Fisher matrix.
TEST(ThorFisher, TheBlockOfOneDatumIsExact) {
  Generator rng(5);
  const TensorOptions f64{DType::F64, Layout::RowMajor};
  const Tensor label = Tensor::from<std::int64_t>({2}, {1});
  DenseThorOptions dense;
  dense.in_channels = 4;
  dense.out_channels = 3;
  dense.weight_init = "he_normal";
  dense.dtype = DType::F64;
  for (const bool joint : {false, true}) {
    dense.has_bias = joint;
    dense.joint_bias = joint;
    Single<DenseThor> net(dense, rng);
    const Data data{normal({1, 4}, 0, 1, rng, f64), label};
    EXPECT_LT(gap_of_one_datum(net, data), 1e-10) << joint;
  }
  Conv2dThorOptions conv;
  conv.in_channels = 3;
  conv.out_channels = 4;
  conv.kernel_size = {2, 5};
  conv.pad_mode = PadMode::Valid;
  conv.weight_init = "he_normal";
  conv.dtype = DType::F64;
  Single<Conv2dThor> net(conv, rng);
  const Data data{normal({1, 3, 2, 5}, 0, 1, rng, f64), label};
  EXPECT_LT(gap_of_one_datum(net, data), 1e-10);
}

// Of more than one position, or datum, it is an approximation (Grosse &
// Martens, 2016, section 3): how good, this test tells and does not promise.
TEST(ThorFisher, TheGapOfTheApproximationIsPrinted) {
  for (const std::int64_t samples : {1, 8}) {
    const auto net = make_net();
    const Data data = random_data(samples, 3);
    for (CurvatureSource* layer :
         std::vector<CurvatureSource*>{&net->conv1, &net->conv2, &net->fc}) {
      layer->collect(Collect::Factors);
    }
    cross_entropy((*net)(data.x), data.y).backward();
    const Tensor f = fisher_matrix(*net, Likelihood::Categorical,
                                   batch_of(data), FisherKind::Empirical);
    struct Place {
      const char* name;
      const CurvatureSource* layer;
      std::size_t begin, size;  // conv1 has a bias of 4 after its weight
    };
    for (const Place& p : {Place{"conv1", &net->conv1, 0, 72},
                           Place{"conv2", &net->conv2, 76, 120},
                           Place{"fc", &net->fc, 196, 15}}) {
      const double found =
          gap(kronecker(*p.layer, static_cast<double>(samples)),
              block_of(f, p.begin, p.size));
      const double positions = p.layer->factors()->sums().positions_per_sample;
      std::printf(
          "[   gap    ] %s, %d samples, T = %.0f: "
          "|F - T (G kron A)| = %.2f |F|\n",
          p.name, static_cast<int>(samples), positions, found);
      const bool exact = samples == 1 && positions == 1.0;
      EXPECT_EQ(found < 1e-10, exact);
      EXPECT_LT(found, 2.0);  // of the right size, if not of the right shape
    }
  }
}

/** The step of every parameter, without momentum. */
std::vector<Doubles> step_of(Module& net, ThorOptions options,
                             const std::function<void()>& backward) {
  options.momentum = 0.0;
  Thor thor(net, options);
  std::vector<Doubles> steps;
  for (const Tensor& p : net.parameters()) {
    steps.push_back(p.to_vector<double>());
  }
  thor.zero_grad();
  backward();
  thor.step();
  std::size_t i = 0;
  for (const Tensor& p : net.parameters()) {
    const Doubles after = p.to_vector<double>();
    for (std::size_t k = 0; k < after.size(); ++k) steps[i][k] -= after[k];
    ++i;
  }
  return steps;
}

// Martens & Grosse, 2015, theorem 1: the inputs of a dense layer in other
// coordinates. Its twin for channels is in thor_laws_test.cpp.
TEST(ThorFisher, UndampedADenseStepDoesNotDependOnTheCoordinatesOfTheInputs) {
  Generator rng(6);
  DenseThorOptions dense;
  dense.in_channels = 3;
  dense.out_channels = 4;
  dense.weight_init = "he_normal";
  dense.dtype = DType::F64;
  Single<DenseThor> net(dense, rng), mixed(dense, rng);
  const Tensor x = normal({12, 3}, 0, 1, rng, {DType::F64, Layout::RowMajor});
  const Tensor m = Tensor::from<double>(
      {1.0, 0.5, -0.3, 0.2, 2.0, 0.4, -0.7, 0.1, 0.6}, {3, 3});
  const Tensor inverse = *linalg::solve(
      m, Tensor::from<double>({1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3}));
  // w x = (w M^-1) (M x)
  mixed.layer.weight.copy_from(linalg::matmul(net.layer.weight, inverse));
  const Tensor mixed_x = linalg::matmul(x, m, false, true);
  ThorOptions options;
  options.damping = 0.0;
  const auto step = step_of(net, options, [&] {
    const Tensor y = net(x);
    mean(tanh(y) * y).backward();
  });
  const auto other = step_of(mixed, options, [&] {
    const Tensor y = mixed(mixed_x);
    mean(tanh(y) * y).backward();
  });
  const Tensor back = linalg::matmul(Tensor::from<double>(other[0], {4, 3}), m);
  // Nothing but rounding, times the condition of the factors.
  EXPECT_LT(gap(back.to_vector<double>(), step[0]), 1e-9);
}

/** How the same losses may come to an optimizer. */
struct Delivery {
  std::int64_t copies = 1;  ///< Of each sample: the batch size.
  double loss_scale = 1.0;
  std::int64_t parts = 1;  ///< Backward passes.
};

// Far above the curvature every step is g / lambda, for any T, however the
// losses come.
TEST(ThorFisher, DampingIsACurvatureInUnitsOfTheLossOfASample) {
  const double lambda = 1e10;
  for (const DampingSplit split : {DampingSplit::Even, DampingSplit::Trace}) {
    for (const std::int64_t width : {3, 6, 11}) {  // T from 10 to 60
      Data data = random_data(4, 3);
      Generator rng(8);
      data.x = normal({4, 3, 5, width}, 0, 1, rng, {DType::F64});
      const auto plain = make_net();
      cross_entropy((*plain)(data.x), data.y).backward();
      for (const Delivery& way :
           {Delivery{}, Delivery{3, 1.0, 1}, Delivery{1, 128.0, 1},
            Delivery{1, 1.0, 2}, Delivery{2, 16.0, 4}}) {
        const auto net = make_net();
        ThorOptions options;
        options.learning_rate = lambda;
        options.damping = lambda;
        options.damping_split = split;
        options.loss_scale = way.loss_scale;
        Data all = data;
        for (std::int64_t i = 1; i < way.copies; ++i) {
          all.x = concat({all.x, data.x}, 0);
          all.y = concat({all.y, data.y}, 0);
        }
        const auto steps = step_of(*net, options, [&] {
          const std::int64_t size = all.x.size(0) / way.parts;
          for (std::int64_t i = 0; i < way.parts; ++i) {
            const Data some = part(all, i * size, (i + 1) * size);
            (cross_entropy((*net)(some.x), some.y) *
             (way.loss_scale / static_cast<double>(way.parts)))
                .backward();
          }
        });
        std::size_t i = 0;
        for (const auto& [name, tensor] : plain->named_parameters()) {
          const Doubles& step = steps[i++];
          if (name.find("weight") == std::string::npos) continue;
          // sqrt(lambda / T) is 1e4 times the eigenvalues and more
          EXPECT_LT(gap(step, tensor.grad().to_vector<double>()), 1e-3)
              << name << " " << width;
        }
      }
    }
  }
}

}  // namespace
}  // namespace mjolnir::optim

// What THOR's update is, and what must not change it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <mjolnir/core/linalg.h>
#include <mjolnir/layers/patch_covariance.h>
#include <mjolnir/optim/thor.h>

#include "tests/optim/thor_data.h"

namespace mjolnir::optim {
namespace {

using Doubles = std::vector<double>;

/** |x - y| / |y| */
double relative_error(const Doubles& x, const Doubles& y) {
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference += (x[i] - y[i]) * (x[i] - y[i]);
    size += y[i] * y[i];
  }
  return std::sqrt(difference / size);
}

/** w before minus w after one step of rate 1, without momentum and decay. */
struct OneStep {
  std::vector<Doubles> steps;  ///< By parameter.

  template <class Loss>
  OneStep(Module& net, ThorOptions options, Loss loss) {
    options.learning_rate = 1.0;
    options.momentum = 0.0;
    options.weight_decay = 0.0;
    Thor thor(net, options);
    for (const Tensor& p : net.parameters()) {
      steps.push_back(p.to(DType::F64).to_vector<double>());
    }
    thor.zero_grad();
    loss().backward();
    thor.step();
    std::size_t i = 0;
    for (const Tensor& p : net.parameters()) {
      const Doubles after = p.to(DType::F64).to_vector<double>();
      for (std::size_t k = 0; k < after.size(); ++k) steps[i][k] -= after[k];
      ++i;
    }
  }
};

// Fault 45: (1/T) (Ghat kron Ahat)^-1 vec(g), with the matrix written out.
TEST(ThorLaws, TheUpdateIsThatOfADenseSolve) {
  const auto net = make_net();
  const Data data = random_data(5, 3);
  const double lambda = 0.03;
  cross_entropy((*net)(data.x), data.y).backward();
  struct Layer {
    const CurvatureSource* source;
    double positions;
    std::size_t parameter;
  };
  const Layer layers[] = {
      {&net->conv1, 30.0, 0},
      {&net->conv2, net->conv2.factors()->sums().positions_per_sample, 2},
      {&net->fc, 1.0, 3}};
  std::vector<Doubles> want;
  for (const Layer& l : layers) {
    const Doubles a = l.source->matrix_a().to_vector<double>();
    const Doubles g = l.source->matrix_g().to_vector<double>();
    const Tensor gradient = l.source->curvature_weight().grad();
    const auto d = static_cast<std::int64_t>(std::sqrt(a.size()));
    const auto o = static_cast<std::int64_t>(std::sqrt(g.size()));
    const double s = std::sqrt(lambda / l.positions);
    const Tensor kron = Tensor::zeros({o * d, o * d}, {DType::F64});
    for (std::int64_t i = 0; i < o * d; ++i) {
      for (std::int64_t j = 0; j < o * d; ++j) {
        const std::int64_t i_o = i / d, j_o = j / d, i_d = i % d, j_d = j % d;
        const double ghat = 25 * g[static_cast<std::size_t>(i_o * o + j_o)] +
                            (i_o == j_o ? s : 0.0);
        const double ahat =
            a[static_cast<std::size_t>(i_d * d + j_d)] + (i_d == j_d ? s : 0.0);
        kron.mutable_data<double>()[i * o * d + j] = l.positions * ghat * ahat;
      }
    }
    const auto x =
        linalg::solve(kron, reshape(gradient.to(Layout::RowMajor), {o * d}));
    want.push_back(x->to_vector<double>());
  }
  ThorOptions options;
  options.damping = lambda;
  const OneStep step(*net, options,
                     [&] { return cross_entropy((*net)(data.x), data.y); });
  for (std::size_t l = 0; l < 3; ++l) {
    EXPECT_LT(relative_error(step.steps[layers[l].parameter], want[l]), 1e-10)
        << l;
  }
}

/** One layer, whose inputs may be mixed by a matrix. */
struct Mixed : Module {
  explicit Mixed(Generator& rng) : conv(options(), rng) { add("conv", conv); }
  static Conv2dThorOptions options() {
    Conv2dThorOptions o;
    o.in_channels = 3;
    o.out_channels = 4;
    o.kernel_size = {2, 3};
    o.stride = {1, 2};
    o.weight_init = "he_normal";
    o.dtype = DType::F64;
    return o;
  }
  Conv2dThor conv;
};

/** y[n,i,h,w] = sum_j m[i,j] x[n,j,h,w] */
Tensor mix_channels(const Tensor& x, const Tensor& m) {
  const std::int64_t n = x.size(0), c = x.size(1);
  const Tensor columns = reshape(x.to(Layout::RowMajor), {n, c, -1});
  return reshape(matmul(m, columns), x.shape());
}

// Amari, "Natural gradient works efficiently in learning", 1998: the natural
// gradient does not depend on the coordinates. For a Kronecker factor: not on
// those of the layer's inputs (Martens & Grosse, 2015, theorem 1).
TEST(ThorLaws, UndampedItDoesNotDependOnTheCoordinatesOfTheInputs) {
  Generator rng(6);
  Mixed net(rng), mixed(rng);
  const Tensor x =
      normal({12, 3, 5, 6}, 0, 1, rng, {DType::F64, Layout::RowMajor});
  const Tensor m = Tensor::from<double>(
      {1.0, 0.5, -0.3, 0.2, 2.0, 0.4, -0.7, 0.1, 0.6}, {3, 3});
  const Tensor inverse = *linalg::solve(
      m, Tensor::from<double>({1, 0, 0, 0, 1, 0, 0, 0, 1}, {3, 3}));
  // w x = (w M^-1) (M x): the same function of another input.
  const Tensor transposed = transpose(inverse, 0, 1);
  mixed.conv.weight.copy_from(mix_channels(net.conv.weight, transposed));
  const Tensor mixed_x = mix_channels(x, m);
  const auto loss = [](Module& module, const Tensor& input) {
    const Tensor y = dynamic_cast<Mixed&>(module).conv(input);
    return mean(tanh(y) * y);
  };
  ThorOptions options;
  options.damping = 0.0;
  const OneStep step(net, options, [&] { return loss(net, x); });
  const OneStep other(mixed, options, [&] { return loss(mixed, mixed_x); });
  const Tensor back = mix_channels(
      Tensor::from<double>(other.steps[0], {4, 3, 2, 3}), transpose(m, 0, 1));
  // Nothing but rounding, times the condition of the factors.
  EXPECT_LT(relative_error(back.to_vector<double>(), step.steps[0]), 1e-9);
}

TEST(ThorLaws, APermutedBatchGivesTheSameStep) {
  const Data data = random_data(6, 3);
  const std::vector<std::int64_t> order{4, 0, 5, 2, 1, 3};
  std::vector<Tensor> images, labels;
  for (const std::int64_t i : order) {
    images.push_back(slice(data.x, 0, i, i + 1));
    labels.push_back(slice(data.y, 0, i, i + 1));
  }
  const Tensor x = concat(images, 0), y = concat(labels, 0);
  const auto net = make_net();
  const auto twin = make_net();
  const OneStep step(*net, small_options(),
                     [&] { return cross_entropy((*net)(data.x), data.y); });
  const OneStep other(*twin, small_options(),
                      [&] { return cross_entropy((*twin)(x), y); });
  for (std::size_t i = 0; i < step.steps.size(); ++i) {
    EXPECT_LT(relative_error(other.steps[i], step.steps[i]), 1e-12);
  }
}

// A loss in other units, said to nobody: G is c^2 times as large, and so must
// lambda be; then the step is 1/c of the old one.
TEST(ThorLaws, ALossInOtherUnitsWantsTheDampingInThem) {
  const Data data = random_data(6, 3);
  const double c = 8.0;
  const auto net = make_net();
  const auto twin = make_net();
  ThorOptions options = small_options();
  options.damping_split = DampingSplit::Trace;
  options.damping = 0.05;
  const OneStep step(*net, options,
                     [&] { return cross_entropy((*net)(data.x), data.y); });
  options.damping = 0.05 * c * c;
  const OneStep other(*twin, options, [&] {
    return cross_entropy((*twin)(data.x), data.y) * c;
  });
  for (const std::size_t i : {0U, 2U, 3U}) {  // the weights
    Doubles scaled = other.steps[i];
    for (double& v : scaled) v *= c;
    EXPECT_LT(relative_error(scaled, step.steps[i]), 1e-12) << i;
  }
}

TEST(ThorLaws, FloatsAgreeWithDoubles) {
  const auto run = [](DType dtype) {
    const auto net = make_net(dtype);
    Data data = random_data(6, 3);
    data.x = data.x.to(dtype);
    return OneStep(*net, small_options(),
                   [&] { return cross_entropy((*net)(data.x), data.y); })
        .steps;
  };
  const auto doubles = run(DType::F64);
  const auto floats = run(DType::F32);
  for (std::size_t i = 0; i < doubles.size(); ++i) {
    // eps of f32 times the condition of the damped factors, some hundreds
    EXPECT_LT(relative_error(floats[i], doubles[i]), 3e-5) << i;
  }
}

/** Compares three ways to S_A at every record it is shown. */
class Comparer final : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& r) override {
    PatchCovarianceOptions shifts, patches;
    shifts.algorithm = CovarianceAlgorithm::Shifts;
    patches.algorithm = CovarianceAlgorithm::Patches;
    const Doubles reference =
        patch_covariance(r.x.to(DType::F64), r.geometry, patches)
            .to_vector<double>();
    double largest = 0.0;
    for (const double v : reference) largest = std::max(largest, std::abs(v));
    for (const PatchCovarianceOptions& way : {shifts, patches}) {
      const Doubles got = patch_covariance(r.x, r.geometry, way)
                              .to(DType::F64)
                              .to_vector<double>();
      for (std::size_t i = 0; i < got.size(); ++i) {
        worst = std::max(worst, std::abs(got[i] - reference[i]) / largest);
      }
    }
    ++records;
  }
  bool collecting() const override { return wanted; }
  void clear() override {}

  double worst = 0.0;
  int records = 0;
  bool wanted = false;
};

struct Wide : Module {
  explicit Wide(Generator& rng)
      : first(options(2, 16), rng), second(options(16, 18), rng) {
    add("first", first);
    add("second", second);
  }
  Tensor operator()(const Tensor& x) override {
    return global_avg_pool(relu(second(relu(first(x)))));
  }
  static Conv2dThorOptions options(std::int64_t in, std::int64_t out) {
    Conv2dThorOptions o;
    o.in_channels = in;
    o.out_channels = out;
    o.kernel_size = 3;
    o.weight_init = "he_normal";
    return o;
  }
  Conv2dThor first, second;
};

TEST(ThorLaws, AlgorithmsAgreeAtEveryRefreshOfAHundredSteps) {
  Generator rng(9);
  Wide net(rng);
  ThorOptions options = small_options();
  options.frequency = 10;
  Thor thor(net, options);
  const auto comparer = std::make_shared<Comparer>();
  const ObservationHandle handle = net.second.observe(comparer);
  for (int step = 0; step < 100; ++step) {
    comparer->wanted = thor.collecting();
    const Tensor x = normal({3, 2, 7, 6}, 0, 1, rng);
    std::vector<std::int64_t> labels;
    for (int i = 0; i < 3; ++i) {
      labels.push_back(static_cast<std::int64_t>(rng.below(18)));
    }
    thor.zero_grad();
    cross_entropy(net(x), Tensor::from<std::int64_t>(labels, {3})).backward();
    thor.step();
  }
  EXPECT_EQ(comparer->records, 10);
  EXPECT_LT(comparer->worst, 2e-6);
  EXPECT_GT(comparer->worst, 0.0);
}

}  // namespace
}  // namespace mjolnir::optim

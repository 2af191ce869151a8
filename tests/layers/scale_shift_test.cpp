// The second moments of a normalization layer's samples, against gradients
// worked out one sample at a time.
#include <mjolnir/layers/scale_shift.h>

#include <gmock/gmock.h>

#include <cmath>
#include <memory>

#include <mjolnir/core/allocator.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/layer_norm.h>

#include "tests/layers/sample_nets.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;
using testing::random_f64;
using testing::relative_error;
using testing::sample_rows;
using testing::values_of;

using Doubles = std::vector<double>;

// Sums in f64 in another order than the definition's.
constexpr double exact = 1e-12;

/** Moments (3, units) of rows of samples' gradients. */
Doubles moments_of(const std::vector<Doubles>& scale,
                   const std::vector<Doubles>& shift) {
  const std::size_t units = scale.front().size();
  Doubles all(3 * units, 0.0);
  for (std::size_t n = 0; n < scale.size(); ++n) {
    for (std::size_t i = 0; i < units; ++i) {
      all[i] += scale[n][i] * scale[n][i];
      all[units + i] += scale[n][i] * shift[n][i];
      all[2 * units + i] += shift[n][i] * shift[n][i];
    }
  }
  return all;
}

Doubles moments_of(const ScaleShiftObserver& observer) {
  const ScaleShiftSums sums = observer.sums();
  Doubles all;
  for (const Tensor& x :
       {sums.scale_scale, sums.scale_shift, sums.shift_shift}) {
    for (const double v : values_of(x)) all.push_back(v);
  }
  return all;
}

LayerNormOptions shape_of(std::vector<std::int64_t> shape,
                          DType dtype = DType::F64) {
  LayerNormOptions options;
  options.shape = std::move(shape);
  options.dtype = dtype;
  return options;
}

BatchNorm2dOptions channels_of(std::int64_t channels,
                               DType dtype = DType::F64) {
  BatchNorm2dOptions options;
  options.channels = channels;
  options.dtype = dtype;
  return options;
}

void randomize(Module& module, Generator& rng) {
  for (const Tensor& p : module.parameters()) {
    p.copy_from(random_f64(p.shape(), rng).to(p.dtype()).to(p.layout()));
  }
}

/** How far the moments are from those of square_loss's gradients, sample by
 * sample; `layer` is the name of the layer in the module and a dot. */
double error_of(const ScaleShiftObserver& observer, Module& module,
                const Batch& batch, const std::string& layer = "") {
  const auto& loss = testing::square_loss;
  return relative_error(
      moments_of(observer),
      moments_of(sample_rows(module, loss, batch, layer + "weight"),
                 sample_rows(module, loss, batch, layer + "bias")));
}

TEST(ScaleShift, OfALayerNormAreThoseOfItsSamples) {
  Generator rng(1);
  const std::vector<std::vector<std::int64_t>> inputs{
      {5, 7}, {4, 3, 7}, {3, 2, 5, 7}, {7}};
  for (const auto& lengths : inputs) {
    LayerNorm norm(shape_of({7}));
    randomize(norm, rng);
    const auto observer = std::make_shared<ScaleShiftObserver>();
    const ObservationHandle handle = norm.observe(observer);
    Batch batch;
    batch.images = random_f64(Shape(lengths), rng);
    testing::square_loss(norm, batch).backward();
    if (lengths.size() == 1) batch.images = reshape(batch.images, {1, 7});
    EXPECT_EQ(observer->samples(), batch.images.size(0));
    EXPECT_LE(error_of(*observer, norm, batch), exact)
        << batch.images.shape().str();
  }
}

TEST(ScaleShift, OfALayerNormOverImagesInBothLayouts) {
  Generator rng(2);
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    LayerNorm norm(shape_of({2, 3, 4}));
    randomize(norm, rng);
    const auto observer = std::make_shared<ScaleShiftObserver>();
    const ObservationHandle handle = norm.observe(observer);
    Batch batch;
    batch.images = random_f64({5, 2, 3, 4}, rng, layout);
    testing::square_loss(norm, batch).backward();
    EXPECT_LE(error_of(*observer, norm, batch), exact);
  }
}

TEST(ScaleShift, OfTokensThatAreSamples) {
  Generator rng(3);
  LayerNormOptions options = shape_of({6});
  options.positions_are_samples = true;
  LayerNorm norm(options);
  randomize(norm, rng);
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = norm.observe(observer);
  Batch batch;
  batch.images = random_f64({4, 3, 6}, rng);
  testing::square_loss(norm, batch).backward();
  EXPECT_EQ(observer->samples(), 12);
  batch.images = reshape(batch.images, {12, 6});
  EXPECT_LE(error_of(*observer, norm, batch), exact);
}

/** (N,C,T) elements of (N,C,H,W) or (N,C). */
struct Channels {
  explicit Channels(const Tensor& x)
      : values(values_of(x)),
        samples(x.size(0)),
        channels(x.size(1)),
        positions(x.numel() / (x.size(0) * x.size(1))) {}
  double operator()(std::int64_t n, std::int64_t c, std::int64_t t) const {
    return values[static_cast<std::size_t>((n * channels + c) * positions + t)];
  }
  Doubles values;
  std::int64_t samples, channels, positions;
};

/** The definition: with mean and variance as given constants. */
Doubles naive_moments(const Tensor& x, const Tensor& dout, const Doubles& mean,
                      const Doubles& variance, double epsilon) {
  const Channels in(x), by(dout);
  std::vector<Doubles> scale, shift;
  for (std::int64_t n = 0; n < in.samples; ++n) {
    scale.emplace_back();
    shift.emplace_back();
    for (std::int64_t c = 0; c < in.channels; ++c) {
      const auto i = static_cast<std::size_t>(c);
      double w = 0, b = 0;
      for (std::int64_t t = 0; t < in.positions; ++t) {
        const double xhat =
            (in(n, c, t) - mean[i]) / std::sqrt(variance[i] + epsilon);
        w += by(n, c, t) * xhat;
        b += by(n, c, t);
      }
      scale.back().push_back(w);
      shift.back().push_back(b);
    }
  }
  return moments_of(scale, shift);
}

/** Mean and biased variance of each channel. */
std::pair<Doubles, Doubles> statistics_of(const Tensor& x) {
  const Channels in(x);
  Doubles means, variances;
  for (std::int64_t c = 0; c < in.channels; ++c) {
    const auto count = double(in.samples * in.positions);
    double mean = 0, variance = 0;
    for (std::int64_t n = 0; n < in.samples; ++n)
      for (std::int64_t t = 0; t < in.positions; ++t)
        mean += in(n, c, t) / count;
    for (std::int64_t n = 0; n < in.samples; ++n)
      for (std::int64_t t = 0; t < in.positions; ++t)
        variance += (in(n, c, t) - mean) * (in(n, c, t) - mean) / count;
    means.push_back(mean);
    variances.push_back(variance);
  }
  return {means, variances};
}

TEST(ScaleShift, OfABatchNormAreThoseOfTheDefinition) {
  Generator rng(4);
  for (const bool image : {true, false}) {
    for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
      for (const bool training : {true, false}) {
        if (!image && layout == Layout::ChannelsLast) continue;
        BatchNorm2d norm(channels_of(3));
        randomize(norm, rng);
        norm.running_mean.copy_from(random_f64({3}, rng));
        norm.running_var.copy_from(uniform({3}, 0.5, 2, rng, {DType::F64}));
        norm.train(training);
        const auto observer = std::make_shared<ScaleShiftObserver>();
        const ObservationHandle handle = norm.observe(observer);
        const Tensor x = image ? random_f64({5, 3, 2, 4}, rng, layout)
                               : random_f64({6, 3}, rng);
        auto [mean, variance] = statistics_of(x);
        if (!training) {
          mean = values_of(norm.running_mean);
          variance = values_of(norm.running_var);
        }
        const Tensor y = norm(x);
        const Tensor dout = random_f64(y.shape(), rng);
        const Tensor loss = sum(y * dout);
        norm.running_mean.fill(7);  // what counts is what the forward saw
        loss.backward();
        EXPECT_EQ(observer->samples(), x.size(0));
        EXPECT_LE(relative_error(moments_of(*observer),
                                 naive_moments(x, dout, mean, variance, 1e-5)),
                  exact)
            << image << training;
      }
    }
  }
}

TEST(ScaleShift, OfF32AndOfAnyNumberOfThreads) {
  Generator rng(5);
  const Tensor x = random_f64({70, 3, 9, 11}, rng);
  const Tensor dout = random_f64({70, 3, 9, 11}, rng);
  const auto run = [&](DType dtype) {
    BatchNorm2d norm(channels_of(3, dtype));
    const auto observer = std::make_shared<ScaleShiftObserver>();
    const ObservationHandle handle = norm.observe(observer);
    sum(norm(x.to(dtype)) * dout.to(dtype)).backward();
    return moments_of(*observer);
  };
  const int threads = num_threads();
  set_num_threads(1);
  const Doubles one = run(DType::F64);
  set_num_threads(3);
  const Doubles three = run(DType::F64);
  const Doubles single = run(DType::F32);
  set_num_threads(threads);
  EXPECT_EQ(one, three);
  // x, dout and xhat rounded to f32, products of four of them; summed in f64.
  EXPECT_LE(relative_error(single, one), 8 * 6e-8);
}

TEST(ScaleShift, SeveralUsesInAPassAddUpBeforeTheyAreSquared) {
  Generator rng(6);
  struct Twice : Module {
    Twice() : norm(shape_of({5})) { add("norm", norm); }
    Tensor operator()(const Tensor& x) override {
      return norm(tanh(norm(x)) * 2.0);
    }
    LayerNorm norm;
  } net;
  randomize(net, rng);
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = net.norm.observe(observer);
  Batch batch;
  batch.images = random_f64({4, 3, 5}, rng);
  testing::square_loss(net, batch).backward();
  EXPECT_EQ(observer->samples(), 4);
  EXPECT_LE(error_of(*observer, net, batch, "norm."), exact);
}

TEST(ScaleShift, TwoHalvesAreOneWholeAndZeroGradForgets) {
  Generator rng(7);
  LayerNorm norm(shape_of({5}));
  randomize(norm, rng);
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = norm.observe(observer);
  Batch whole, first, second;
  whole.images = random_f64({6, 3, 5}, rng);
  first.images = slice(whole.images, 0, 0, 4);
  second.images = slice(whole.images, 0, 4, 6);
  testing::square_loss(norm, whole).backward();
  const Doubles all = moments_of(*observer);
  norm.zero_grad();
  EXPECT_EQ(observer->samples(), 0);
  EXPECT_FALSE(observer->sums().scale_scale.defined());
  testing::square_loss(norm, first).backward();
  testing::square_loss(norm, second).backward();
  EXPECT_EQ(observer->samples(), 6);
  EXPECT_EQ(observer->sums().samples, 6);
  EXPECT_LE(relative_error(moments_of(*observer), all), exact);
}

TEST(ScaleShift, FeedsByPurposeAndOnlyThoseWhoCollect) {
  Generator rng(8);
  LayerNorm norm(shape_of({3}));
  const auto training = std::make_shared<ScaleShiftObserver>();
  const auto curvature =
      std::make_shared<ScaleShiftObserver>(Purpose::Curvature);
  const ObservationHandle a = norm.observe(training);
  const ObservationHandle b = norm.observe(curvature);
  const Tensor x = random_f64({4, 3}, rng);
  BackwardOptions only;
  only.curvature_only = true;
  sum(norm(x)).backward(only);
  EXPECT_EQ(training->samples(), 0);
  EXPECT_EQ(curvature->samples(), 4);
  sum(norm(x)).backward();
  EXPECT_EQ(training->samples(), 4);
  EXPECT_EQ(curvature->samples(), 4);
  grad({sum(norm(x))}, {norm.weight});
  training->collect(false);
  sum(norm(x)).backward();
  EXPECT_EQ(training->samples(), 4);
  EXPECT_THROW(norm.observe(nullptr), ValueError);
}

// A layer that nobody observes keeps nothing of its forward pass beyond what
// the op keeps, and one that is observed in vain neither.
TEST(ScaleShift, CostsNothingWhileNobodyCollects) {
  Generator rng(9);
  BatchNorm2d norm(channels_of(3));
  const Tensor x = random_f64({4, 3, 5, 5}, rng);
  const auto requests = [&] {
    const auto before = allocator_statistics();
    sum(norm(x)).backward();
    const auto after = allocator_statistics();
    return after.hits + after.misses - before.hits - before.misses;
  };
  requests();
  const std::int64_t dormant = requests();
  const auto observer = std::make_shared<ScaleShiftObserver>();
  const ObservationHandle handle = norm.observe(observer);
  observer->collect(false);
  EXPECT_EQ(requests(), dormant);
  observer->collect(true);
  EXPECT_GT(requests(), dormant);
}

TEST(ScaleShift, TheGraphOutlivesTheLayerAndClonesAreNotObserved) {
  Generator rng(10);
  const auto observer = std::make_shared<ScaleShiftObserver>();
  Tensor loss;
  ObservationHandle handle;
  const Tensor x = random_f64({4, 3}, rng);
  {
    BatchNorm2d norm(channels_of(3));
    handle = norm.observe(observer);
    const auto copy = norm.clone();
    sum((*copy)(x)).backward();
    EXPECT_EQ(observer->samples(), 0);
    loss = sum(norm(x));
  }
  loss.backward();
  EXPECT_EQ(observer->samples(), 4);
}

TEST(ScaleShift, RefusesWhatHasNoGradientPerSample) {
  ScaleShiftRecord record;
  record.xhat = record.dout = Tensor::ones({6, 2}, {DType::F64});
  record.units = 2;
  record.samples = 4;
  record.pass = 1;
  ScaleShiftObserver observer;
  EXPECT_THAT(message_of<ValueError>([&] { observer.record(record); }),
              HasSubstr("as many positions, got 6 in all"));
  record.samples = 6;
  observer.record(record);
  record.samples = 3;
  EXPECT_THAT(message_of<ValueError>([&] { observer.record(record); }),
              HasSubstr("same samples, got 6 and then 3"));
  EXPECT_EQ(observer.samples(), 0);
  observer.record(record);
  record.units = 1;
  EXPECT_THROW(observer.record(record), ShapeError);
  record.samples = 0;
  observer.record(record);
  EXPECT_EQ(observer.samples(), 3);
}

}  // namespace
}  // namespace mjolnir

#include <gmock/gmock.h>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/naive_factors.h"
#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;
using testing::relative_error;
using testing::values_of;

Conv2dOptions conv_options() {
  Conv2dOptions options;
  options.in = 2;
  options.out = 3;
  options.kernel = Pair(3, 2);
  options.stride = Pair(1, 2);
  options.padding = Padding(1, 0, 2, 1);
  options.dtype = DType::F64;
  return options;
}

DenseOptions dense_options(std::int64_t in, std::int64_t out) {
  DenseOptions options;
  options.in = in;
  options.out = out;
  options.dtype = DType::F64;
  return options;
}

/** sum of y * weights: its gradient at y is `weights`. */
Tensor weighted(const Tensor& y, const Tensor& weights) {
  return sum(y * weights);
}

/** Keeps every record it is shown. */
class Recorder : public CurvatureObserver {
 public:
  explicit Recorder(Purpose purpose = Purpose::Training) : purpose_(purpose) {}
  void record(const CurvatureRecord& record) override {
    records.push_back(record);
    records.back().x = record.x.clone();
    records.back().dout = record.dout.clone();
  }
  bool collecting() const override { return wanted; }
  Purpose purpose() const override { return purpose_; }
  void clear() override { records.clear(); }

  std::vector<CurvatureRecord> records;
  bool wanted = true;

 private:
  Purpose purpose_;
};

TEST(CurvatureSource, ShowsInputAndGradientOfEachUse) {
  Generator rng(1);
  Conv2d conv(conv_options(), rng);
  const auto recorder = std::make_shared<Recorder>();
  const ObservationHandle handle = conv.observe(recorder);
  const Tensor x = testing::random_f64({4, 2, 5, 7}, rng);
  const Tensor y = conv(x);
  const Tensor dout = testing::random_f64(y.shape(), rng);
  weighted(y, dout).backward();
  ASSERT_EQ(recorder->records.size(), 1u);
  const CurvatureRecord& record = recorder->records[0];
  EXPECT_EQ(record.kind, CurvatureKind::Conv2d);
  EXPECT_TRUE(bit_equal(record.x, x));
  EXPECT_TRUE(bit_equal(record.dout, dout));
  EXPECT_EQ(record.samples, 4);
  EXPECT_EQ(record.rows, 3);
  EXPECT_EQ(record.geometry.stride_w, 2);
  EXPECT_EQ(record.geometry.pad_left, 2);
  EXPECT_NE(record.pass, 0u);
}

TEST(CurvatureSource, GradientIsAfterTheHooksAndFromAllUses) {
  Generator rng(2);
  Dense dense(dense_options(3, 2), rng);
  const auto recorder = std::make_shared<Recorder>();
  const ObservationHandle handle = dense.observe(recorder);
  const Tensor y = dense(testing::random_f64({5, 3}, rng));
  y.on_gradient([](const Tensor& dy) { return dy * 3; });
  (sum(y) + 2 * sum(y)).backward();
  ASSERT_EQ(recorder->records.size(), 1u);
  EXPECT_EQ(values_of(recorder->records[0].dout), std::vector<double>(10, 9));
}

TEST(CurvatureSource, FeedsByPurpose) {
  Generator rng(3);
  Dense dense(dense_options(3, 2), rng);
  const auto training = std::make_shared<Recorder>();
  const auto curvature = std::make_shared<Recorder>(Purpose::Curvature);
  const ObservationHandle a = dense.observe(training);
  const ObservationHandle b = dense.observe(curvature);
  const Tensor x = testing::random_f64({2, 3}, rng);
  BackwardOptions curvature_only;
  curvature_only.curvature_only = true;
  sum(dense(x)).backward(curvature_only);
  EXPECT_EQ(training->records.size(), 0u);
  EXPECT_EQ(curvature->records.size(), 1u);
  EXPECT_FALSE(dense.weight.grad().defined());
  sum(dense(x)).backward();
  EXPECT_EQ(training->records.size(), 1u);
  EXPECT_EQ(curvature->records.size(), 1u);
  // grad(), create_graph and forward-only work feed nobody.
  grad({sum(dense(x))}, {dense.weight});
  BackwardOptions create_graph;
  create_graph.create_graph = true;
  sum(dense(x)).backward(create_graph);
  {
    const NoGrad no_grad;
    dense(x);
  }
  EXPECT_EQ(training->records.size(), 1u);
  EXPECT_EQ(curvature->records.size(), 1u);
}

TEST(CurvatureSource, DetachesWithTheHandleAndSkipsTheIdle) {
  Generator rng(4);
  Dense dense(dense_options(3, 2), rng);
  const auto recorder = std::make_shared<Recorder>();
  const Tensor x = testing::random_f64({2, 3}, rng);
  {
    ObservationHandle first = dense.observe(recorder);
    ObservationHandle moved = std::move(first);
    recorder->wanted = false;
    sum(dense(x)).backward();
    EXPECT_EQ(recorder->records.size(), 0u);
    recorder->wanted = true;
    sum(dense(x)).backward();
    EXPECT_EQ(recorder->records.size(), 1u);
  }
  sum(dense(x)).backward();
  EXPECT_EQ(recorder->records.size(), 1u);
  EXPECT_THROW(dense.observe(nullptr), ValueError);
}

TEST(CurvatureSource, TheGraphOutlivesTheLayer) {
  Generator rng(5);
  const auto recorder = std::make_shared<Recorder>();
  Tensor loss;
  ObservationHandle handle;
  {
    Dense dense(dense_options(3, 2), rng);
    handle = dense.observe(recorder);
    loss = sum(dense(testing::random_f64({2, 3}, rng)));
  }
  loss.backward();
  EXPECT_EQ(recorder->records.size(), 1u);
}

TEST(CurvatureSource, AnInputChangedBeforeBackwardIsAnError) {
  Generator rng(6);
  Dense dense(dense_options(3, 2), rng);
  dense.enable_factors();
  dense.collect(Collect::Factors);
  dense.weight.set_requires_grad(false);
  const Tensor x = testing::random_f64({2, 3}, rng);
  const Tensor loss = sum(dense(x));
  x.fill(0);
  EXPECT_THROW(loss.backward(), ValueError);
}

TEST(Factors, AreTheSumsOfTheirDefinition) {
  Generator rng(7);
  Conv2d conv(conv_options(), rng);
  conv.enable_factors();
  conv.collect(Collect::Factors);
  const Tensor x = testing::random_f64({4, 2, 5, 7}, rng);
  const Tensor y = conv(x);
  const Tensor dout = testing::random_f64(y.shape(), rng);
  weighted(y, dout).backward();
  const FactorSums& sums = conv.factors()->sums();
  const Conv2dGeometry window = conv.curvature_geometry();
  const std::vector<double> a =
      testing::naive_patch_gram(values_of(x), x.shape(), window);
  EXPECT_LE(relative_error(testing::weight_order(values_of(sums.a), 2, 6), a),
            1e-13);
  const std::vector<double> g =
      testing::naive_gradient_gram(values_of(dout), dout.shape());
  EXPECT_LE(relative_error(values_of(sums.g), g), 1e-13);
  const std::int64_t positions = 4 * y.size(2) * y.size(3);
  EXPECT_EQ(sums.positions_a, positions);
  EXPECT_EQ(sums.positions_g, positions);
  EXPECT_EQ(sums.samples, 4);
  EXPECT_EQ(sums.positions_per_sample, double(y.size(2) * y.size(3)));
  double trace_a = 0;
  for (std::size_t i = 0; i < 12; ++i) trace_a += a[i * 12 + i];
  EXPECT_NEAR(sums.traces_a.at(0), trace_a, 1e-12 * trace_a);
  EXPECT_NEAR(sums.traces_g.at(0), g[0] + g[4] + g[8],
              1e-12 * sums.traces_g[0]);
  // matrix_a() is in weight order and scaled.
  std::vector<double> scaled = a;
  for (double& element : scaled) element /= double(positions);
  EXPECT_LE(relative_error(values_of(conv.matrix_a()), scaled), 1e-13);
  EXPECT_EQ(conv.matrix_g().shape(), (Shape{3, 3}));
}

TEST(Factors, TracesAloneAreTheTracesOfTheFactors) {
  Generator rng(8);
  Conv2d conv(conv_options(), rng);
  conv.enable_factors();
  const Tensor x = testing::random_f64({3, 2, 6, 5}, rng);
  const Tensor dout = testing::random_f64(conv(x).shape(), rng);
  const auto run = [&](Collect what) {
    conv.zero_grad();
    conv.collect(what);
    weighted(conv(x), dout).backward();
    return conv.factors()->sums();
  };
  const FactorSums factors = run(Collect::Factors);
  const FactorSums traces = run(Collect::Traces);
  EXPECT_FALSE(traces.a.defined());
  EXPECT_FALSE(traces.g.defined());
  EXPECT_EQ(traces.traces_a, factors.traces_a);
  EXPECT_EQ(traces.traces_g, factors.traces_g);
  EXPECT_EQ(traces.positions_a, factors.positions_a);
  EXPECT_EQ(traces.samples, 3);
  EXPECT_EQ(run(Collect::Nothing).positions_a, 0);
  // Traces do not mix with factors of the same window.
  conv.collect(Collect::Traces);
  weighted(conv(x), dout).backward();
  conv.collect(Collect::Factors);
  weighted(conv(x), dout).backward();
  EXPECT_EQ(conv.factors()->sums().positions_a, factors.positions_a);
}

TEST(Factors, TwoHalvesAreOneWhole) {
  Generator rng(9);
  Conv2d conv(conv_options(), rng);
  conv.enable_factors();
  conv.collect(Collect::Factors);
  const Tensor x = testing::random_f64({6, 2, 4, 5}, rng);
  const Tensor dout = testing::random_f64(conv(x).shape(), rng);
  weighted(conv(x), dout).backward();
  const FactorSums whole = conv.factors()->sums();
  conv.zero_grad();
  for (const std::int64_t half : {0, 1}) {
    const auto part = [&](const Tensor& of) {
      const std::vector<double> v = values_of(of);
      const auto size = std::ptrdiff_t(v.size() / 2);
      const auto first = v.begin() + half * size;
      return Tensor::from(std::vector<double>(first, first + size),
                          of.shape().with(0, 3));
    };
    weighted(conv(part(x)), part(dout)).backward();
  }
  const FactorSums& halves = conv.factors()->sums();
  EXPECT_LE(relative_error(halves.a, whole.a), 1e-14);
  EXPECT_LE(relative_error(halves.g, whole.g), 1e-14);
  EXPECT_EQ(halves.positions_a, whole.positions_a);
  EXPECT_EQ(halves.positions_g, whole.positions_g);
  EXPECT_EQ(halves.samples, 6);
  EXPECT_EQ(halves.positions_per_sample, whole.positions_per_sample);
}

TEST(Factors, TwoUsesInAPassCountSamplesOnce) {
  Generator rng(10);
  Dense dense(dense_options(3, 3), rng);
  dense.enable_factors();
  dense.collect(Collect::Factors);
  const Tensor x = testing::random_f64({5, 3}, rng);
  sum(dense(dense(x))).backward();
  EXPECT_EQ(dense.factors()->sums().samples, 5);
  EXPECT_EQ(dense.factors()->sums().positions_a, 10);
  EXPECT_EQ(dense.factors()->sums().positions_g, 10);
  EXPECT_EQ(dense.factors()->sums().positions_per_sample, 2);
  sum(dense(x)).backward();
  EXPECT_EQ(dense.factors()->sums().samples, 10);
  EXPECT_EQ(dense.factors()->sums().positions_a, 15);
  dense.zero_grad();
  EXPECT_EQ(dense.factors()->sums().samples, 0);
  EXPECT_FALSE(dense.factors()->sums().a.defined());
}

TEST(Factors, EmbeddingCountsIds) {
  Generator rng(11);
  EmbeddingOptions options;
  options.count = 5;
  options.size = 3;
  Embedding table(options, rng);
  table.enable_factors();
  table.collect(Collect::Factors);
  const Tensor ids =
      Tensor::from(std::vector<std::int64_t>{0, 2, 2, 4, 2, 0}, {3, 2});
  const Tensor y = table(ids);
  const Tensor dout = normal(y.shape(), 0, 1, rng);
  sum(y * dout).backward();
  const FactorSums& sums = table.factors()->sums();
  EXPECT_EQ(values_of(sums.a), (std::vector<double>{2, 0, 3, 0, 1}));
  EXPECT_EQ(sums.samples, 3);
  EXPECT_EQ(sums.positions_a, 6);
  EXPECT_EQ(sums.positions_per_sample, 2);
  EXPECT_EQ(sums.traces_a, std::vector<double>{6});
  std::vector<double> g;
  const std::vector<double> rows = values_of(dout);
  for (std::size_t p = 0; p < 6; ++p)
    testing::add_outer({rows[p * 3], rows[p * 3 + 1], rows[p * 3 + 2]}, g);
  EXPECT_LE(relative_error(values_of(sums.g), g), 1e-6);
  EXPECT_LE(relative_error(values_of(table.matrix_a()),
                           {2 / 6., 0, 3 / 6., 0, 1 / 6.}),
            1e-7);
}

TEST(Factors, AnIdThatTheTableHasNotIsAnError) {
  KroneckerObserver observer(Collect::Factors);
  CurvatureRecord record;
  record.kind = CurvatureKind::Embedding;
  record.x = Tensor::from(std::vector<std::int64_t>{0, 3}, {2});
  record.dout = Tensor::zeros({2, 4});
  record.rows = 3;
  record.samples = 2;
  record.pass = 1;
  EXPECT_THROW(observer.record(record), ValueError);
  record.rows = 4;
  observer.clear();
  EXPECT_NO_THROW(observer.record(record));
}

TEST(Factors, SequencesCountPositionsOrSamples) {
  Generator rng(12);
  for (const bool positions_are_samples : {false, true}) {
    DenseOptions options = dense_options(4, 2);
    options.positions_are_samples = positions_are_samples;
    Dense dense(options, rng);
    dense.enable_factors();
    dense.collect(Collect::Factors);
    sum(dense(testing::random_f64({3, 5, 4}, rng))).backward();
    const FactorSums& sums = dense.factors()->sums();
    EXPECT_EQ(sums.positions_a, 15);
    EXPECT_EQ(sums.samples, positions_are_samples ? 15 : 3);
    EXPECT_EQ(sums.positions_per_sample, positions_are_samples ? 1 : 5);
  }
}

TEST(BatchMean, AveragesBeforeTheOuterProduct) {
  Generator rng(13);
  Conv2d conv(conv_options(), rng);
  conv.enable_factors(std::make_shared<BatchMeanObserver>(Collect::Factors));
  const Tensor x = testing::random_f64({3, 2, 5, 4}, rng);
  const Tensor y = conv(x);
  const Tensor dout = testing::random_f64(y.shape(), rng);
  weighted(y, dout).backward();
  const auto mean_of = [](const Tensor& batch) {
    const std::vector<double> v = values_of(batch);
    std::vector<double> m(v.size() / 3);
    for (std::size_t i = 0; i < v.size(); ++i) m[i % m.size()] += v[i] / 3;
    return m;
  };
  const FactorSums& sums = conv.factors()->sums();
  const std::vector<double> a = testing::naive_patch_gram(
      mean_of(x), x.shape().with(0, 1), conv.curvature_geometry());
  EXPECT_LE(relative_error(testing::weight_order(values_of(sums.a), 2, 6), a),
            1e-13);
  EXPECT_LE(relative_error(values_of(sums.g),
                           testing::naive_gradient_gram(
                               mean_of(dout), dout.shape().with(0, 1))),
            1e-13);
  const std::int64_t t = y.size(2) * y.size(3);
  EXPECT_EQ(sums.positions_a, t);
  EXPECT_EQ(sums.positions_g, t);
  EXPECT_EQ(sums.samples, 3);
  EXPECT_EQ(sums.positions_per_sample, double(t));
  // A second backward pass in the window is refused; a new window is not.
  const std::string message =
      message_of<ValueError>([&] { weighted(conv(x), dout).backward(); });
  EXPECT_THAT(message, HasSubstr("zero_grad()"));
  conv.zero_grad();
  weighted(conv(x), dout).backward();
  EXPECT_EQ(conv.factors()->sums().positions_a, t);
}

TEST(BatchMean, DenseIsPerSample) {
  Generator rng(14);
  Dense dense(dense_options(3, 2), rng);
  const auto parity = std::make_shared<BatchMeanObserver>(Collect::Factors);
  const auto plain = std::make_shared<KroneckerObserver>(Collect::Factors);
  const ObservationHandle a = dense.observe(parity);
  const ObservationHandle b = dense.observe(plain);
  const Tensor y = dense(testing::random_f64({4, 3}, rng));
  weighted(y, testing::random_f64({4, 2}, rng)).backward();
  EXPECT_TRUE(bit_equal(parity->sums().a, plain->sums().a));
  EXPECT_TRUE(bit_equal(parity->sums().g, plain->sums().g));
  EXPECT_EQ(parity->sums().positions_per_sample, 1);
}

TEST(Factors, RefusalsNameTheMissingCall) {
  Generator rng(15);
  Conv2d conv(conv_options(), rng);
  EXPECT_FALSE(conv.factors());
  EXPECT_THAT(message_of<ValueError>([&] { conv.matrix_a(); }),
              HasSubstr("enable_factors()"));
  EXPECT_THROW(conv.collect(Collect::Factors), ValueError);
  conv.enable_factors();
  EXPECT_THAT(message_of<ValueError>([&] { conv.matrix_a(); }),
              HasSubstr("collect(Collect::Factors)"));
  conv.collect(Collect::Factors);
  EXPECT_THAT(message_of<ValueError>([&] { conv.matrix_a(); }),
              HasSubstr("backward()"));
  EXPECT_THAT(message_of<ValueError>([&] { conv.matrix_g(); }),
              HasSubstr("save_gradient"));
}

/** A small net with every source and a random part. */
struct Net : Module {
  Conv2d conv;
  Dropout dropout;
  Dense dense;
  explicit Net(Generator& rng)
      : conv(options(), rng),
        dropout({}, rng),
        dense(dense_options(6, 4), rng) {
    add("conv", conv);
    add("dropout", dropout);
    add("dense", dense);
  }
  static Conv2dOptions options() {
    Conv2dOptions options = conv_options();
    options.out = 6;
    return options;
  }
  Tensor operator()(const Tensor& x) override {
    return dense(dropout(mean(relu(conv(x)), {2, 3})));
  }
};

TEST(Factors, ObservingChangesNothing) {
  const auto run = [](bool observe) {
    Generator rng(16);
    Net net(rng);
    std::vector<ObservationHandle> handles;
    if (observe) {
      net.conv.enable_factors(
          std::make_shared<KroneckerObserver>(Collect::Factors));
      net.dense.enable_factors(
          std::make_shared<KroneckerObserver>(Collect::Factors));
      handles.push_back(net.conv.observe(
          std::make_shared<BatchMeanObserver>(Collect::Factors)));
    }
    const Tensor x = testing::random_f64({5, 2, 6, 7}, rng);
    x.set_requires_grad(true);
    const Tensor y = net(x);
    sum(y * y).backward();
    std::vector<Tensor> seen{y.detach(), x.grad()};
    for (const Tensor& parameter : net.parameters())
      seen.push_back(parameter.grad());
    const Generator::State state = net.dropout.generator().state();
    seen.push_back(Tensor::from(
        std::vector<double>{double(state.counter), double(state.lane),
                            double(rng.next() >> 11)},
        {3}));
    return seen;
  };
  const std::vector<Tensor> with = run(true);
  const std::vector<Tensor> without = run(false);
  ASSERT_EQ(with.size(), without.size());
  for (std::size_t i = 0; i < with.size(); ++i)
    EXPECT_TRUE(bit_equal(with[i], without[i])) << i;
}

}  // namespace
}  // namespace mjolnir

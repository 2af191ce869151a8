#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <vector>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/random.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/testing/curvature_check.h>

namespace mjolnir::testing {
namespace {

using Vector = std::vector<double>;

/** One outer product d a^T: what the layer read and what came back. */
struct Position {
  Vector a;  ///< A convolution's in storage order, (kh,kw,c).
  Vector d;
};

/** Keeps a copy of every record. */
class Recorder final : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& record) override {
    records.push_back(record);
    records.back().x = record.x.clone();
    records.back().dout = record.dout.clone();
  }
  void clear() override { records.clear(); }

  std::vector<CurvatureRecord> records;
};

void add_conv(const CurvatureRecord& record, std::vector<Position>& to) {
  const Vector x = record.x.to_vector<double>();
  const Vector dout = record.dout.to_vector<double>();
  const Shape& in = record.x.shape();
  const Shape& out = record.dout.shape();
  const Conv2dGeometry& w = record.geometry;
  const auto at = [](const Vector& v, const Shape& s, std::int64_t n,
                     std::int64_t c, std::int64_t i, std::int64_t j) {
    if (i < 0 || i >= s[2] || j < 0 || j >= s[3]) return 0.0;
    return v[static_cast<std::size_t>(((n * s[1] + c) * s[2] + i) * s[3] + j)];
  };
  for (std::int64_t n = 0; n < out[0]; ++n)
    for (std::int64_t h = 0; h < out[2]; ++h)
      for (std::int64_t v = 0; v < out[3]; ++v) {
        Position p;
        for (std::int64_t i = 0; i < w.kernel_h; ++i)
          for (std::int64_t j = 0; j < w.kernel_w; ++j)
            for (std::int64_t c = 0; c < in[1]; ++c)
              p.a.push_back(at(x, in, n, c,
                               h * w.stride_h - w.pad_top + i * w.dilation_h,
                               v * w.stride_w - w.pad_left + j * w.dilation_w));
        for (std::int64_t o = 0; o < out[1]; ++o)
          p.d.push_back(at(dout, out, n, o, h, v));
        to.push_back(std::move(p));
      }
}

void add_rows(const CurvatureRecord& record, std::vector<Position>& to) {
  const auto width = static_cast<std::size_t>(record.dout.size(-1));
  const Vector dout = record.dout.to_vector<double>();
  const bool ids = record.kind == CurvatureKind::Embedding;
  const Vector x = ids ? Vector() : record.x.to_vector<double>();
  const auto id =
      ids ? record.x.to_vector<std::int64_t>() : std::vector<std::int64_t>();
  const std::size_t rows = dout.size() / width;
  const std::size_t length =
      ids ? static_cast<std::size_t>(record.rows) : x.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    Position p;
    p.a.resize(length);
    if (ids)
      p.a[static_cast<std::size_t>(id[r])] = 1;
    else
      std::copy_n(x.begin() + std::ptrdiff_t(r * length), length, p.a.begin());
    const auto first = dout.begin() + std::ptrdiff_t(r * width);
    p.d.assign(first, first + std::ptrdiff_t(width));
    to.push_back(std::move(p));
  }
}

/** sum u v^T over positions, row-major. */
Vector sum_outer(const std::vector<Position>& positions, Vector Position::*u,
                 Vector Position::*v) {
  Vector sum;
  for (const Position& p : positions) {
    const Vector& left = p.*u;
    const Vector& right = p.*v;
    sum.resize(left.size() * right.size());
    for (std::size_t i = 0; i < left.size(); ++i)
      for (std::size_t j = 0; j < right.size(); ++j)
        sum[i * right.size() + j] += left[i] * right[j];
  }
  return sum;
}

double relative_error(const Vector& actual, const Vector& expected) {
  if (actual.size() != expected.size()) return HUGE_VAL;
  double difference = 0;
  double scale = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) return HUGE_VAL;
    difference = std::max(difference, std::abs(actual[i] - expected[i]));
    scale = std::max(scale, std::abs(expected[i]));
  }
  return scale > 0 ? difference / scale : difference;
}

/** Elements of a weight's gradient, a convolution's as (O,kh,kw,C). */
Vector storage_order(const Tensor& gradient) {
  if (gradient.rank() != 4) return gradient.to_vector<double>();
  const Tensor stored = gradient.to(Layout::ChannelsLast);
  return {stored.data<double>(), stored.data<double>() + stored.numel()};
}

Vector diagonal(const Vector& square) {
  const auto n = static_cast<std::size_t>(std::sqrt(double(square.size())));
  Vector d(n);
  for (std::size_t i = 0; i < n; ++i) d[i] = square[i * n + i];
  return d;
}

}  // namespace

CurvatureCheckResult check_curvature(CurvatureSource& source,
                                     const std::function<Tensor()>& forward,
                                     const CurvatureCheckOptions& options) {
  const Tensor weight = source.curvature_weight();
  if (weight.dtype() != DType::F64 || !weight.requires_grad())
    throw ValueError(
        "[check_curvature] expected an f64 weight that wants a "
        "gradient");
  weight.zero_grad();
  const auto recorder = std::make_shared<Recorder>();
  const auto factors = std::make_shared<KroneckerObserver>(Collect::Factors);
  CurvatureCheckResult result;
  {
    const ObservationHandle first = source.observe(recorder);
    const ObservationHandle second = source.observe(factors);
    const Tensor y = forward();
    Generator rng(options.seed);
    sum(y * normal(y.shape(), 0, 1, rng, {DType::F64})).backward();
  }
  const CurvatureKind kind = source.curvature_kind();
  std::vector<Position> positions;
  for (const CurvatureRecord& record : recorder->records)
    kind == CurvatureKind::Conv2d ? add_conv(record, positions)
                                  : add_rows(record, positions);
  result.records = static_cast<std::int64_t>(recorder->records.size());

  std::ostringstream text;
  text << options.name << ": " << result.records << " records";
  const auto compare = [&](const char* what, const Vector& actual,
                           const Vector& expected) {
    const double error = relative_error(actual, expected);
    result.worst_error = std::max(result.worst_error, error);
    text << ", " << what << " error " << error;
  };
  const bool embedding = kind == CurvatureKind::Embedding;
  const Tensor gradient = weight.grad();
  compare("gradient", gradient.defined() ? storage_order(gradient) : Vector(),
          embedding ? sum_outer(positions, &Position::a, &Position::d)
                    : sum_outer(positions, &Position::d, &Position::a));
  const FactorSums& sums = factors->sums();
  if (sums.a.defined() && sums.g.defined()) {
    const Vector a = sum_outer(positions, &Position::a, &Position::a);
    compare("S_A", sums.a.to_vector<double>(), embedding ? diagonal(a) : a);
    compare("S_G", sums.g.to_vector<double>(),
            sum_outer(positions, &Position::d, &Position::d));
  }
  const auto count = static_cast<std::int64_t>(positions.size());
  result.ok = result.records > 0 && result.worst_error <= options.tolerance &&
              sums.positions_a == count && sums.positions_g == count;
  result.message = text.str();
  return result;
}

}  // namespace mjolnir::testing

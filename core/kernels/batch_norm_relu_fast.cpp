#include <numeric>

#include "core/kernels/batch_norm_columns.h"
#include "core/kernels/batch_norm_relu.h"
#include "core/kernels/columns.h"
#include "core/kernels/elementwise_vector.h"

namespace mjolnir::kernels {
namespace {

// Two of the longest vectors, so that two sums are under way at a time.
constexpr std::int64_t pair_of_vectors = 32;
// Beyond, repeated constants would no longer stay in the first cache.
constexpr std::int64_t longest_period = 4096;

/** After how many numbers a vector meets the same columns again. */
std::int64_t period_of(std::int64_t columns) {
  return std::lcm(columns, pair_of_vectors);
}

/** Repeats the first `columns` numbers until the buffer is full. */
void repeat(std::int64_t columns, const Scratch<float>& x,
            std::int64_t length) {
  for (std::int64_t i = columns; i < length; ++i) x[i] = x[i - columns];
}

/** The constants of the columns, as vector loops over the whole memory take
 * them. */
class Repeated {
 public:
  Repeated(std::int64_t columns, const NormColumns<float>& of)
      : columns_(columns),
        period_(period_of(columns)),
        centre_(period_),
        scale_(period_),
        shift_(period_),
        slope_(period_),
        offset_(period_) {
    affine_columns(columns, of.mean, of.inverse_std, of.w, of.b, centre_.data(),
                   scale_.data(), shift_.data());
    for (const auto* x : {&centre_, &scale_, &shift_}) {
      repeat(columns, *x, period_);
    }
  }

  void set_gradient(std::int64_t rows, const NormColumns<float>& of,
                    const double* sums) {
    gradient_columns(rows, columns_, of.mean, of.inverse_std, of.w,
                     centre_.data(), sums, slope_.data(), offset_.data());
    for (const auto* x : {&slope_, &offset_}) repeat(columns_, *x, period_);
  }

  NormReluConstants constants() const {
    return {period_,       centre_.data(), scale_.data(),
            shift_.data(), slope_.data(),  offset_.data()};
  }

  /** Periods that `rows` rows take, the last one perhaps in part. */
  std::int64_t periods(std::int64_t rows) const {
    return (rows * columns_ + period_ - 1) / period_;
  }

 private:
  std::int64_t columns_, period_;
  Scratch<float> centre_, scale_, shift_, slope_, offset_;
};

/** to's buffers from number `begin` on. */
NormReluGradient<float> from(const NormReluGradient<float>& to,
                             std::int64_t begin) {
  const auto at = [begin](auto* p) { return p == nullptr ? p : p + begin; };
  NormReluGradient<float> part = to;
  part.x = at(to.x);
  part.dy = at(to.dy);
  part.y = at(to.y);
  part.dx = at(to.dx);
  part.daddend = at(to.daddend);
  return part;
}

/** sums (2,C) of g and g (x - centre), and daddend = g; cut into parts by the
 * shape alone. */
void sum_gradients(std::int64_t rows, std::int64_t columns,
                   const Repeated& repeated, const NormReluGradient<float>& to,
                   double* sums) {
  const NormReluConstants constants = repeated.constants();
  const std::int64_t period = constants.period;
  const std::int64_t n = rows * columns, periods = repeated.periods(rows);
  const std::int64_t parts = std::clamp<std::int64_t>(
      n / (2 * worthwhile), 1, std::clamp<std::int64_t>(periods, 1, 64));
  const Scratch<double> partial(parts * 2 * period);
  std::fill_n(partial.data(), parts * 2 * period, 0.0);
  parallel_for(parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t begin = periods * part / parts * period;
      const std::int64_t end =
          std::min(n, periods * (part + 1) / parts * period);
      vector_loops().norm_relu.sums(constants, end - begin, from(to, begin),
                                    partial.data() + part * 2 * period);
    }
  });
  std::fill_n(sums, 2 * columns, 0.0);
  for (std::int64_t k = 0; k < 2 * parts; ++k) {
    const double* values = partial.data() + k * period;
    double* total = sums + k % 2 * columns;
    for (std::int64_t i = 0; i < period; i += columns) {
      for (std::int64_t c = 0; c < columns; ++c) total[c] += values[i + c];
    }
  }
}

}  // namespace

void batch_norm_relu_forward_fast(std::int64_t rows, std::int64_t columns,
                                  const NormColumns<float>& of, const float* x,
                                  const float* addend, float* y) {
  if (period_of(columns) > longest_period) {
    return batch_norm_relu_forward(rows, columns, of, x, addend, y);
  }
  const Repeated repeated(columns, of);
  const NormReluConstants constants = repeated.constants();
  const std::int64_t n = rows * columns, period = constants.period;
  parallel_for(repeated.periods(rows), grain_of(period),
               [&](std::int64_t first, std::int64_t last) {
                 const std::int64_t begin = first * period;
                 const std::int64_t end = std::min(n, last * period);
                 vector_loops().norm_relu.forward(
                     constants, end - begin, x + begin,
                     addend == nullptr ? nullptr : addend + begin, y + begin);
               });
}

void batch_norm_relu_backward_fast(std::int64_t rows, std::int64_t columns,
                                   const NormColumns<float>& of,
                                   const NormReluGradient<float>& to) {
  if (period_of(columns) > longest_period) {
    return batch_norm_relu_backward(rows, columns, of, to);
  }
  Repeated repeated(columns, of);
  const Scratch<double> sums(2 * columns);
  if (to.training || to.dw != nullptr || to.db != nullptr ||
      to.daddend != nullptr) {
    sum_gradients(rows, columns, repeated, to, sums.data());
    parameter_gradients(columns, of.mean, of.inverse_std,
                        repeated.constants().centre, sums.data(), to.dw, to.db);
  }
  if (to.dx == nullptr) return;
  if (to.training) repeated.set_gradient(rows, of, sums.data());
  const NormReluConstants constants = repeated.constants();
  const std::int64_t n = rows * columns, period = constants.period;
  parallel_for(repeated.periods(rows), grain_of(period),
               [&](std::int64_t first, std::int64_t last) {
                 const std::int64_t begin = first * period;
                 const std::int64_t end = std::min(n, last * period);
                 vector_loops().norm_relu.gradient(constants, end - begin,
                                                   from(to, begin));
               });
}

}  // namespace mjolnir::kernels

#include "core/kernels/loss.h"

#include <algorithm>
#include <cmath>

#include "core/detail/parallel.h"

namespace mjolnir::kernels {
namespace {

constexpr std::int64_t kGrain = 4096;

// The probability of each class that one sample aims at.
template <class T>
class Row {
 public:
  Row(const Targets<T>& targets, std::int64_t sample, std::int64_t classes)
      : label_(targets.labels != nullptr ? targets.labels[sample] : -1),
        q_(targets.labels != nullptr
               ? nullptr
               : targets.probabilities + sample * classes),
        keep_(1.0 - targets.smoothing),
        spread_(targets.smoothing / static_cast<double>(classes)) {}

  double operator()(std::int64_t c) const {
    const double q =
        q_ != nullptr ? static_cast<double>(q_[c]) : (c == label_ ? 1.0 : 0.0);
    return keep_ * q + spread_;
  }

 private:
  std::int64_t label_;
  const T* q_;
  double keep_, spread_;
};

// log sum e^(x - m); NaN if any x is.
template <class T>
double log_sum(std::int64_t classes, const T* x, T largest) {
  double total = 0.0;
  for (std::int64_t c = 0; c < classes; ++c) total += std::exp(x[c] - largest);
  return std::log(total);
}

}  // namespace

template <class T>
void cross_entropy(std::int64_t samples, std::int64_t classes, const T* x,
                   const Targets<T>& targets, T* loss) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, classes));
  parallel_for(samples, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const T* row = x + n * classes;
      const T largest = *std::max_element(row, row + classes);
      const double shift = log_sum(classes, row, largest);
      const Row<T> q(targets, n, classes);
      double total = 0.0;
      for (std::int64_t c = 0; c < classes; ++c) {
        const double share = q(c);
        // A class without a share costs nothing, even at -inf.
        if (share != 0.0) total += share * (shift - (row[c] - largest));
      }
      // A NaN among classes without a share must not be lost.
      loss[n] = static_cast<T>(shift == shift ? total : shift);
    }
  });
}

template <class T>
void cross_entropy_gradient(std::int64_t samples, std::int64_t classes,
                            const T* x, const Targets<T>& targets, double scale,
                            const T* dy, std::int64_t step, T* dx) {
  const std::int64_t grain =
      std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, classes));
  parallel_for(samples, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const T* row = x + n * classes;
      T* out = dx + n * classes;
      const T largest = *std::max_element(row, row + classes);
      const Row<T> q(targets, n, classes);
      double total = 0.0, mass = 0.0;
      for (std::int64_t c = 0; c < classes; ++c) {
        const T e = std::exp(row[c] - largest);
        out[c] = e;
        total += e;
        mass += q(c);
      }
      const double factor = scale * dy[n * step];
      for (std::int64_t c = 0; c < classes; ++c) {
        out[c] = static_cast<T>(factor * (out[c] / total * mass - q(c)));
      }
    }
  });
}

template <class T>
void binary_cross_entropy(std::int64_t n, const T* x, const T* t, T* loss) {
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T positive = x[i] > T(0) ? x[i] : T(0);
      loss[i] = positive - x[i] * t[i] + std::log1p(std::exp(-std::abs(x[i])));
    }
  });
}

#define MJOLNIR_INSTANTIATE(T)                                               \
  template void cross_entropy(std::int64_t, std::int64_t, const T*,          \
                              const Targets<T>&, T*);                        \
  template void cross_entropy_gradient(std::int64_t, std::int64_t, const T*, \
                                       const Targets<T>&, double, const T*,  \
                                       std::int64_t, T*);                    \
  template void binary_cross_entropy(std::int64_t, const T*, const T*, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels

#include "core/kernels/loss.h"

#include <cmath>

#include "core/detail/parallel.h"
#include "core/detail/per_thread.h"
#include "core/kernels/elementwise_vector.h"
#include "core/kernels/exp_row.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

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

template <class T>
double neighbours_exp_row(std::int64_t classes, const T* x, T* y, T* largest) {
  return exp_row(classes, 1, x, y, largest);
}

template <class T, class ExpRow>
void losses(std::int64_t samples, std::int64_t classes, const T* x,
            const Targets<T>& targets, T* loss, ExpRow exp_of) {
  const std::int64_t grain = grain_of(classes, exp_grain);
  const PerThread<T> rooms(samples, grain, classes);
  parallel_for(samples, grain, [&](std::int64_t begin, std::int64_t end) {
    T* const room = rooms.mine();
    for (std::int64_t n = begin; n < end; ++n) {
      const T* row = x + n * classes;
      T largest = 0;
      const double shift = std::log(exp_of(classes, row, room, &largest));
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

template <class T, class ExpRow>
void gradients(std::int64_t samples, std::int64_t classes, const T* x,
               const Targets<T>& targets, double scale, const T* dy,
               std::int64_t step, T* dx, ExpRow exp_of) {
  parallel_for(samples, grain_of(classes, exp_grain),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t n = begin; n < end; ++n) {
                   T* out = dx + n * classes;
                   T largest = 0;
                   const double total =
                       exp_of(classes, x + n * classes, out, &largest);
                   const Row<T> q(targets, n, classes);
                   double mass = 0.0;
                   for (std::int64_t c = 0; c < classes; ++c) mass += q(c);
                   const double factor = scale * dy[n * step];
                   const double share = mass / total;
                   for (std::int64_t c = 0; c < classes; ++c) {
                     out[c] = static_cast<T>(factor * (out[c] * share - q(c)));
                   }
                 }
               });
}

}  // namespace

template <class T>
void cross_entropy(std::int64_t samples, std::int64_t classes, const T* x,
                   const Targets<T>& targets, T* loss) {
  losses(samples, classes, x, targets, loss, neighbours_exp_row<T>);
}

void cross_entropy_fast(std::int64_t samples, std::int64_t classes,
                        const float* x, const Targets<float>& targets,
                        float* loss) {
  losses(samples, classes, x, targets, loss, vector_loops().exp_row);
}

template <class T>
void cross_entropy_gradient(std::int64_t samples, std::int64_t classes,
                            const T* x, const Targets<T>& targets, double scale,
                            const T* dy, std::int64_t step, T* dx) {
  gradients(samples, classes, x, targets, scale, dy, step, dx,
            neighbours_exp_row<T>);
}

void cross_entropy_gradient_fast(std::int64_t samples, std::int64_t classes,
                                 const float* x, const Targets<float>& targets,
                                 double scale, const float* dy,
                                 std::int64_t step, float* dx) {
  gradients(samples, classes, x, targets, scale, dy, step, dx,
            vector_loops().exp_row);
}

#define MJOLNIR_INSTANTIATE(T)                                               \
  template void cross_entropy(std::int64_t, std::int64_t, const T*,          \
                              const Targets<T>&, T*);                        \
  template void cross_entropy_gradient(std::int64_t, std::int64_t, const T*, \
                                       const Targets<T>&, double, const T*,  \
                                       std::int64_t, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels

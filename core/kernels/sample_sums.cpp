#include "core/kernels/sample_sums.h"

#include "core/detail/parallel.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {

template <class T>
void add_sample_sums(std::int64_t samples, std::int64_t positions,
                     std::int64_t columns, const T* xhat, const T* dy,
                     double* dw, double* db) {
  parallel_for(samples, grain_of(positions * columns),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t n = begin; n < end; ++n) {
                   double* const w = dw + n * columns;
                   double* const b = db + n * columns;
                   for (std::int64_t p = 0; p < positions; ++p) {
                     const std::int64_t row = (n * positions + p) * columns;
                     for (std::int64_t c = 0; c < columns; ++c) {
                       const double slope = double(dy[row + c]);
                       w[c] += slope * double(xhat[row + c]);
                       b[c] += slope;
                     }
                   }
                 }
               });
}

void add_pair_moments(std::int64_t samples, std::int64_t columns,
                      const double* dw, const double* db, double* ww,
                      double* wb, double* bb) {
  parallel_for(columns, grain_of(samples),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t n = 0; n < samples; ++n) {
                   for (std::int64_t c = begin; c < end; ++c) {
                     const double w = dw[n * columns + c];
                     const double b = db[n * columns + c];
                     ww[c] += w * w;
                     wb[c] += w * b;
                     bb[c] += b * b;
                   }
                 }
               });
}

template void add_sample_sums(std::int64_t, std::int64_t, std::int64_t,
                              const float*, const float*, double*, double*);
template void add_sample_sums(std::int64_t, std::int64_t, std::int64_t,
                              const double*, const double*, double*, double*);

}  // namespace mjolnir::kernels

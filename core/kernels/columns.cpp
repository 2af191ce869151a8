#include "core/kernels/columns.h"

namespace mjolnir::kernels {

template <class T>
void sum_columns(std::int64_t rows, std::int64_t columns, const T* x, T* out) {
  const Scratch<double> total(columns);
  reduce_columns<1, T>(rows, columns, total.data(),
                       [=](std::int64_t r, std::int64_t c) {
                         return std::array<T, 1>{x[r * columns + c]};
                       });
  for (std::int64_t c = 0; c < columns; ++c) out[c] = static_cast<T>(total[c]);
}

template <class T>
void repeat_row(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  for_each_element(rows, columns, [=](std::int64_t r, std::int64_t c) {
    y[r * columns + c] = x[c];
  });
}

template void sum_columns(std::int64_t, std::int64_t, const float*, float*);
template void sum_columns(std::int64_t, std::int64_t, const double*, double*);

template void repeat_row(std::int64_t, std::int64_t, const float*, float*);
template void repeat_row(std::int64_t, std::int64_t, const double*, double*);

}  // namespace mjolnir::kernels

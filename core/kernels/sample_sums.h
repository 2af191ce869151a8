#pragma once

#include <cstdint>

/** Sums of each sample's gradients, in double whatever T is: float or double.
 * They do not depend on the number of threads. */
namespace mjolnir::kernels {

/**
 * With y = w xhat + b, the gradients of each sample n, whose P rows follow each
 * other:
 * dw[n,c] += sum over its rows of dy[r,c] xhat[r,c],
 * db[n,c] += sum over its rows of dy[r,c].
 *
 * xhat, dy (N P, C); dw, db (N, C).
 */
template <class T>
void add_sample_sums(std::int64_t samples, std::int64_t positions,
                     std::int64_t columns, const T* xhat, const T* dy,
                     double* dw, double* db);

/**
 * ww[c] += sum over n of dw[n,c]^2, wb[c] += sum of dw db, bb[c] += sum of
 * db^2.
 *
 * dw, db (N, C); ww, wb, bb (C).
 */
void add_pair_moments(std::int64_t samples, std::int64_t columns,
                      const double* dw, const double* db, double* ww,
                      double* wb, double* bb);

}  // namespace mjolnir::kernels

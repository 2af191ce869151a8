#pragma once

#include <cstdint>

/**
 * Batch and layer normalisation of matrices (rows, columns). Statistics are
 * summed in double and do not depend on the number of threads. T is float or
 * double; w and b may be null (1 and 0), and a null gradient is not computed.
 */
namespace mjolnir::kernels {

/**
 * mean[c] = 1/R sum over r of x[r,c],
 * variance[c] = 1/R sum over r of (x[r,c] - mean[c])^2.
 *
 * x (R,C), R >= 1; mean, variance (C).
 */
template <class T>
void column_moments(std::int64_t rows, std::int64_t columns, const T* x,
                    double* mean, double* variance);

/**
 * running += momentum (batch statistic - running), with the unbiased variance
 * R/(R-1) variance, as PyTorch.
 *
 * mean, variance, running_mean, running_variance (C).
 */
template <class T>
void update_running(std::int64_t rows, std::int64_t columns, double momentum,
                    const double* mean, const double* variance, T* running_mean,
                    T* running_variance);

/** The running moments as the doubles that batch_norm_forward takes; all
 * (C). */
template <class T>
void fixed_moments(std::int64_t columns, const T* running_mean,
                   const T* running_variance, double* mean, double* variance);

/** variance[c] becomes 1 / sqrt(variance[c] + epsilon); (C). */
void invert_std(std::int64_t columns, double epsilon, double* variance);

/**
 * y[r,c] = (x[r,c] - mean[c]) inverse_std[c] w[c] + b[c]
 * (Ioffe & Szegedy, "Batch normalization", 2015).
 *
 * x, y (R,C); mean, inverse_std, w, b (C).
 */
template <class T>
void batch_norm_forward(std::int64_t rows, std::int64_t columns, const T* x,
                        const double* mean, const double* inverse_std,
                        const T* w, const T* b, T* y);

/**
 * With xhat = (x - mean) inverse_std:
 * db = sum over r of dy, dw = sum over r of dy xhat, and
 * dx = w inverse_std (dy - db/R - xhat dw/R) if mean and inverse_std are those
 * of x (training), dx = w inverse_std dy if they are constants.
 *
 * x, dy, dx (R,C); the rest (C).
 */
template <class T>
void batch_norm_backward(std::int64_t rows, std::int64_t columns, bool training,
                         const T* x, const T* dy, const double* mean,
                         const double* inverse_std, const T* w, T* dx, T* dw,
                         T* db);

/**
 * With the mean and biased variance of each row:
 * y[r,c] = xhat w[c] + b[c], xhat = (x[r,c] - mean[r]) inverse_std[r],
 * inverse_std = 1 / sqrt(variance + epsilon)
 * (Ba, Kiros & Hinton, "Layer normalization", 2016).
 *
 * x, y (R,C); w, b (C); mean, inverse_std (R) are results.
 */
template <class T>
void layer_norm_forward(std::int64_t rows, std::int64_t columns, double epsilon,
                        const T* x, const T* w, const T* b, T* y, T* mean,
                        T* inverse_std);

/**
 * With g = dy w: db = sum over r of dy, dw = sum over r of dy xhat,
 * dx = inverse_std (g - mean over c of g - xhat mean over c of (g xhat)).
 *
 * x, dy, dx (R,C); w, dw, db (C); mean, inverse_std (R).
 */
template <class T>
void layer_norm_backward(std::int64_t rows, std::int64_t columns, const T* x,
                         const T* dy, const T* mean, const T* inverse_std,
                         const T* w, T* dx, T* dw, T* db);

}  // namespace mjolnir::kernels

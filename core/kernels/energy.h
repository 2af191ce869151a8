#pragma once

#include <cstdint>

#include <mjolnir/core/geometry.h>

namespace mjolnir::kernels {

/**
 * sum over window positions of |patch|^2, in double: the trace of the patches'
 * Gram matrix. Each pixel counts as often as the window covers it; one that no
 * window covers is not read. The same bits for any number of threads.
 *
 * x (batch, height, width, channels).
 */
template <class T>
double patch_energy(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x);

/**
 * sums[g] += the same of the channels of each of `window.groups` groups.
 *
 * x (batch, height, width, channels), sums (groups).
 */
template <class T>
void patch_energies(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x, double* sums);

/**
 * sums[g, (i, j, c)] += sum over window positions (n, h, w) of
 * x[n, h sh - pt + i dh, w sw - pl + j dw, g C/groups + c]: the sum of the
 * patches, each element summed in double.
 *
 * x (batch, height, width, channels), sums (groups, kh kw channels/groups).
 */
template <class T>
void add_patch_sums(std::int64_t batch, std::int64_t height, std::int64_t width,
                    std::int64_t channels, const Conv2dGeometry& window,
                    const T* x, T* sums);

/** y[j] = (1/rows) sum over i of x[i, j], summed in double.
 *
 * x (rows, columns), y (columns). */
template <class T>
void mean_rows(std::int64_t rows, std::int64_t columns, const T* x, T* y);

/** counts[ids[i]] += 1 for ids in [0, classes). Returns false, with counts
 * unspecified, at an id outside. ids (n), counts (classes). */
template <class T>
bool count_ids(std::int64_t n, const std::int64_t* ids, std::int64_t classes,
               T* counts);

}  // namespace mjolnir::kernels

#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::io {

/** How often values fall where. All fields are of the finite elements alone. */
struct Histogram {
  double least = 0.0;
  double most = 0.0;
  double count = 0.0;
  double sum = 0.0;
  double sum_squares = 0.0;
  /** Upper ends of the buckets, in order; the last one is `most`. Bucket i
   * has what is above limits[i - 1] (i = 0: everything) and at most
   * limits[i]. */
  std::vector<double> limits;
  /** Elements per bucket. */
  std::vector<double> counts;
  /** Elements that are NaN or infinite, and are counted nowhere else. */
  std::int64_t not_finite = 0;
};

/**
 * Histogram of a tensor of any dtype, in `buckets` buckets of one width from
 * its least to its greatest finite element. A tensor whose finite elements are
 * equal has one bucket, one without any has none and is 0 throughout. Throws
 * ValueError for an undefined tensor or fewer buckets than one.
 */
Histogram histogram_of(const Tensor& x, std::int64_t buckets = 30);

}  // namespace mjolnir::io

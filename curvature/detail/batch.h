#pragma once

#include <mjolnir/core/tensor.h>

#include "core/detail/check.h"

namespace mjolnir::detail {

/** Throws ValueError for a batch without images or of none: an average over
 * its samples is asked for. */
inline void check_batch(const char* op, const Batch& batch) {
  check_defined(op, batch.images);
  if (batch.images.rank() == 0 || batch.images.size(0) == 0) {
    throw ValueError(prefix(op) + "expected a batch of at least one sample, " +
                     "got images of shape " + batch.images.shape().str());
  }
}

}  // namespace mjolnir::detail

namespace mjolnir {
using detail::check_batch;
}  // namespace mjolnir

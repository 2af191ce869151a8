#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/linalg.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** One diagonal block of a factor. */
struct FactorBlock {
  std::int64_t begin = 0;  ///< First row and column.
  std::int64_t size = 0;
  std::int64_t offset = 0;  ///< Of its first element in the buffer of blocks.
};

/** Cuts n rows into ceil(n / split) blocks, the last one maybe smaller; one
 * block if split is 0. */
std::vector<FactorBlock> cut_blocks(std::int64_t n, std::int64_t split);

/**
 * The inverse of a damped factor, cut into diagonal blocks; what lies outside
 * them counts as zero. With an order, row i of the blocks belongs to row
 * order[i] of the factor. Of a factor that is a diagonal: one too.
 */
struct BlockInverse {
  bool diagonal = false;  ///< values (n) is the diagonal; there are no blocks.
  std::vector<FactorBlock> blocks;
  std::vector<std::int64_t> order;  ///< Empty: as in the factor.
  Tensor values;                    ///< The blocks, row-major, back to back.

  std::int64_t size() const {
    if (diagonal) return values.numel();
    return blocks.empty() ? 0 : blocks.back().begin + blocks.back().size;
  }
  /** The whole matrix (n,n) in the blocks' own order, zero between them; a
   * diagonal as it is, (n). */
  Tensor dense() const;
};

/** A factor to be inverted into the buffer of a BlockInverse. */
struct InversionJob {
  /** (n,n), symmetric, or (n) if the inverse is a diagonal; n =
   * inverse->size(). */
  Tensor factor;
  double scale = 1.0;                          ///< Of the factor.
  double diagonal = 0.0;                       ///< Added after scaling.
  BlockInverse* inverse = nullptr;             ///< values are overwritten.
  linalg::Status status = linalg::Status::Ok;  ///< The first block's failure.
};

/**
 * inverse <- blocks of (scale factor + diagonal I)^-1 by Cholesky (numbers one
 * by one where the factor is a diagonal), for all jobs at once: many blocks run
 * in parallel, one thread each, longest first. A failure is noted in the job.
 */
void invert(std::vector<InversionJob>& jobs);

}  // namespace mjolnir

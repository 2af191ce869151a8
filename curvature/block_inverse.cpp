#include <mjolnir/curvature/block_inverse.h>

#include <algorithm>
#include <cstddef>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "core/detail/lapack.h"
#include "curvature/detail/balance.h"

namespace mjolnir {
namespace {

struct Piece {
  InversionJob* job;
  const FactorBlock* block;  ///< Null: the whole of a diagonal.
  linalg::Status status = linalg::Status::Ok;
};

/** block (size,size) = scale factor[rows, rows]; its lower triangle alone. */
template <class T>
void copy_block(const InversionJob& job, const FactorBlock& block, T* out) {
  const std::int64_t n = job.inverse->size();
  const std::vector<std::int64_t>& order = job.inverse->order;
  const T scale = static_cast<T>(job.scale);
  const T* factor = job.factor.data<T>();
  for (std::int64_t i = 0; i < block.size; ++i) {
    T* to = out + i * block.size;
    if (order.empty()) {
      const T* from = factor + (block.begin + i) * n + block.begin;
      for (std::int64_t j = 0; j <= i; ++j) to[j] = scale * from[j];
    } else {
      const std::int64_t* places = order.data() + block.begin;
      const T* from = factor + places[i] * n;
      for (std::int64_t j = 0; j <= i; ++j) to[j] = scale * from[places[j]];
    }
  }
}

/** out (n) = 1 / (scale factor + diagonal), of a factor (n). */
template <class T>
linalg::Status invert_diagonal(const InversionJob& job, T* out) {
  const T* factor = job.factor.data<T>();
  const T scale = static_cast<T>(job.scale);
  const T diagonal = static_cast<T>(job.diagonal);
  const std::int64_t n = job.factor.numel();
  for (std::int64_t i = 0; i < n; ++i) out[i] = scale * factor[i] + diagonal;
  if (!detail::all_finite(out, n)) return linalg::Status::NotFinite;
  if (n > 0 && !(*std::min_element(out, out + n) > T{0})) {
    return linalg::Status::NotPositiveDefinite;
  }
  for (std::int64_t i = 0; i < n; ++i) out[i] = T{1} / out[i];
  return detail::all_finite(out, n) ? linalg::Status::Ok
                                    : linalg::Status::Singular;
}

}  // namespace

std::vector<FactorBlock> cut_blocks(std::int64_t n, std::int64_t split) {
  if (split <= 0) split = std::max<std::int64_t>(n, 1);
  std::vector<FactorBlock> blocks;
  std::int64_t offset = 0;
  for (std::int64_t begin = 0; begin < n; begin += split) {
    const std::int64_t size = std::min(split, n - begin);
    blocks.push_back({begin, size, offset});
    offset += size * size;
  }
  return blocks;
}

Tensor BlockInverse::dense() const {
  if (diagonal) return values.clone();
  const std::int64_t n = size();
  const Tensor matrix = Tensor::zeros({n, n}, values.options());
  dispatch_float("block_inverse", values.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* out = matrix.mutable_data<T>();
    for (const FactorBlock& b : blocks) {
      const T* from = values.data<T>() + b.offset;
      for (std::int64_t i = 0; i < b.size; ++i) {
        std::copy_n(from + i * b.size, b.size,
                    out + (b.begin + i) * n + b.begin);
      }
    }
  });
  return matrix;
}

void invert(std::vector<InversionJob>& jobs) {
  std::vector<Piece> pieces;
  std::vector<double> costs;
  for (InversionJob& job : jobs) {
    if (job.inverse->diagonal) {
      pieces.push_back({&job, nullptr});
      costs.push_back(static_cast<double>(job.factor.numel()));
    }
    for (const FactorBlock& block : job.inverse->blocks) {
      pieces.push_back({&job, &block});
      const auto size = static_cast<double>(block.size);
      costs.push_back(size * size * size);
    }
  }
  detail::balanced_for(costs, [&](std::size_t i, std::size_t) {
    Piece& piece = pieces[i];
    const InversionJob& job = *piece.job;
    dispatch_float("block_inverse", job.factor.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* out = job.inverse->values.mutable_data<T>();
      if (piece.block == nullptr) {
        piece.status = invert_diagonal<T>(job, out);
        return;
      }
      out += piece.block->offset;
      copy_block<T>(job, *piece.block, out);
      piece.status = detail::invert_spd<T>(out, piece.block->size,
                                           static_cast<T>(job.diagonal));
    });
  });
  for (InversionJob& job : jobs) job.status = linalg::Status::Ok;
  for (const Piece& piece : pieces) {
    if (piece.job->status == linalg::Status::Ok) {
      piece.job->status = piece.status;
    }
  }
}

}  // namespace mjolnir

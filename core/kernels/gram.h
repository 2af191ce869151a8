#pragma once

#include <cstdint>

#include "core/detail/parallel.h"
#include "core/kernels/patches.h"

namespace mjolnir::kernels {

/** Working memory that a sum of patches may take, in bytes, unless told. */
constexpr std::int64_t patch_gram_scratch = 32 << 20;

/** What a way to sum patches takes. */
struct GramCost {
  /** Multiplications, as if all of it were long products; a model, not a
   * measurement. */
  double work = 0;
  std::int64_t scratch_bytes = 0;  ///< At the present number of threads.
};

/** Multiplications per term of a product (m, n), whose kernels work in pieces
 * of 16. */
inline double product_work(std::int64_t m, std::int64_t n) {
  const auto whole = [](std::int64_t x) { return double((x + 15) / 16 * 16); };
  return whole(m) * whole(n);
}

/** What copying one number of a patch costs in multiplications. */
constexpr double copy_work = 8;

/** What a product costs before its first multiplication: half a microsecond. */
constexpr double call_work = 50e3;

/** True where each thread should take some of the groups, false where all
 * threads should work on one group after the other. */
inline bool shares_groups(std::int64_t groups) {
  const std::int64_t threads = num_threads();
  return threads > 1 && (groups >= 4 * threads ||
                         (groups >= threads && groups % threads == 0));
}

/** to (n) += x (n). */
template <class T>
void add_to(std::int64_t n, const T* x, T* to) {
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] += x[i];
  });
}

/** S += X^T X where column >= row, and a little below.
 *
 * x (rows, d) with `stride` numbers from row to row, s (d, d). */
template <class T>
void add_gram_upper(std::int64_t rows, std::int64_t d, const T* x,
                    std::int64_t stride, T* s);

/**
 * S += X^T X for a symmetric S; about half of the square is computed, the rest
 * copied. Sums are in T, in an order that depends on the number of threads.
 *
 * x (rows, d), s (d, d). T is float or double.
 */
template <class T>
void add_gram(std::int64_t rows, std::int64_t d, const T* x, T* s);

/**
 * S_g += sum over window positions of a a^T, a the patch of gather_patches in
 * group g: X^T X with the patch matrix in tiles that stay in cache. Of many
 * groups with one channel, in vectors of groups.
 *
 * x (N,H,W,C), s (groups, kh kw C/g, kh kw C/g), symmetric. Takes `limit` bytes
 * of working memory, or a tile of one row if that is more. T is float or
 * double.
 */
template <class T>
void add_patch_gram(const ConvSizes& sizes, const T* x, T* s,
                    std::int64_t limit = patch_gram_scratch);

GramCost patch_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                         std::int64_t limit);

/** True if no pixel is in two patches. */
bool is_disjoint(const Conv2dGeometry& window);

/**
 * The same where no pixel is in two patches, so that nothing is there to be
 * shared. Patches of one pixel with stride 1 are x itself and not copied;
 * those of padding alone are left out.
 */
template <class T>
void add_disjoint_gram(const ConvSizes& sizes, const T* x, T* s,
                       std::int64_t limit = patch_gram_scratch);

GramCost disjoint_gram_cost(const ConvSizes& sizes, std::int64_t element_bytes,
                            std::int64_t limit);

}  // namespace mjolnir::kernels

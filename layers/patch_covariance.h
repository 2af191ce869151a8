#pragma once

#include <cstdint>

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** How the products of patches are summed. The sums are the same but for
 * rounding. */
enum class CovarianceAlgorithm : std::uint8_t {
  Automatic,  ///< By shape and dtype; see covariance_algorithm().
  Patches,    ///< Patches in tiles; any window.
  Rows,       ///< Patches along the width alone, rows displaced; any window.
  Syrk,       ///< Windows that do not overlap, 1x1 among them.
  Shifts,     ///< Displaced pixels, no patches; stride 1.
};

/** "automatic", "patches", "rows", "syrk" or "shifts". */
const char* name_of(CovarianceAlgorithm algorithm) noexcept;

/** What patch_covariance() may be told; the defaults suit every shape. */
struct PatchCovarianceOptions {
  CovarianceAlgorithm algorithm = CovarianceAlgorithm::Automatic;
  /** Working memory to stay within, beside the result. The least that an
   * algorithm can do with is a row of the image and one product. */
  std::int64_t scratch_bytes = 32 << 20;
};

/**
 * S_A = sum over samples n and window positions t of a a^T, where a (D) is the
 * patch of x (N,C,H,W) that a convolution with this window multiplies by a
 * filter; D = kh kw C/g, in storage order (kh, kw, c). (D,D) for one group,
 * else (g,D,D) with the sums of each group's channels. The patches never exist
 * as a matrix. f32 or f64, summed in that type; the same bits for the same
 * number of threads. Throws ShapeError for a window larger than the padded
 * image, ValueError for groups that do not divide C, for an algorithm that
 * cannot do the window, and for scratch_bytes below 0.
 *
 * S_A / P is Omega of KFC (Grosse & Martens, ICML 2016, section 3). Blocks of
 * one displacement are window sums of one product field, which Shifts makes
 * once (Kwatra & Han, "Fast covariance computation and dimensionality reduction
 * for sub-window features in images", ECCV 2010).
 */
Tensor patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                        const PatchCovarianceOptions& options = {});

/** s (D,D), or (g,D,D), += patch_covariance(x, window, options). s is
 * symmetric: what is below its diagonal is not read. */
void add_patch_covariance(const Tensor& x, const Conv2dGeometry& window,
                          const Tensor& s,
                          const PatchCovarianceOptions& options = {});

/**
 * The algorithm that patch_covariance() takes for an x of this shape, by a
 * model of the work and never by a stopwatch: Syrk where windows do not
 * overlap; Patches, the reference, in f64 and for windows of more than 256
 * cells; Shifts for stride 1, at least 16 channels a group and positions on at
 * least half of the image, unless patches are less work; Rows where they are
 * clearly less work than Patches. Throws as patch_covariance() does.
 */
CovarianceAlgorithm covariance_algorithm(
    const Shape& x, const Conv2dGeometry& window, DType dtype,
    const PatchCovarianceOptions& options = {});

/** Bytes of working memory that patch_covariance() asks for at the present
 * number of threads (the allocator rounds up by an eighth at most), beside the
 * result and, of an x in another layout, a copy in ChannelsLast. Throws as
 * patch_covariance() does. */
std::int64_t covariance_scratch(const Shape& x, const Conv2dGeometry& window,
                                DType dtype,
                                const PatchCovarianceOptions& options = {});

}  // namespace mjolnir

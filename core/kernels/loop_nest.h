#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace mjolnir::kernels {

/**
 * A contiguous output and up to three operands read beside it, axis by axis
 * in the order of the output's memory. A stride of 0 repeats an operand.
 */
struct LoopNest {
  static constexpr int max_rank = 8;
  static constexpr int max_operands = 3;
  using Axes = std::array<std::int64_t, max_rank>;

  int rank = 0;
  int operands = 0;
  Axes lengths{};
  std::array<Axes, max_operands> strides{};

  std::int64_t numel() const noexcept {
    std::int64_t product = 1;
    for (int i = 0; i < rank; ++i) product *= lengths[i];
    return product;
  }

  /** Drops axes of length 1, joins neighbours that every operand crosses
   * without a gap; at least one axis remains. */
  void collapse() noexcept {
    int kept = 0;
    for (int i = 0; i < rank; ++i) {
      if (lengths[i] == 1) continue;
      if (kept > 0 && joins(kept - 1, i)) {
        lengths[kept - 1] *= lengths[i];
      } else {
        lengths[kept] = lengths[i];
        ++kept;
      }
      for (int k = 0; k < operands; ++k) strides[k][kept - 1] = strides[k][i];
    }
    if (kept == 0) {
      lengths[0] = 1;
      for (int k = 0; k < operands; ++k) strides[k][0] = 1;
      kept = 1;
    }
    rank = kept;
  }

  /** True if operand k lies like the output itself. */
  bool contiguous(int k) const noexcept {
    return rank == 1 && (strides[k][0] == 1 || lengths[0] == 1);
  }

  /**
   * Calls f(out, n, offsets) for each run of n outputs in [begin, end) along
   * the innermost axis: the outputs start at `out`, operand k at offsets[k],
   * and goes on by strides[k][rank - 1].
   */
  template <class F>
  void walk(std::int64_t begin, std::int64_t end, F&& f) const {
    if (begin >= end) return;
    const int inner = rank - 1;
    Axes index{};
    std::int64_t rest = begin;
    std::array<std::int64_t, max_operands> base{};
    for (int i = inner; i >= 0; --i) {
      index[i] = rest % lengths[i];
      rest /= lengths[i];
    }
    for (int k = 0; k < operands; ++k) {
      for (int i = 0; i < inner; ++i) base[k] += index[i] * strides[k][i];
    }
    std::int64_t first = index[inner];
    while (begin < end) {
      const std::int64_t n = std::min(lengths[inner] - first, end - begin);
      std::array<std::int64_t, max_operands> offsets = base;
      for (int k = 0; k < operands; ++k) {
        offsets[k] += first * strides[k][inner];
      }
      f(begin, n, offsets);
      begin += n;
      first = 0;
      for (int i = inner - 1; i >= 0; --i) {
        for (int k = 0; k < operands; ++k) base[k] += strides[k][i];
        if (++index[i] < lengths[i]) break;
        for (int k = 0; k < operands; ++k) {
          base[k] -= strides[k][i] * lengths[i];
        }
        index[i] = 0;
      }
    }
  }

 private:
  bool joins(int outer, int inner) const noexcept {
    for (int k = 0; k < operands; ++k) {
      if (strides[k][outer] != strides[k][inner] * lengths[inner]) return false;
    }
    return true;
  }
};

}  // namespace mjolnir::kernels

#pragma once

#include <vector>

#include <mjolnir/core/geometry.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir::testing {

/** One patch in weight order. x (N,C,H,W) as values in logical order. */
inline std::vector<double> naive_patch(const std::vector<double>& x,
                                       const Shape& shape,
                                       const Conv2dGeometry& w, std::int64_t n,
                                       std::int64_t oh, std::int64_t ow) {
  std::vector<double> patch;
  for (std::int64_t c = 0; c < shape[1]; ++c)
    for (std::int64_t i = 0; i < w.kernel_h; ++i)
      for (std::int64_t j = 0; j < w.kernel_w; ++j) {
        const std::int64_t h = oh * w.stride_h - w.pad_top + i * w.dilation_h;
        const std::int64_t v = ow * w.stride_w - w.pad_left + j * w.dilation_w;
        const bool inside = h >= 0 && h < shape[2] && v >= 0 && v < shape[3];
        const std::int64_t at =
            ((n * shape[1] + c) * shape[2] + h) * shape[3] + v;
        patch.push_back(inside ? x[static_cast<std::size_t>(at)] : 0.0);
      }
  return patch;
}

inline void add_outer(const std::vector<double>& v, std::vector<double>& to) {
  to.resize(v.size() * v.size());
  for (std::size_t i = 0; i < v.size(); ++i)
    for (std::size_t j = 0; j < v.size(); ++j)
      to[i * v.size() + j] += v[i] * v[j];
}

inline std::vector<double> naive_patch_gram(const std::vector<double>& x,
                                            const Shape& shape,
                                            const Conv2dGeometry& window) {
  std::vector<double> gram;
  for (std::int64_t n = 0; n < shape[0]; ++n)
    for (std::int64_t h = 0; h < window.out_h(shape[2]); ++h)
      for (std::int64_t w = 0; w < window.out_w(shape[3]); ++w)
        add_outer(naive_patch(x, shape, window, n, h, w), gram);
  return gram;
}

/** sum over n and positions of dout dout^T, dout (N,O,H,W). */
inline std::vector<double> naive_gradient_gram(const std::vector<double>& dout,
                                               const Shape& shape) {
  std::vector<double> gram;
  const std::int64_t positions = shape[2] * shape[3];
  for (std::int64_t n = 0; n < shape[0]; ++n)
    for (std::int64_t t = 0; t < positions; ++t) {
      std::vector<double> column;
      for (std::int64_t o = 0; o < shape[1]; ++o)
        column.push_back(
            dout[static_cast<std::size_t>((n * shape[1] + o) * positions + t)]);
      add_outer(column, gram);
    }
  return gram;
}

/** Weight order (c,kh,kw) of a (D,D) matrix in storage order (kh,kw,c). */
inline std::vector<double> weight_order(const std::vector<double>& s,
                                        std::int64_t channels,
                                        std::int64_t cells) {
  const std::int64_t d = channels * cells;
  std::vector<double> out(s.size());
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t k = 0; k < cells; ++k)
      for (std::int64_t e = 0; e < channels; ++e)
        for (std::int64_t l = 0; l < cells; ++l)
          out[static_cast<std::size_t>((c * cells + k) * d + e * cells + l)] =
              s[static_cast<std::size_t>((k * channels + c) * d + l * channels +
                                         e)];
  return out;
}

}  // namespace mjolnir::testing

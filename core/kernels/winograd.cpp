#include "core/kernels/winograd.h"

#include <algorithm>
#include <cstring>

#include "core/detail/parallel.h"
#include "core/detail/per_thread.h"
#include "core/kernels/gemm.h"

namespace mjolnir::kernels {
namespace {

// Sixteen channels at once; the compiler splits it where registers are
// narrower. Passed by reference only: by value its ABI depends on the CPU.
using Lanes = float __attribute__((vector_size(64)));
constexpr std::int64_t lanes = 16;

inline void load(const float* from, Lanes& v) { std::memcpy(&v, from, 64); }
inline void store(const Lanes& v, float* to) { std::memcpy(to, &v, 64); }

// The one-dimensional transforms, from in[0], in[step], ... to out likewise.
struct InputTransform {  // B^T (6,6)
  static constexpr int in = 6, out = 6;
  static void run(const Lanes* d, int s, Lanes* t, int q) {
    t[0] = 4.0f * d[0] - 5.0f * d[2 * s] + d[4 * s];
    t[1 * q] = d[3 * s] + d[4 * s] - 4.0f * (d[s] + d[2 * s]);
    t[2 * q] = d[4 * s] - d[3 * s] + 4.0f * (d[s] - d[2 * s]);
    t[3 * q] = 2.0f * (d[3 * s] - d[s]) + (d[4 * s] - d[2 * s]);
    t[4 * q] = 2.0f * (d[s] - d[3 * s]) + (d[4 * s] - d[2 * s]);
    t[5 * q] = 4.0f * d[s] - 5.0f * d[3 * s] + d[5 * s];
  }
};

struct FilterTransform {  // G (6,3)
  static constexpr int in = 3, out = 6;
  static void run(const Lanes* g, int s, Lanes* u, int q) {
    const Lanes even = (g[0] + g[2 * s]) * (-1.0f / 6);
    const Lanes odd = g[s] * (1.0f / 6);
    const Lanes far = g[0] * (1.0f / 24) + g[2 * s] * (1.0f / 6);
    u[0] = g[0] * 0.25f;
    u[1 * q] = even - odd;
    u[2 * q] = even + odd;
    u[3 * q] = far + 0.5f * odd;
    u[4 * q] = far - 0.5f * odd;
    u[5 * q] = g[2 * s];
  }
};

struct FilterAdjoint {  // G^T (3,6)
  static constexpr int in = 6, out = 3;
  static void run(const Lanes* u, int s, Lanes* g, int q) {
    const Lanes near = (u[s] + u[2 * s]) * (1.0f / 6);
    const Lanes far = u[3 * s] + u[4 * s];
    g[0] = 0.25f * u[0] - near + far * (1.0f / 24);
    g[1 * q] =
        (u[2 * s] - u[s]) * (1.0f / 6) + (u[3 * s] - u[4 * s]) * (1.0f / 12);
    g[2 * q] = far * (1.0f / 6) - near + u[5 * s];
  }
};

struct OutputTransform {  // A^T (4,6)
  static constexpr int in = 6, out = 4;
  static void run(const Lanes* m, int s, Lanes* y, int q) {
    const Lanes a = m[s] + m[2 * s], b = m[s] - m[2 * s];
    const Lanes c = m[3 * s] + m[4 * s], e = m[3 * s] - m[4 * s];
    y[0] = m[0] + a + c;
    y[1 * q] = b + 2.0f * e;
    y[2 * q] = a + 4.0f * c;
    y[3 * q] = b + 8.0f * e + m[5 * s];
  }
};

struct OutputAdjoint {  // A (6,4)
  static constexpr int in = 4, out = 6;
  static void run(const Lanes* y, int s, Lanes* m, int q) {
    const Lanes even = y[0] + y[2 * s], odd = y[s] + y[3 * s];
    const Lanes far = y[0] + 4.0f * y[2 * s];
    const Lanes far_odd = 2.0f * y[s] + 8.0f * y[3 * s];
    m[0] = y[0];
    m[1 * q] = even + odd;
    m[2 * q] = even - odd;
    m[3 * q] = far + far_odd;
    m[4 * q] = far - far_odd;
    m[5 * q] = y[3 * s];
  }
};

// r (out,out) = T d T^T for d (in,in).
template <class T>
void transform(const Lanes* d, Lanes* r) {
  Lanes half[T::out * T::in];
  for (int j = 0; j < T::in; ++j) T::run(d + j, T::in, half + j, T::in);
  for (int i = 0; i < T::out; ++i) {
    T::run(half + i * T::in, 1, r + i * T::out, 1);
  }
}

constexpr std::int64_t elements = 36;

// An image (N,height,width,channels) cut into squares of side `step` whose
// first begins at (-pad_top, -pad_left).
struct Grid {
  std::int64_t height, width, channels, pad_top, pad_left;
};

// Reads or writes the side x side cells of a square that lie inside: calls
// f(cell, offset) for those, g(cell) for the others.
template <int side, class Inside, class Outside>
void for_each_cell(const Grid& g, std::int64_t n, std::int64_t row,
                   std::int64_t column, Inside inside, Outside outside) {
  const std::int64_t top = 4 * row - g.pad_top;
  const std::int64_t left = 4 * column - g.pad_left;
  for (int i = 0; i < side; ++i) {
    const bool row_in = top + i >= 0 && top + i < g.height;
    const std::int64_t line = (n * g.height + top + i) * g.width;
    for (int j = 0; j < side; ++j) {
      if (row_in && left + j >= 0 && left + j < g.width) {
        inside(i * side + j, (line + left + j) * g.channels);
      } else {
        outside(i * side + j);
      }
    }
  }
}

// The tiles of 4x4 outputs, in equal blocks of at most 144 whose transforms
// stay in a core's caches; a multiple of four blocks feeds two threads or four
// alike.
struct Tiles {
  std::int64_t rows, columns, count, blocks, block;
  Tiles(std::int64_t batch, std::int64_t out_h, std::int64_t out_w)
      : rows((out_h + 3) / 4),
        columns((out_w + 3) / 4),
        count(batch * rows * columns),
        blocks((count + 575) / 576 * 4),
        block((count + blocks - 1) / std::max<std::int64_t>(blocks, 1)) {}
  // f(n, row, column, t) for the tiles of block b, t counting from 0
  template <class F>
  std::int64_t for_each(std::int64_t b, F f) const {
    const std::int64_t first = b * block;
    const std::int64_t size = std::clamp<std::int64_t>(count - first, 0, block);
    for (std::int64_t t = 0; t < size; ++t) {
      const std::int64_t tile = first + t;
      f(tile / (rows * columns), tile / columns % rows, tile % columns, t);
    }
    return size;
  }
};

// out[e][t][c] = element e of T (square t) T^T; out (36,block,channels).
// Gives the number of tiles in block b.
template <class T>
std::int64_t transform_block(const Tiles& tiles, const Grid& grid,
                             std::int64_t b, const float* image, float* out) {
  const std::int64_t plane = tiles.block * grid.channels;
  return tiles.for_each(b, [&](std::int64_t n, std::int64_t row,
                               std::int64_t column, std::int64_t t) {
    for (std::int64_t c = 0; c < grid.channels; c += lanes) {
      Lanes d[T::in * T::in], r[elements];
      for_each_cell<T::in>(
          grid, n, row, column,
          [&](int cell, std::int64_t at) { load(image + at + c, d[cell]); },
          [&](int cell) { d[cell] = Lanes{}; });
      transform<T>(d, r);
      for (std::int64_t e = 0; e < elements; ++e) {
        store(r[e], out + e * plane + t * grid.channels + c);
      }
    }
  });
}

// u (36,I,O) = G g G^T for each filter of w (I,3,3,O), turned by half a turn
// for the input gradient.
void transform_filters(std::int64_t I, std::int64_t O, bool turned,
                       const float* w, float* u) {
  parallel_for(I, 8, [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      for (std::int64_t o = 0; o < O; o += lanes) {
        Lanes g[9], r[elements];
        for (int cell = 0; cell < 9; ++cell) {
          load(w + (i * 9 + (turned ? 8 - cell : cell)) * O + o, g[cell]);
        }
        transform<FilterTransform>(g, r);
        for (std::int64_t e = 0; e < elements; ++e) {
          store(r[e], u + (e * I + i) * O + o);
        }
      }
    }
  });
}

// t (I,3,3,O) from w (O,3,3,I), in squares of 16 by 16 channels
void swap_channels(std::int64_t O, std::int64_t I, const float* w, float* t) {
  parallel_for(I / lanes, 1, [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t i0 = first * lanes; i0 < last * lanes; i0 += lanes) {
      for (std::int64_t cell = 0; cell < 9; ++cell) {
        for (std::int64_t o0 = 0; o0 < O; o0 += lanes) {
          for (std::int64_t i = i0; i < i0 + lanes; ++i) {
            for (std::int64_t o = o0; o < o0 + lanes; ++o) {
              t[(i * 9 + cell) * O + o] = w[(o * 9 + cell) * I + i];
            }
          }
        }
      }
    }
  });
}

// Convolves `from` into `to` with the filters w (I,3,3,O).
void convolve(std::int64_t batch, const Grid& from, const Grid& to, bool turned,
              const float* image, const float* w, const float* bias,
              float* out) {
  const std::int64_t I = from.channels, O = to.channels;
  const Scratch<float> u(elements * I * O);
  transform_filters(I, O, turned, w, u.data());
  const Tiles tiles(batch, to.height, to.width);
  const std::int64_t room = elements * tiles.block;
  const PerThread<float> rooms(tiles.blocks, 1, room * (I + O));
  parallel_for(tiles.blocks, 1, [&](std::int64_t b0, std::int64_t b1) {
    float* const v = rooms.mine();
    float* const m = v + room * I;
    for (std::int64_t b = b0; b < b1; ++b) {
      const std::int64_t size =
          transform_block<InputTransform>(tiles, from, b, image, v);
      for (std::int64_t e = 0; e < elements; ++e) {
        // m (tiles,O) = v (tiles,I) u (I,O)
        gemm<float>(false, false, size, O, I, 1, v + e * tiles.block * I, I,
                    u.data() + e * I * O, O, 0, m + e * tiles.block * O, O);
      }
      tiles.for_each(b, [&](std::int64_t n, std::int64_t row,
                            std::int64_t column, std::int64_t t) {
        for (std::int64_t o = 0; o < O; o += lanes) {
          Lanes r[elements], y[16], shift{};
          for (std::int64_t e = 0; e < elements; ++e) {
            load(m + (e * tiles.block + t) * O + o, r[e]);
          }
          transform<OutputTransform>(r, y);
          if (bias != nullptr) load(bias + o, shift);
          for_each_cell<4>(
              to, n, row, column,
              [&](int cell, std::int64_t at) {
                y[cell] += shift;
                store(y[cell], out + at + o);
              },
              [](int) {});
        }
      });
    }
  });
}

Grid input_grid(const ConvSizes& s) {
  return {s.in_h, s.in_w, s.in_channels, s.window.pad_top, s.window.pad_left};
}

Grid output_grid(const ConvSizes& s) {
  return {s.out_h(), s.out_w(), s.out_channels, 0, 0};
}

}  // namespace

bool winograd_fits(const ConvSizes& s) {
  const Conv2dGeometry& g = s.window;
  return g.kernel_h == 3 && g.kernel_w == 3 && g.stride_h == 1 &&
         g.stride_w == 1 && g.dilation_h == 1 && g.dilation_w == 1 &&
         g.groups == 1 && g.pad_top <= 2 && g.pad_bottom <= 2 &&
         g.pad_left <= 2 && g.pad_right <= 2 && s.in_channels % lanes == 0 &&
         s.out_channels % lanes == 0;
}

bool winograd_pays(const ConvSizes& s) {
  if (!winograd_fits(s) || s.in_channels < 64 || s.out_channels < 64) {
    return false;
  }
  const auto whole = [](std::int64_t length) { return (length + 3) / 4 * 4; };
  const std::int64_t cells = s.out_h() * s.out_w();
  return s.batch * cells >= 512 &&
         2 * whole(s.out_h()) * whole(s.out_w()) <= 3 * cells;
}

void winograd_forward(const ConvSizes& s, const float* x, const float* w,
                      const float* b, float* y) {
  const Scratch<float> t(9 * s.out_channels * s.in_channels);
  swap_channels(s.out_channels, s.in_channels, w, t.data());
  convolve(s.batch, input_grid(s), output_grid(s), false, x, t.data(), b, y);
}

void winograd_input_gradient(const ConvSizes& s, const float* dy,
                             const float* w, float* dx) {
  // dx is dy, padded to a full convolution, under the turned filters.
  Grid from = output_grid(s), to = input_grid(s);
  from.pad_top = 2 - s.window.pad_top;
  from.pad_left = 2 - s.window.pad_left;
  to.pad_top = to.pad_left = 0;
  convolve(s.batch, from, to, true, dy, w, nullptr, dx);
}

void winograd_weight_gradient(const ConvSizes& s, const float* x,
                              const float* dy, float* dw) {
  const std::int64_t C = s.in_channels, O = s.out_channels;
  const Grid input = input_grid(s), output = output_grid(s);
  const Tiles tiles(s.batch, output.height, output.width);
  // One sum a thread, added in order.
  const std::int64_t parts = std::max<std::int64_t>(
      1, std::min<std::int64_t>(num_threads(), tiles.blocks));
  const std::int64_t size = elements * O * C;
  const Scratch<float> sums(parts * size);
  const std::int64_t room = elements * tiles.block;
  const PerThread<float> rooms(parts, 1, room * (C + O));
  parallel_for(parts, 1, [&](std::int64_t p0, std::int64_t p1) {
    float* const v = rooms.mine();
    float* const m = v + room * C;
    for (std::int64_t part = p0; part < p1; ++part) {
      float* const sum = sums.data() + part * size;
      std::fill_n(sum, size, 0.0f);
      for (std::int64_t b = tiles.blocks * part / parts;
           b < tiles.blocks * (part + 1) / parts; ++b) {
        const std::int64_t count =
            transform_block<InputTransform>(tiles, input, b, x, v);
        transform_block<OutputAdjoint>(tiles, output, b, dy, m);
        for (std::int64_t e = 0; e < elements; ++e) {
          // sum (O,C) += m^T (O,tiles) v (tiles,C)
          gemm<float>(true, false, O, C, count, 1, m + e * tiles.block * O, O,
                      v + e * tiles.block * C, C, 1, sum + e * O * C, C);
        }
      }
    }
  });
  // dw (O,3,3,C) = G^T sum G
  parallel_for(O, 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t o = first; o < last; ++o) {
      for (std::int64_t c = 0; c < C; c += lanes) {
        Lanes r[elements], g[9];
        for (std::int64_t e = 0; e < elements; ++e) {
          const float* at = sums.data() + (e * O + o) * C + c;
          load(at, r[e]);
          for (std::int64_t part = 1; part < parts; ++part) {
            Lanes more;
            load(at + part * size, more);
            r[e] += more;
          }
        }
        transform<FilterAdjoint>(r, g);
        for (int i = 0; i < 9; ++i) store(g[i], dw + (o * 9 + i) * C + c);
      }
    }
  });
}

}  // namespace mjolnir::kernels

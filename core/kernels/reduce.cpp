#include "core/kernels/reduce.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/detail/scratch.h"
#include "core/kernels/grain.h"

namespace mjolnir::kernels {
namespace {

// Kept neighbours of the innermost axis that one task sums side by side.
constexpr std::int64_t kColumns = 512;

// The plan as two loop nests over x, and the innermost axis apart if kept.
struct Loops {
  explicit Loops(const ReducePlan& plan) {
    kept.operands = reduced.operands = 1;
    int last = plan.rank - 1;
    while (last >= 0 && plan.lengths[last] == 1) --last;
    std::int64_t stride = 1;
    const bool inner_kept = last >= 0 && !plan.reduced[last];
    LoopNest::Axes strides{};
    for (int i = plan.rank - 1; i >= 0; --i) {
      strides[i] = stride;
      stride *= plan.lengths[i];
    }
    // The whole trailing block of kept axes lies side by side.
    int outer_end = plan.rank;
    if (inner_kept) {
      while (outer_end > 0 && !(plan.reduced[outer_end - 1] &&
                                plan.lengths[outer_end - 1] != 1)) {
        --outer_end;
        columns *= plan.lengths[outer_end];
      }
    }
    for (int i = 0; i < outer_end; ++i) {
      LoopNest& nest = plan.reduced[i] ? reduced : kept;
      nest.lengths[nest.rank] = plan.lengths[i];
      nest.strides[0][nest.rank] = strides[i];
      ++nest.rank;
    }
    kept.collapse();
    reduced.collapse();
    kept_count = kept.numel();
    reduced_count = reduced.numel();
    blocks = (columns + kColumns - 1) / kColumns;
  }

  // Offset in x of a position of the outer kept axes.
  std::int64_t offset(std::int64_t position) const {
    std::int64_t result = 0;
    for (int i = kept.rank - 1; i >= 0; --i) {
      result += position % kept.lengths[i] * kept.strides[0][i];
      position /= kept.lengths[i];
    }
    return result;
  }

  LoopNest kept, reduced;
  std::int64_t columns = 1;  // length of the innermost axis if it is kept
  std::int64_t blocks = 1;   // of kColumns columns
  std::int64_t kept_count = 1, reduced_count = 1;
};

// Sum of n neighbours, in 16 running sums.
template <class T>
double sum_run(const T* x, std::int64_t n) {
  constexpr int kLanes = 16;
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
  }
  double total = 0.0;
  for (; i < n; ++i) total += x[i];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  }
  return total + lanes[0];
}

// Adds the elements [begin, end) of the reduced axes to `sums` (columns).
template <class T>
void sum_slice(const Loops& loops, const T* x, std::int64_t columns,
               std::int64_t begin, std::int64_t end, double* sums) {
  const std::int64_t stride = loops.reduced.strides[0][loops.reduced.rank - 1];
  loops.reduced.walk(begin, end,
                     [&](std::int64_t, std::int64_t n, const auto& offsets) {
                       const T* run = x + offsets[0];
                       if (loops.columns == 1 && stride == 1) {
                         sums[0] += sum_run(run, n);
                         return;
                       }
                       for (std::int64_t i = 0; i < n; ++i, run += stride) {
                         for (std::int64_t c = 0; c < columns; ++c)
                           sums[c] += run[c];
                       }
                     });
}

template <class T>
bool beats(T value, T best) {
  return best == best && !(value <= best);
}

}  // namespace

template <class T>
void sum(const ReducePlan& plan, const T* x, double divisor, T* y) {
  const Loops loops(plan);
  const std::int64_t tasks = loops.kept_count * loops.blocks;
  if (tasks == 0 || loops.columns == 0) return;
  const std::int64_t outputs = loops.kept_count * loops.columns;
  const std::int64_t work = outputs * loops.reduced_count;
  const int threads = detail::threads_for(work, worthwhile);
  const std::int64_t slices =
      tasks >= threads
          ? 1
          : std::max<std::int64_t>(
                1, std::min<std::int64_t>(threads, loops.reduced_count));
  const Scratch<double> partial(slices > 1 ? slices * outputs : 0);
  const std::int64_t items = tasks * slices;
  parallel_for(items, grain_of_shares(items, work),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t item = begin; item < end; ++item) {
                   const std::int64_t slice = item % slices;
                   const std::int64_t block = item / slices % loops.blocks;
                   const std::int64_t position = item / slices / loops.blocks;
                   const std::int64_t first = block * kColumns;
                   const std::int64_t columns =
                       std::min(kColumns, loops.columns - first);
                   double sums[kColumns];
                   std::fill_n(sums, columns, 0.0);
                   sum_slice(loops, x + loops.offset(position) + first, columns,
                             loops.reduced_count * slice / slices,
                             loops.reduced_count * (slice + 1) / slices, sums);
                   const std::int64_t out = position * loops.columns + first;
                   if (slices > 1) {
                     std::copy_n(sums, columns,
                                 partial.data() + slice * outputs + out);
                   } else {
                     for (std::int64_t c = 0; c < columns; ++c) {
                       y[out + c] = static_cast<T>(sums[c] / divisor);
                     }
                   }
                 }
               });
  if (slices == 1) return;
  for (std::int64_t i = 0; i < outputs; ++i) {
    double total = 0.0;
    for (std::int64_t s = 0; s < slices; ++s) total += partial[s * outputs + i];
    y[i] = static_cast<T>(total / divisor);
  }
}

template <class T>
void argmax(const ReducePlan& plan, const T* x, std::int64_t* index) {
  const Loops loops(plan);
  const std::int64_t tasks = loops.kept_count * loops.blocks;
  const std::int64_t stride = loops.reduced.strides[0][loops.reduced.rank - 1];
  const std::int64_t grain = grain_of(loops.reduced_count * loops.columns);
  parallel_for(tasks, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      const std::int64_t position = item / loops.blocks;
      const std::int64_t first = item % loops.blocks * kColumns;
      const std::int64_t columns = std::min(kColumns, loops.columns - first);
      const std::int64_t base = loops.offset(position) + first;
      std::int64_t* out = index + position * loops.columns + first;
      for (std::int64_t c = 0; c < columns; ++c) out[c] = base + c;
      loops.reduced.walk(
          0, loops.reduced_count,
          [&](std::int64_t, std::int64_t n, const auto& offsets) {
            for (std::int64_t i = 0; i < n; ++i) {
              const std::int64_t row = base + offsets[0] + i * stride;
              for (std::int64_t c = 0; c < columns; ++c) {
                if (beats(x[row + c], x[out[c]])) out[c] = row + c;
              }
            }
          });
    }
  });
}

void axis_position(std::int64_t n, std::int64_t stride, std::int64_t length,
                   std::int64_t* index) {
  for (std::int64_t i = 0; i < n; ++i) index[i] = index[i] / stride % length;
}

template <class T>
void take(std::int64_t n, const std::int64_t* index, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[index[i]];
}

template <class T>
void place(std::int64_t n, const std::int64_t* index, const T* x,
           std::int64_t size, T* y) {
  std::fill_n(y, size, T(0));
  for (std::int64_t i = 0; i < n; ++i) y[index[i]] = x[i];
}

#define MJOLNIR_INSTANTIATE(T)                                         \
  template void sum(const ReducePlan&, const T*, double, T*);          \
  template void argmax(const ReducePlan&, const T*, std::int64_t*);    \
  template void take(std::int64_t, const std::int64_t*, const T*, T*); \
  template void place(std::int64_t, const std::int64_t*, const T*,     \
                      std::int64_t, T*);
MJOLNIR_INSTANTIATE(float)
MJOLNIR_INSTANTIATE(double)
#undef MJOLNIR_INSTANTIATE

}  // namespace mjolnir::kernels

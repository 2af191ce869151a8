#include <mjolnir/io/histogram.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <mjolnir/core/error.h>

#include "core/detail/dispatch.h"

namespace mjolnir::io {
namespace {

// Calls visit(double) for each element; the order of memory is good enough.
template <class Visit>
void each(const Tensor& x, const Visit& visit) {
  mjolnir::detail::dispatch_any(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* values = x.data<T>();
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      visit(static_cast<double>(values[i]));
    }
  });
}

void measure(const Tensor& x, Histogram& h) {
  each(x, [&h](double value) {
    if (!std::isfinite(value)) {
      ++h.not_finite;
      return;
    }
    h.least = h.count == 0 ? value : std::min(h.least, value);
    h.most = h.count == 0 ? value : std::max(h.most, value);
    h.count += 1;
    h.sum += value;
    h.sum_squares += value * value;
  });
}

}  // namespace

Histogram histogram_of(const Tensor& x, std::int64_t buckets) {
  if (!x.defined()) {
    throw ValueError("[histogram] expected a tensor, got an undefined one");
  }
  if (buckets < 1) {
    throw ValueError("[histogram] expected at least 1 bucket, got " +
                     std::to_string(buckets));
  }
  Histogram h;
  measure(x, h);
  if (h.count == 0) return h;
  if (h.least == h.most) buckets = 1;
  // Halved, so that the width of [-max, max] is a number.
  const double half = (h.most / 2 - h.least / 2) / static_cast<double>(buckets);
  h.limits.resize(static_cast<std::size_t>(buckets));
  h.counts.resize(h.limits.size());
  for (std::size_t i = 0; i + 1 < h.limits.size(); ++i) {
    const double steps = static_cast<double>(i + 1);
    h.limits[i] = std::min(h.least + half * steps + half * steps, h.most);
  }
  h.limits.back() = h.most;
  each(x, [&h](double value) {
    if (!std::isfinite(value)) return;
    const auto bucket =
        std::lower_bound(h.limits.begin(), h.limits.end(), value);
    h.counts[static_cast<std::size_t>(bucket - h.limits.begin())] += 1;
  });
  return h;
}

}  // namespace mjolnir::io

#include <mjolnir/curvature/order.h>

#include <cstddef>

namespace mjolnir {

std::vector<std::int64_t> weight_order(std::int64_t channels,
                                       std::int64_t kernel_h,
                                       std::int64_t kernel_w) {
  const std::int64_t window = kernel_h * kernel_w;
  if (channels == 1 || window == 1) return {};
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(channels * window));
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t k = 0; k < window; ++k) order.push_back(k * channels + c);
  }
  return order;
}

}  // namespace mjolnir

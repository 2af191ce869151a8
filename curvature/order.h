#pragma once

#include <cstdint>
#include <vector>

namespace mjolnir {

/**
 * Where the elements of a convolution's weight row lie: entry i is the place
 * in storage order (kh, kw, c) of element i in weight order (c, kh, kw).
 * Empty if the two orders coincide (one channel, or a 1x1 kernel).
 */
std::vector<std::int64_t> weight_order(std::int64_t channels,
                                       std::int64_t kernel_h,
                                       std::int64_t kernel_w);

}  // namespace mjolnir

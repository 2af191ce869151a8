#pragma once

#include <algorithm>
#include <cstdint>

namespace mjolnir::kernels {

/** Elements worth a thread. */
constexpr std::int64_t worthwhile = 1 << 14;

/** Items of `each` elements that are worth a thread together. */
inline std::int64_t grain_of(std::int64_t each,
                             std::int64_t elements = worthwhile) {
  return std::max<std::int64_t>(1, elements / std::max<std::int64_t>(each, 1));
}

/** Items, of `items` that share `work` elements, that are worth a thread. */
inline std::int64_t grain_of_shares(std::int64_t items, std::int64_t work) {
  return std::max<std::int64_t>(
      1, worthwhile * items / std::max<std::int64_t>(work, 1));
}

}  // namespace mjolnir::kernels

#include "core/kernels/dropout.h"

#include <algorithm>

#include "core/detail/parallel.h"
#include "core/kernels/philox.h"

namespace mjolnir::kernels {

template <class T>
void dropout(std::int64_t count, double p, std::uint64_t seed,
             std::uint64_t stream, const T* x, T* y) {
  // An element is dropped if its 32 bits, as an integer, are below this.
  const auto threshold = static_cast<std::uint64_t>(p * 0x1.0p32);
  const T scale = p < 1 ? static_cast<T>(1 / (1 - p)) : T(0);
  const std::int64_t blocks = (count + 3) / 4;
  parallel_for(blocks, 1 << 12, [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      const auto words = philox(seed, stream, std::uint64_t(block));
      const std::uint64_t bits[4] = {words[0] & 0xFFFFFFFF, words[0] >> 32,
                                     words[1] & 0xFFFFFFFF, words[1] >> 32};
      const std::int64_t begin = 4 * block;
      const std::int64_t lanes = std::min<std::int64_t>(4, count - begin);
      for (std::int64_t i = 0; i < lanes; ++i) {
        y[begin + i] = bits[i] < threshold ? T(0) : x[begin + i] * scale;
      }
    }
  });
}

template void dropout(std::int64_t, double, std::uint64_t, std::uint64_t,
                      const float*, float*);
template void dropout(std::int64_t, double, std::uint64_t, std::uint64_t,
                      const double*, double*);

}  // namespace mjolnir::kernels

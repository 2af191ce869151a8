#pragma once

#include <cstdint>

#include "core/detail/parallel.h"

namespace mjolnir::optim::kernels {

/**
 * out = g / (g^2 / batch + damping), elementwise, with g = scale gradient: what
 * MindSpore's THOR does to the parameters of a LayerNorm, whose damping is
 * sqrt(lambda). gradient, out (n)
 */
template <class T>
void divide_by_own_square(std::int64_t n, const T* gradient, T scale, T batch,
                          T damping, T* out) {
  parallel_for(n, std::int64_t{1} << 15,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const T g = scale * gradient[i];
                   out[i] = g / (g * g / batch + damping);
                 }
               });
}

}  // namespace mjolnir::optim::kernels

#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "core/detail/parallel.h"

namespace mjolnir::optim::kernels {

/** One step of momentum for one parameter, as Sgd and Thor take it. */
template <class T>
struct MomentumStep {
  T learning_rate = 0;
  T momentum = 0;
  T carry = 0;  ///< What v keeps of itself: momentum, or 0 in a first step.
  T gain = 1;   ///< What v takes of d: 1 - dampening, or 1 in a first step.
  T weight_decay = 0;
  T gradient_scale = 1;
  T scale = 1;  ///< Of gradient and decay together.
  bool nesterov = false;
};

/**
 * d = scale (gradient_scale g + weight_decay w)
 * v <- carry v + gain d
 * w <- w - learning_rate u, with u = v, or d + momentum v (Nesterov), or d
 * where there is no v.
 * w, g, v (n); v may be null. An element whose new w is not finite stays as it
 * is, with its v; returns whether there was none. Unless Write, nothing is
 * changed. A function of its own and not a lambda, whose captures keep the
 * compiler from vectorising the check.
 */
template <bool Write, bool Velocity, bool Nesterov, class T>
inline bool momentum_serial(std::int64_t n, T* w, const T* g, T* v,
                            const MomentumStep<T> s) {
  // As wide as T. A sum that a NaN poisons would wait for each addition.
  using Flag = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  Flag ruined = 0;
#pragma omp simd reduction(| : ruined)
  for (std::int64_t i = 0; i < n; ++i) {
    const T d = s.scale * (s.gradient_scale * g[i] + s.weight_decay * w[i]);
    T u = d;
    T velocity = 0;
    if constexpr (Velocity) {
      velocity = s.carry * v[i] + s.gain * d;
      u = Nesterov ? d + s.momentum * velocity : velocity;
    }
    const T moved = w[i] - s.learning_rate * u;
    const bool good = moved * T{0} == T{0};  // NaN unless moved is finite
    ruined |= good ? 0 : 1;
    if constexpr (Write) {
      if constexpr (Velocity) v[i] = good ? velocity : v[i];
      w[i] = good ? moved : w[i];
    }
  }
  return ruined == 0;
}

/** momentum_serial() on every thread. */
template <bool Write, bool Velocity, bool Nesterov, class T>
inline bool momentum_loop(std::int64_t n, T* w, const T* g, T* v,
                          const MomentumStep<T>& step) {
  std::atomic<bool> finite{true};
  parallel_for(n, std::int64_t{1} << 15,
               [&](std::int64_t begin, std::int64_t end) {
                 T* const velocity = Velocity ? v + begin : nullptr;
                 if (!momentum_serial<Write, Velocity, Nesterov>(
                         end - begin, w + begin, g + begin, velocity, step)) {
                   finite = false;
                 }
               });
  return finite;
}

template <bool Write, class T>
inline bool momentum_dispatch(std::int64_t n, T* w, const T* g, T* v,
                              const MomentumStep<T>& step) {
  if (v == nullptr) return momentum_loop<Write, false, false>(n, w, g, v, step);
  if (step.nesterov) {
    return momentum_loop<Write, true, true>(n, w, g, v, step);
  }
  return momentum_loop<Write, true, false>(n, w, g, v, step);
}

/** Takes the step; see momentum_serial. */
template <class T>
inline bool momentum_step(std::int64_t n, T* w, const T* g, T* v,
                          const MomentumStep<T>& step) {
  return momentum_dispatch<true>(n, w, g, v, step);
}

/** True if momentum_step() would leave every w finite; changes nothing. */
template <class T>
inline bool momentum_step_is_finite(std::int64_t n, const T* w, const T* g,
                                    const T* v, const MomentumStep<T>& step) {
  return momentum_dispatch<false>(n, const_cast<T*>(w), g, const_cast<T*>(v),
                                  step);
}

}  // namespace mjolnir::optim::kernels

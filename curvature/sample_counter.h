#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Counts the samples of a window, each once per backward pass, from what the
 * layers of a module show: the divisor of a loss that is summed over them. */
class SampleCounter {
 public:
  /** Counts nothing. */
  SampleCounter() = default;
  /** Watches every layer with curvature, which may be dormant. */
  explicit SampleCounter(Module& module);

  /** N since zero_grad(); 0 if no layer saw any. */
  std::int64_t samples() const noexcept;
  /** The same for somebody who divides by it: throws ValueError, which begins
   * with `why`, for 0. */
  double divisor(const std::string& why) const;

 private:
  class Observer;

  std::shared_ptr<Observer> observer_;
  std::vector<ObservationHandle> handles_;
};

}  // namespace mjolnir

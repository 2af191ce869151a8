#pragma once

#include <functional>
#include <type_traits>

namespace mjolnir::optim {

/**
 * A value per step: a number, or any callable from the step (0, 1, 2, ...) to
 * a double. Both convert implicitly, so an options field of this type takes
 * `0.1`, `cosine(0.1, 1000)` or a lambda.
 */
class Schedule {
 public:
  Schedule(double value);  // NOLINT: meant to convert

  template <class F, class = std::enable_if_t<
                         std::is_invocable_r_v<double, F, long> &&
                         !std::is_same_v<std::decay_t<F>, Schedule>>>
  Schedule(F f)  // NOLINT: meant to convert
      : Schedule(std::function<double(long)>(std::move(f)), 0) {}

  /** The value at a step, counted from 0. */
  double operator()(long step) const { return function_(step); }

 private:
  Schedule(std::function<double(long)> function, int tag);

  std::function<double(long)> function_;
};

/** Always `value`. */
Schedule constant(double value);

/** initial * factor^floor(step / period). Throws ValueError unless period >= 1,
 * factor >= 0 and both values are finite. */
Schedule step_decay(double initial, long period, double factor);

/** final + (initial - final) (1 + cos(pi step / total_steps)) / 2, and `final`
 * after that (Loshchilov & Hutter, SGDR, 2017). Throws ValueError unless
 * total_steps >= 1 and both values are finite. */
Schedule cosine(double initial, long total_steps, double final = 0.0);

/** From `initial` at step 0 straight to `final` at total_steps, then constant.
 * Throws ValueError unless total_steps >= 1 and both values are finite. */
Schedule linear(double initial, long total_steps, double final = 0.0);

/** (initial - final) (1 - step / total_steps)^power + final, then `final`.
 * Throws ValueError unless total_steps >= 1, power >= 0 and all are finite. */
Schedule polynomial(double initial, long total_steps, double power,
                    double final = 0.0);

/**
 * A ramp of `steps` steps, then `schedule` from its own step 0: step k of the
 * ramp is schedule(0) (k + 1) / steps. 0 steps is `schedule` itself; throws
 * ValueError for less.
 */
Schedule warm_up(long steps, Schedule schedule);

/** What thor_learning_rate() needs; the defaults are the published ones for
 * ResNet-50 on ImageNet (Chen et al., AAAI-21; configuration for Ascend). */
struct ThorLearningRate {
  double initial = 0.05803;
  double decay = 4.0839;      ///< Power of the fall.
  double end_epoch = 53.0;    ///< The rate reaches 0 here.
  long steps_per_epoch = 1;   ///< At least 1.
  double first_half = 39.0;   ///< Epoch after which the rate is halved,
  double second_half = 40.0;  ///< and after which again; infinite: never.
};

/** initial (1 - e / end_epoch)^decay with e = (step + 1) / steps_per_epoch,
 * halved from epoch first_half and again from second_half on; 0 from
 * end_epoch. Throws ValueError for a field outside its domain. */
Schedule thor_learning_rate(const ThorLearningRate& options);

/** What thor_damping() needs; the published values, as above. */
struct ThorDamping {
  double initial = 0.03;
  double decay = 0.50036;    ///< Factor per ten epochs.
  long steps_per_epoch = 1;  ///< At least 1.
};

/** initial decay^(e / 10) with e = (step + 1) / steps_per_epoch. Throws
 * ValueError for a field outside its domain. */
Schedule thor_damping(const ThorDamping& options);

}  // namespace mjolnir::optim

#include <mjolnir/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <mjolnir/core/error.h>

#include "optim/detail/require.h"

namespace mjolnir::optim {
namespace {

void require_steps(const char* schedule, const char* what, long steps,
                   long least) {
  if (steps >= least) return;
  throw ValueError("[" + std::string(schedule) + "] expected " + what +
                   " of at least " + std::to_string(least) + ", got " +
                   std::to_string(steps));
}

/** How much of the schedule is done at a step, in [0, 1]. */
double progress(long step, long total_steps) {
  return std::clamp(
      static_cast<double>(step) / static_cast<double>(total_steps), 0.0, 1.0);
}

double epoch_after(long step, long steps_per_epoch) {
  return static_cast<double>(step + 1) / static_cast<double>(steps_per_epoch);
}

}  // namespace

Schedule::Schedule(double value) : function_([value](long) { return value; }) {}

Schedule::Schedule(std::function<double(long)> function, int)
    : function_(std::move(function)) {
  if (function_ == nullptr) {
    throw ValueError("[schedule] expected a callable, got an empty one");
  }
}

Schedule constant(double value) { return Schedule(value); }

Schedule step_decay(double initial, long period, double factor) {
  require_steps("step_decay", "a period", period, 1);
  detail::require_finite("step_decay", "initial value", initial);
  detail::require_at_least_zero("step_decay", "a factor", factor);
  return [initial, period, factor](long step) {
    return initial * std::pow(factor, static_cast<double>(step / period));
  };
}

Schedule cosine(double initial, long total_steps, double final) {
  require_steps("cosine", "a number of steps", total_steps, 1);
  detail::require_finite("cosine", "initial value", initial);
  detail::require_finite("cosine", "final value", final);
  return [initial, total_steps, final](long step) {
    const double pi = std::acos(-1.0);
    return final + (initial - final) *
                       (1.0 + std::cos(pi * progress(step, total_steps))) / 2.0;
  };
}

Schedule linear(double initial, long total_steps, double final) {
  require_steps("linear", "a number of steps", total_steps, 1);
  detail::require_finite("linear", "initial value", initial);
  detail::require_finite("linear", "final value", final);
  return [initial, total_steps, final](long step) {
    return initial + (final - initial) * progress(step, total_steps);
  };
}

Schedule polynomial(double initial, long total_steps, double power,
                    double final) {
  require_steps("polynomial", "a number of steps", total_steps, 1);
  detail::require_finite("polynomial", "initial value", initial);
  detail::require_finite("polynomial", "final value", final);
  detail::require_at_least_zero("polynomial", "a power", power);
  return [initial, total_steps, power, final](long step) {
    return final + (initial - final) *
                       std::pow(1.0 - progress(step, total_steps), power);
  };
}

Schedule warm_up(long steps, Schedule schedule) {
  require_steps("warm_up", "a length", steps, 0);
  return [steps, schedule = std::move(schedule)](long step) {
    if (step >= steps) return schedule(step - steps);
    return schedule(0) * static_cast<double>(step + 1) /
           static_cast<double>(steps);
  };
}

Schedule thor_learning_rate(const ThorLearningRate& options) {
  const char* name = "thor_learning_rate";
  detail::require_at_least_zero(name, "an initial rate", options.initial);
  detail::require_at_least_zero(name, "a decay", options.decay);
  detail::require_positive(name, "an end epoch", options.end_epoch);
  require_steps(name, "steps per epoch", options.steps_per_epoch, 1);
  for (const double epoch : {options.first_half, options.second_half}) {
    detail::require(!std::isnan(epoch), name, "an epoch to halve at", epoch);
  }
  return [options](long step) {
    const double epoch = epoch_after(step, options.steps_per_epoch);
    double rate =
        options.initial *
        std::pow(std::max(0.0, 1.0 - epoch / options.end_epoch), options.decay);
    if (epoch >= options.first_half) rate /= 2.0;
    if (epoch >= options.second_half) rate /= 2.0;
    return rate;
  };
}

Schedule thor_damping(const ThorDamping& options) {
  const char* name = "thor_damping";
  detail::require_at_least_zero(name, "an initial damping", options.initial);
  detail::require_at_least_zero(name, "a decay", options.decay);
  require_steps(name, "steps per epoch", options.steps_per_epoch, 1);
  return [options](long step) {
    const double epoch = epoch_after(step, options.steps_per_epoch);
    return options.initial * std::pow(options.decay, epoch / 10.0);
  };
}

}  // namespace mjolnir::optim

#include <mjolnir/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <mjolnir/core/error.h>

namespace mjolnir::optim {
namespace {

void require(bool ok, const char* schedule, const std::string& expected) {
  if (!ok) {
    throw ValueError("[" + std::string(schedule) + "] expected " + expected);
  }
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
  require(function_ != nullptr, "schedule", "a callable, got an empty one");
}

Schedule constant(double value) { return Schedule(value); }

Schedule step_decay(double initial, long period, double factor) {
  require(period >= 1, "step_decay",
          "a period of at least 1, got " + std::to_string(period));
  return [initial, period, factor](long step) {
    return initial * std::pow(factor, static_cast<double>(step / period));
  };
}

Schedule cosine(double initial, long total_steps, double final) {
  require(total_steps >= 1, "cosine",
          "at least 1 step, got " + std::to_string(total_steps));
  return [initial, total_steps, final](long step) {
    const double pi = std::acos(-1.0);
    return final + (initial - final) *
                       (1.0 + std::cos(pi * progress(step, total_steps))) / 2.0;
  };
}

Schedule linear(double initial, long total_steps, double final) {
  require(total_steps >= 1, "linear",
          "at least 1 step, got " + std::to_string(total_steps));
  return [initial, total_steps, final](long step) {
    return initial + (final - initial) * progress(step, total_steps);
  };
}

Schedule polynomial(double initial, long total_steps, double power,
                    double final) {
  require(total_steps >= 1, "polynomial",
          "at least 1 step, got " + std::to_string(total_steps));
  return [initial, total_steps, power, final](long step) {
    return final + (initial - final) *
                       std::pow(1.0 - progress(step, total_steps), power);
  };
}

Schedule warm_up(long steps, Schedule schedule) {
  require(steps >= 0, "warm_up",
          "a length of at least 0, got " + std::to_string(steps));
  return [steps, schedule = std::move(schedule)](long step) {
    if (step >= steps) return schedule(step - steps);
    return schedule(0) * static_cast<double>(step + 1) /
           static_cast<double>(steps);
  };
}

Schedule thor_learning_rate(const ThorLearningRate& options) {
  const char* name = "thor_learning_rate";
  require(options.initial >= 0.0, name, "an initial rate of at least 0");
  require(options.decay >= 0.0, name, "a decay of at least 0");
  require(options.end_epoch > 0.0, name, "an end epoch above 0");
  require(options.steps_per_epoch >= 1, name, "at least 1 step per epoch");
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
  require(options.initial >= 0.0, name, "an initial damping of at least 0");
  require(options.decay >= 0.0, name, "a decay of at least 0");
  require(options.steps_per_epoch >= 1, name, "at least 1 step per epoch");
  return [options](long step) {
    const double epoch = epoch_after(step, options.steps_per_epoch);
    return options.initial * std::pow(options.decay, epoch / 10.0);
  };
}

}  // namespace mjolnir::optim

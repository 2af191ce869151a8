#include <mjolnir/optim/step_length.h>

#include <algorithm>
#include <cmath>

#include <mjolnir/core/error.h>

#include "core/detail/inner_product.h"
#include "optim/detail/require.h"

namespace mjolnir::optim {
namespace {

using mjolnir::detail::inner_product;

/** min(1, sqrt(limit / |sum|)), and 1 where that means nothing. */
double shrinkage(double limit, double sum) {
  if (sum == 0.0 || !std::isfinite(sum)) return 1.0;
  return std::min(1.0, std::sqrt(limit / std::abs(sum)));
}

/** sum of eta^2 <g', g> */
double divergence(const std::vector<Update>& updates,
                  const std::vector<Direction>& directions) {
  double sum = 0.0;
  for (std::size_t i = 0; i < directions.size(); ++i) {
    const Direction& d = directions[i];
    if (!d.value.defined()) continue;
    const double eta = updates[i].learning_rate;
    sum += eta * eta * d.scale * d.gradient_scale *
           inner_product(d.value, d.gradient);
  }
  return sum;
}

/** The directions as the steps they lead to, eta g'. */
std::vector<Direction> steps_along(const std::vector<Update>& updates,
                                   std::vector<Direction> directions) {
  for (std::size_t i = 0; i < directions.size(); ++i) {
    directions[i].scale *= updates[i].learning_rate;
  }
  return directions;
}

void graft(std::vector<Direction>& directions) {
  for (Direction& d : directions) {
    if (!d.second_order || !d.value.defined()) continue;
    const double own = std::sqrt(inner_product(d.value, d.value));
    const double gradient =
        d.gradient_scale * std::sqrt(inner_product(d.gradient, d.gradient));
    if (own > 0.0 && std::isfinite(own)) d.scale = gradient / own;
  }
}

}  // namespace

void check(const char* optimizer, const StepLengthOptions& options) {
  detail::require_at_least_zero(optimizer, "kl_clip", options.kl_clip);
  detail::require_at_least_zero(optimizer, "norm_constraint",
                                options.norm_constraint);
  if (options.kl_clip > 0.0 && options.norm_constraint > 0.0) {
    throw ValueError("[" + std::string(optimizer) +
                     "] expected kl_clip or norm_constraint, got both");
  }
}

std::vector<Direction> directions_of(const std::vector<Update>& updates) {
  std::vector<Direction> directions(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    directions[i].parameter = updates[i].index;
    directions[i].gradient = updates[i].gradient;
    directions[i].gradient_scale = updates[i].gradient_scale;
  }
  return directions;
}

void bound_steps(const StepLengthOptions& options,
                 const std::vector<Update>& updates, const EnergyOf& energy,
                 std::vector<Direction>& directions) {
  double nu = 1.0;
  if (options.kl_clip > 0.0) {
    nu = shrinkage(options.kl_clip, divergence(updates, directions));
  } else if (options.norm_constraint > 0.0) {
    nu = shrinkage(options.norm_constraint,
                   energy(steps_along(updates, directions)));
  }
  for (Direction& d : directions) d.scale *= nu;
  if (options.graft) graft(directions);
}

}  // namespace mjolnir::optim

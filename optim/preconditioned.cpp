#include <mjolnir/optim/preconditioned.h>

namespace mjolnir::optim::detail {

PreconditionerOptions preconditioner(const PreconditionedOptions& options) {
  constexpr const char* name = "preconditioned";
  check(name, options.step_length);
  PreconditionerOptions blocks;
  blocks.name = name;
  blocks.kronecker.damping_split = options.damping_split;
  blocks.kronecker.running_average = options.running_average;
  blocks.kronecker.split_dim = options.split_dim;
  blocks.kronecker.joint_bias = options.joint_bias;
  blocks.kronecker.keep_factors = options.step_length.norm_constraint > 0.0;
  blocks.frequency = options.frequency;
  blocks.rule = options.refresh_rule;
  blocks.loss_scale = options.loss_scale;
  blocks.scale_shift = options.scale_shift;
  return blocks;
}

std::vector<Update> preconditioned(const std::vector<Update>& updates,
                                   const std::vector<Direction>& directions) {
  std::vector<Update> taken;
  for (std::size_t i = 0; i < updates.size(); ++i) {
    const Direction& d = directions[i];
    if (!d.value.defined()) continue;
    taken.push_back(updates[i]);
    taken.back().gradient = d.value;
    taken.back().gradient_scale = d.scale;
  }
  return taken;
}

}  // namespace mjolnir::optim::detail

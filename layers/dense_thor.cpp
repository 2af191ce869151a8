#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {
namespace {

DenseOptions checked(const DenseThorOptions& options) {
  require_at_least("DenseThor", "in_channels", options.in_channels, 1);
  require_at_least("DenseThor", "out_channels", options.out_channels, 1);
  if (options.joint_bias && !options.has_bias) {
    throw ValueError(
        "[DenseThor] expected has_bias with joint_bias, got has_bias = false");
  }
  DenseOptions plain;
  plain.in = options.in_channels;
  plain.out = options.out_channels;
  plain.bias = options.has_bias;
  plain.positions_are_samples = options.positions_are_samples;
  plain.dtype = options.dtype;
  return plain;
}

}  // namespace

DenseThor::DenseThor(const DenseThorOptions& options)
    : Dense("DenseThor", checked(options)), thor_options_(options) {
  // A clone copies values: a tensor given to start from need not live on.
  thor_options_.weight_init = thor_options_.bias_init = "zeros";
  enable_factors(std::make_shared<KroneckerObserver>(Collect::Factors,
                                                     thor_options_.joint_bias));
}

DenseThor::DenseThor(const DenseThorOptions& options, Generator& rng)
    : DenseThor(options) {
  options.weight_init.apply(weight, rng, "[DenseThor] weight_init");
  if (bias.defined())
    options.bias_init.apply(bias, rng, "[DenseThor] bias_init");
  else if (!options.bias_init.is_zeros())
    emit(Severity::Warning, "initializer",
         "[DenseThor] bias_init = " + options.bias_init.str() +
             " is not used: has_bias is false");
}

std::unique_ptr<Module> DenseThor::clone() const {
  std::unique_ptr<DenseThor> copy(new DenseThor(thor_options_));
  copy->copy_from(*this);
  return copy;
}

std::string DenseThor::describe() const {
  return "DenseThor(in_channels=" + std::to_string(thor_options_.in_channels) +
         ", out_channels=" + std::to_string(thor_options_.out_channels) + ")";
}

}  // namespace mjolnir

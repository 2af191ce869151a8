#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/activations.h>

#include "core/detail/number.h"

namespace mjolnir {
namespace {

/** A fresh module of the same kind, in the same mode. */
template <class M>
std::unique_ptr<Module> in_mode_of(const Module& source, M* fresh) {
  std::unique_ptr<Module> copy(fresh);
  copy->train(source.training());
  return copy;
}

}  // namespace

Tensor ReLU::operator()(const Tensor& x) { return relu(x); }
Tensor GELU::operator()(const Tensor& x) { return gelu(x); }
Tensor SiLU::operator()(const Tensor& x) { return silu(x); }
Tensor Sigmoid::operator()(const Tensor& x) { return sigmoid(x); }
Tensor Tanh::operator()(const Tensor& x) { return tanh(x); }
Tensor Softplus::operator()(const Tensor& x) { return softplus(x); }
Tensor Identity::operator()(const Tensor& x) { return x; }

Tensor LeakyReLU::operator()(const Tensor& x) { return leaky_relu(x, slope_); }

std::unique_ptr<Module> LeakyReLU::clone() const {
  return in_mode_of(*this, new LeakyReLU(slope_));
}

std::string LeakyReLU::describe() const {
  return "LeakyReLU(slope=" + detail::number(slope_) + ")";
}

Tensor Softmax::operator()(const Tensor& x) { return softmax(x, axis_); }

std::unique_ptr<Module> Softmax::clone() const {
  return in_mode_of(*this, new Softmax(axis_));
}

std::string Softmax::describe() const {
  return "Softmax(axis=" + std::to_string(axis_) + ")";
}

Tensor Flatten::operator()(const Tensor& x) { return flatten(x, start_axis_); }

std::unique_ptr<Module> Flatten::clone() const {
  return in_mode_of(*this, new Flatten(start_axis_));
}

std::string Flatten::describe() const {
  return "Flatten(start_axis=" + std::to_string(start_axis_) + ")";
}

}  // namespace mjolnir

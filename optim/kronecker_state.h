#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/curvature/preconditioner.h>
#include <mjolnir/curvature/state.h>

namespace mjolnir::optim {

/** The part of an optimizer that has Kronecker-factored blocks, and tells of
 * them; damping() is the optimizer's. */
class KroneckerState : public CurvatureState {
 public:
  std::vector<LayerCurvature> curvature() const override {
    return blocks_.curvature();
  }
  const std::vector<RefreshDecision>& decisions() const override {
    return blocks_.decisions();
  }
  Tensor inverse_a(const std::string& layer) const override {
    return blocks_.inverse_a(layer);
  }
  Tensor inverse_g(const std::string& layer) const override {
    return blocks_.inverse_g(layer);
  }
  Tensor inverse_scale_shift(const std::string& layer) const override {
    const ScaleShiftBlock* block = blocks_.scale_shifts().find(layer);
    return block == nullptr ? CurvatureState::inverse_scale_shift(layer)
                            : block->inverse();
  }
  /** See KroneckerPreconditioner. */
  void set_inverses(const std::string& layer, const Tensor& a, const Tensor& g,
                    double positions) {
    blocks_.set_inverses(layer, a, g, positions);
  }
  long refreshes() const noexcept { return blocks_.refreshes(); }
  /** True if some layer collects in the window that is open. */
  bool collecting() const noexcept { return blocks_.collecting(); }

 protected:
  KroneckerState(Module& module, std::vector<Tensor> parameters,
                 PreconditionerOptions options)
      : blocks_(module, std::move(parameters), std::move(options)) {}

  KroneckerPreconditioner& blocks() noexcept { return blocks_; }
  /** <x, F x>, as bound_steps() wants it. */
  std::function<double(const std::vector<Direction>&)> energy(
      double damping) const {
    return [this, damping](const std::vector<Direction>& directions) {
      return blocks_.energy(directions, damping);
    };
  }

 private:
  KroneckerPreconditioner blocks_;
};

}  // namespace mjolnir::optim

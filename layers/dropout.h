#pragma once

#include <memory>
#include <string>

#include <mjolnir/core/random.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {

/** Options of Dropout. */
struct DropoutOptions {
  double p = 0.5;  ///< Share of elements set to zero, in [0,1).
};

/**
 * In training, zeroes each element with probability p and scales the others by
 * 1/(1-p); the identity in evaluation. Draws from a stream of its own, split
 * off the generator it was made with. Throws ValueError for p outside [0,1).
 */
class Dropout : public Module {
 public:
  Dropout(const DropoutOptions& options, Generator& rng);

  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

  /** Shows where its stream stands. */
  void visit_state(StateVisitor& visitor) override { visitor.generator(rng_); }

  /** Its stream, to save and restore. */
  Generator& generator() noexcept { return rng_; }

 private:
  DropoutOptions options_;
  Generator rng_;
};

}  // namespace mjolnir

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/mjolnir.h>

namespace bench::peer {

/** A network and the batch it sees: bench/peer/nets.py makes the same. */
struct NetSize {
  /** resnet20 or resnet18 (3x32x32), lenet5, autoencoder or mlp (1x28x28). */
  std::string net = "resnet20";
  /** Channels of the first stage or layer, units of the MLP's hidden one. */
  std::int64_t width = 16;
  std::int64_t batch = 128;
};

/** A network, random images in [-1,1] (the autoencoder's: in [0,1]) and what
 * it is to say about them. */
struct Problem {
  std::unique_ptr<mjolnir::Module> net;
  mjolnir::Batch batch;
  bool reconstructs = false;  ///< The target is the image itself.

  /** Mean cross entropy, of pixels if it reconstructs. */
  mjolnir::Tensor loss() { return loss(batch); }
  mjolnir::Tensor loss(const mjolnir::Batch& of);
  /** Forward, backward and update. */
  void step(mjolnir::optim::Optimizer& optimizer) { step(optimizer, batch); }
  void step(mjolnir::optim::Optimizer& optimizer, const mjolnir::Batch& of);
};

/** Throws ValueError for a name that is not above. `second_order`: with
 * factors. */
Problem make_problem(const NetSize& size, bool second_order = false);

}  // namespace bench::peer

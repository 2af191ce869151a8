#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "bench/peer/nets.h"

namespace bench::peer {

/** What to do, and on what. */
struct WorkOptions {
  /** step: training steps with Sgd; count: the same, and the arithmetic of one
   * in GFLOP, "gflop", for a net with labels; infer: forward passes without
   * gradients; thor: steps of Sgd and Thor in turn; epoch: an epoch of CIFAR-10
   * with loading and augmentation, and bare steps; gemm: matrix products. */
  std::string work = "step";
  NetSize size;
  std::int64_t split_dim = 0;   ///< Of thor.
  std::string data;             ///< Folder of CIFAR-10; "": made-up images.
  std::int64_t images = 50000;  ///< Of an epoch, at most.
  int gemm_size = 2048;         ///< Rows and columns of a product's matrices.
};

/** A workload that is set up, and done once so as to be warm. */
class Workload {
 public:
  virtual ~Workload() = default;
  /** What it says of itself when it is ready; {} if nothing. */
  virtual nlohmann::ordered_json describe() {
    return nlohmann::ordered_json::object();
  }
  /** Does it `steps` times; figures by name, times in seconds. */
  virtual nlohmann::ordered_json run(int steps) = 0;
};

/** Throws mjolnir::Error for a name that is not above, or data that are not
 * there. */
std::unique_ptr<Workload> make_workload(const WorkOptions& options);

/** The workload epoch: {"epoch", "bare"}, means over the steps of an epoch
 * with a Loader and over as many as `steps` on one batch, half of them before
 * and half after. */
std::unique_ptr<Workload> make_epoch(const WorkOptions& options);

}  // namespace bench::peer

#pragma once

#include <cstddef>
#include <vector>

#include <mjolnir/layers/module.h>

namespace mjolnir::train::detail {

/** Copies of some tensors, to go back to. */
class Snapshot {
 public:
  explicit Snapshot(const std::vector<NamedTensor>& tensors) {
    for (const auto& [name, tensor] : tensors) {
      live_.emplace_back(name, tensor.detach());
      kept_.emplace_back(name, tensor.clone());
    }
  }
  void take() const { copy(live_, kept_); }
  void restore() const { copy(kept_, live_); }
  /** The copies. */
  const std::vector<NamedTensor>& kept() const noexcept { return kept_; }

 private:
  static void copy(const std::vector<NamedTensor>& from,
                   const std::vector<NamedTensor>& to) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      to[i].second.copy_from(from[i].second);
    }
  }

  std::vector<NamedTensor> live_;
  std::vector<NamedTensor> kept_;
};

}  // namespace mjolnir::train::detail

#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/module.h>

namespace mjolnir::detail {

/** Puts a model's buffers (running statistics) back to what they were, where
 * they changed, when it goes. */
class KeptBuffers {
 public:
  explicit KeptBuffers(const Module& model) {
    for (const auto& [name, buffer] : model.named_buffers()) {
      before_.push_back({buffer, buffer.clone(), buffer.version()});
    }
  }
  ~KeptBuffers() {
    for (const Kept& kept : before_) {
      if (kept.buffer.version() != kept.version) {
        kept.buffer.copy_from(kept.value);
      }
    }
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

 private:
  struct Kept {
    Tensor buffer;
    Tensor value;
    std::uint64_t version;
  };
  std::vector<Kept> before_;
};

}  // namespace mjolnir::detail

#pragma once

#include <mjolnir/layers/module.h>

namespace mjolnir::train::detail {

/** Marks a model as being trained while it lives; throws ValueError if it is
 * marked. */
class Claim {
 public:
  explicit Claim(const Module& model);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  const Module* model_;
};

}  // namespace mjolnir::train::detail

#include "train/detail/claim.h"

#include <mutex>
#include <set>

#include <mjolnir/core/error.h>

namespace mjolnir::train::detail {

namespace {

struct Claimed {
  std::mutex mutex;
  std::set<const Module*> models;
};

Claimed& claimed() {
  static Claimed all;
  return all;
}

}  // namespace

Claim::Claim(const Module& model) : model_(&model) {
  Claimed& all = claimed();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (!all.models.insert(model_).second) {
    throw ValueError(
        "[fit] the model is being trained already, by another thread or from "
        "within a callback of fit(); clone() gives a model of one's own");
  }
}

Claim::~Claim() {
  Claimed& all = claimed();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.models.erase(model_);
}

}  // namespace mjolnir::train::detail

#include "train/diagnosis.h"

#include <mjolnir/core/autograd.h>
#include <mjolnir/layers/curvature.h>

#include <memory>
#include <vector>

#include "core/detail/finite.h"

namespace mjolnir::train {

namespace {

// Notes whether the layer ever got an input that is not finite.
class InputObserver final : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& record) override {
    seen_ = true;
    finite_ = finite_ && (!is_floating(record.x.dtype()) ||
                          mjolnir::detail::is_finite(record.x));
  }
  Purpose purpose() const override { return Purpose::Curvature; }
  void clear() override {}

  bool seen() const { return seen_; }
  bool finite() const { return finite_; }

 private:
  bool seen_ = false;
  bool finite_ = true;
};

struct Watched {
  std::string name;
  std::shared_ptr<InputObserver> observer;
  ObservationHandle handle;
};

std::vector<Watched> watch(Module& model) {
  std::vector<Watched> all;
  for (const auto& [name, module] : model.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(module);
    if (source == nullptr) continue;
    auto observer = std::make_shared<InputObserver>();
    ObservationHandle handle = source->observe(observer);
    all.push_back({name, std::move(observer), std::move(handle)});
  }
  return all;
}

void visit_modules(StateVisitor& visitor, Module& model) {
  for (const auto& [name, module] : model.named_modules()) {
    visitor.scope(name, [&, of = module] { of->visit_state(visitor); });
  }
}

}  // namespace

std::string where_not_finite(Module& model, const Objective& objective,
                             const Batch& batch) {
  if (is_floating(batch.images.dtype()) &&
      !mjolnir::detail::is_finite(batch.images)) {
    return "; the images of the batch are not finite";
  }
  const auto visit = [&](StateVisitor& visitor) {
    visit_modules(visitor, model);
  };
  const SavedState before = save_state(visit);
  const std::vector<Watched> layers = watch(model);
  const Tensor output = model(batch.images);
  BackwardOptions options;
  options.curvature_only = true;
  objective.loss(output, batch).backward(options);
  load_state(before, visit);
  const std::string* last = nullptr;
  for (const Watched& layer : layers) {
    if (!layer.observer->finite()) {
      return "; the input of " + layer.name +
             " is the first that is not finite";
    }
    if (layer.observer->seen()) last = &layer.name;
  }
  if (mjolnir::detail::is_finite(output.detach())) {
    return "; what the model gives is finite, the loss of it is not";
  }
  return last == nullptr ? "" : "; what follows " + *last + " is not finite";
}

}  // namespace mjolnir::train

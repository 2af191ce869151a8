#include "train/evaluate.h"

#include <mjolnir/core/autograd.h>

namespace mjolnir::train {

namespace {

// Evaluation mode for a scope.
class Evaluating {
 public:
  explicit Evaluating(Module& model)
      : model_(model), training_(model.training()) {
    model_.eval();
  }
  ~Evaluating() { model_.train(training_); }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  Module& model_;
  bool training_;
};

}  // namespace

Meter evaluate(Module& model, data::Loader& loader, const Objective& objective,
               const std::function<bool()>& stop) {
  const NoGrad no_grad;
  const Evaluating mode(model);
  Meter meter;
  for (const Batch& batch : loader) {
    const Tensor output = model(batch.images);
    meter.add(objective.loss(output, batch).item(), batch.images.size(0),
              objective.correct ? objective.correct(output, batch) : -1);
    if (stop && stop()) {
      break;
    }
  }
  return meter;
}

}  // namespace mjolnir::train

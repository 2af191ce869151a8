#include "train/detail/fit_state.h"

#include <cstring>

namespace mjolnir::train::detail {

namespace {

constexpr std::int64_t most = INT64_MAX;

void visit(StateVisitor& visitor, Meter& meter) {
  visitor.number(meter.loss_sum);
  visitor.integer(meter.samples, 0, most);
  visitor.integer(meter.correct, 0, most);
  visitor.integer(meter.has_accuracy);
}

// Calls `value` for what an optional holds, or is to hold.
template <class T, class F>
void visit_optional(StateVisitor& visitor, std::optional<T>& x, F value) {
  bool there = x.has_value();
  there = visitor.integer(there);
  if (!there) {
    if (visitor.loading()) x.reset();
    return;
  }
  T content = x.value_or(T{});
  value(content);
  if (visitor.loading()) x = content;
}

void visit(StateVisitor& visitor, StepSettings& settings) {
  visitor.number(settings.learning_rate);
  visit_optional(visitor, settings.damping,
                 [&](double& x) { visitor.number(x); });
  visit_optional(visitor, settings.refreshes,
                 [&](std::int64_t& x) { visitor.integer(x, 0, most); });
}

void visit(StateVisitor& visitor, EpochRecord& record) {
  visitor.integer(record.epoch, 0, most);
  visitor.integer(record.run_step, 0, most);
  visit(visitor, record.training);
  visit_optional(visitor, record.validation,
                 [&](Meter& meter) { visit(visitor, meter); });
  visit(visitor, record.settings);
  visitor.number(record.seconds);
  visitor.number(record.training_seconds);
  visitor.integer(record.best);
}

std::int64_t visit_epochs(StateVisitor& visitor,
                          std::vector<EpochRecord>& epochs) {
  std::int64_t count = static_cast<std::int64_t>(epochs.size());
  count = visitor.integer(count, 0, 1'000'000);
  std::vector<EpochRecord> records = epochs;
  records.resize(static_cast<std::size_t>(count));
  for (EpochRecord& record : records) visit(visitor, record);
  if (visitor.loading()) epochs = records;
  return count;
}

void visit_best(StateVisitor& visitor, std::optional<Snapshot>& best,
                const Module& model) {
  bool there = best.has_value();
  there = visitor.integer(there);
  if (!there) {
    if (visitor.loading()) best.reset();
    return;
  }
  if (visitor.loading() && !best) best.emplace(model.state());
  visitor.scope("best", [&] {
    for (const auto& [name, tensor] : best ? best->kept() : model.state()) {
      visitor.tensor(name, tensor);
    }
  });
}

}  // namespace

void FitState::visit(StateVisitor& visitor, const Module& model,
                     std::int64_t steps) {
  visitor.integer(epoch, 1, most);
  visitor.integer(step, 0, steps);
  for (std::int64_t* x :
       {&run_steps, &skipped, &skipped_in_row, &loader_epoch}) {
    visitor.integer(*x, 0, most);
  }
  std::int64_t key = 0;
  std::memcpy(&key, &loader_key, sizeof key);
  visitor.integer(key);
  std::memcpy(&loader_key, &key, sizeof key);
  for (double* x : {&seconds, &epoch_seconds, &interval_seconds}) {
    visitor.number(*x);
  }
  for (Meter* meter : {&so_far, &interval, &best}) {
    detail::visit(visitor, *meter);
  }
  detail::visit(visitor, settings);
  std::int64_t complete = 0;
  visitor.scope("epochs", [&] { complete = visit_epochs(visitor, epochs); });
  visitor.integer(best_epoch, 0, complete);
  visit_best(visitor, best_model, model);
}

void visit_model(StateVisitor& visitor, Module& model) {
  visitor.scope("model", [&] {
    for (const auto& [name, tensor] : model.state()) {
      visitor.tensor(name, tensor);
    }
  });
  visitor.scope("modules", [&] {
    for (const auto& [name, module] : model.named_modules()) {
      visitor.scope(name, [&, of = module] { of->visit_state(visitor); });
    }
  });
}

}  // namespace mjolnir::train::detail

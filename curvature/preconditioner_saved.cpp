// What a KroneckerPreconditioner keeps to go on later.
#include <cstddef>
#include <utility>

#include <mjolnir/curvature/preconditioner.h>

namespace mjolnir {
namespace {

/** The numbers of a decision, in the order of a row of the saved table. */
template <class Decision, class F>
void each_number(Decision& d, F f) {
  f(d.trace);
  f(d.reference);
  f(d.delta);
  f(d.delta_undamped);
  f(d.share);
}

constexpr std::int64_t last_verdict = static_cast<int>(Verdict::Freeze);

}  // namespace

void KroneckerPreconditioner::visit_state(StateVisitor& visitor) {
  visitor.scope("curvature", [&] {
    visitor.integer(step_, 0, INT64_MAX);
    for (Layer& l : layers_) {
      visitor.scope(l.blocks.front().name(), [&] {
        l.rule.visit_state(visitor);
        for (bool* flag : {&l.look, &l.due, &l.told}) visitor.integer(*flag);
        visitor.number(l.cosine);
        for (long* count : {&l.looks.refresh, &l.looks.keep, &l.looks.freeze}) {
          visitor.integer(*count, 0, INT64_MAX);
        }
        each_number(l.decision, [&](double& x) { visitor.number(x); });
        visitor.integer(l.decision.verdict, 0, last_verdict);
        visitor.integer(l.last_look, -1, INT64_MAX);
        for (std::size_t g = 0; g < l.blocks.size(); ++g) {
          visitor.scope(std::to_string(g),
                        [&] { l.blocks[g].visit_state(visitor); });
        }
      });
    }
    scale_shifts_.visit_state(visitor);
    visit_decisions(visitor);
  });
  if (visitor.loading()) collect();
}

// Two tables with a row per decision: (step, layer, verdict) and the numbers.
void KroneckerPreconditioner::visit_decisions(StateVisitor& visitor) {
  constexpr std::size_t integers = 3;
  constexpr std::size_t numbers = 6;
  std::vector<std::int64_t> steps;
  std::vector<double> values;
  for (const RefreshDecision& d : decisions_) {
    steps.push_back(d.step);
    steps.push_back(static_cast<std::int64_t>(find(d.layer)));
    steps.push_back(static_cast<std::int64_t>(d.trace.verdict));
    values.push_back(d.damping);
    each_number(d.trace, [&](const double& x) { values.push_back(x); });
  }
  const auto rows = static_cast<std::int64_t>(decisions_.size());
  Tensor table, measured;
  if (rows > 0) {
    table = Tensor::from<std::int64_t>(steps, {rows, integers});
    measured = Tensor::from<double>(values, {rows, numbers});
  }
  table = visitor.any_tensor("decisions", table, DType::I64, 2);
  measured = visitor.any_tensor("deltas", measured, DType::F64, 2);
  steps.clear();
  values.clear();
  if (table.defined()) steps = table.to_vector<std::int64_t>();
  if (measured.defined()) values = measured.to_vector<double>();
  const std::size_t count = steps.size() / integers;
  const bool fits =
      steps.size() == count * integers && values.size() == count * numbers;
  visitor.require(fits, "decisions", "and deltas have different lengths");
  std::vector<RefreshDecision> all;
  for (std::size_t i = 0; fits && i < count; ++i) {
    const std::int64_t* row = &steps[i * integers];
    const bool known = row[1] >= 0 && row[2] >= 0 && row[2] <= last_verdict &&
                       row[1] < static_cast<std::int64_t>(layers_.size());
    visitor.require(known, "decisions", "name a layer or verdict out of range");
    if (!known) return;
    const Layer& layer = layers_[static_cast<std::size_t>(row[1])];
    RefreshDecision d;
    d.step = static_cast<long>(row[0]);
    d.layer = layer.blocks.front().name();
    d.trace.verdict = static_cast<Verdict>(row[2]);
    const double* value = &values[i * numbers];
    d.damping = *value++;
    each_number(d.trace, [&](double& x) { x = *value++; });
    all.push_back(std::move(d));
  }
  if (visitor.loading()) decisions_ = std::move(all);
}

}  // namespace mjolnir

#include "train/metrics/curvature_log.h"

#include <cmath>
#include <limits>
#include <utility>

#include <mjolnir/io/file.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

// A mean that leaves NaNs out.
class Mean {
 public:
  void add(double value) {
    if (std::isnan(value)) {
      return;
    }
    sum_ += value;
    ++count_;
  }
  double value() const {
    return count_ > 0 ? sum_ / static_cast<double>(count_)
                      : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  double sum_ = 0.0;
  std::int64_t count_ = 0;
};

std::string cell(double value) {
  return std::isnan(value) ? "" : detail::shortest(value);
}

void append(const Spectrum& s, std::vector<std::string>& cells) {
  for (const double value : {s.least, s.tenth, s.median, s.ninetieth, s.most,
                             s.mean, s.condition, s.damping, s.damping_share}) {
    cells.push_back(cell(value));
  }
}

}  // namespace

std::vector<std::string> layer_columns() {
  std::vector<std::string> names = {"layer", "group", "positions", "age"};
  for (const char* side : {"a_", "g_"}) {
    for (const char* name : {"least", "tenth", "median", "ninetieth", "most",
                             "mean", "condition", "damping", "damping_share"}) {
      names.push_back(std::string(side) + name);
    }
  }
  names.insert(names.end(), {"cosine_to_gradient", "cosine_to_exact"});
  return names;
}

std::vector<std::string> layer_cells(const LayerReport& layer) {
  std::vector<std::string> cells = {
      layer.name, std::to_string(layer.group), cell(layer.positions),
      layer.age < 0 ? "" : std::to_string(layer.age)};
  append(layer.a, cells);
  append(layer.g, cells);
  cells.push_back(cell(layer.cosine_to_gradient));
  cells.push_back(cell(layer.cosine_to_exact));
  return cells;
}

CurvatureSummary summary_of(const CurvatureReport& report) {
  Mean a, g, cosine;
  for (const LayerReport& layer : report.layers) {
    a.add(layer.a.damping_share);
    g.add(layer.g.damping_share);
    cosine.add(layer.cosine_to_gradient);
  }
  return {a.value(), g.value(), cosine.value()};
}

CurvatureLog::CurvatureLog(Module& model, BatchLoss loss, Batch batch,
                           const CurvatureState& state, std::int64_t every)
    : model_(model),
      loss_(std::move(loss)),
      batch_(std::move(batch)),
      state_(state),
      every_(every) {}

bool CurvatureLog::on_step(std::int64_t run_step) {
  if (run_step % every_ != 0) {
    return false;
  }
  last_ = curvature_report(model_, loss_, batch_, state_);
  return true;
}

void write_decisions(const std::string& path, const CurvatureState& state) {
  std::string text =
      "step,layer,damping,trace,reference,delta,delta_undamped,share,"
      "verdict\n";
  for (const RefreshDecision& d : state.decisions()) {
    text += std::to_string(d.step) + "," + d.layer;
    for (const double value :
         {d.damping, d.trace.trace, d.trace.reference, d.trace.delta,
          d.trace.delta_undamped, d.trace.share}) {
      text += "," + cell(value);
    }
    text += std::string(",") + name_of(d.trace.verdict) + "\n";
  }
  io::write_file(path, text);
}

}  // namespace mjolnir::train

#include "train/curvature_log.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
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

std::string spectrum_cells(const Spectrum& s) {
  std::string line;
  for (const double value : {s.least, s.tenth, s.median, s.ninetieth, s.most,
                             s.mean, s.damping, s.damping_share}) {
    line += "," + cell(value);
  }
  return line;
}

constexpr const char* curvature_header =
    "step,layer,group,positions,age,a_least,a_tenth,a_median,a_ninetieth,"
    "a_most,a_mean,a_damping,a_damping_share,g_least,g_tenth,g_median,"
    "g_ninetieth,g_most,g_mean,g_damping,g_damping_share,cosine_to_gradient,"
    "cosine_to_exact\n";

}  // namespace

CurvatureSummary summary_of(const CurvatureReport& report) {
  Mean a, g, cosine;
  for (const LayerReport& layer : report.layers) {
    a.add(layer.a.damping_share);
    g.add(layer.g.damping_share);
    cosine.add(layer.cosine_to_gradient);
  }
  return {a.value(), g.value(), cosine.value()};
}

CurvatureLog::CurvatureLog(const std::string& path, Module& model,
                           BatchLoss loss, Batch batch,
                           const CurvatureState& state, std::int64_t every)
    : path_(path),
      model_(model),
      loss_(std::move(loss)),
      batch_(std::move(batch)),
      state_(state),
      every_(every) {
  io::write_file(path, curvature_header);
}

void CurvatureLog::on_step(std::int64_t run_step) {
  if (run_step % every_ != 0) {
    return;
  }
  last_ = curvature_report(model_, loss_, batch_, state_);
  summary_ = summary_of(last_);
  std::string rows;
  for (const LayerReport& l : last_.layers) {
    rows += std::to_string(run_step) + "," + l.name + "," +
            std::to_string(l.group) + "," + cell(l.positions) + "," +
            std::to_string(l.age) + spectrum_cells(l.a) + spectrum_cells(l.g) +
            "," + cell(l.cosine_to_gradient) + "," + cell(l.cosine_to_exact) +
            "\n";
  }
  std::ofstream file(path_, std::ios::app);
  file << rows;
  file.close();
  if (!file) {  // a full disk does not stop the run
    emit(Severity::Warning, "metrics", "cannot write '" + path_ + "'");
  }
}

std::optional<CurvatureSummary> CurvatureLog::take_summary() {
  return std::exchange(summary_, std::nullopt);
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

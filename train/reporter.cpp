#include "train/reporter.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include <mjolnir/train/progress.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

std::optional<double> accuracy_of(const Meter& meter) {
  return meter.has_accuracy ? std::optional<double>(meter.accuracy())
                            : std::nullopt;
}

double rate(std::int64_t samples, double seconds) {
  return seconds > 0.0 ? static_cast<double>(samples) / seconds : 0.0;
}

std::string percent(const Meter& meter) {
  return meter.has_accuracy ? detail::fixed(100.0 * meter.accuracy(), 2) : "-";
}

// A column of the table: its width, blanks before it included, and how much it
// matters; the least is left out first.
struct TableColumn {
  const char* title;
  std::size_t width;
  int rank;
};
constexpr TableColumn table_columns[] = {
    {"epoch", 5, 7},     {"loss", 10, 2},      {"acc %", 8, 4},
    {"val loss", 10, 3}, {"val acc %", 11, 6}, {"images/s", 10, 1},
    {"time", 9, 5}};
constexpr const char* kept_mark = "  best";

// The least rank that is shown in so many columns.
int least_rank(std::size_t columns) {
  int least = 1;
  for (;; ++least) {
    std::size_t width = std::string(kept_mark).size();
    for (const TableColumn& column : table_columns) {
      width += column.rank >= least ? column.width : 0;
    }
    if (width <= columns || least == 6) {
      return least;
    }
  }
}

// Cells right-aligned in those columns that matter so much.
std::string table_row(const std::vector<std::string>& cells, int rank) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (table_columns[i].rank < rank) {
      continue;
    }
    const std::size_t size = cells[i].size();
    const std::size_t least = i > 0 ? 1 : 0;  // blanks before a cell
    line +=
        std::string(std::max(table_columns[i].width, size + least) - size, ' ');
    line += cells[i];
  }
  return line;
}

// What the rows of a step have in common.
MetricsRow step_row(const char* kind, const StepRecord& record) {
  MetricsRow row;
  row.kind = kind;
  row.epoch = record.epoch;
  row.step = record.run_step;
  row.seconds = record.seconds;
  row.images_per_second =
      rate(record.interval.samples, record.interval_seconds);
  return row;
}

std::vector<std::string> columns(bool layers) {
  return layers ? layer_columns() : std::vector<std::string>();
}

}  // namespace

ProgressReporter::ProgressReporter(Console& console, std::int64_t epochs)
    : console_(console), epochs_(epochs) {}

void ProgressReporter::on_step(const StepRecord& record) {
  ProgressState state;
  state.epoch = record.epoch;
  state.epochs = epochs_;
  state.step = record.step;
  state.steps = record.steps;
  state.loss = record.so_far.loss();
  state.accuracy = accuracy_of(record.so_far);
  state.standard_error = record.so_far.standard_error();
  state.images_per_second =
      rate(record.interval.samples, record.interval_seconds);
  state.learning_rate = record.settings.learning_rate;
  state.damping = record.settings.damping;
  state.refreshes = record.settings.refreshes;
  state.seconds_left =
      seconds_left(record.seconds, record.run_step, record.steps * epochs_);
  show_progress(console_, state, record.logging);
}

void ProgressReporter::on_epoch(const EpochRecord& record) {
  // Live, there is one line alone; the table at the end tells the same.
  if (!console_.live()) {
    console_.line(epoch_line(record, epochs_));
  }
}

MetricsReporter::MetricsReporter(const std::string& path, bool layers,
                                 bool go_on)
    : file_(path, columns(layers), go_on),
      jsonl_(std::filesystem::path(path).replace_extension(".jsonl").string(),
             columns(layers), go_on) {}

void MetricsReporter::add(const MetricsRow& row) {
  file_.add(row);
  jsonl_.add(row);
}

void MetricsReporter::visit_state(StateVisitor& visitor) {
  file_.visit_state(visitor);
  jsonl_.visit_state(visitor);
  bool waiting = summary_.has_value();
  waiting = visitor.integer(waiting);
  CurvatureSummary summary = summary_.value_or(CurvatureSummary());
  for (double* x : {&summary.damping_a, &summary.damping_g, &summary.cosine}) {
    visitor.number(*x);
  }
  if (visitor.loading()) {
    summary_ =
        waiting ? std::optional<CurvatureSummary>(summary) : std::nullopt;
  }
}

void MetricsReporter::on_curvature(const StepRecord& record,
                                   const CurvatureReport& report) {
  for (const LayerReport& layer : report.layers) {
    MetricsRow row = step_row("layer", record);
    row.damping = report.damping;
    row.more = layer_cells(layer);
    add(row);
  }
  summary_ = summary_of(report);
}

void MetricsReporter::on_step(const StepRecord& record) {
  if (!record.logging) {
    return;
  }
  MetricsRow row = step_row("step", record);
  row.loss = record.interval.loss();
  row.accuracy = accuracy_of(record.interval);
  row.learning_rate = record.settings.learning_rate;
  row.damping = record.settings.damping;
  row.refreshes = record.settings.refreshes;
  if (summary_) {
    row.damping_a = summary_->damping_a;
    row.damping_g = summary_->damping_g;
    row.cosine = summary_->cosine;
    summary_.reset();
  }
  add(row);
}

void MetricsReporter::on_epoch(const EpochRecord& record) {
  MetricsRow row;
  row.kind = "epoch";
  row.epoch = record.epoch;
  row.step = record.run_step;
  row.loss = record.training.loss();
  row.accuracy = accuracy_of(record.training);
  if (record.validation) {
    row.validation_loss = record.validation->loss();
    row.validation_accuracy = accuracy_of(*record.validation);
  }
  row.learning_rate = record.settings.learning_rate;
  row.damping = record.settings.damping;
  row.refreshes = record.settings.refreshes;
  row.seconds = record.seconds;
  row.images_per_second =
      rate(record.training.samples, record.training_seconds);
  add(row);
}

std::string epoch_line(const EpochRecord& record, std::int64_t epochs) {
  std::string line = "epoch " + std::to_string(record.epoch) + "/" +
                     std::to_string(epochs) + " done: loss " +
                     detail::readable(record.training.loss(), 4);
  if (record.validation) {
    const Meter& meter = *record.validation;
    line += ", validation loss " + detail::readable(meter.loss(), 4);
    if (meter.has_accuracy) {
      line += ", accuracy " + percent(meter) + " +- " +
              detail::fixed(100.0 * meter.standard_error(), 2) + " %";
    }
  }
  return line;
}

std::string epoch_table(const FitResult& result, int columns) {
  if (result.epochs.empty()) {
    return "";
  }
  const int rank = least_rank(static_cast<std::size_t>(std::max(columns, 0)));
  std::vector<std::string> titles;
  for (const TableColumn& column : table_columns) {
    titles.emplace_back(column.title);
  }
  std::string table = table_row(titles, rank) + "\n";
  for (const EpochRecord& e : result.epochs) {
    const bool validated = e.validation.has_value();
    table += table_row(
        {std::to_string(e.epoch), detail::readable(e.training.loss(), 4),
         percent(e.training),
         validated ? detail::readable(e.validation->loss(), 4) : "-",
         validated ? percent(*e.validation) : "-",
         detail::fixed(rate(e.training.samples, e.training_seconds), 0),
         detail::clock_time(e.seconds)},
        rank);
    table += e.epoch == result.best_epoch ? kept_mark + std::string("\n")
                                          : std::string("\n");
  }
  return table;
}

std::string accuracy_line(const Meter& test) {
  return "test accuracy " + detail::fixed(100.0 * test.accuracy(), 2) +
         " % (+- " + detail::fixed(100.0 * test.standard_error(), 2) + ")";
}

}  // namespace mjolnir::train

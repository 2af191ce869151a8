#include "train/metrics/metrics_reader.h"

#include <limits>
#include <map>
#include <string_view>

#include <mjolnir/core/error.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

using Cells = std::vector<std::string_view>;

Cells cells_of(std::string_view line) {
  Cells cells;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = line.find(',', begin);
    cells.push_back(line.substr(begin, comma - begin));
    if (comma == std::string_view::npos) {
      return cells;
    }
    begin = comma + 1;
  }
}

// A CSV file without quotes, a row at a time; cells by the name of the column.
class Table {
 public:
  /** The bytes must outlive the table. */
  Table(const io::Bytes& bytes, const std::string& name,
        const std::string& first_column)
      : rest_(reinterpret_cast<const char*>(bytes.data()), bytes.size()) {
    if (!next()) {
      row_.clear();
    }
    cells_ = row_.size();
    for (std::size_t i = 0; i < cells_; ++i) {
      columns_.emplace(row_[i], i);
    }
    if (columns_.count(first_column) == 0) {
      throw IoError("[run] '" + name + "' has no column '" + first_column +
                    "': it is not a file of a run");
    }
  }

  /** False at the end; a row that is not whole is passed over. */
  bool next() {
    for (;;) {
      const std::size_t end = rest_.find('\n');
      if (end == std::string_view::npos) {
        return false;  // the last line ends with a newline, or was cut
      }
      row_ = cells_of(rest_.substr(0, end));
      rest_.remove_prefix(end + 1);
      if (cells_ == 0 || row_.size() == cells_) {
        return true;
      }
    }
  }

  std::string text(std::string_view column) const {
    const auto at = columns_.find(column);
    return at == columns_.end() ? "" : std::string(row_[at->second]);
  }
  std::optional<double> number(std::string_view column) const {
    return detail::to_double(text(column));
  }
  double number_or_nan(std::string_view column) const {
    return number(column).value_or(none);
  }
  std::int64_t integer(std::string_view column) const {
    return detail::to_integer(text(column)).value_or(0);
  }

 private:
  std::string_view rest_;
  Cells row_;
  std::size_t cells_ = 0;  // of each row
  std::map<std::string_view, std::size_t> columns_;
};

MetricsRow metrics_row(const Table& table, const std::string& kind) {
  MetricsRow row;
  row.kind = kind;
  row.epoch = table.integer("epoch");
  row.step = table.integer("step");
  row.loss = table.number("loss");
  row.accuracy = table.number("accuracy");
  row.validation_loss = table.number("validation_loss");
  row.validation_accuracy = table.number("validation_accuracy");
  row.learning_rate = table.number("learning_rate");
  row.damping = table.number("damping");
  row.refreshes = detail::to_integer(table.text("refreshes"));
  row.damping_a = table.number("damping_a");
  row.damping_g = table.number("damping_g");
  row.cosine = table.number("cosine");
  row.seconds = table.number("seconds").value_or(0.0);
  row.images_per_second = table.number("images_per_second").value_or(0.0);
  return row;
}

Spectrum spectrum(const Table& table, const std::string& side) {
  const auto of = [&](const char* name) {
    return table.number_or_nan(side + name);
  };
  Spectrum s;
  s.least = of("least");
  s.tenth = of("tenth");
  s.median = of("median");
  s.ninetieth = of("ninetieth");
  s.most = of("most");
  s.mean = of("mean");
  s.condition = of("condition");
  s.damping = of("damping");
  s.damping_share = of("damping_share");
  s.drowned = none;
  return s;
}

LayerRow layer_row(const Table& table) {
  LayerRow row;
  row.step = table.integer("step");
  row.seconds = table.number("seconds").value_or(0.0);
  row.layer.name = table.text("layer");
  row.layer.group = table.integer("group");
  row.layer.positions = table.number_or_nan("positions");
  row.layer.age =
      static_cast<long>(detail::to_integer(table.text("age")).value_or(-1));
  row.layer.a = spectrum(table, "a_");
  row.layer.g = spectrum(table, "g_");
  row.layer.cosine_to_gradient = table.number_or_nan("cosine_to_gradient");
  row.layer.cosine_to_exact = table.number_or_nan("cosine_to_exact");
  return row;
}

Verdict verdict_of(const std::string& name) {
  for (const Verdict verdict : {Verdict::Keep, Verdict::Freeze}) {
    if (name == name_of(verdict)) {
      return verdict;
    }
  }
  return Verdict::Refresh;
}

}  // namespace

Metrics parse_metrics(const io::Bytes& bytes, const std::string& name) {
  Table table(bytes, name, "kind");
  Metrics metrics;
  while (table.next()) {
    const std::string kind = table.text("kind");
    if (kind == "step") {
      metrics.steps.push_back(metrics_row(table, kind));
    } else if (kind == "epoch") {
      metrics.epochs.push_back(metrics_row(table, kind));
    } else if (kind == "layer") {
      metrics.layers.push_back(layer_row(table));
    }
  }
  return metrics;
}

Metrics read_metrics(const std::string& path) {
  return parse_metrics(io::read_file(path), path);
}

std::vector<RefreshDecision> parse_decisions(const io::Bytes& bytes,
                                             const std::string& name) {
  Table table(bytes, name, "verdict");
  std::vector<RefreshDecision> decisions;
  while (table.next()) {
    RefreshDecision d;
    d.layer = table.text("layer");
    d.step = static_cast<long>(table.integer("step"));
    d.damping = table.number_or_nan("damping");
    d.trace.trace = table.number_or_nan("trace");
    d.trace.reference = table.number_or_nan("reference");
    d.trace.delta = table.number_or_nan("delta");
    d.trace.delta_undamped = table.number_or_nan("delta_undamped");
    d.trace.share = table.number_or_nan("share");
    d.trace.verdict = verdict_of(table.text("verdict"));
    decisions.push_back(d);
  }
  return decisions;
}

std::vector<RefreshDecision> read_decisions(const std::string& path) {
  return parse_decisions(io::read_file(path), path);
}

}  // namespace mjolnir::train

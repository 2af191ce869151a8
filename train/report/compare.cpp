#include "train/report/compare.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>

#include <mjolnir/train/options.h>
#include <mjolnir/version.h>

#include "train/detail/text.h"
#include "train/detail/text_table.h"
#include "train/report/detail/html.h"
#include "train/report/detail/page.h"
#include "train/report/detail/run_figures.h"

namespace mjolnir::train {

namespace {

using detail::escaped;
using detail::fixed;
using Row = std::vector<std::string>;

constexpr double round_accuracies[] = {0.5,  0.6,  0.7,  0.8,  0.85, 0.9,
                                       0.91, 0.92, 0.93, 0.94, 0.95, 0.96,
                                       0.97, 0.98, 0.99, 0.995};

double highest_accuracy(const RunData& run) {
  const MetricsRow* best = best_epoch(run);
  return best != nullptr ? best->validation_accuracy.value_or(0.0) : 0.0;
}

// The highest round accuracy that all runs reached, and that one did.
std::vector<double> reached(const std::vector<RunData>& runs) {
  double all = runs.empty() ? 0.0 : 1.0;
  double any = 0.0;
  for (const RunData& run : runs) {
    all = std::min(all, highest_accuracy(run));
    any = std::max(any, highest_accuracy(run));
  }
  std::set<double> found;
  for (const double limit : {all, any}) {
    double highest = 0.0;
    for (const double accuracy : round_accuracies) {
      highest = accuracy <= limit ? accuracy : highest;
    }
    if (highest > 0.0) {
      found.insert(highest);
    }
  }
  return {found.begin(), found.end()};
}

void check(const std::vector<double>& accuracies) {
  for (const double accuracy : accuracies) {
    if (!(accuracy > 0.0 && accuracy <= 1.0)) {
      throw UsageError(
          "--accuracy: expected numbers above 0, at most 1, got " +
          detail::shortest(accuracy) +
          (accuracy > 1.0 && accuracy <= 100.0
               ? "; did you mean " + detail::compact(accuracy / 100.0) + "?"
               : ""));
    }
  }
}

void name_apart(std::vector<RunData>& runs) {
  std::map<std::string, int> count;
  for (const RunData& run : runs) {
    ++count[run.name];
  }
  for (RunData& run : runs) {
    if (count[run.name] > 1) {
      run.name = run.folder;
    }
  }
}

std::vector<OptionDifference> differing(const std::vector<RunData>& runs) {
  std::vector<std::string> names;
  for (const RunData& run : runs) {
    for (const auto& [name, value] : run.options) {
      if (name != "out" &&
          std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  std::vector<OptionDifference> all;
  for (const std::string& name : names) {
    OptionDifference difference{name, {}};
    for (const RunData& run : runs) {
      const std::string value = run.option(name);
      difference.values.push_back(value.empty() ? "-" : value);
    }
    const std::set<std::string> distinct(difference.values.begin(),
                                         difference.values.end());
    if (distinct.size() > 1) {
      all.push_back(difference);
    }
  }
  return all;
}

std::string percent(double share) { return detail::compact(100.0 * share, 6); }

struct Figures {
  std::string validation = "-", epoch = "-", test = "-", rate = "-", time = "-",
              status = "unfinished";
};

std::string accuracy_text(double p, double error, const char* plus_minus) {
  return fixed(100.0 * p, 2) + plus_minus + fixed(100.0 * error, 2);
}

Figures figures_of(const RunData& run, const char* plus_minus) {
  Figures f;
  const MetricsRow* best = best_epoch(run);
  if (best != nullptr && best->validation_accuracy) {
    const double p = *best->validation_accuracy;
    f.validation = accuracy_text(
        p, standard_error(p, static_cast<double>(run.count("validation"))),
        plus_minus);
    f.epoch = std::to_string(best->epoch);
  }
  if (run.result) {
    f.status = name_of(run.result->status);
    if (run.result->test && run.result->test->has_accuracy) {
      f.test = accuracy_text(run.result->test->accuracy(),
                             run.result->test->standard_error(), plus_minus);
    }
  }
  const Metrics& m = run.metrics;
  double sum = 0.0;
  for (const MetricsRow& row : m.epochs) {
    sum += row.images_per_second;
  }
  if (!m.epochs.empty()) {
    f.rate = fixed(sum / static_cast<double>(m.epochs.size()), 0);
  }
  const double seconds =
      std::max(m.epochs.empty() ? 0.0 : m.epochs.back().seconds,
               m.steps.empty() ? 0.0 : m.steps.back().seconds);
  f.time = detail::clock_time(run.result ? run.result->seconds : seconds);
  return f;
}

std::string reached_text(const RunData& run, double accuracy,
                         const char* between) {
  const MetricsRow* row = first_to_reach(run, accuracy);
  return row == nullptr ? "-"
                        : std::to_string(row->step) + between +
                              detail::clock_time(row->seconds);
}

std::string html_table(const std::string& id, const std::string& title,
                       const Row& header, const std::vector<Row>& rows,
                       bool of_runs) {
  std::string html = "<section id='" + id + "'><h2>" + title +
                     "</h2><div class='scroll wide-table" +
                     (of_runs ? "" : " plain") + "'><table><thead><tr>";
  for (const std::string& cell : header) {
    html += "<th scope='col'>" + escaped(cell) + "</th>";
  }
  html += "</tr></thead><tbody>";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    html +=
        "<tr><th scope='row'" +
        (of_runs ? " class='c" + std::to_string(r % 8) + "'" : std::string()) +
        ">" + escaped(rows[r][0]) + "</th>";
    for (std::size_t i = 1; i < rows[r].size(); ++i) {
      html += "<td>" + escaped(rows[r][i]) + "</td>";
    }
    html += "</tr>";
  }
  return html + "</tbody></table></div></section>\n";
}

// The tables, for a terminal or a page.
struct Tables {
  Row results_header, reached_header, options_header;
  std::vector<Row> results, reached, options;
};

Tables tables_of(const Comparison& c, const char* plus_minus,
                 const char* between) {
  Tables t;
  t.results_header = {"run",  "val acc %", "epoch",   "test acc %",
                      "time", "status",    "images/s"};
  t.reached_header = {"run"};
  for (const double accuracy : c.accuracies) {
    t.reached_header.push_back("to " + percent(accuracy) + " %");
  }
  t.options_header = {"option"};
  for (const RunData& run : c.runs) {
    const Figures f = figures_of(run, plus_minus);
    t.results.push_back(
        {run.name, f.validation, f.epoch, f.test, f.time, f.status, f.rate});
    Row row = {run.name};
    for (const double accuracy : c.accuracies) {
      row.push_back(reached_text(run, accuracy, between));
    }
    t.reached.push_back(row);
    t.options_header.push_back(run.name);
  }
  for (const OptionDifference& difference : c.differences) {
    Row row = {difference.name};
    row.insert(row.end(), difference.values.begin(), difference.values.end());
    t.options.push_back(row);
  }
  return t;
}

double to_accuracy(const std::string& text) {
  const auto value = detail::to_double(text);
  if (!value) {
    throw UsageError("--accuracy: expected numbers above 0, at most 1, got '" +
                     text + "' (the folders come before it)");
  }
  return *value;
}

}  // namespace

CompareOptions parse_compare_command_line(int argc, const char* const* argv) {
  CompareOptions options;
  std::vector<std::string> accuracies;
  CLI::App app(
      "Puts runs beside each other: their curves on a page, their "
      "figures in tables.",
      "./mjolnir compare");
  app.set_version_flag("--version",
                       "mjolnir " + std::string(library_version()));
  app.get_formatter()->column_width(31);
  app.add_option("runs", options.folders, "Folders of runs")
      ->type_name("FOLDER");
  app.add_option("--accuracy", accuracies,
                 "Validation accuracies, 0 to 1, to which steps\nand time are "
                 "told (default: the highest\nround ones that all runs and "
                 "that one reached)")
      ->type_name("X");
  app.add_option("--out", options.out,
                 "The page [default: " + options.out + "]")
      ->type_name("FILE")
      ->take_last();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    options.message = app.help();
    return options;
  } catch (const CLI::CallForVersion& version) {
    options.message = std::string(version.what()) + "\n";
    return options;
  } catch (const CLI::ExtrasError&) {
    const std::string word = app.remaining().empty() ? "" : app.remaining()[0];
    const std::string near =
        detail::nearest(word, {"--accuracy", "--out", "--help", "--version"});
    throw UsageError(word + ": no such flag" +
                     (near.empty() ? "" : "; did you mean '" + near + "'?") +
                     " (--help lists all)");
  } catch (const CLI::ArgumentMismatch& error) {
    const std::string text = error.what();
    throw UsageError(text.substr(0, text.find(':')) +
                     ": needs a value after it");
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  for (const std::string& text : accuracies) {
    options.accuracies.push_back(to_accuracy(text));
  }
  check(options.accuracies);
  if (options.folders.empty()) {
    throw UsageError(
        "name the folders of the runs, as in ./mjolnir compare "
        "runs/a runs/b");
  }
  return options;
}

Comparison compare_runs(const std::vector<std::string>& folders,
                        std::vector<double> accuracies) {
  check(accuracies);
  Comparison c;
  for (const std::string& folder : folders) {
    c.runs.push_back(read_run(folder));
  }
  name_apart(c.runs);
  std::sort(accuracies.begin(), accuracies.end());
  c.accuracies = accuracies.empty() ? reached(c.runs) : std::move(accuracies);
  c.differences = differing(c.runs);
  return c;
}

std::string Comparison::str(int columns) const {
  const Tables t = tables_of(*this, " +- ", " in ");
  // Where there is no room, speed and status go first.
  std::string text =
      detail::text_table(t.results_header, t.results, columns, 2);
  if (!accuracies.empty()) {
    text += "\nsteps and time to a validation accuracy\n" +
            detail::text_table(t.reached_header, t.reached, columns);
  }
  text += differences.empty()
              ? "\nthe options are the same\n"
              : "\noptions that differ\n" +
                    detail::text_table(t.options_header, t.options, columns);
  return text;
}

std::string Comparison::html() const {
  const Tables t = tables_of(*this, " ± ", " in ");
  std::string header =
      "<header><h1 id='name'>" + std::to_string(runs.size()) +
      (runs.size() == 1 ? " run" : " runs") + "</h1></header>" +
      html_table("results", "Results", t.results_header, t.results, true);
  if (!accuracies.empty()) {
    header += html_table("reached", "Steps and time to a validation accuracy",
                         t.reached_header, t.reached, true);
  }
  if (!differences.empty()) {
    header += html_table("differences", "Options that differ", t.options_header,
                         t.options, false);
  }
  return detail::page(std::to_string(runs.size()) + " runs – Mjolnir", header,
                      "<section id='curves'><h2>Curves</h2><div "
                      "class='figures'>" +
                          detail::compared_figures(runs) + "</div></section>\n",
                      false);
}

}  // namespace mjolnir::train

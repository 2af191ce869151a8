#include "train/report/detail/page.h"

#include <algorithm>

#include <mjolnir/version.h>

#include "train/detail/text.h"
#include "train/report/detail/html.h"
#include "train/report/detail/run_figures.h"
#include "train/report/detail/style.h"

namespace mjolnir::train::detail {

namespace {

// Nothing may come from anywhere else.
constexpr const char* policy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'";

std::string section(const std::string& id, const std::string& title,
                    const std::string& content) {
  return content.empty() ? ""
                         : "<section id='" + id + "'><h2>" + title + "</h2>\n" +
                               content + "</section>\n";
}

std::string figures(const std::string& content) {
  return content.empty() ? "" : "<div class='figures'>\n" + content + "</div>";
}

std::string tile(const std::string& id, const std::string& name,
                 const std::string& value, const std::string& note) {
  return "<div id='" + id + "'><dt>" + name + "</dt><dd>" + value + "<small>" +
         note + "</small></dd></div>";
}

const MetricsRow* last_row(const RunData& run) {
  const Metrics& m = run.metrics;
  if (m.steps.empty() || m.epochs.empty()) {
    return m.steps.empty() ? (m.epochs.empty() ? nullptr : &m.epochs.back())
                           : &m.steps.back();
  }
  return m.epochs.back().step >= m.steps.back().step ? &m.epochs.back()
                                                     : &m.steps.back();
}

std::string best_tile(const RunData& run) {
  const MetricsRow* best = best_epoch(run);
  if (best == nullptr) {
    return "";
  }
  const std::string note = "best, epoch " + std::to_string(best->epoch);
  if (best->validation_accuracy) {
    const double p = *best->validation_accuracy;
    return tile(
        "best", "Validation accuracy",
        percent_text(
            p, standard_error(p, static_cast<double>(run.count("validation")))),
        note);
  }
  return tile("best", "Validation loss", readable(*best->validation_loss, 4),
              note);
}

std::string test_tile(const RunData& run) {
  if (!run.result || !run.result->test) {
    return "";
  }
  const Meter& test = *run.result->test;
  const std::string note = std::to_string(test.samples) + " images";
  return test.has_accuracy
             ? tile("test", "Test accuracy",
                    percent_text(test.accuracy(), test.standard_error()), note)
             : tile("test", "Test loss", readable(test.loss(), 4), note);
}

std::string tiles(const RunData& run) {
  const MetricsRow* last = last_row(run);
  if (last == nullptr) {
    return "<p id='waiting' class='empty'>The first figures come with the "
           "first logging step.</p>";
  }
  std::string html = "<dl class='tiles-row'>" + best_tile(run) + test_tile(run);
  if (last->loss) {
    html += tile("last-loss", "Training loss", readable(*last->loss, 4),
                 last->kind == "epoch"
                     ? "mean of epoch " + std::to_string(last->epoch)
                     : "last, step " + std::to_string(last->step));
  }
  const std::int64_t epochs = run.count("epochs");
  const std::int64_t steps =
      run.result ? std::max(run.result->steps, last->step) : last->step;
  html += tile(
      "progress", "Steps",
      std::to_string(steps) +
          (run.steps_per_epoch > 0
               ? " / " + fixed(static_cast<double>(run.steps_per_epoch) *
                                   static_cast<double>(epochs),
                               0)
               : ""),
      "epoch " + std::to_string(last->epoch) + " of " + std::to_string(epochs));
  const double seconds = run.result ? run.result->seconds : last->seconds;
  html += tile("seconds", "Time", value_text(seconds, Unit::Seconds),
               "since the start");
  const auto& rows =
      run.metrics.steps.empty() ? run.metrics.epochs : run.metrics.steps;
  html += tile("rate", "Images/s", fixed(rows.back().images_per_second, 0),
               "last, while training");
  return html + "</dl>";
}

std::string status_of(const RunData& run) {
  return run.result ? name_of(run.result->status) : "running";
}

std::string header(const RunData& run) {
  std::string html = "<header><h1 id='name'>" + escaped(run.name) +
                     "<span id='status' class='status " + status_of(run) +
                     "'>" + status_of(run) + "</span></h1><p class='sub'>" +
                     escaped(run.option("model")) + " on " +
                     escaped(run.option("data")) + " with " +
                     escaped(run.option("optimizer")) + ", batches of " +
                     escaped(run.option("batch")) + ", seed " +
                     escaped(run.option("seed")) + "</p>";
  if (run.result && !run.result->reason.empty()) {
    html += "<p id='reason' class='reason'>Diverged " +
            escaped(run.result->reason) + "</p>";
  }
  return html + tiles(run) + "</header>";
}

std::string facts(const std::string& id, const std::string& title,
                  const NamedTexts& values) {
  std::string html = "<figure id='" + id + "'><figcaption><h3>" + title +
                     "</h3></figcaption><table class='facts'>";
  std::string more;
  for (const auto& [name, value] : values) {
    if (name == "cpu flags") {
      more = "<details><summary>cpu flags</summary><small>" + escaped(value) +
             "</small></details>";
      continue;
    }
    html += "<tr><th scope='row'>" + escaped(name) + "</th><td>" +
            (value.empty() ? "–" : escaped(value)) + "</td></tr>";
  }
  return html + "</table>" + more + "</figure>\n";
}

std::string axis_switch() {
  std::string inputs;
  std::string labels;
  const char* titles[] = {"step", "epoch", "wall-clock"};
  for (std::size_t i = 0; i < axis_kinds.size(); ++i) {
    const std::string id = axis_kinds.at(i).id;
    inputs += "<input class='axis' type='radio' name='axis' id='axis-" + id +
              "'" + (i == 0 ? " checked" : "") + ">";
    labels += "<label for='axis-" + id + "'>" + titles[i] + "</label>";
  }
  return inputs + "<nav id='axes'>against" + labels + "</nav>\n";
}

}  // namespace

std::string percent_text(double share, double error) {
  return fixed(100.0 * share, 2) +
         (error > 0.0 ? "<span> ± " + fixed(100.0 * error, 2) + "</span>"
                      : "") +
         " %";
}

std::string page(const std::string& title, const std::string& header,
                 const std::string& sections, bool running) {
  return "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n"
         "<meta name='viewport' content='width=device-width, "
         "initial-scale=1'>\n<meta http-equiv='Content-Security-Policy' "
         "content=\"" +
         std::string(policy) +
         "\">\n<meta name='color-scheme' content='light dark'>\n"
         "<link rel='icon' href='data:,'>\n<title>" +
         escaped(title) + "</title>\n<style>" + page_style +
         "</style></head>\n<body" + (running ? " data-running='1'" : "") +
         "><main>\n" + header + axis_switch() + sections + "<footer>Mjolnir " +
         std::string(library_version()) + "</footer></main>\n<script>" +
         page_script + "</script></body></html>\n";
}

std::string report_page(const RunData& run, const ReportPictures& pictures) {
  const std::string curvature =
      looks_figure(run) + spectra_figure(run) + curvature_figure(run);
  const std::string sections =
      section("curves", "Curves", figures(run_figures(run))) +
      section("curvature", "Curvature", figures(curvature)) +
      section(
          "answers", "What it sees",
          figures(pictures.filters + pictures.confusion + pictures.mistakes)) +
      section("config", "Configuration",
              figures(facts("options", "Options", run.options) +
                      facts("surroundings", "Built and run with",
                            run.surroundings)));
  return page(run.name + " – Mjolnir", header(run), sections, !run.result);
}

}  // namespace mjolnir::train::detail

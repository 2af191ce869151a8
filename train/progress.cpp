#include "train/progress.h"

#include <algorithm>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

std::string long_text(const ProgressState& s) {
  std::string text = "epoch " + std::to_string(s.epoch) + "/" +
                     std::to_string(s.epochs) + "  step " +
                     std::to_string(s.step) + "/" + std::to_string(s.steps) +
                     "  loss " + detail::readable(s.loss, 4);
  if (s.accuracy) {
    text += "  accuracy " + detail::fixed(100.0 * *s.accuracy, 2) + " +- " +
            detail::fixed(100.0 * s.standard_error, 2) + " %";
  }
  text += "  " + detail::fixed(s.images_per_second, 0) + " images/s";
  text += "  lr " + detail::compact(s.learning_rate);
  if (s.damping) {
    text += "  damping " + detail::compact(*s.damping);
  }
  if (s.refreshes) {
    text += "  refreshes " + std::to_string(*s.refreshes);
  }
  return text + "  left " + detail::clock_time(s.seconds_left);
}

// The same things in the same order, for 80 columns.
std::string short_text(const ProgressState& s) {
  std::string text = std::to_string(s.epoch) + "/" + std::to_string(s.epochs) +
                     " " + std::to_string(s.step) + "/" +
                     std::to_string(s.steps) + " loss " +
                     detail::readable(s.loss, 3);
  if (s.accuracy) {
    text += " acc " + detail::fixed(100.0 * *s.accuracy, 1) + "+-" +
            detail::fixed(100.0 * s.standard_error, 1) + "%";
  }
  text += " " + detail::fixed(s.images_per_second, 0) + "/s lr " +
          detail::compact(s.learning_rate, 2);
  if (s.damping) {
    text += " damp " + detail::compact(*s.damping, 2);
  }
  if (s.refreshes) {
    text += " ref " + std::to_string(*s.refreshes);
  }
  return text + " " + detail::clock_time(s.seconds_left);
}

}  // namespace

std::string progress_text(const ProgressState& state, int columns) {
  const std::string text = long_text(state);
  return static_cast<int>(text.size()) <= columns ? text : short_text(state);
}

double seconds_left(double elapsed, std::int64_t done, std::int64_t total) {
  if (done <= 0) {
    return -1.0;
  }
  const auto rest =
      static_cast<double>(std::max<std::int64_t>(total - done, 0));
  return std::max(elapsed, 0.0) / static_cast<double>(done) * rest;
}

void show_progress(Console& console, const ProgressState& state,
                   bool milestone) {
  if (console.live()) {
    console.status(progress_text(state, console.columns() - 1));
  } else if (milestone) {
    console.line(progress_text(state));
  }
}

}  // namespace mjolnir::train

#include "train/progress.h"

#include <algorithm>

#include "train/detail/text.h"

namespace mjolnir::train {

std::string progress_text(const ProgressState& s) {
  std::string text = "epoch " + std::to_string(s.epoch) + "/" +
                     std::to_string(s.epochs) + "  step " +
                     std::to_string(s.step) + "/" + std::to_string(s.steps) +
                     "  loss " + detail::fixed(s.loss, 4);
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
    console.status(progress_text(state));
  } else if (milestone) {
    console.line(progress_text(state));
  }
}

}  // namespace mjolnir::train

#include "train/report/predictions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <mjolnir/core/error.h>

namespace mjolnir::train {

namespace {

// The largest, the first of equals; what is not a number is never it.
std::size_t answer_of(const float* logits, std::size_t classes) {
  std::size_t best = 0;
  for (std::size_t c = 1; c < classes; ++c) {
    if (logits[c] > logits[best] || std::isnan(logits[best])) {
      best = c;
    }
  }
  return best;
}

double probability(const float* logits, std::size_t classes, std::size_t best,
                   std::size_t of) {
  double sum = 0.0;
  for (std::size_t c = 0; c < classes; ++c) {
    sum += std::exp(static_cast<double>(logits[c]) - logits[best]);
  }
  return std::exp(static_cast<double>(logits[of]) - logits[best]) / sum;
}

// Worse first; those without a probability come last.
bool worse(const Mistake& a, const Mistake& b) {
  const auto key = [](const Mistake& m) {
    return std::isnan(m.label_probability)
               ? std::numeric_limits<double>::infinity()
               : m.label_probability;
  };
  return key(a) != key(b) ? key(a) < key(b) : a.image < b.image;
}

}  // namespace

PredictionLog::PredictionLog(std::int64_t classes, std::size_t mistakes)
    : mistakes_(mistakes) {
  if (classes < 1) {
    throw ValueError("[predictions] expected at least one class, got " +
                     std::to_string(classes));
  }
  now_.classes = classes;
  clear();
}

Objective PredictionLog::listening(Objective objective) {
  if (!objective.correct) {
    return objective;
  }
  const auto correct = objective.correct;
  objective.correct = [this, correct](const Tensor& output,
                                      const Batch& batch) {
    add(output, batch.labels);
    return correct(output, batch);
  };
  return objective;
}

void PredictionLog::add(const Tensor& logits, const Tensor& labels) {
  if (logits.rank() != 2 || logits.size(1) != now_.classes ||
      labels.numel() != logits.size(0)) {
    throw ShapeError("[predictions] expected logits (N," +
                     std::to_string(now_.classes) +
                     ") and labels (N), got shapes " + logits.shape().str() +
                     " and " + labels.shape().str());
  }
  const auto classes = static_cast<std::size_t>(now_.classes);
  const std::vector<float> values = logits.detach().to_vector<float>();
  const std::vector<std::int64_t> truth = labels.to_vector<std::int64_t>();
  for (std::size_t n = 0; n < truth.size(); ++n) {
    const float* row = values.data() + n * classes;
    const auto label = static_cast<std::size_t>(truth[n]);
    const std::size_t answer = answer_of(row, classes);
    ++now_.counts.at(label * classes + answer);
    if (answer != label) {
      Mistake mistake;
      mistake.image = now_.images;
      mistake.label = truth[n];
      mistake.answer = static_cast<std::int64_t>(answer);
      mistake.confidence = probability(row, classes, answer, answer);
      mistake.label_probability = probability(row, classes, answer, label);
      now_.worst.push_back(mistake);
    }
    ++now_.images;
  }
}

Predictions PredictionLog::take() {
  std::sort(now_.worst.begin(), now_.worst.end(), worse);
  now_.worst.resize(std::min(now_.worst.size(), mistakes_));
  Predictions taken = std::move(now_);
  now_ = {};
  now_.classes = taken.classes;
  clear();
  return taken;
}

void PredictionLog::clear() {
  const auto classes = static_cast<std::size_t>(now_.classes);
  now_.images = 0;
  now_.counts.assign(classes * classes, 0);
  now_.worst.clear();
}

}  // namespace mjolnir::train

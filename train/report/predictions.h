#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <mjolnir/train/objective.h>

namespace mjolnir::train {

/** A wrong answer. */
struct Mistake {
  std::int64_t image = 0;   ///< Its number in the data set.
  std::int64_t label = 0;   ///< What it is,
  std::int64_t answer = 0;  ///< and what the model took it for.
  /** Softmax of the logits, at the answer and at the label. */
  double confidence = 0.0;
  double label_probability = 0.0;
};

/** What a model answered over one pass of a data set. */
struct Predictions {
  std::int64_t classes = 0;
  std::int64_t images = 0;
  /** [label * classes + answer]: how often. */
  std::vector<std::int64_t> counts;
  /** Least probable labels first. */
  std::vector<Mistake> worst;
};

/** Listens to an objective while images are evaluated, in order: what it sees
 * costs no pass of its own. */
class PredictionLog {
 public:
  /** Keeps so many of the worst mistakes. */
  explicit PredictionLog(std::int64_t classes, std::size_t mistakes = 24);

  /** The objective with an ear: its correct() also notes the answers. The log
   * must outlive it. An objective without correct() stays as it is. */
  Objective listening(Objective objective);

  /** Notes logits (N,C) and labels (N) of the next N images. */
  void add(const Tensor& logits, const Tensor& labels);

  /** What was noted since the last take() or clear(). */
  Predictions take();
  /** Forgets it: the next image is number 0. */
  void clear();

 private:
  std::size_t mistakes_;
  Predictions now_;
};

}  // namespace mjolnir::train

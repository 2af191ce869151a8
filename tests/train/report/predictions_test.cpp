#include "train/report/predictions.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include <mjolnir/core/error.h>

namespace mjolnir::train {
namespace {

using ::testing::ElementsAre;

Tensor logits(const std::vector<float>& values, std::int64_t classes) {
  const auto rows = static_cast<std::int64_t>(values.size()) / classes;
  return Tensor::from<float>(values, {rows, classes});
}

Tensor labels(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>(values,
                                    {static_cast<std::int64_t>(values.size())});
}

TEST(Predictions, CountsLabelsAgainstAnswers) {
  PredictionLog log(3);
  log.add(logits({5, 0, 0, 0, 5, 0}, 3), labels({0, 2}));
  log.add(logits({0, 0, 5}, 3), labels({2}));
  const Predictions p = log.take();
  EXPECT_EQ(p.images, 3);
  EXPECT_THAT(p.counts, ElementsAre(1, 0, 0, 0, 0, 0, 0, 1, 1));
  ASSERT_EQ(p.worst.size(), 1u);
  EXPECT_EQ(p.worst[0].image, 1);
  EXPECT_EQ(p.worst[0].label, 2);
  EXPECT_EQ(p.worst[0].answer, 1);
}

// Logits log 1, log 3: probabilities 1/4 and 3/4.
TEST(Predictions, TheLeastProbableLabelsComeFirst) {
  PredictionLog log(2, 2);
  const auto third = static_cast<float>(std::log(3.0));
  const auto ninth = static_cast<float>(std::log(9.0));
  log.add(logits({0, third, 0, ninth, 0, third, 1000, 0}, 2),
          labels({0, 0, 0, 0}));
  const Predictions p = log.take();
  ASSERT_EQ(p.worst.size(), 2u);  // of three
  EXPECT_EQ(p.worst[0].image, 1);
  EXPECT_NEAR(p.worst[0].label_probability, 0.1, 1e-7);
  EXPECT_NEAR(p.worst[0].confidence, 0.9, 1e-7);
  EXPECT_EQ(p.worst[1].image, 0);  // the earlier of equals
  EXPECT_NEAR(p.worst[1].label_probability, 0.25, 1e-7);
}

TEST(Predictions, BeginAnewAfterwards) {
  PredictionLog log(2);
  log.add(logits({0, 1}, 2), labels({0}));
  log.take();
  log.add(logits({0, 1}, 2), labels({0}));
  log.clear();
  log.add(logits({0, 1}, 2), labels({0}));
  const Predictions p = log.take();
  EXPECT_EQ(p.images, 1);
  EXPECT_EQ(p.worst.at(0).image, 0);
}

TEST(Predictions, ANumberThatIsNoneIsNoAnswer) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  PredictionLog log(3);
  log.add(logits({nan, 1, 2, nan, nan, nan, 0, 9, 0}, 3), labels({0, 1, 2}));
  const Predictions p = log.take();
  ASSERT_EQ(p.worst.size(), 3u);
  EXPECT_EQ(p.worst[0].image, 2);  // the only one with a probability
  EXPECT_EQ(p.worst[1].answer, 2);
}

TEST(Predictions, AnObjectiveIsTheSameWithAnEar) {
  PredictionLog log(2);
  const Objective plain = classification();
  const Objective heard = log.listening(plain);
  Batch batch;
  batch.labels = labels({0, 1});
  const Tensor output = logits({2, 1, 2, 1}, 2);
  EXPECT_EQ(heard.correct(output, batch), 1);
  EXPECT_EQ(heard.loss(output, batch).item(), plain.loss(output, batch).item());
  EXPECT_EQ(log.take().images, 2);
  EXPECT_FALSE(log.listening(reconstruction()).correct);
}

TEST(Predictions, OtherShapesAreRefused) {
  PredictionLog log(2);
  EXPECT_THROW(log.add(logits({1, 2, 3}, 3), labels({0})), ShapeError);
  EXPECT_THROW(log.add(logits({1, 2}, 2), labels({0, 1})), ShapeError);
  EXPECT_THROW(PredictionLog(0), ValueError);
}

}  // namespace
}  // namespace mjolnir::train

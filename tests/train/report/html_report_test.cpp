#include "train/report/html_report.h"

#include <gmock/gmock.h>

#include <filesystem>

#include <mjolnir/core/events.h>
#include <mjolnir/data/synthetic.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/evaluate.h>
#include <mjolnir/train/run_files.h>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

data::Dataset images(std::int64_t samples) {
  data::SyntheticOptions options;
  options.samples = samples;
  options.channels = 1;
  options.height = 28;
  options.width = 28;
  return data::synthetic(options);
}

class HtmlReportTest : public ::testing::Test {
 protected:
  HtmlReportTest() {
    options.data = "synthetic";
    options.model = "mlp";
    options.width = 4;
    options.optimizer = "sgd";
    options.epochs = 2;
    options.batch = 20;
    options.log_every = 1;
    options.validation = 30;
    options.out = folder.path() + "/run";
    options = resolved(options);
    model = make_model(options, data.train, rng);
    optimizer = make_optimizer(options, *model, 2);
  }
  // The page of a whole run of four steps.
  void run() {
    RunFiles files(options, *model, *optimizer, data);
    data::Loader training(data.train, training_batches(options), rng);
    data::Loader validation(data.validation, evaluation_batches(options));
    data::Loader test(data.test, evaluation_batches(options));
    FitOptions fit_options;
    fit_options.epochs = options.epochs;
    fit_options.log_every = options.log_every;
    fit_options.validation = &validation;
    files.follow(fit_options);
    const FitResult result = fit(*model, *optimizer, training, fit_options);
    after_fit = page();
    files.save(result);
    files.finish(result, evaluate(*model, test, files.test_objective()));
    summary = files.summary();
  }
  std::string page() const { return content_of(options.out + "/report.html"); }

  TemporaryFolder folder;
  TrainOptions options;
  JobData data{images(40), images(30), images(10)};
  Generator rng{1};
  std::unique_ptr<Module> model;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::string after_fit;
  std::string summary;
};

TEST_F(HtmlReportTest, IsThereFromTheStartAndCompleteAtTheEnd) {
  {
    RunFiles files(options, *model, *optimizer, data);
    EXPECT_THAT(page(), HasSubstr("id='waiting'"));
    EXPECT_THAT(page(), HasSubstr(">running<"));
  }
  std::filesystem::remove_all(options.out);
  run();
  EXPECT_THAT(page(), HasSubstr(">completed<"));
  EXPECT_THAT(page(), HasSubstr("4 / 4<small>epoch 2 of 2<"));
  EXPECT_THAT(page(), HasSubstr("10 test images, at the end"));
  EXPECT_THAT(page(), HasSubstr("id='filters'"));
  EXPECT_THAT(summary, HasSubstr("report.html"));
}

TEST_F(HtmlReportTest, IsWrittenWhileTheRunGoesOnButNotAtEveryStep) {
  run();
  // The first logging step was shown at once, the next three seconds later.
  EXPECT_THAT(after_fit, HasSubstr(">running<"));
  EXPECT_THAT(after_fit, HasSubstr("1 / 4<small>epoch 1 of 2<"));
}

TEST_F(HtmlReportTest, ShowsTheValidationImagesBeforeTheTest) {
  RunFiles files(options, *model, *optimizer, data);
  HtmlReportOptions always;
  always.least_seconds = always.times_its_own = 0.0;
  HtmlReport report(options.out, *model, nullptr, data, always);
  data::Loader validation(data.validation, evaluation_batches(options));
  EpochRecord record;
  record.epoch = 3;
  record.validation = evaluate(
      *model, validation, report.listening_to_validation(classification()));
  report.on_epoch(record);
  EXPECT_THAT(page(), HasSubstr("30 validation images, after epoch 3"));
}

// A run that goes on again finds what its first part left.
TEST_F(HtmlReportTest, GoesOnWithTheEarlierCurves) {
  run();
  HtmlReport again(options.out, *model, nullptr, data);
  again.start();
  EXPECT_THAT(page(), HasSubstr(">running<"));
  EXPECT_THAT(page(), HasSubstr("4 / 4<small>epoch 2 of 2<"));
}

TEST_F(HtmlReportTest, CanBeSwitchedOff) {
  options.no_report = true;
  run();
  EXPECT_FALSE(std::filesystem::exists(options.out + "/report.html"));
  EXPECT_THAT(summary, Not(HasSubstr("report.html")));
}

TEST_F(HtmlReportTest, APageThatCannotBeWrittenDoesNotStopTheRun) {
  RunFiles files(options, *model, *optimizer, data);
  HtmlReportOptions always;
  always.least_seconds = always.times_its_own = 0.0;
  HtmlReport report(options.out, *model, nullptr, data, always);
  std::filesystem::remove_all(options.out);
  int warnings = 0;
  const EventSink before = set_event_sink(
      [&warnings](const Event& event) { warnings += event.topic == "report"; });
  StepRecord step;
  step.logging = true;
  report.on_step(step);
  report.on_step(step);
  set_event_sink(before);
  EXPECT_EQ(warnings, 1);
}

}  // namespace
}  // namespace mjolnir::train

#include "train/run_data.h"

#include <gmock/gmock.h>

#include <cmath>

#include <mjolnir/core/error.h>
#include <mjolnir/train/metrics/curvature_log.h>
#include <mjolnir/train/metrics/metrics.h>
#include <mjolnir/train/options.h>

#include "tests/train/files.h"
#include "tests/train/run_folder_files.h"

namespace mjolnir::train {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class RunDataTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const {
    return folder_.path() + "/" + name;
  }
  TemporaryFolder folder_;
};

TEST_F(RunDataTest, ReadsWhatMetricsFileWrote) {
  MetricsRow step;
  step.kind = "step";
  step.epoch = 2;
  step.step = 70;
  step.loss = 0.1 + 0.2;  // not 0.3
  step.accuracy = 0.875;
  step.learning_rate = 1e-9;
  step.refreshes = 4;
  step.damping_a = 0.25;
  step.seconds = 12.5;
  step.images_per_second = 640.0;
  MetricsRow epoch;
  epoch.kind = "epoch";
  epoch.epoch = 2;
  epoch.step = 80;
  epoch.validation_loss = 1.0 / 3.0;
  epoch.validation_accuracy = 0.5;
  LayerReport layer;
  layer.name = "conv1";
  layer.group = 1;
  layer.age = 7;
  layer.a.median = 1.0 / 7.0;
  layer.g.damping_share = 0.75;
  MetricsRow row;
  row.kind = "layer";
  row.step = 60;
  row.more = layer_cells(layer);
  {
    MetricsFile file(path("metrics.csv"), layer_columns());
    file.add(step);
    file.add(row);
    file.add(epoch);
  }
  const Metrics metrics = read_metrics(path("metrics.csv"));
  ASSERT_EQ(metrics.steps.size(), 1u);
  const MetricsRow& read = metrics.steps[0];
  EXPECT_EQ(read.step, 70);
  EXPECT_EQ(read.epoch, 2);
  EXPECT_EQ(read.loss, 0.1 + 0.2);
  EXPECT_EQ(read.accuracy, 0.875);
  EXPECT_EQ(read.learning_rate, 1e-9);
  EXPECT_EQ(read.refreshes, 4);
  EXPECT_EQ(read.damping_a, 0.25);
  EXPECT_FALSE(read.damping.has_value());
  EXPECT_FALSE(read.validation_loss.has_value());
  EXPECT_EQ(read.seconds, 12.5);
  EXPECT_EQ(read.images_per_second, 640.0);
  ASSERT_EQ(metrics.epochs.size(), 1u);
  EXPECT_EQ(metrics.epochs[0].validation_loss, 1.0 / 3.0);
  EXPECT_EQ(metrics.epochs[0].validation_accuracy, 0.5);
  ASSERT_EQ(metrics.layers.size(), 1u);
  EXPECT_EQ(metrics.layers[0].step, 60);
  EXPECT_EQ(metrics.layers[0].layer.name, "conv1");
  EXPECT_EQ(metrics.layers[0].layer.group, 1);
  EXPECT_EQ(metrics.layers[0].layer.age, 7);
  EXPECT_EQ(metrics.layers[0].layer.a.median, 1.0 / 7.0);
  EXPECT_EQ(metrics.layers[0].layer.g.damping_share, 0.75);
  EXPECT_TRUE(std::isnan(metrics.layers[0].layer.cosine_to_exact));
}

TEST_F(RunDataTest, ALineThatWasCutIsLeftOut) {
  const std::string whole =
      "kind,step,loss,seconds,images_per_second\n"
      "step,1,2.5,0.1,10\nstep,2,2.25,0.2,10\n";
  for (const std::string tail :
       {"", "st", "step,3,2.", "step,3,2.0,0.3,10", "step,3\n", "\n"}) {
    put(path("metrics.csv"), whole + tail);
    const Metrics metrics = read_metrics(path("metrics.csv"));
    ASSERT_EQ(metrics.steps.size(), 2u) << tail;
    EXPECT_EQ(metrics.steps[1].loss, 2.25);
  }
}

// The first of two columns of one name counts.
TEST_F(RunDataTest, AColumnMayBeThereTwice) {
  const std::string text = "loss,loss,kind\n1,2,step\n3,step\n";
  const Metrics metrics =
      parse_metrics(io::Bytes(text.begin(), text.end()), "metrics.csv");
  ASSERT_EQ(metrics.steps.size(), 1u);
  EXPECT_EQ(metrics.steps[0].loss, 1.0);
}

TEST_F(RunDataTest, AnotherFileIsRefused) {
  for (const std::string text : {"", "nonsense\n", "a,b\n1,2\n"}) {
    put(path("metrics.csv"), text);
    EXPECT_THAT([&] { read_metrics(path("metrics.csv")); },
                ThrowsMessage<IoError>(HasSubstr("not a file of a run")));
  }
}

TEST_F(RunDataTest, ReadsDecisions) {
  put(path("decisions.csv"),
      "step,layer,damping,trace,reference,delta,delta_undamped,share,verdict\n"
      "0,conv1,0.1,2,0,,,0.5,refresh\n20,conv1,0.1,3,2,0.25,0.5,0.5,keep\n"
      "40,fc,0.1,3,3,0,0,0.5,freeze\n");
  const auto decisions = read_decisions(path("decisions.csv"));
  ASSERT_EQ(decisions.size(), 3u);
  EXPECT_EQ(decisions[0].trace.verdict, Verdict::Refresh);
  EXPECT_TRUE(std::isnan(decisions[0].trace.delta));
  EXPECT_EQ(decisions[1].step, 20);
  EXPECT_EQ(decisions[1].layer, "conv1");
  EXPECT_EQ(decisions[1].trace.delta, 0.25);
  EXPECT_EQ(decisions[1].trace.verdict, Verdict::Keep);
  EXPECT_EQ(decisions[2].trace.verdict, Verdict::Freeze);
}

TEST_F(RunDataTest, ReadsTheFolderOfARun) {
  put_run(path("a"));
  const RunData run = read_run(path("a") + "/");
  EXPECT_EQ(run.name, "a");
  EXPECT_EQ(run.option("batch"), "32");
  EXPECT_EQ(run.option("learning-rate"), "0.0005");
  EXPECT_EQ(run.option("nesterov"), "off");
  EXPECT_EQ(run.option("width"), "");
  EXPECT_EQ(run.option("none such"), "");
  EXPECT_EQ(run.count("validation"), 400);
  EXPECT_THAT(
      run.surroundings,
      ::testing::ElementsAre(::testing::Pair("versions mjolnir", "0.1.0"),
                             ::testing::Pair("threads", "2")));
  EXPECT_EQ(run.steps_per_epoch, 10);
  EXPECT_EQ(run.metrics.steps.size(), 4u);
  EXPECT_EQ(run.metrics.epochs.size(), 2u);
  EXPECT_FALSE(run.result.has_value());
}

TEST_F(RunDataTest, AFolderThatIsNoRunIsAUsageError) {
  EXPECT_THAT([&] { read_run(path("missing")); },
              ThrowsMessage<UsageError>(HasSubstr("there is no such folder")));
  std::filesystem::create_directories(path("empty"));
  EXPECT_THAT([&] { read_run(path("empty")); },
              ThrowsMessage<UsageError>(HasSubstr("no config.json in it")));
  put_run(path("half"));
  std::filesystem::remove(path("half/metrics.csv"));
  EXPECT_THAT([&] { read_run(path("half")); },
              ThrowsMessage<UsageError>(HasSubstr("no metrics.csv in it")));
  put_run(path("damaged"));
  put(path("damaged/config.json"), "{\"options\": ");
  EXPECT_THAT([&] { read_run(path("damaged")); },
              ThrowsMessage<IoError>(HasSubstr("config.json")));
}

TEST_F(RunDataTest, AConfigThatIsNestedTooDeeplyIsRefused) {
  const std::string deep(100000, '[');
  const std::string text =
      "{\"options\": " + deep + std::string(100000, ']') + "}";
  RunData run;
  EXPECT_THAT(
      [&] {
        parse_config(io::Bytes(text.begin(), text.end()), "config.json", run);
      },
      ThrowsMessage<IoError>(HasSubstr("nested too deeply")));
}

TEST_F(RunDataTest, WhereAStepIsOnEachAxis) {
  put_run(path("a"));
  const RunData run = read_run(path("a"));
  EXPECT_EQ(position(run, RunAxis::Step, 15, 4.0), 15.0);
  EXPECT_EQ(position(run, RunAxis::Epoch, 15, 4.0), 1.5);
  EXPECT_EQ(position(run, RunAxis::Time, 15, 4.0), 4.0);
  EXPECT_TRUE(std::isnan(position(RunData(), RunAxis::Epoch, 15, 4.0)));
  EXPECT_EQ(seconds_at(run, 0), 0.0);
  EXPECT_EQ(seconds_at(run, 5), 1.0);
  EXPECT_EQ(seconds_at(run, 12.5), 3.0);  // half-way from 2 to 4
  EXPECT_EQ(seconds_at(run, 99), 5.0);
  EXPECT_EQ(seconds_at(RunData(), 3), 0.0);
}

TEST_F(RunDataTest, TheBestEpochAndTheFirstToReach) {
  put_run(path("a"));
  const RunData run = read_run(path("a"));
  ASSERT_NE(best_epoch(run), nullptr);
  EXPECT_EQ(best_epoch(run)->epoch, 2);
  ASSERT_NE(first_to_reach(run, 0.5), nullptr);
  EXPECT_EQ(first_to_reach(run, 0.5)->step, 10);
  EXPECT_EQ(first_to_reach(run, 0.51)->seconds, 6.0);
  EXPECT_EQ(first_to_reach(run, 0.76), nullptr);
  EXPECT_EQ(best_epoch(RunData()), nullptr);
  // Of equals the earlier one, as the run keeps it.
  put_run(path("b"), 0.5);
  EXPECT_EQ(best_epoch(read_run(path("b")))->epoch, 1);
}

TEST_F(RunDataTest, StandardErrorsAreBinomial) {
  EXPECT_DOUBLE_EQ(standard_error(0.5, 100), 0.05);
  EXPECT_DOUBLE_EQ(standard_error(0.9, 10000), 0.003);
  EXPECT_EQ(standard_error(0.9, 0), 0.0);
}

TEST_F(RunDataTest, TheResultIsReadBack) {
  FitResult result;
  result.status = FitStatus::Diverged;
  result.reason = "in step 3 of epoch 2: the loss is infinite";
  result.run_steps = 42;
  result.best_epoch = 1;
  result.seconds = 1.5;
  EpochRecord epoch;
  epoch.epoch = 1;
  result.epochs = {epoch};
  write_result(path("result.json"), result, std::nullopt);
  RunResult read = read_result(path("result.json"));
  EXPECT_EQ(read.status, FitStatus::Diverged);
  EXPECT_EQ(read.reason, result.reason);
  EXPECT_EQ(read.steps, 42);
  EXPECT_EQ(read.epochs, 1);
  EXPECT_EQ(read.best_epoch, 1);
  EXPECT_EQ(read.seconds, 1.5);
  EXPECT_FALSE(read.test.has_value());
  Meter test;
  test.add(0.25, 1000, 900);
  write_result(path("result.json"), FitResult(), test);
  read = read_result(path("result.json"));
  EXPECT_EQ(read.status, FitStatus::Completed);
  ASSERT_TRUE(read.test.has_value());
  EXPECT_EQ(read.test->accuracy(), 0.9);
  EXPECT_EQ(read.test->loss(), 0.25);
  EXPECT_EQ(read.test->samples, 1000);
  put(path("result.json"), "{}");
  EXPECT_THAT([&] { read_result(path("result.json")); },
              ThrowsMessage<IoError>(HasSubstr("result.json")));
}

}  // namespace
}  // namespace mjolnir::train

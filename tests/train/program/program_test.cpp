#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <mjolnir/io/event_log.h>
#include <mjolnir/io/safetensors.h>
#include <mjolnir/train/program/cores.h>
#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/train/files.h"
#include "tests/train/process.h"

// The trainer as a user runs it, on synthetic images.
namespace mjolnir::train {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Program : public testing::Test {
 protected:
  void SetUp() override {
    if (access(MJOLNIR_TRAIN_PROGRAM, X_OK) != 0) {
      GTEST_SKIP() << "the examples are not built";
    }
  }

  // A run of a second or so.
  Start small(std::vector<std::string> more = {}) const {
    Start start;
    start.argv = {MJOLNIR_TRAIN_PROGRAM,
                  "--data",
                  "synthetic",
                  "--model",
                  "mlp",
                  "--width",
                  "16",
                  "--epochs",
                  "2",
                  "--optimizer",
                  "sgd",
                  "--log-every",
                  "7",
                  "--threads",
                  "1"};
    start.argv.insert(start.argv.end(), more.begin(), more.end());
    start.folder = folder_.path();
    start.set = {{"TERM", "xterm"}};
    start.unset = {"NO_COLOR", "FORCE_COLOR"};
    return start;
  }
  std::string file(const std::string& name) const {
    return content_of(folder_.path() + "/" + name);
  }

  TemporaryFolder folder_;
};

// A row of metrics.csv without its last two columns, which are times.
std::vector<std::string> rows_without_times(const std::string& csv) {
  std::vector<std::string> rows;
  for (std::string line : split_lines(csv)) {
    line.erase(line.rfind(','));
    line.erase(line.rfind(','));
    rows.push_back(line);
  }
  return rows;
}

// The event file that the output names has what the run reported.
void expect_events(const std::string& out, const std::string& folder) {
  const std::size_t begin = out.find("events.out.tfevents.");
  ASSERT_NE(begin, std::string::npos) << out;
  const std::size_t end = out.find_first_of(" \n", begin);
  const io::EventLog log =
      io::read_events(folder + "/" + out.substr(begin, end - begin));
  EXPECT_FALSE(log.torn);
  std::map<std::string, int> points;
  for (const io::EventRecord& record : log.records) {
    for (const io::EventValue& value : record.values) {
      ++points[value.tag];
    }
  }
  EXPECT_GT(points["train/loss"], 2);
  EXPECT_EQ(points["refreshes"], points["train/loss"]);
  EXPECT_EQ(points["validation/accuracy"], 2);
  EXPECT_EQ(points["test/accuracy"], 1);
  EXPECT_EQ(points["weights/fc1.weight"], 2);
  EXPECT_EQ(points["filters/fc1.weight"], 2);
  EXPECT_GE(points["curvature_condition_a/fc1"], 2);
}

TEST_F(Program, WritesWhatIsDocumented) {
  const Finished done = run(small({"--out", "here"}));
  ASSERT_EQ(done.code, 0) << done.err;
  // stdout: the table, the accuracy alone on a line, the files.
  const std::vector<std::string> lines = split_lines(done.out);
  ASSERT_EQ(lines.size(), 7u) << done.out;
  EXPECT_THAT(lines[0], HasSubstr("val acc %"));
  EXPECT_THAT(lines[1], ContainsRegex("^ +1 "));
  EXPECT_THAT(lines[2], ContainsRegex("^ +2 "));
  EXPECT_THAT(lines[3],
              ContainsRegex("^test accuracy [0-9.]+ % [(][+]- [0-9.]+[)]$"));
  EXPECT_THAT(lines[4], HasSubstr("files in here:"));
  EXPECT_THAT(lines[5], HasSubstr("model.safetensors"));
  EXPECT_THAT(lines[6], HasSubstr("checkpoints/"));

  const auto config = nlohmann::json::parse(file("here/config.json"));
  EXPECT_EQ(config["options"]["epochs"], 2);
  EXPECT_EQ(config["options"]["learning-rate"], 0.1);
  EXPECT_EQ(config["threads"], 1);
  EXPECT_THAT(config["blas"].get<std::string>(), HasSubstr("OpenBLAS"));
  for (const char* name :
       {"mjolnir", "xtensor", "xtensor-blas", "onednn", "spdlog", "cli11",
        "nlohmann-json", "zlib", "compiler"}) {
    EXPECT_TRUE(config["versions"].contains(name)) << name;
  }
  EXPECT_TRUE(config["build"]["native"].is_boolean());
  EXPECT_EQ(config["options"]["out"], "here");
  EXPECT_TRUE(config["cpu"].contains("flags"));

  const std::string csv = file("here/metrics.csv");
  EXPECT_EQ(csv.back(), '\n');
  int steps = 0;
  int epochs = 0;
  for (const std::string& line : split_lines(csv)) {
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 14) << line;
    steps += line.rfind("step,", 0) == 0;
    epochs += line.rfind("epoch,", 0) == 0;
  }
  EXPECT_EQ(epochs, 2);
  EXPECT_GT(steps, 2);

  // The same rows as JSON.
  const auto rows = split_lines(csv);
  const auto objects = split_lines(file("here/metrics.jsonl"));
  ASSERT_EQ(objects.size() + 1, rows.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto object = nlohmann::json::parse(objects[i]);
    EXPECT_THAT(rows[i + 1],
                testing::StartsWith(object["kind"].get<std::string>() + "," +
                                    object["epoch"].dump() + "," +
                                    object["step"].dump() + "," +
                                    object["loss"].dump() + ","));
  }
  EXPECT_EQ(done.out.find("tfevents"), std::string::npos);

  const auto model =
      io::read_safetensors(folder_.path() + "/here/model.safetensors");
  EXPECT_EQ(model.metadata.at("format_version"), "1");
  EXPECT_EQ(model.metadata.at("seed"), "1");
  EXPECT_THAT(model.metadata.at("epoch"), testing::AnyOf("1", "2"));
  EXPECT_EQ(model.metadata.at("step"),
            model.metadata.at("epoch") == "1" ? "13" : "26");
  EXPECT_EQ(model.metadata.at("config").size(), 64u);
  // What ./mjolnir predict needs.
  EXPECT_EQ(model.metadata.at("data"), "synthetic");
  EXPECT_EQ(model.metadata.at("image"), "[1,28,28]");
  EXPECT_THAT(model.metadata.at("classes"), HasSubstr("\"class 9\""));
  for (const char* key : {"model", "width", "mean", "stddev"}) {
    EXPECT_EQ(model.metadata.count(key), 1u) << key;
  }
}

TEST_F(Program, ReportsOnTheCurvatureIfAsked) {
  const Finished done = run(
      small({"--out", "here", "--optimizer", "thor", "--refresh-rule", "thor",
             "--frequency", "4", "--report-curvature", "6", "--tensorboard"}));
  ASSERT_EQ(done.code, 0) << done.err;
  expect_events(done.out, folder_.path() + "/here");
  EXPECT_THAT(done.out, HasSubstr("cos g  exact"));
  EXPECT_THAT(done.out, HasSubstr("decisions.csv"));
  const auto rows = split_lines(file("here/metrics.csv"));
  EXPECT_THAT(rows.at(0), HasSubstr(",layer,group,positions,age,a_least,"));
  EXPECT_THAT(rows.at(0), HasSubstr(",g_condition,"));
  const auto fields = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  int layers = 0;
  for (const std::string& row : rows) {
    EXPECT_EQ(fields(row), fields(rows.at(0)));
    if (row.rfind("layer,1,6,", 0) == 0) ++layers;
  }
  EXPECT_GE(layers, 2);
  const auto decisions = split_lines(file("here/decisions.csv"));
  EXPECT_THAT(decisions.at(0), HasSubstr("delta_undamped"));
  EXPECT_THAT(decisions.at(1), ContainsRegex("^0,.*,refresh$"));
  // Means of the layers, then no layer, in some row.
  EXPECT_THAT(file("here/metrics.csv"),
              ContainsRegex("\nstep,[^\n]*[0-9],[0-9.e-]+,[0-9.e-]+,"
                            "[0-9.e-]+,,,"));
  EXPECT_EQ(done.out.find("no effect"), std::string::npos);
  const Finished refused =
      run(small({"--out", "there", "--optimizer", "thor", "--refresh-rule",
                 "thor", "--frequency", "1"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("--frequency: expected at least 2"));
}

TEST_F(Program, AReaderOfTheResultWhoLeftIsAnErrorInWords) {
  Start start = small({"--out", "full"});
  start.output_file = "/dev/full";
  const Finished done = run(start);
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("could not be written to stdout"));
}

TEST_F(Program, EveryFlagIsInTheConfiguration) {
  Start help = small();
  help.argv = {MJOLNIR_TRAIN_PROGRAM, "--help"};
  const Finished text = run(help);
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.err, "");
  const Finished done = run(small({"--out", "a"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const auto options = nlohmann::json::parse(file("a/config.json"))["options"];
  int flags = 0;
  for (const std::string& line : split_lines(text.out)) {
    const std::size_t dashes = line.find("  --");
    if (dashes != 0 || line.find("--version") != std::string::npos) {
      continue;
    }
    const std::string name = line.substr(4, line.find(' ', 4) - 4);
    if (name == "resume" || name == "force") {
      continue;  // of the program's call, not of the run
    }
    EXPECT_TRUE(options.contains(name)) << name;
    ++flags;
  }
  EXPECT_EQ(flags, static_cast<int>(options.size()));
}

TEST_F(Program, EveryChoiceTrains) {
  using Words = std::vector<std::string>;
  const Words thor = {"--optimizer", "thor", "--frequency", "4"};
  const auto with = [](Words words, const Words& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  for (const Words& words : std::vector<Words>{
           {"--optimizer", "adamw", "--schedule", "cosine"},
           {"--optimizer", "sgd", "--nesterov", "--schedule", "step"},
           {"--optimizer", "sgd", "--label-smoothing", "0.1", "--warmup", "0"},
           {"--optimizer", "sgd", "--schedule", "constant", "--momentum", "0"},
           with(thor, {"--schedule", "thor", "--split-dim", "10"}),
           with(thor, {"--statistics", "mindspore-gpu", "--nesterov"}),
           with(thor, {"--model", "lenet5", "--augment", "crop"})}) {
    Start start = small();
    start.argv = {MJOLNIR_TRAIN_PROGRAM,
                  "--data",
                  "synthetic",
                  "--validation",
                  "1500",
                  "--epochs",
                  "1",
                  "--threads",
                  "1"};
    if (std::find(words.begin(), words.end(), "--model") == words.end()) {
      start.argv.insert(start.argv.end(), {"--model", "mlp", "--width", "16"});
    }
    start.argv.insert(start.argv.end(), words.begin(), words.end());
    const Finished done = run(start);
    EXPECT_EQ(done.code, 0) << words[1] << " " << words[3] << done.err;
    EXPECT_THAT(done.err, Not(HasSubstr("warning"))) << words[1] << words[3];
  }
}

TEST_F(Program, OneSeedGivesTheSameBytes) {
  for (const std::string optimizer : {"sgd", "thor"}) {
    for (const std::string& out : {optimizer + "1", optimizer + "2"}) {
      Start start = small();
      start.argv = {MJOLNIR_TRAIN_PROGRAM};
      // 300 images, the last batch short; two refreshes of THOR.
      for (const char* word : {"--data",       "synthetic",
                               "--validation", "1700",
                               "--model",      "resnet8",
                               "--width",      "4",
                               "--epochs",     "2",
                               "--batch",      "96",
                               "--augment",    "crop-flip-cutout",
                               "--threads",    "2",
                               "--frequency",  "5",
                               "--log-every",  "3",
                               "--seed",       "5",
                               "--optimizer"}) {
        start.argv.push_back(word);
      }
      start.argv.insert(start.argv.end(), {optimizer, "--out", out});
      // Threads that spin are slow on a machine that does other things too.
      start.set.push_back({"OMP_WAIT_POLICY", "passive"});
      const Finished done = run(start);
      ASSERT_EQ(done.code, 0) << done.err;
    }
    EXPECT_EQ(file(optimizer + "1/model.safetensors"),
              file(optimizer + "2/model.safetensors"));
    EXPECT_EQ(rows_without_times(file(optimizer + "1/metrics.csv")),
              rows_without_times(file(optimizer + "2/metrics.csv")));
  }
}

TEST_F(Program, AnotherSeedGivesAnotherModel) {
  ASSERT_EQ(run(small({"--seed", "1", "--out", "a"})).code, 0);
  ASSERT_EQ(run(small({"--seed", "2", "--out", "b"})).code, 0);
  EXPECT_NE(file("a/model.safetensors"), file("b/model.safetensors"));
}

TEST_F(Program, WithoutATerminalThereAreOnlyPlainLines) {
  const Finished done = run(small());
  ASSERT_EQ(done.code, 0) << done.err;
  for (const std::string& text : {done.out, done.err}) {
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\r")));
  }
  EXPECT_THAT(done.err, ContainsRegex("epoch 2/2  step [0-9]+/[0-9]+  loss "));
  EXPECT_THAT(done.out, HasSubstr("runs/synthetic-mlp-sgd-1"));
}

TEST_F(Program, InATerminalThereIsOneLiveLine) {
  Start start = small();
  start.terminal = true;
  start.columns = 120;
  const Finished done = run(start);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasSubstr("\r\x1b[36mepoch 1/2"));
  EXPECT_THAT(done.err, Not(HasSubstr("\n")));
  EXPECT_EQ(screen(done.err, 120), "\n");  // gone when the run is over
  EXPECT_THAT(done.out, Not(HasSubstr("\r")));
  EXPECT_THAT(done.out, HasSubstr("test accuracy"));
}

TEST_F(Program, TheLiveLineFitsAnyWidth) {
  for (const int columns : {10, 0}) {
    Start start = small();
    start.terminal = true;
    start.columns = columns;
    const Finished done = run(start);
    EXPECT_EQ(done.code, 0);
    EXPECT_THAT(done.err, HasSubstr("\r\x1b[36m1/2 1/13 "));
    EXPECT_EQ(screen(done.err, columns == 0 ? 80 : 10), "\n");
  }
}

TEST_F(Program, ColourFollowsTheEnvironment) {
  const auto has_color = [this](const char* name, const char* value) {
    Start start = small();
    start.terminal = true;
    start.set.push_back({name, value});
    const Finished done = run(start);
    EXPECT_EQ(done.code, 0);
    return done.err.find('\x1b') != std::string::npos;
  };
  EXPECT_TRUE(has_color("NO_COLOR", ""));
  EXPECT_FALSE(has_color("NO_COLOR", "1"));
  EXPECT_FALSE(has_color("TERM", "dumb"));
}

TEST_F(Program, ADumbTerminalGetsPlainLines) {
  Start start = small();
  start.terminal = true;
  start.set = {{"TERM", "dumb"}};
  const Finished done = run(start);
  EXPECT_EQ(done.code, 0);
  EXPECT_THAT(done.err, Not(HasSubstr("\r")));
  EXPECT_THAT(done.err, HasSubstr("epoch 1/2  step 7/"));
}

TEST_F(Program, ReadersThatLeaveDoNotEndTheRun) {
  Start start = small({"--out", "alone"});
  start.readers_leave = true;
  const Finished done = run(start);
  EXPECT_EQ(done.signal, 0);
  EXPECT_EQ(done.code, 1);  // its result could not be told
  EXPECT_THAT(file("alone/metrics.csv"), HasSubstr("\nepoch,2,"));
  EXPECT_FALSE(file("alone/model.safetensors").empty());
}

TEST_F(Program, ClosedStreamsDoNotEndUpInTheFiles) {
  Start start = small({"--out", "closed"});
  start.close_stdout = true;
  start.close_stderr = true;
  const Finished done = run(start);
  EXPECT_EQ(done.code, 0);
  const std::string csv = file("closed/metrics.csv");
  EXPECT_EQ(csv.rfind("kind,epoch,step", 0), 0u);
  EXPECT_THAT(csv, Not(HasSubstr("images/s")));
  EXPECT_NO_THROW(nlohmann::json::parse(file("closed/config.json")));
}

TEST_F(Program, DivergenceHasItsOwnCodeAndKeepsTheModel) {
  const Finished done =
      run(small({"--out", "wild", "--learning-rate", "1e30"}));
  EXPECT_EQ(done.code, 3) << done.err;
  EXPECT_THAT(done.err, HasSubstr("error: diverged in step "));
  EXPECT_THAT(done.err, HasSubstr("of epoch 1"));
  EXPECT_THAT(done.out, Not(HasSubstr("test accuracy")));
  EXPECT_THAT(done.out, Not(HasSubstr("val loss")));  // no epoch, no table
  EXPECT_THAT(file("wild/model.safetensors"), HasSubstr("fc1.weight"));
}

TEST_F(Program, WrongFlagsAreUsageErrors) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--modle", "mlp"},
                                             {"--schedule", "cosines"},
                                             {"--batch", "0"},
                                             {"--validation", "1000000"}}) {
    const Finished done = run(small(words));
    EXPECT_EQ(done.code, 2) << words[0];
    EXPECT_THAT(done.err, HasSubstr(words[0]));
    EXPECT_EQ(done.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path() + "/runs"));
}

TEST_F(Program, AnEarlierRunIsNotOverwritten) {
  ASSERT_EQ(run(small({"--out", "mine"})).code, 0);
  const std::string before = file("mine/model.safetensors");
  const Finished done = run(small({"--out", "mine", "--seed", "9"}));
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("already holds a run"));
  EXPECT_EQ(file("mine/model.safetensors"), before);
}

TEST_F(Program, MissingDataSaysHowToGetThem) {
  Start start = small();
  start.argv = {MJOLNIR_TRAIN_PROGRAM, "--data", "cifar10", "--data-dir",
                "/no/such/folder"};
  const Finished done = run(start);
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("/no/such/folder"));
  EXPECT_THAT(done.err, HasSubstr("./mjolnir data cifar10"));
}

TEST_F(Program, ASignalFinishesTheStepAndKeepsWhatThereIs) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = "stopped" + std::to_string(signal);
    Start start = small({"--out", out});
    start.argv[8] = "100000";  // epochs
    start.signal = signal;
    start.signal_after = "epoch 2/";
    const Finished done = run(start);
    EXPECT_EQ(done.code, 128 + signal) << done.err;
    EXPECT_THAT(done.err, HasSubstr("interrupted"));
    EXPECT_THAT(file(out + "/model.safetensors"), HasSubstr("fc1.weight"));
    EXPECT_EQ(file(out + "/metrics.csv").back(), '\n');
  }
}

TEST_F(Program, ThreadsNeverOutnumberTheCores) {
#ifdef _OPENMP
  const int cores = available_cores();
#else
  const int cores = 1;  // no threads of ours
#endif
  for (const char* threads : {"1", "2", "64"}) {
    Start start = small({"--out", std::string("by-flag-") + threads});
    start.argv[14] = threads;
    EXPECT_EQ(run(start).code, 0) << threads;
    start = small({"--out", std::string("by-environment-") + threads});
    start.argv[14] = "0";
    start.set.push_back({"OMP_NUM_THREADS", threads});
    EXPECT_EQ(run(start).code, 0) << threads;
    for (const char* how : {"by-flag-", "by-environment-"}) {
      const auto config = nlohmann::json::parse(
          file(std::string(how) + threads + "/config.json"));
      EXPECT_EQ(config["threads"], std::min(std::stoi(threads), cores));
    }
  }
}

TEST_F(Program, OneCoreOfManyIsEnough) {
  cpu_set_t cores;
  ASSERT_EQ(sched_getaffinity(0, sizeof cores, &cores), 0);
  int first = 0;
  while (!CPU_ISSET(first, &cores)) ++first;
  Start start = small({"--out", "one"});
  start.argv[14] = "0";
  start.argv.insert(start.argv.begin(),
                    {"/usr/bin/taskset", "--cpu-list", std::to_string(first)});
  const Finished done = run(start);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(nlohmann::json::parse(file("one/config.json"))["threads"], 1);
}

}  // namespace
}  // namespace mjolnir::train

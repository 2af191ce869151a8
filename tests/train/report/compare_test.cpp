#include "train/report/compare.h"

#include <gmock/gmock.h>

#include <filesystem>

#include <mjolnir/core/error.h>
#include <mjolnir/train/options.h>

#include "tests/train/files.h"
#include "tests/train/run_folder_files.h"

namespace mjolnir::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

class CompareTest : public ::testing::Test {
 protected:
  CompareTest() {
    put_run(path("a"), 0.75);
    put_run(path("b"), 0.625, R"("momentum": 0.5,)");
    put(path("a/result.json"),
        R"({"status": "completed", "reason": "", "steps": 20, "epochs": 2,
            "best_epoch": 2, "seconds": 65.0,
            "test": {"images": 1000, "loss": 0.5, "correct": 700}})");
  }
  std::string path(const std::string& name) const {
    return folder_.path() + "/" + name;
  }
  Comparison both(std::vector<double> accuracies = {}) const {
    return compare_runs({path("a"), path("b")}, std::move(accuracies));
  }
  TemporaryFolder folder_;
};

// Standard errors by hand: sqrt(0.75 * 0.25 / 400) = 2.17 %, sqrt(0.625 *
// 0.375 / 400) = 2.42 %, sqrt(0.7 * 0.3 / 1000) = 1.45 %.
TEST_F(CompareTest, TheTablesSayWhatTheRunsCameTo) {
  EXPECT_EQ(both({0.7, 0.5}).str(),
            "run      val acc %  epoch     test acc %  time      status"
            "  images/s\n"
            "a    75.00 +- 2.17      2  70.00 +- 1.45  1:05   completed"
            "       225\n"
            "b    62.50 +- 2.42      2              -  0:06  unfinished"
            "       225\n"
            "\n"
            "steps and time to a validation accuracy\n"
            "run     to 50 %     to 70 %\n"
            "a    10 in 0:03  20 in 0:06\n"
            "b    10 in 0:03           -\n"
            "\n"
            "options that differ\n"
            "option    a    b\n"
            "momentum  -  0.5\n");
}

TEST_F(CompareTest, WhereTheyAreTooWideTheyAreBlocks) {
  const std::string text = both({0.5}).str(40);
  EXPECT_THAT(text, HasSubstr("a\n"
                              "  val acc %   75.00 +- 2.17\n"
                              "  epoch       2\n"
                              "  test acc %  70.00 +- 1.45\n"));
  for (const std::string& line : split_lines(text)) {
    EXPECT_LE(line.size(), 40u) << line;
  }
}

TEST_F(CompareTest, SpeedAndStatusGoFirst) {
  for (const auto& [columns, speed, status] :
       {std::tuple(68, true, true), std::tuple(67, false, true),
        std::tuple(57, false, false)}) {
    const std::string line = split_lines(both({0.5}).str(columns)).at(0);
    EXPECT_THAT(line, HasSubstr("val acc %"));
    EXPECT_EQ(line.find("images/s") != std::string::npos, speed) << columns;
    EXPECT_EQ(line.find("status") != std::string::npos, status) << columns;
  }
}

TEST_F(CompareTest, WhatIsTooLongEvenForABlockTakesTwoLines) {
  const std::string name = "a-run-with-quite-a-long-name";
  put_run(path(name), 0.75, R"("optimizer-of-choice": "something-else",)");
  const std::string text = compare_runs({path("a"), path(name)}, {0.5}).str(40);
  EXPECT_THAT(text, HasSubstr("optimizer-of-choice\n"));
  EXPECT_THAT(text, HasSubstr("  " + name + "\n    something-else\n"));
}

TEST_F(CompareTest, TheAccuraciesAreTheHighestThatAllAndThatOneReached) {
  EXPECT_THAT(both().accuracies, ElementsAre(0.6, 0.7));
  EXPECT_THAT(compare_runs({path("a")}).accuracies, ElementsAre(0.7));
  put_run(path("low"), 0.3);  // its first epoch has 0.5
  EXPECT_THAT(compare_runs({path("low")}).accuracies, ElementsAre(0.5));
  std::filesystem::remove_all(path("low"));
  put_run(path("low"));
  put(path("low/metrics.csv"), "kind,step\n");
  const Comparison none = compare_runs({path("low")});
  EXPECT_THAT(none.accuracies, ElementsAre());
  EXPECT_THAT(none.str(), Not(HasSubstr("steps and time")));
}

TEST_F(CompareTest, EqualOptionsAreSaidToBe) {
  EXPECT_THAT(compare_runs({path("a"), path("a")}).str(),
              HasSubstr("the options are the same"));
}

TEST_F(CompareTest, RunsOfOneNameAreCalledByTheirFolders) {
  put_run(path("other/a"));
  const Comparison c = compare_runs({path("a"), path("other/a"), path("b")});
  EXPECT_EQ(c.runs[0].name, path("a"));
  EXPECT_EQ(c.runs[1].name, path("other/a"));
  EXPECT_EQ(c.runs[2].name, "b");
}

TEST_F(CompareTest, ThePageHasTheCurvesOfAll) {
  const std::string html = both().html();
  for (const char* id : {"results", "reached", "differences",
                         "validation-accuracy", "validation-loss", "loss",
                         "accuracy", "learning-rate", "damping", "speed"}) {
    EXPECT_THAT(html, HasSubstr(" id='" + std::string(id) + "'")) << id;
  }
  EXPECT_THAT(html, HasSubstr("75.00 ± 2.17"));
  EXPECT_THAT(html, HasSubstr("class='line c1'"));
  EXPECT_THAT(html, Not(HasSubstr("data-running")));
}

TEST_F(CompareTest, ANameIsNoMarkup) {
  const std::string name = "<script>alert(1)<";
  put_run(path(name));
  const Comparison c = compare_runs({path(name), path("a")});
  EXPECT_EQ(c.runs[0].name, name);
  EXPECT_THAT(c.html(), Not(HasSubstr("<script>alert")));
}

TEST_F(CompareTest, AFolderThatIsNoRunIsNamed) {
  std::filesystem::create_directories(path("empty"));
  EXPECT_THAT(
      [&] {
        compare_runs({path("a"), path("empty")});
      },
      ThrowsMessage<UsageError>(HasSubstr(path("empty"))));
}

CompareOptions parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "compare");
  return parse_compare_command_line(static_cast<int>(words.size()),
                                    words.data());
}

TEST(CompareFlags, AreRead) {
  const CompareOptions o =
      parsed({"runs/a", "runs/b", "--accuracy", "0.9", "0.91", "--out", "x"});
  EXPECT_THAT(o.folders, ElementsAre("runs/a", "runs/b"));
  EXPECT_THAT(o.accuracies, ElementsAre(0.9, 0.91));
  EXPECT_EQ(o.out, "x");
  EXPECT_EQ(parsed({"runs/a"}).out, "compare.html");
  EXPECT_THAT(parsed({"--help"}).message, HasSubstr("--accuracy"));
  EXPECT_THAT(parsed({"--version"}).message, HasSubstr("mjolnir "));
}

TEST(CompareFlags, MistakesAreNamed) {
  const auto says = [](std::vector<const char*> words, const char* text) {
    EXPECT_THAT([&] { parsed(words); },
                ThrowsMessage<UsageError>(HasSubstr(text)));
  };
  says({}, "name the folders of the runs");
  says({"a", "--acuracy", "0.9"}, "did you mean '--accuracy'?");
  says({"a", "--accuracy", "90"}, "did you mean 0.9?");
  says({"a", "--accuracy", "0"}, "expected numbers above 0");
  says({"--accuracy", "0.9", "a"}, "got 'a' (the folders come before it)");
  says({"a", "--out"}, "--out: needs a value after it");
}

}  // namespace
}  // namespace mjolnir::train

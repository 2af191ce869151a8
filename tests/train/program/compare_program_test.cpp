#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/train/files.h"
#include "tests/train/process.h"
#include "tests/train/run_folder_files.h"

// `./mjolnir compare` as a user runs it.
namespace mjolnir::train {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CompareProgram : public testing::Test {
 protected:
  void SetUp() override {
    if (access(MJOLNIR_COMPARE_PROGRAM, X_OK) != 0) {
      GTEST_SKIP() << "the examples are not built";
    }
    put_run(folder_.path() + "/a");
    put_run(folder_.path() + "/b", 0.625);
  }
  Start compare(const std::vector<std::string>& words) const {
    Start start;
    start.argv = {MJOLNIR_COMPARE_PROGRAM};
    start.argv.insert(start.argv.end(), words.begin(), words.end());
    start.folder = folder_.path();
    start.unset = {"NO_COLOR", "FORCE_COLOR"};
    return start;
  }
  std::string path(const std::string& name) const {
    return folder_.path() + "/" + name;
  }
  TemporaryFolder folder_;
};

TEST_F(CompareProgram, PrintsTablesAndWritesAPage) {
  const Finished done = run(compare({"a", "b", "--accuracy", "0.6"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_THAT(done.out, StartsWith("run "));
  EXPECT_THAT(done.out, HasSubstr("to 60 %"));
  EXPECT_THAT(done.out, HasSubstr("the options are the same"));
  EXPECT_THAT(done.out, HasSubstr("\npage: compare.html\n"));
  EXPECT_THAT(done.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(content_of(path("compare.html")), HasSubstr("<h1 id='name'>2"));
}

TEST_F(CompareProgram, AFolderThatIsNoRunIsAUsageError) {
  std::filesystem::create_directories(path("empty"));
  for (const char* folder : {"empty", "missing"}) {
    const Finished done = run(compare({"a", folder}));
    EXPECT_EQ(done.code, 2);
    EXPECT_EQ(done.out, "");
    EXPECT_THAT(done.err, HasSubstr("'" + std::string(folder) + "'"));
    EXPECT_FALSE(std::filesystem::exists(path("compare.html")));
  }
  EXPECT_EQ(run(compare({})).code, 2);
}

TEST_F(CompareProgram, WhatCannotBeReadOrWrittenIsAFailure) {
  const Finished unwritable =
      run(compare({"a", "--out", "missing/x/compare.html"}));
  EXPECT_EQ(unwritable.code, 1);
  EXPECT_THAT(unwritable.err, HasSubstr("missing/x/compare.html"));
  put(path("b/metrics.csv"), "nonsense\n");
  const Finished damaged = run(compare({"a", "b"}));
  EXPECT_EQ(damaged.code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("b/metrics.csv"));
}

}  // namespace
}  // namespace mjolnir::train

#include "tests/core/ops/op_case.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace mjolnir::testing {
namespace {

class OpCaseTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(OpCaseTest, HoldsInEveryForm) { check_op_case(op_cases()[GetParam()]); }

INSTANTIATE_TEST_SUITE_P(Ops, OpCaseTest,
                         ::testing::Range(std::size_t{0}, op_cases().size()),
                         [](const auto& info) {
                           return op_cases()[info.param].name;
                         });

// Names of recorded ops in the core: make_op("x", ...) and the helpers that
// pass a name on to it.
std::set<std::string> recorded_names() {
  const std::regex call(
      R"((?:make_op|unary|piecewise|affine|choose|sum_over|take)\(\s*"(\w+)\")");
  std::set<std::string> names;
  const std::filesystem::path core =
      std::filesystem::path(MJOLNIR_SOURCE_DIR) / "core";
  for (const auto& file : std::filesystem::recursive_directory_iterator(core)) {
    if (file.path().extension() != ".cpp") continue;
    std::ifstream in(file.path());
    std::stringstream text;
    text << in.rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator it(source.begin(), source.end(), call), end;
         it != end; ++it) {
      names.insert((*it)[1]);
    }
  }
  return names;
}

TEST(OpRegistry, EveryRecordedOpHasACase) {
  std::set<std::string> covered;
  for (const OpCase& c : op_cases()) {
    covered.insert(c.ops.begin(), c.ops.end());
  }
  const std::set<std::string> names = recorded_names();
  EXPECT_GE(names.size(), 30u) << "the sources were not read";
  for (const std::string& name : names) {
    EXPECT_EQ(covered.count(name), 1u)
        << "op \"" << name << "\" has no case in tests/core/ops";
  }
}

TEST(OpRegistry, EveryCaseHasItsOwnName) {
  std::set<std::string> names;
  for (const OpCase& c : op_cases()) {
    EXPECT_TRUE(names.insert(c.name).second) << c.name << " occurs twice";
  }
}

}  // namespace
}  // namespace mjolnir::testing

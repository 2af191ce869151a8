#include "tests/core/ops/op_case.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace mjolnir::testing {
namespace {

class OpCaseTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(OpCaseTest, HoldsInEveryForm) { check_op_case(op_cases()[GetParam()]); }

TEST_P(OpCaseTest, HoldsAtItsEdges) {
  check_op_case_edges(op_cases()[GetParam()]);
}

INSTANTIATE_TEST_SUITE_P(Ops, OpCaseTest,
                         ::testing::Range(std::size_t{0}, op_cases().size()),
                         [](const auto& info) {
                           return op_cases()[info.param].name;
                         });

// The functions that pass a name on to make_op, and the files that call
// make_op with it.
const std::set<std::string> helpers{"unary",  "piecewise", "affine",
                                    "choose", "sum_over",  "take"};
const std::map<std::string, int> calls_with_a_variable{
    {"core/detail/elementwise.cpp", 2},  // unary, piecewise
    {"core/ops/elementwise.cpp", 2},     // affine, choose
    {"core/ops/reduce.cpp", 2},          // sum_over, take
};

struct Recorded {
  std::set<std::string> names;               // "x" of make_op("x", ...)
  std::map<std::string, int> with_variable;  // of make_op(x, ...), by file
  std::vector<std::string> strange;  // a helper's call without a literal
};

// Reads the calls of make_op and of its helpers in one source.
void read_calls(const std::string& file, const std::string& source,
                Recorded& result) {
  static const std::regex call(R"re(([\w:]*\b(\w+))\(\s*("?)([^,)"]*))re");
  for (std::sregex_iterator it(source.begin(), source.end(), call), end;
       it != end; ++it) {
    const std::string callee = (*it)[1], name = (*it)[2];
    const bool literal = (*it)[3].length() > 0;
    const std::string argument = (*it)[4];
    const bool is_make_op = name == "make_op";
    if (!is_make_op && helpers.count(name) == 0) continue;
    if (callee.find("kernels::") != std::string::npos) continue;  // another
    if (argument.rfind("const ", 0) == 0) continue;  // its definition
    if (literal) {
      result.names.insert(argument);
    } else if (is_make_op) {
      ++result.with_variable[file];
    } else {
      result.strange.push_back(file + ": " + callee + "(" + argument);
    }
  }
}

Recorded recorded_ops() {
  Recorded result;
  const std::filesystem::path root = MJOLNIR_SOURCE_DIR;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(root / "core")) {
    const auto extension = file.path().extension();
    if (extension != ".cpp" && extension != ".h") continue;
    if (file.path().string().find("core/kernels/") != std::string::npos) {
      continue;  // they know no ops, and have a take and a choose of their own
    }
    std::ifstream in(file.path());
    std::stringstream text;
    text << in.rdbuf();
    read_calls(std::filesystem::relative(file.path(), root).generic_string(),
               text.str(), result);
  }
  return result;
}

TEST(OpRegistry, NoNameGetsAroundTheList) {
  const Recorded recorded = recorded_ops();
  EXPECT_EQ(recorded.with_variable, calls_with_a_variable)
      << "a new function passes a name on to make_op: add it to `helpers`";
  EXPECT_TRUE(recorded.strange.empty()) << recorded.strange.front();
}

TEST(OpRegistry, FindsThePlantedCalls) {
  Recorded found;
  read_calls("a.cpp",
             "return make_op(\n    \"one\", {x}, y); detail::unary(\"two\", f);"
             "make_op(name, {x}, y); mjolnir::make_op(kind, {}, y);"
             "Tensor take(const char* name); kernels::take(n); take(other, x);",
             found);
  EXPECT_EQ(found.names, (std::set<std::string>{"one", "two"}));
  EXPECT_EQ(found.with_variable, (std::map<std::string, int>{{"a.cpp", 2}}));
  EXPECT_EQ(found.strange, (std::vector<std::string>{"a.cpp: take(other"}));
}

TEST(OpRegistry, EveryRecordedOpHasACase) {
  std::set<std::string> covered;
  for (const OpCase& c : op_cases()) {
    covered.insert(c.ops.begin(), c.ops.end());
  }
  const std::set<std::string> names = recorded_ops().names;
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

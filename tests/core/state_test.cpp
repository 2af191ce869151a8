#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/error.h>
#include <mjolnir/core/state.h>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/state.h"

namespace mjolnir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

enum class Colour : std::uint8_t { Red, Green, Blue };

// Everything a visitor can be shown.
struct Thing {
  long steps = 7;
  bool flag = true;
  Colour colour = Colour::Blue;
  std::int64_t large = (std::int64_t{1} << 60) + 1;  // no double holds it
  double rate = 0.1;
  double undefined = std::numeric_limits<double>::quiet_NaN();
  Tensor weight = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor maybe = Tensor::from<float>({1, 2}, {2});
  Tensor list = Tensor::from<std::int64_t>({1, 2, 3, 4}, {2, 2});
  Generator rng{5};

  void visit(StateVisitor& visitor) {
    visitor.integer(steps);
    visitor.scope("inner", [&] {
      visitor.number(rate);
      visitor.integer(large);
      visitor.tensor("weight", weight);
    });
    visitor.integer(flag);
    visitor.integer(colour, 0, 2);
    visitor.number(undefined);
    visitor.optional_tensor("maybe", maybe, Tensor::zeros({2}));
    const Tensor got = visitor.any_tensor("list", list, DType::I64, 2);
    if (visitor.loading()) list = got;
    visitor.scope("rng", [&] { visitor.generator(rng); });
  }
};

SavedState state_of(Thing& thing) {
  return save_state([&](StateVisitor& visitor) { thing.visit(visitor); });
}

void load(const SavedState& state, Thing& thing) {
  load_state(state, [&](StateVisitor& visitor) { thing.visit(visitor); });
}

std::string refusal(const SavedState& state, Thing& thing) {
  try {
    load(state, thing);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

Thing different() {
  Thing thing;
  thing.steps = 1;
  thing.flag = false;
  thing.colour = Colour::Red;
  thing.large = 0;
  thing.rate = 3;
  thing.undefined = 0;
  thing.weight = Tensor::zeros({2, 3});
  thing.maybe = Tensor();
  thing.list = Tensor();
  thing.rng = Generator(99, 3);
  return thing;
}

TEST(State, ComesBackBitForBit) {
  Thing thing;
  thing.rng.normal();  // one more number is waiting
  const SavedState saved = state_of(thing);
  std::vector<double> next;
  for (int i = 0; i < 5; ++i) next.push_back(thing.rng.normal());
  Thing other = different();
  load(saved, other);
  EXPECT_EQ(other.steps, 7);
  EXPECT_TRUE(other.flag);
  EXPECT_EQ(other.colour, Colour::Blue);
  EXPECT_EQ(other.large, 1152921504606846977);
  EXPECT_EQ(other.rate, 0.1);
  EXPECT_TRUE(std::isnan(other.undefined));
  EXPECT_THAT(other.weight.to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(other.maybe.to_vector<float>(), ElementsAre(1, 2));
  EXPECT_THAT(other.list.to_vector<std::int64_t>(), ElementsAre(1, 2, 3, 4));
  for (const double x : next) EXPECT_EQ(other.rng.normal(), x);
}

TEST(State, IsACopy) {
  Thing thing;
  const SavedState saved = state_of(thing);
  thing.weight.fill(9);
  load(saved, thing);
  EXPECT_THAT(thing.weight.to_vector<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(State, WhatWasUndefinedIsSoAgain) {
  Thing thing;
  thing.maybe = thing.list = Tensor();
  const SavedState saved = state_of(thing);
  Thing other;
  load(saved, other);
  EXPECT_FALSE(other.maybe.defined());
  EXPECT_FALSE(other.list.defined());
}

TEST(State, NamesTellWhereAThingIs) {
  Thing thing;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_of(thing)) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("inner/weight", "inner/integers", "inner/numbers",
                          "maybe", "list", "rng/integers", "rng/numbers",
                          "integers", "numbers"));
}

TEST(State, EveryDifferenceIsToldAndNothingIsChanged) {
  Thing thing;
  SavedState saved;
  for (auto& entry : state_of(thing)) {
    if (entry.first == "rng/integers") continue;  // missing
    if (entry.first == "inner/weight") {
      entry.second = Tensor::zeros({3, 2});
    }
    if (entry.first == "list") {
      entry.second = Tensor::zeros({2}, {DType::F64});
    }
    if (entry.first == "integers") {  // steps, flag, colour, maybe
      entry.second = Tensor::from<std::int64_t>({1, 1, 9, 1}, {4});
    }
    if (entry.first == "numbers") {
      entry.second = Tensor::from<double>({1, 2}, {2});
    }
    saved.push_back(entry);
  }
  saved.emplace_back("more", Tensor::zeros({1}));
  Thing other = different();
  const SavedState before = state_of(other);
  const std::string text = refusal(saved, other);
  for (const char* part :
       {"rng/integers is missing",
        "inner/weight is f32 (3,2), expected f32 "
        "(2,3)",
        "list is f64 (2), expected rank 2 of i64",
        "integers has 9 at 2, expected 0 to 2",
        "numbers has 2 values, expected 1", "more is extra"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("maybe")));
  testing::expect_same_bits(state_of(other), before, "after a refusal");
}

TEST(State, ANameThatComesTwiceIsRefused) {
  Thing thing;
  SavedState saved = state_of(thing);
  saved.push_back(saved.front());
  EXPECT_THAT(refusal(saved, thing), HasSubstr("is there twice"));
}

}  // namespace
}  // namespace mjolnir

#include <gmock/gmock.h>

#include <mjolnir/layers/module.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;

/** y = x * scale is all that these tests need of a layer. */
struct Leaf : Module {
  Tensor scale;
  Tensor count;
  explicit Leaf(double value)
      : scale(Tensor::full({2, 3}, value)),
        count(Tensor::scalar(7, DType::I64)) {
    add("scale", scale);
    add_buffer("count", count);
  }
};

struct Tree : Module {
  Tensor own = Tensor::full({5}, 1);
  Leaf a{2};
  Leaf b{3};
  Tree() {
    add("own", own);
    add("a", a);
    add("b", b);
  }
  std::unique_ptr<Module> clone() const override {
    auto copy = std::make_unique<Tree>();
    copy->copy_from(*this);
    return copy;
  }
};

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> list;
  for (const NamedTensor& entry : tensors) list.push_back(entry.first);
  return list;
}

TEST(Module, ListsNamesInOrderOfRegistration) {
  const Tree tree;
  EXPECT_THAT(names(tree.named_parameters()),
              ElementsAre("own", "a.scale", "b.scale"));
  EXPECT_THAT(names(tree.named_buffers()), ElementsAre("a.count", "b.count"));
  EXPECT_THAT(names(tree.state()),
              ElementsAre("own", "a.scale", "a.count", "b.scale", "b.count"));
  EXPECT_EQ(tree.parameter_count(), 5 + 6 + 6);
  ASSERT_EQ(tree.named_modules().size(), 3u);
  EXPECT_EQ(tree.named_modules()[0].first, "");
  EXPECT_EQ(tree.named_modules()[2].first, "b");
}

TEST(Module, ParametersWantGradientsAndBuffersDoNot) {
  Tree tree;
  EXPECT_TRUE(tree.own.requires_grad());
  EXPECT_FALSE(tree.a.count.requires_grad());
  tree.a.freeze();
  EXPECT_FALSE(tree.a.scale.requires_grad());
  EXPECT_TRUE(tree.b.scale.requires_grad());
  EXPECT_EQ(tree.parameter_count(), 5 + 6);
  tree.freeze(false);
  EXPECT_EQ(tree.parameter_count(), 5 + 6 + 6);
}

TEST(Module, SharedTensorIsListedOnceUnderItsFirstName) {
  Tree tree;
  tree.b.scale = tree.a.scale;
  EXPECT_THAT(names(tree.named_parameters()), ElementsAre("own", "a.scale"));
  EXPECT_EQ(tree.parameters().size(), 2u);
  EXPECT_EQ(tree.parameter_count(), 5 + 6);
}

TEST(Module, ModuleUnderTwoNamesIsListedOnce) {
  struct Twice : Module {
    Leaf leaf{1};
    Twice() {
      add("first", leaf);
      add("second", leaf);
    }
  };
  const Twice twice;
  EXPECT_THAT(names(twice.state()), ElementsAre("first.scale", "first.count"));
  EXPECT_EQ(twice.named_modules().size(), 2u);
}

TEST(Module, RefusesBadNames) {
  struct Net : Module {
    Tensor w = Tensor::zeros({1});
    Leaf leaf{1};
    void take(const std::string& name) { add(name, w); }
    void take_child(const std::string& name) { add(name, leaf); }
    void take_buffer(const std::string& name) { add_buffer(name, w); }
    void take_itself() { add("me", *this); }
    void take_undefined() { add("x", none); }
    Tensor none;
  };
  Net net;
  EXPECT_THAT(message_of<ValueError>([&] { net.take(""); }),
              HasSubstr("empty"));
  EXPECT_THAT(message_of<ValueError>([&] { net.take("a.b"); }),
              HasSubstr("\"a.b\""));
  net.take("w");
  EXPECT_THROW(net.take("w"), ValueError);
  EXPECT_THROW(net.take_child("w"), ValueError);
  EXPECT_THROW(net.take_buffer("w"), ValueError);
  EXPECT_THROW(net.take_itself(), ValueError);
  EXPECT_THROW(net.take_undefined(), ValueError);
  EXPECT_EQ(net.state().size(), 1u);
}

TEST(Module, ModeReachesTheWholeTree) {
  Tree tree;
  EXPECT_TRUE(tree.training());
  tree.eval();
  EXPECT_FALSE(tree.training());
  EXPECT_FALSE(tree.b.training());
  tree.a.train();
  EXPECT_TRUE(tree.a.training());
  EXPECT_FALSE(tree.training());
}

TEST(Module, CloneIsIndependentAndEqual) {
  Tree tree;
  tree.own.fill(4);
  tree.a.freeze();
  tree.b.eval();
  const std::unique_ptr<Module> copy = tree.clone();
  const auto state = copy->state();
  ASSERT_EQ(names(state), names(tree.state()));
  for (std::size_t i = 0; i < state.size(); ++i) {
    EXPECT_TRUE(bit_equal(state[i].second, tree.state()[i].second));
    EXPECT_FALSE(state[i].second.shares_buffer_with(tree.state()[i].second));
    EXPECT_EQ(state[i].second.requires_grad(),
              tree.state()[i].second.requires_grad());
  }
  EXPECT_TRUE(copy->training());
  EXPECT_FALSE(copy->named_modules()[2].second->training());
  state[0].second.fill(9);
  EXPECT_EQ(tree.own.to_vector<float>()[0], 4);
}

TEST(Module, CloneKeepsSharing) {
  Tree tree;
  tree.b.scale = tree.a.scale;
  const std::unique_ptr<Module> copy = tree.clone();
  EXPECT_THAT(names(copy->named_parameters()), ElementsAre("own", "a.scale"));
  EXPECT_EQ(copy->parameter_count(), 5 + 6);
}

TEST(Module, CopyFromRefusesAnotherTree) {
  struct Open : Module {
    using Module::copy_from;
  };
  Open open;
  const Tree tree;
  EXPECT_THROW(open.copy_from(tree), ValueError);
}

TEST(Module, LoadStateListsEveryDifferenceAndChangesNothing) {
  const Tree tree;
  std::vector<NamedTensor> state{
      {"own", Tensor::full({5}, 8)},
      {"a.scale", Tensor::full({3, 2}, 8)},
      {"a.count", Tensor::full({}, 8, {DType::F32})},
      {"b.count", Tensor::scalar(1, DType::I64)},
      {"extra", Tensor::zeros({1})},
  };
  const std::string message =
      message_of<ValueError>([&] { tree.load_state(state); });
  EXPECT_THAT(message, HasSubstr("a.scale: expected shape (2,3), got (3,2)"));
  EXPECT_THAT(message, HasSubstr("a.count: expected dtype i64, got f32"));
  EXPECT_THAT(message, HasSubstr("b.scale: missing"));
  EXPECT_THAT(message, HasSubstr("extra: not in this module"));
  EXPECT_EQ(message.find("own"), std::string::npos);
  EXPECT_EQ(tree.own.to_vector<float>()[0], 1);

  state = Tree().state();
  state.push_back(state[0]);
  EXPECT_THAT(message_of<ValueError>([&] { tree.load_state(state); }),
              HasSubstr("own: given twice"));
}

TEST(Module, LoadMatchingStateCopiesWhatFits) {
  Tree tree;
  const std::vector<NamedTensor> state{
      {"own", Tensor::full({5}, 8)},
      {"a.scale", Tensor::full({3, 2}, 8)},
      {"b.scale", Tensor::full({2, 3}, 9)},
      {"b.scale", Tensor::full({2, 3}, 10)},
      {"a.count", Tensor()},
  };
  const std::vector<float> scale = tree.b.scale.to_vector<float>();
  const std::string list = str(tree.load_matching_state(state));
  EXPECT_EQ(list,
            "\n  b.scale: given twice"
            "\n  a.scale: expected shape (2,3), got (3,2)"
            "\n  a.count: undefined"
            "\n  b.count: missing");
  EXPECT_EQ(tree.own.to_vector<float>(), std::vector<float>(5, 8.0f));
  EXPECT_EQ(tree.b.scale.to_vector<float>(), scale);
}

TEST(Module, LoadStateCopiesValuesByName) {
  Tree tree;
  Tree other;
  other.b.scale.fill(-5);
  other.a.count.fill(11);
  tree.load_state(other.state());
  EXPECT_TRUE(bit_equal(tree.b.scale, other.b.scale));
  EXPECT_EQ(tree.a.count.to_vector<std::int64_t>()[0], 11);
  EXPECT_FALSE(tree.b.scale.shares_buffer_with(other.b.scale));
  EXPECT_TRUE(tree.b.scale.requires_grad());
}

TEST(Module, PrintsATreeWithShapesAndCounts) {
  Tree tree;
  tree.b.freeze();
  EXPECT_EQ(tree.str(),
            "Tree  own (5)  11\n"
            "  (a) Leaf  scale (2,3)  6\n"
            "  (b) Leaf  scale (2,3) frozen\n");
}

TEST(Module, ForwardAndCloneMustBeOverridden) {
  Leaf leaf(1);
  EXPECT_THAT(message_of<ValueError>([&] { leaf(Tensor::zeros({1})); }),
              HasSubstr("[Leaf]"));
  EXPECT_THAT(message_of<ValueError>([&] { leaf.clone(); }),
              HasSubstr("override clone()"));
}

TEST(Module, ZeroGradForgetsGradients) {
  Tree tree;
  tree.own.set_grad(Tensor::ones({5}));
  tree.zero_grad();
  EXPECT_FALSE(tree.own.grad().defined());
}

}  // namespace
}  // namespace mjolnir

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/trace.h>

#include <thread>

namespace mjolnir {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Ints = std::vector<std::int64_t>;

std::vector<std::string> names(const Trace& trace) {
  std::vector<std::string> list;
  for (const TracedOp& op : trace.ops()) list.push_back(op.name);
  return list;
}

TEST(Trace, ListsTheOpsOfItsScope) {
  const Tensor a = Tensor::ones({2, 3});
  relu(a);
  const Trace trace;
  const Tensor b = relu(a);
  const Tensor c = add(b, a);
  ASSERT_THAT(names(trace), ElementsAre("relu", "add"));
  EXPECT_EQ(trace.ops()[1].inputs.at(0).impl(), b.impl());
  EXPECT_EQ(trace.ops()[1].inputs.at(1).impl(), a.impl());
  EXPECT_EQ(trace.ops()[1].output.impl(), c.impl());
  EXPECT_THAT(trace.ops()[1].attributes, IsEmpty());
}

TEST(Trace, ListsWithAndWithoutGradients) {
  Tensor a = Tensor::ones({2, 3});
  a.set_requires_grad(true);
  const Trace trace;
  relu(a);
  const NoGrad no_grad;
  relu(a);
  EXPECT_THAT(names(trace), ElementsAre("relu", "relu"));
}

TEST(Trace, TheInnerOneListens) {
  const Tensor a = Tensor::ones({2});
  EXPECT_FALSE(tracing());
  const Trace outer;
  {
    const Trace inner;
    relu(a);
    EXPECT_THAT(names(inner), ElementsAre("relu"));
  }
  EXPECT_TRUE(tracing());
  neg(a);
  EXPECT_THAT(names(outer), ElementsAre("neg"));
}

TEST(Trace, OtherThreadsAreNotHeard) {
  const Tensor a = Tensor::ones({2});
  const Trace trace;
  std::thread([&a] {
    EXPECT_FALSE(tracing());
    relu(a);
  }).join();
  EXPECT_THAT(names(trace), IsEmpty());
}

TEST(Trace, ANoteIsForTheOpThatGivesItsTensor) {
  const Tensor x = Tensor::ones({2}), y = Tensor::ones({2}),
               z = Tensor::ones({2}), more = Tensor::ones({1});
  const BackwardFunction none = [](const Tensor& dy, const BackwardContext&) {
    return std::vector<Tensor>{dy};
  };
  const Trace trace;
  trace_note(y, {{"factor", 2.5}, {"axes", Ints{0, 1}}}, {more});
  make_op("mine", {x}, y, none);
  trace_note(y, {{"factor", 2.5}});
  make_op("other", {x}, z, none);
  make_op("third", {x}, Tensor::ones({2}), none);
  ASSERT_EQ(trace.ops().size(), 3u);
  const TracedOp& op = trace.ops()[0];
  EXPECT_EQ(std::get<double>(op.attributes.at("factor")), 2.5);
  EXPECT_EQ(std::get<Ints>(op.attributes.at("axes")), (Ints{0, 1}));
  ASSERT_EQ(op.inputs.size(), 2u);
  EXPECT_EQ(op.inputs[1].impl(), more.impl());
  EXPECT_THAT(trace.ops()[1].attributes, IsEmpty());
  EXPECT_THAT(trace.ops()[2].attributes, IsEmpty());
}

TEST(Trace, AWindowIsNoted) {
  Conv2dGeometry window;
  window.kernel_h = 3;
  window.kernel_w = 2;
  window.stride_h = 2;
  window.pad_top = 1;
  window.pad_right = 4;
  window.dilation_w = 3;
  const Trace trace;
  conv2d(Tensor::ones({1, 2, 6, 7}, {DType::F32, Layout::ChannelsLast}),
         Tensor::ones({4, 2, 3, 2}, {DType::F32, Layout::ChannelsLast}),
         Tensor(), window);
  ASSERT_THAT(names(trace), ElementsAre("conv2d"));
  const TraceAttributes& attributes = trace.ops()[0].attributes;
  EXPECT_EQ(std::get<Ints>(attributes.at("kernel")), (Ints{3, 2}));
  EXPECT_EQ(std::get<Ints>(attributes.at("stride")), (Ints{2, 1}));
  EXPECT_EQ(std::get<Ints>(attributes.at("pads")), (Ints{1, 0, 0, 4}));
  EXPECT_EQ(std::get<Ints>(attributes.at("dilation")), (Ints{1, 3}));
  EXPECT_EQ(std::get<std::int64_t>(attributes.at("groups")), 1);
}

}  // namespace
}  // namespace mjolnir

#include <mjolnir/curvature/explain.h>

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/embedding_thor.h>

namespace mjolnir {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

/** One layer of each kind; the last convolution is dormant. */
struct Net : Module {
  explicit Net(Generator& rng)
      : conv(conv_options(), rng),
        norm(norm_options()),
        depth(depth_options(), rng),
        plain(plain_options(), rng),
        fc(dense_options(), rng) {
    add("conv", conv);
    add("norm", norm);
    add("depth", depth);
    add("plain", plain);
    add("fc", fc);
  }
  Tensor operator()(const Tensor& x) override {
    return fc(global_avg_pool(plain(depth(relu(norm(conv(x)))))));
  }
  static Conv2dThorOptions conv_options() {
    Conv2dThorOptions o;
    o.in_channels = 2;
    o.out_channels = 6;
    o.kernel_size = {3, 2};
    o.has_bias = true;
    return o;
  }
  static BatchNorm2dOptions norm_options() {
    BatchNorm2dOptions o;
    o.channels = 6;
    return o;
  }
  static Conv2dThorOptions depth_options() {
    Conv2dThorOptions o;
    o.in_channels = 6;
    o.out_channels = 12;
    o.kernel_size = 3;
    o.group = 3;
    o.stride = 2;
    return o;
  }
  static Conv2dOptions plain_options() {
    Conv2dOptions o;
    o.in = 12;
    o.out = 5;
    o.kernel = 1;
    return o;
  }
  static DenseThorOptions dense_options() {
    DenseThorOptions o;
    o.in_channels = 5;
    o.out_channels = 3;
    o.joint_bias = true;
    return o;
  }
  Conv2dThor conv;
  BatchNorm2d norm;
  Conv2dThor depth;
  Conv2d plain;
  DenseThor fc;
};

TEST(Explain, GivesTheSizesOfEachLayersFactors) {
  Generator rng(1);
  Net net(rng);
  ExplainOptions options;
  options.split_dim = 5;
  const Explanation e = explain(net, Shape{4, 2, 7, 6}, options);
  ASSERT_EQ(e.layers.size(), 3U);
  const ExplainedLayer& conv = e.layers[0];
  EXPECT_EQ(conv.name, "conv");
  EXPECT_EQ(conv.type, "Conv2dThor");
  EXPECT_EQ(conv.size_a, 12);
  EXPECT_EQ(conv.size_g, 6);
  EXPECT_EQ(conv.blocks_a, 3);
  EXPECT_EQ(conv.blocks_g, 2);
  EXPECT_EQ(conv.samples, 4);
  EXPECT_EQ(conv.positions, 4 * 7 * 6);
  EXPECT_FALSE(conv.joint_bias);
  // f32: A and G, and two inverses in blocks of 5, 5, 2 and 5, 1
  EXPECT_EQ(conv.bytes, 4 * (144 + 36 + 2 * (25 + 25 + 4 + 25 + 1)));
  EXPECT_EQ(conv.inverses, 125 + 125 + 8 + 125 + 1);
  EXPECT_EQ(conv.update, 2 * (6 * 54 + 12 * 26));
  EXPECT_EQ(conv.step, 3 * 2 * 168 * 12 * 6);
  EXPECT_EQ(conv.look, 2 * (4 * 2 * 42 + 168 * 6));
  const ExplainedLayer& depth = e.layers[1];
  EXPECT_EQ(depth.groups, 3);
  EXPECT_EQ(depth.size_a, 18);
  EXPECT_EQ(depth.size_g, 4);
  EXPECT_EQ(depth.positions, 4 * 4 * 3);
  const ExplainedLayer& fc = e.layers[2];
  EXPECT_TRUE(fc.joint_bias);
  EXPECT_EQ(fc.size_a, 6);
  EXPECT_EQ(fc.positions, 4);
}

TEST(Explain, TellsWhatStaysFirstOrderAndWhy) {
  Generator rng(1);
  Net net(rng);
  const Explanation e = explain(net, Shape{4, 2, 7, 6});
  std::map<std::string, std::string> why;
  for (const FirstOrderParameter& p : e.first_order) why[p.name] = p.why;
  EXPECT_EQ(why.size(), 5U);
  EXPECT_THAT(why["conv.bias"], HasSubstr("joint_bias"));
  EXPECT_THAT(why["norm.weight"], HasSubstr("BatchNorm2d has no"));
  EXPECT_THAT(why["norm.bias"], HasSubstr("BatchNorm2d has no"));
  EXPECT_THAT(why["plain.weight"], HasSubstr("to_thor"));
  EXPECT_EQ(why.count("fc.bias"), 0U);
  const std::string text = e.str();
  EXPECT_THAT(text, HasSubstr("3 x 18"));
  EXPECT_THAT(text, ContainsRegex("depth +conv +3 x 18"));
  EXPECT_THAT(text, ContainsRegex("fc +dense\\+b +6"));
  EXPECT_THAT(text, HasSubstr("norm.weight, norm.bias: BatchNorm2d has no"));
  ExplainOptions joint;
  joint.joint_bias = true;
  for (const FirstOrderParameter& p :
       explain(net, Shape{4, 2, 7, 6}, joint).first_order) {
    EXPECT_NE(p.name, "conv.bias");
  }
}

TEST(Explain, FitsTheTerminal) {
  Generator rng(1);
  Net net(rng);
  const Explanation e = explain(net, Shape{4, 2, 7, 6});
  for (const int columns : {40, 80, 200}) {
    std::istringstream lines(e.str(columns));
    int parts = 0;
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), static_cast<std::size_t>(columns)) << line;
      if (line.rfind("weight of", 0) == 0) ++parts;
    }
    EXPECT_EQ(parts == 1, columns > 40) << columns;
    // Every column is shown, in whichever part.
    for (const char* name : {"block", "memory", "look", "update", "A by"}) {
      EXPECT_THAT(e.str(columns), HasSubstr(name));
    }
  }
}

TEST(Explain, LeavesTheModelAsItWas) {
  Generator rng(1);
  Net net(rng);
  std::vector<std::vector<float>> before;
  for (const auto& [name, tensor] : net.state()) {
    if (tensor.dtype() == DType::F32)
      before.push_back(tensor.to_vector<float>());
  }
  explain(net, Shape{4, 2, 7, 6});
  std::size_t i = 0;
  for (const auto& [name, tensor] : net.state()) {
    if (tensor.dtype() != DType::F32) continue;
    EXPECT_EQ(tensor.to_vector<float>(), before[i++]) << name;
  }
  for (const Tensor& p : net.parameters()) EXPECT_FALSE(p.grad().defined());
  EXPECT_THROW(net.conv.matrix_a(), ValueError);  // its sums are still empty
}

TEST(Explain, TakesIdsForAnEmbedding) {
  Generator rng(1);
  EmbeddingThorOptions o;
  o.vocab_size = 9;
  o.embedding_size = 4;
  EmbeddingThor table(o, rng);
  const Explanation e =
      explain(table, Tensor::from<std::int64_t>({1, 2, 3, 8, 0, 1}, {2, 3}));
  ASSERT_EQ(e.layers.size(), 1U);
  EXPECT_TRUE(e.layers[0].diagonal_a);
  EXPECT_EQ(e.layers[0].size_a, 9);
  EXPECT_EQ(e.layers[0].size_g, 4);
  EXPECT_EQ(e.layers[0].positions, 6);
  EXPECT_EQ(e.layers[0].update, 2 * (9 * 4 + 9 * 16));
  EXPECT_THAT(e.str(), HasSubstr("9 diagonal"));
  EXPECT_THAT(e.str(), HasSubstr("(the model itself)"));
}

}  // namespace
}  // namespace mjolnir

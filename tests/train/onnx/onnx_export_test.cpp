#include <mjolnir/train/onnx/onnx_export.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/io/file.h>
#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/dense.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/sequential.h>
#include <mjolnir/models/autoencoder.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/models/to_thor.h>
#include <functional>
#include <memory>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ints = std::vector<std::int64_t>;

std::vector<std::string> types(const io::OnnxModel& model) {
  std::vector<std::string> list;
  for (const io::OnnxNode& node : model.nodes) {
    list.push_back(node.op_type);
  }
  return list;
}

const io::OnnxNode& node(const io::OnnxModel& model, const std::string& name) {
  for (const io::OnnxNode& one : model.nodes) {
    if (one.name == name) {
      return one;
    }
  }
  throw ValueError("no node " + name);
}

Ints ints(const io::OnnxNode& node, const std::string& name) {
  for (const auto& [own, value] : node.attributes) {
    if (own == name) {
      return std::get<Ints>(value);
    }
  }
  throw ValueError("no attribute " + name);
}

Tensor initializer(const io::OnnxModel& model, const std::string& name) {
  for (const auto& [own, tensor] : model.initializers) {
    if (own == name) {
      return tensor;
    }
  }
  return {};
}

std::string refusal(Module& model, const Shape& sample,
                    const OnnxExportOptions& options = {}) {
  try {
    onnx_model(model, sample, options);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

// A module of one function.
class Function : public Module {
 public:
  explicit Function(std::function<Tensor(const Tensor&)> f)
      : f_(std::move(f)) {}
  Tensor operator()(const Tensor& x) override { return f_(x); }

 private:
  std::function<Tensor(const Tensor&)> f_;
};

// ---- the models
// --------------------------------------------------------------

// He et al., section 4.2, n = 1: the first convolution, three blocks of two,
// those of the later stages with stride 2 and a convolution in the shortcut.
TEST(OnnxExport, ResNet8HasTheNodesOfThePaper) {
  Generator rng(1);
  models::ResNetOptions options;
  options.depth = 8;
  options.width = 4;
  models::ResNet net(options, rng);
  const io::OnnxModel model = onnx_model(net, {3, 32, 32});
  const std::vector<std::string> first = {"Conv", "BatchNormalization", "Relu"};
  const std::vector<std::string> block = {"Conv", "BatchNormalization", "Relu",
                                          "Conv", "BatchNormalization"};
  const std::vector<std::string> shortcut = {"Conv", "BatchNormalization"};
  const std::vector<std::string> sum = {"Add", "Relu"};
  std::vector<std::string> expected;
  for (const auto* part : {&first, &block, &sum, &shortcut, &block, &sum,
                           &shortcut, &block, &sum}) {
    expected.insert(expected.end(), part->begin(), part->end());
  }
  for (const char* last : {"GlobalAveragePool", "Flatten", "Gemm"}) {
    expected.emplace_back(last);
  }
  EXPECT_EQ(types(model), expected);
  EXPECT_EQ(model.opset, 17);
  EXPECT_EQ(model.ir_version, 8);
  EXPECT_EQ(model.name, "ResNet");

  struct Conv {
    const char* layer;
    Shape weight;
    std::int64_t stride, pad;
  };
  for (const Conv& conv :
       std::vector<Conv>{{"conv1", {4, 3, 3, 3}, 1, 1},
                         {"layer1.0.conv1", {4, 4, 3, 3}, 1, 1},
                         {"layer1.0.conv2", {4, 4, 3, 3}, 1, 1},
                         {"layer2.0.conv1", {8, 4, 3, 3}, 2, 1},
                         {"layer2.0.conv2", {8, 8, 3, 3}, 1, 1},
                         {"layer2.0.downsample.0", {8, 4, 1, 1}, 2, 0},
                         {"layer3.0.conv1", {16, 8, 3, 3}, 2, 1},
                         {"layer3.0.conv2", {16, 16, 3, 3}, 1, 1},
                         {"layer3.0.downsample.0", {16, 8, 1, 1}, 2, 0}}) {
    SCOPED_TRACE(conv.layer);
    const io::OnnxNode& made = node(model, conv.layer);
    EXPECT_EQ(made.op_type, "Conv");
    ASSERT_EQ(made.inputs.size(), 2u);  // no bias
    EXPECT_EQ(made.inputs[1], std::string(conv.layer) + ".weight");
    EXPECT_EQ(initializer(model, made.inputs[1]).shape(), conv.weight);
    EXPECT_EQ(ints(made, "kernel_shape"), Ints(2, conv.weight[2]));
    EXPECT_EQ(ints(made, "strides"), Ints(2, conv.stride));
    EXPECT_EQ(ints(made, "pads"), Ints(4, conv.pad));
  }
  EXPECT_THAT(
      node(model, "layer2.0.bn2").inputs,
      ElementsAre("layer2.0.conv2", "layer2.0.bn2.weight", "layer2.0.bn2.bias",
                  "layer2.0.bn2.running_mean", "layer2.0.bn2.running_var"));
  const io::OnnxNode& fc = node(model, "fc");
  EXPECT_THAT(fc.inputs,
              ElementsAre("global_avg_pool", "fc.weight", "fc.bias"));
  EXPECT_THAT(fc.outputs, ElementsAre("output"));
  EXPECT_EQ(initializer(model, "fc.weight").shape(), (Shape{10, 16}));
  // Every tensor of the state but the counters of batches.
  EXPECT_EQ(model.initializers.size(), net.state().size() - 9);
}

TEST(OnnxExport, TheBatchIsLeftOpen) {
  Generator rng(1);
  models::LeNet5 net({}, rng);
  OnnxExportOptions options;
  options.input_name = "images";
  options.output_name = "logits";
  options.batch_name = "N";
  options.metadata["classes"] = "ten";
  const io::OnnxModel model = onnx_model(net, {1, 28, 28}, options);
  using Dim = std::variant<std::int64_t, std::string>;
  ASSERT_EQ(model.inputs.size(), 1u);
  EXPECT_EQ(model.inputs[0].name, "images");
  EXPECT_THAT(model.inputs[0].shape,
              ElementsAre(Dim("N"), Dim(std::int64_t{1}), Dim(std::int64_t{28}),
                          Dim(std::int64_t{28})));
  ASSERT_EQ(model.outputs.size(), 1u);
  EXPECT_EQ(model.outputs[0].name, "logits");
  EXPECT_THAT(model.outputs[0].shape,
              ElementsAre(Dim("N"), Dim(std::int64_t{10})));
  EXPECT_THAT(model.nodes.back().outputs, ElementsAre("logits"));
  EXPECT_EQ(model.metadata.at("classes"), "ten");
  EXPECT_THAT(model.nodes.front().inputs,
              ElementsAre("images", "conv1.weight", "conv1.bias"));
}

TEST(OnnxExport, EveryModelCanBeExportedAndStaysAsItIs) {
  Generator rng(1);
  const Shape grey{1, 28, 28};
  models::ResNetLargeOptions large;
  large.width = 2;
  models::ResNetLargeOptions bottlenecks = large;
  bottlenecks.depth = 50;
  bottlenecks.stem = models::Stem::Small;
  models::AutoencoderOptions tanh;
  tanh.nonlinearity = models::Nonlinearity::Tanh;
  std::vector<std::pair<std::unique_ptr<Module>, Shape>> cases;
  cases.emplace_back(
      std::make_unique<models::LeNet5>(models::LeNet5Options(), rng), grey);
  cases.emplace_back(std::make_unique<models::Mlp>(models::MlpOptions(), rng),
                     grey);
  cases.emplace_back(std::make_unique<models::Autoencoder>(tanh, rng), grey);
  cases.emplace_back(std::make_unique<models::ResNetLarge>(large, rng),
                     Shape{3, 64, 64});
  cases.emplace_back(std::make_unique<models::ResNetLarge>(bottlenecks, rng),
                     Shape{3, 16, 16});
  for (const auto& [net, sample] : cases) {
    SCOPED_TRACE(net->describe());
    std::vector<Tensor> before;
    for (const auto& [name, tensor] : net->state()) {
      before.push_back(tensor.clone());
    }
    net->train();
    net->children().front().second->eval();
    const std::vector<std::string> plain = types(onnx_model(*net, sample));
    EXPECT_FALSE(plain.empty());
    EXPECT_TRUE(net->training());
    EXPECT_FALSE(net->children().front().second->training());
    EXPECT_TRUE(net->children().back().second->training());
    std::size_t i = 0;
    for (const auto& [name, tensor] : net->state()) {
      EXPECT_EQ(tensor.to(DType::F64).to_vector<double>(),
                before[i++].to(DType::F64).to_vector<double>())
          << name;
    }
    // Factors change nothing of the forward pass.
    models::to_thor(*net);
    EXPECT_EQ(types(onnx_model(*net, sample)), plain);
  }
}

TEST(OnnxExport, TheFileHasTheBytesOfTheModel) {
  Generator rng(1);
  models::Mlp net({}, rng);
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.onnx";
  export_onnx(net, path, {1, 28, 28});
  EXPECT_EQ(content_of(path), io::encode_onnx(onnx_model(net, {1, 28, 28})));
  EXPECT_THROW(export_onnx(net, folder.path() + "/no/m.onnx", {1, 28, 28}),
               IoError);
}

// ---- ops
// ---------------------------------------------------------------------

TEST(OnnxExport, ConstantsAndParametersAreInitializers) {
  const Tensor given = Tensor::from<float>({1, 2, 3}, {3});
  Function f([given](const Tensor& x) { return 2.0 * (x + given) - 1.0; });
  const io::OnnxModel model = onnx_model(f, {3});
  EXPECT_THAT(types(model), ElementsAre("Add", "Mul", "Add"));
  const auto constant = [&](std::size_t i) {
    return initializer(model, model.nodes[i].inputs.at(1));
  };
  EXPECT_EQ(constant(0).to_vector<float>(), given.to_vector<float>());
  EXPECT_EQ(constant(1).item(), 2.0);
  EXPECT_EQ(constant(2).item(), -1.0);
}

TEST(OnnxExport, AReshapeFollowsTheBatch) {
  Function flat([](const Tensor& x) { return flatten(x); });
  EXPECT_THAT(types(onnx_model(flat, {2, 5})), ElementsAre("Flatten"));
  const auto lengths = [](const std::function<Tensor(const Tensor&)>& call) {
    Function f(call);
    const io::OnnxModel model = onnx_model(f, {2, 6});
    EXPECT_THAT(types(model), ElementsAre("Reshape"));
    return initializer(model, model.nodes.at(0).inputs.at(1))
        .to_vector<std::int64_t>();
  };
  EXPECT_EQ(lengths([](const Tensor& x) {
              return reshape(x, {-1, 6});
            }),
            (Ints{-1, 6}));
  EXPECT_EQ(lengths([](const Tensor& x) {
              return reshape(x, {x.size(0), 3, 4});
            }),
            (Ints{-1, 3, 4}));
  EXPECT_EQ(lengths([](const Tensor& x) {
              return reshape(x, {12, x.size(0)});
            }),
            (Ints{12, -1}));
}

TEST(OnnxExport, WhatTheOutputDoesNotNeedIsLeftOut) {
  Function f([](const Tensor& x) {
    exp(x);
    return relu(x);
  });
  EXPECT_THAT(types(onnx_model(f, {3})), ElementsAre("Relu"));
  Function same([](const Tensor& x) { return x; });
  const io::OnnxModel model = onnx_model(same, {3});
  EXPECT_THAT(types(model), ElementsAre("Identity"));
  EXPECT_THAT(model.nodes[0].inputs, ElementsAre("input"));
  EXPECT_THAT(model.nodes[0].outputs, ElementsAre("output"));
}

TEST(OnnxExport, ALayerThatIsCalledTwiceHasTwoNodes) {
  Generator rng(1);
  DenseOptions options;
  options.in = options.out = 3;
  Sequential net;
  Dense dense(options, rng);
  net.push("output", dense);  // also the name of the graph's output
  net.push("again", dense);
  const io::OnnxModel model = onnx_model(net, {3});
  ASSERT_THAT(types(model), ElementsAre("Gemm", "Gemm"));
  EXPECT_EQ(model.initializers.size(), 2u);
  EXPECT_EQ(model.nodes[0].outputs,
            (std::vector<std::string>{model.nodes[1].inputs.at(0)}));
  EXPECT_NE(model.nodes[0].outputs[0], "output");
  EXPECT_THAT(model.nodes[1].outputs, ElementsAre("output"));
}

TEST(OnnxExport, IndicesAreAnInput) {
  Generator rng(1);
  EmbeddingOptions options;
  options.count = 7;
  options.size = 4;
  Embedding net(options, rng);
  OnnxExportOptions how;
  how.input_dtype = DType::I64;
  const io::OnnxModel model = onnx_model(net, {5}, how);
  ASSERT_THAT(types(model), ElementsAre("Gather"));
  EXPECT_THAT(model.nodes[0].inputs, ElementsAre("weight", "input"));
  EXPECT_EQ(model.inputs[0].dtype, DType::I64);
}

// ---- refusals
// ----------------------------------------------------------------

// Cumulative sums: an op that no one translates.
Tensor running_sum(const Tensor& x) {
  const Tensor y = x.clone();
  return make_op("running_sum", {x}, y,
                 [](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{dy};
                 });
}

TEST(OnnxExport, AnOpWithoutTranslationIsNamedWithItsLayer) {
  Generator rng(1);
  DenseOptions options;
  options.in = options.out = 3;
  Sequential net;
  Sequential& stem = net.emplace<Sequential>();
  stem.emplace<Dense>(options, rng);
  net.emplace<Function>(running_sum);
  EXPECT_THAT(refusal(net, {3}),
              AllOf(HasSubstr("[onnx]"), HasSubstr("\"running_sum\""),
                    HasSubstr("after layer \"0.0\""),
                    HasSubstr("OnnxExportOptions::translations")));
  Function first(running_sum);
  EXPECT_THAT(refusal(first, {3}), HasSubstr("at the input"));
  Function indices([](const Tensor& x) {
    return gather(x, 1, Tensor::zeros({2, 1}, {DType::I64}));
  });
  EXPECT_THAT(refusal(indices, {3}), HasSubstr("\"gather\""));
}

// The ops that it is made of start from x outside the graph, and count not.
TEST(OnnxExport, AnOpThatIsMadeOfOthersIsOne) {
  Function f([](const Tensor& x) {
    const Tensor y = exp(x.detach()) + 1.0;
    trace_note(y, {{"shift", 1.0}});
    return make_op("mine", {x}, y,
                   [](const Tensor& dy, const BackwardContext&) {
                     return std::vector<Tensor>{dy};
                   });
  });
  OnnxExportOptions options;
  double shift = 0.0;
  options.translations["mine"] = [&shift](const TracedOp& op,
                                          OnnxGraph& graph) {
    shift = std::get<double>(op.attributes.at("shift"));
    graph.result(op.output, "Mine", {graph.name_of(op.inputs.at(0))});
  };
  const io::OnnxModel model = onnx_model(f, {3}, options);
  EXPECT_THAT(types(model), ElementsAre("Mine"));
  EXPECT_THAT(model.nodes[0].inputs, ElementsAre("input"));
  EXPECT_THAT(model.initializers, IsEmpty());
  EXPECT_EQ(shift, 1.0);
}

TEST(OnnxExport, ATranslationOfOnesOwnIsTaken) {
  Function f(running_sum);
  OnnxExportOptions options;
  options.translations["running_sum"] = [](const TracedOp& op,
                                           OnnxGraph& graph) {
    graph.result(op.output, "CumSum",
                 {graph.name_of(op.inputs.at(0)), graph.integers({1})});
  };
  EXPECT_THAT(types(onnx_model(f, {3}, options)), ElementsAre("CumSum"));
  options.translations["running_sum"] = [](const TracedOp&, OnnxGraph&) {};
  EXPECT_THAT(refusal(f, {3}, options), HasSubstr("gave no result"));
}

TEST(OnnxExport, WhatIsComputedOutsideOpsIsNoticed) {
  // The sum of the input, by hand.
  Function f([](const Tensor& x) {
    double sum = 0;
    for (const float value : x.to_vector<float>()) sum += value;
    return x + Tensor::full({3}, sum);
  });
  EXPECT_THAT(refusal(f, {3}), AllOf(HasSubstr("input 1"), HasSubstr("\"add\""),
                                     HasSubstr("not a recorded op")));
  Function g([](const Tensor& x) { return x.clone(); });
  EXPECT_THAT(refusal(g, {3}), HasSubstr("the output was computed"));
}

TEST(OnnxExport, WhatDependsOnTheBatchIsRefused) {
  Function scaled(
      [](const Tensor& x) { return x / static_cast<double>(x.size(0)); });
  EXPECT_THAT(refusal(scaled, {3}),
              AllOf(HasSubstr("\"div\""), HasSubstr("batch size")));
  Function branch(
      [](const Tensor& x) { return x.size(0) == 2 ? relu(x) : sigmoid(x); });
  EXPECT_THAT(refusal(branch, {3}), HasSubstr("takes another way"));
  Function longer([](const Tensor& x) {
    Tensor y = x;
    for (std::int64_t i = 0; i < x.size(0); ++i) y = relu(y);
    return y;
  });
  EXPECT_THAT(refusal(longer, {3}), HasSubstr("takes another way"));
}

TEST(OnnxExport, ACallThatOnnxCannotExpressIsRefused) {
  Conv2dGeometry window;
  window.kernel_h = window.kernel_w = 2;
  window.dilation_h = window.dilation_w = 2;
  Function f([window](const Tensor& x) { return avg_pool2d(x, window); });
  EXPECT_THAT(refusal(f, {1, 5, 5}),
              AllOf(HasSubstr("\"avg_pool2d\""), HasSubstr("dilation")));
  const Tensor one = Tensor::ones({3});
  BatchNormOptions training;
  training.training = true;
  Function norm([one, training](const Tensor& x) {
    return batch_norm(x, one, one, {}, {}, training);
  });
  EXPECT_THAT(refusal(norm, {3}),
              AllOf(HasSubstr("\"batch_norm\""), HasSubstr("evaluation")));
}

TEST(OnnxExport, NamesMustDiffer) {
  Function f([](const Tensor& x) { return relu(x); });
  OnnxExportOptions options;
  options.output_name = options.input_name = "x";
  EXPECT_THAT(refusal(f, {3}, options), HasSubstr("'x'"));
}

}  // namespace
}  // namespace mjolnir::train

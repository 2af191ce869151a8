#include "train/onnx/detail/onnx_translations.h"

#include <cmath>
#include <limits>

namespace mjolnir::train::detail {

namespace {

using Ints = std::vector<std::int64_t>;

template <class T>
const T& get(const TracedOp& op, const char* attribute) {
  return std::get<T>(op.attributes.at(attribute));
}

bool has(const TracedOp& op, const char* attribute) {
  return op.attributes.count(attribute) > 0;
}

bool flag(const TracedOp& op, const char* attribute) {
  return get<std::int64_t>(op, attribute) != 0;
}

DType dtype_of(const TracedOp& op) { return op.output.dtype(); }

// ---- one node for one op ---------------------------------------------------

OnnxTranslation node(const char* op_type) {
  return [op_type](const TracedOp& op, OnnxGraph& graph) {
    OnnxNames inputs;
    for (const Tensor& input : op.inputs) {
      inputs.push_back(graph.name_of(input));
    }
    graph.result(op.output, op_type, inputs);
  };
}

OnnxTranslation along_axis(const char* op_type) {
  return [op_type](const TracedOp& op, OnnxGraph& graph) {
    OnnxNames inputs;
    for (const Tensor& input : op.inputs) {
      inputs.push_back(graph.name_of(input));
    }
    graph.result(op.output, op_type, inputs,
                 {{"axis", get<std::int64_t>(op, "axis")}});
  };
}

void to_layout(const TracedOp& op, OnnxGraph& graph) {
  graph.alias(op.output, op.inputs.at(0));
}

// ---- arithmetic ------------------------------------------------------------

// a o b of two tensors, or scale x + shift of one.
OnnxTranslation arithmetic(const char* op_type) {
  return [two = node(op_type)](const TracedOp& op, OnnxGraph& graph) {
    if (op.inputs.size() == 2) {
      two(op, graph);
      return;
    }
    const double scale = get<double>(op, "scale");
    const double shift = get<double>(op, "shift");
    std::string x = graph.name_of(op.inputs.at(0));
    if (shift == 0) {
      graph.result(op.output, "Mul", {x, graph.scalar(scale, dtype_of(op))});
      return;
    }
    if (scale != 1) {
      x = graph.inner("Mul", {x, graph.scalar(scale, dtype_of(op))});
    }
    graph.result(op.output, "Add", {x, graph.scalar(shift, dtype_of(op))});
  };
}

void div(const TracedOp& op, OnnxGraph& graph) {
  const std::string x = graph.name_of(op.inputs.at(0));
  if (op.inputs.size() == 2) {
    graph.result(op.output, "Div", {x, graph.name_of(op.inputs[1])});
  } else if (has(op, "divisor")) {
    graph.result(op.output, "Div",
                 {x, graph.scalar(get<double>(op, "divisor"), dtype_of(op))});
  } else {
    graph.result(op.output, "Div",
                 {graph.scalar(get<double>(op, "dividend"), dtype_of(op)), x});
  }
}

void pow(const TracedOp& op, OnnxGraph& graph) {
  const std::string exponent =
      op.inputs.size() == 2
          ? graph.name_of(op.inputs[1])
          : graph.scalar(get<double>(op, "exponent"), dtype_of(op));
  graph.result(op.output, "Pow", {graph.name_of(op.inputs.at(0)), exponent});
}

void clamp(const TracedOp& op, OnnxGraph& graph) {
  graph.result(op.output, "Clip",
               {graph.name_of(op.inputs.at(0)),
                graph.scalar(get<double>(op, "p"), dtype_of(op)),
                graph.scalar(get<double>(op, "q"), dtype_of(op))});
}

// ---- activations -----------------------------------------------------------

void leaky_relu(const TracedOp& op, OnnxGraph& graph) {
  graph.result(op.output, "LeakyRelu", {graph.name_of(op.inputs.at(0))},
               {{"alpha", static_cast<float>(get<double>(op, "p"))}});
}

void silu(const TracedOp& op, OnnxGraph& graph) {
  const std::string x = graph.name_of(op.inputs.at(0));
  graph.result(op.output, "Mul", {x, graph.inner("Sigmoid", {x})});
}

// x (1 + erf(x / sqrt 2)) / 2
void gelu(const TracedOp& op, OnnxGraph& graph) {
  const DType dtype = dtype_of(op);
  const std::string x = graph.name_of(op.inputs.at(0));
  const std::string scaled =
      graph.inner("Mul", {x, graph.scalar(std::sqrt(0.5), dtype)});
  const std::string erf = graph.inner("Erf", {scaled});
  const std::string sum = graph.inner("Add", {erf, graph.scalar(1.0, dtype)});
  const std::string half = graph.inner("Mul", {x, graph.scalar(0.5, dtype)});
  graph.result(op.output, "Mul", {half, sum});
}

// ---- products --------------------------------------------------------------

void linear(const TracedOp& op, OnnxGraph& graph) {
  const Tensor& bias = op.inputs.at(2);
  const std::string x = graph.name_of(op.inputs.at(0));
  const std::string w = graph.name_of(op.inputs.at(1));
  if (op.output.rank() == 2) {
    OnnxNames inputs{x, w};
    if (bias.defined()) {
      inputs.push_back(graph.name_of(bias));
    }
    graph.result(op.output, "Gemm", inputs, {{"transB", std::int64_t{1}}});
    return;
  }
  const std::string columns =
      graph.inner("Transpose", {w}, {{"perm", Ints{1, 0}}});
  if (!bias.defined()) {
    graph.result(op.output, "MatMul", {x, columns});
    return;
  }
  const std::string product = graph.inner("MatMul", {x, columns});
  graph.result(op.output, "Add", {product, graph.name_of(bias)});
}

// The last two axes exchanged.
std::string transposed(const Tensor& x, OnnxGraph& graph) {
  Ints perm;
  for (std::size_t i = 0; i < x.rank(); ++i) {
    perm.push_back(static_cast<std::int64_t>(i));
  }
  std::swap(perm[x.rank() - 1], perm[x.rank() - 2]);
  return graph.inner("Transpose", {graph.name_of(x)}, {{"perm", perm}});
}

void matmul(const TracedOp& op, OnnxGraph& graph) {
  const auto operand = [&](std::size_t i, const char* attribute) {
    return flag(op, attribute) ? transposed(op.inputs.at(i), graph)
                               : graph.name_of(op.inputs.at(i));
  };
  const std::string a = operand(0, "transpose_a");
  graph.result(op.output, "MatMul", {a, operand(1, "transpose_b")});
}

// ---- windows ---------------------------------------------------------------

OnnxAttributes window(const TracedOp& op) {
  return {{"kernel_shape", get<Ints>(op, "kernel")},
          {"strides", get<Ints>(op, "stride")},
          {"pads", get<Ints>(op, "pads")}};
}

void conv2d(const TracedOp& op, OnnxGraph& graph) {
  OnnxNames inputs{graph.name_of(op.inputs.at(0)),
                   graph.name_of(op.inputs.at(1))};
  if (op.inputs.at(2).defined()) {
    inputs.push_back(graph.name_of(op.inputs[2]));
  }
  OnnxAttributes attributes = window(op);
  attributes.emplace_back("dilations", get<Ints>(op, "dilation"));
  attributes.emplace_back("group", get<std::int64_t>(op, "groups"));
  graph.result(op.output, "Conv", inputs, attributes);
}

void max_pool2d(const TracedOp& op, OnnxGraph& graph) {
  OnnxAttributes attributes = window(op);
  attributes.emplace_back("dilations", get<Ints>(op, "dilation"));
  graph.result(op.output, "MaxPool", {graph.name_of(op.inputs.at(0))},
               attributes);
}

void avg_pool2d(const TracedOp& op, OnnxGraph& graph) {
  if (get<Ints>(op, "dilation") != Ints{1, 1}) {
    throw Untranslatable("expected windows without dilation");
  }
  OnnxAttributes attributes = window(op);
  attributes.emplace_back("count_include_pad", std::int64_t{1});
  graph.result(op.output, "AveragePool", {graph.name_of(op.inputs.at(0))},
               attributes);
}

void global_avg_pool(const TracedOp& op, OnnxGraph& graph) {
  const std::string mean =
      graph.inner("GlobalAveragePool", {graph.name_of(op.inputs.at(0))});
  graph.result(op.output, "Flatten", {mean}, {{"axis", std::int64_t{1}}});
}

// ---- normalization ---------------------------------------------------------

std::string parameter_or(const Tensor& parameter, double value,
                         const Shape& shape, DType dtype, OnnxGraph& graph) {
  return parameter.defined()
             ? graph.name_of(parameter)
             : graph.constant(Tensor::full(shape, value, {dtype}));
}

void batch_norm(const TracedOp& op, OnnxGraph& graph) {
  if (flag(op, "training")) {
    throw Untranslatable("expected evaluation mode");
  }
  const DType dtype = dtype_of(op);
  const Shape shape{op.output.size(1)};
  graph.result(op.output, "BatchNormalization",
               {graph.name_of(op.inputs.at(0)),
                parameter_or(op.inputs.at(1), 1.0, shape, dtype, graph),
                parameter_or(op.inputs.at(2), 0.0, shape, dtype, graph),
                graph.name_of(op.inputs.at(3)), graph.name_of(op.inputs.at(4))},
               {{"epsilon", static_cast<float>(get<double>(op, "epsilon"))}});
}

void layer_norm(const TracedOp& op, OnnxGraph& graph) {
  const auto axes = get<std::int64_t>(op, "normalized_axes");
  const Ints lengths = op.output.shape().to_vector();
  const Shape shape(Ints(lengths.end() - axes, lengths.end()));
  graph.result(op.output, "LayerNormalization",
               {graph.name_of(op.inputs.at(0)),
                parameter_or(op.inputs.at(1), 1.0, shape, dtype_of(op), graph),
                parameter_or(op.inputs.at(2), 0.0, shape, dtype_of(op), graph)},
               {{"axis", -axes},
                {"epsilon", static_cast<float>(get<double>(op, "epsilon"))}});
}

// ---- shapes ----------------------------------------------------------------

// `lengths` has -1 where the batch decides.
void reshape(const TracedOp& op, OnnxGraph& graph) {
  const Ints& lengths = get<Ints>(op, "lengths");
  const std::string x = graph.name_of(op.inputs.at(0));
  if (lengths.size() == 2 && lengths[0] == -1 &&
      op.inputs[0].size(0) == op.output.size(0)) {
    graph.result(op.output, "Flatten", {x}, {{"axis", std::int64_t{1}}});
    return;
  }
  graph.result(op.output, "Reshape", {x, graph.integers(lengths)});
}

void permute(const TracedOp& op, OnnxGraph& graph) {
  Ints perm = get<Ints>(op, "axes");
  for (std::int64_t& axis : perm) {
    axis += axis < 0 ? static_cast<std::int64_t>(op.output.rank()) : 0;
  }
  graph.result(op.output, "Transpose", {graph.name_of(op.inputs.at(0))},
               {{"perm", perm}});
}

void slice(const TracedOp& op, OnnxGraph& graph) {
  const auto one = [&](const char* attribute) {
    return graph.integers({get<std::int64_t>(op, attribute)});
  };
  const std::string begin = one("begin"), end = one("end");
  graph.result(op.output, "Slice",
               {graph.name_of(op.inputs.at(0)), begin, end, one("axis")});
}

void embedding(const TracedOp& op, OnnxGraph& graph) {
  graph.result(op.output, "Gather",
               {graph.name_of(op.inputs.at(0)), graph.name_of(op.inputs.at(1))},
               {{"axis", std::int64_t{0}}});
}

// ---- sums ------------------------------------------------------------------

void sum(const TracedOp& op, OnnxGraph& graph) {
  graph.result(
      op.output, "ReduceSum",
      {graph.name_of(op.inputs.at(0)), graph.integers(get<Ints>(op, "axes"))},
      {{"keepdims", get<std::int64_t>(op, "keep_dims")}});
}

void mean(const TracedOp& op, OnnxGraph& graph) {
  graph.result(op.output, "ReduceMean", {graph.name_of(op.inputs.at(0))},
               {{"axes", get<Ints>(op, "axes")},
                {"keepdims", get<std::int64_t>(op, "keep_dims")}});
}

}  // namespace

const std::map<std::string, OnnxTranslation>& onnx_translations() {
  static const std::map<std::string, OnnxTranslation> all = {
      {"abs", node("Abs")},
      {"add", arithmetic("Add")},
      {"avg_pool2d", avg_pool2d},
      {"batch_norm", batch_norm},
      {"clamp", clamp},
      {"concat", along_axis("Concat")},
      {"conv2d", conv2d},
      {"div", div},
      {"embedding", embedding},
      {"exp", node("Exp")},
      {"gelu", gelu},
      {"global_avg_pool", global_avg_pool},
      {"layer_norm", layer_norm},
      {"leaky_relu", leaky_relu},
      {"linear", linear},
      {"log", node("Log")},
      {"log_softmax", along_axis("LogSoftmax")},
      {"matmul", matmul},
      {"max_pool2d", max_pool2d},
      {"maximum", node("Max")},
      {"mean", mean},
      {"minimum", node("Min")},
      {"mul", arithmetic("Mul")},
      {"neg", node("Neg")},
      {"permute", permute},
      {"pow", pow},
      {"relu", node("Relu")},
      {"reshape", reshape},
      {"sigmoid", node("Sigmoid")},
      {"silu", silu},
      {"slice", slice},
      {"softmax", along_axis("Softmax")},
      {"softplus", node("Softplus")},
      {"sqrt", node("Sqrt")},
      {"sub", arithmetic("Sub")},
      {"sum", sum},
      {"tanh", node("Tanh")},
      {"to_layout", to_layout}};
  return all;
}

}  // namespace mjolnir::train::detail

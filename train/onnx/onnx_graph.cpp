#include "train/onnx/onnx_graph.h"

#include <algorithm>

#include <mjolnir/core/error.h>

namespace mjolnir::train {

OnnxGraph::OnnxGraph(
    const std::vector<std::pair<std::string, Tensor>>& parameters,
    const Tensor& input, const std::string& input_name,
    const std::string& output_name)
    : kept_{input}, output_name_(output_name) {
  values_.emplace(input.impl().get(), input_name);
  const auto reserve = [this](const std::string& name) {
    if (!used_.insert(name).second) {
      throw ValueError("[onnx] the name '" + name +
                       "' would be there twice; choose another input_name or "
                       "output_name");
    }
  };
  reserve(input_name);
  reserve(output_name);
  for (const auto& [name, tensor] : parameters) {
    reserve(name);
    kept_.push_back(tensor);
    parameters_.emplace(tensor.impl().get(), name);
  }
}

std::string OnnxGraph::fresh(const std::string& base) {
  std::string name = base;
  for (int number = 2; !used_.insert(name).second; ++number) {
    name = base + "_" + std::to_string(number);
  }
  return name;
}

bool OnnxGraph::knows(const Tensor& tensor) const {
  const void* key = tensor.impl().get();
  return values_.count(key) > 0 || parameters_.count(key) > 0;
}

std::string OnnxGraph::name_of(const Tensor& tensor) {
  if (!tensor.defined()) {
    throw ValueError("[onnx] expected a tensor, got an undefined one");
  }
  const auto value = values_.find(tensor.impl().get());
  if (value != values_.end()) {
    return value->second;
  }
  const auto parameter = parameters_.find(tensor.impl().get());
  kept_.push_back(tensor);
  if (parameter != parameters_.end()) {
    initializers_.emplace_back(parameter->second, tensor);
    return values_[tensor.impl().get()] = parameter->second;
  }
  return values_[tensor.impl().get()] = constant(tensor);
}

void OnnxGraph::add_node(const std::string& op_type, const OnnxNames& inputs,
                         const std::string& output,
                         const OnnxAttributes& attributes) {
  nodes_.push_back({op_type, inputs, {output}, attributes, output});
}

void OnnxGraph::result(const Tensor& result, const std::string& op_type,
                       const OnnxNames& inputs,
                       const OnnxAttributes& attributes) {
  const std::string name = fresh(base_);
  kept_.push_back(result);
  values_[result.impl().get()] = name;
  add_node(op_type, inputs, name, attributes);
}

std::string OnnxGraph::inner(const std::string& op_type,
                             const OnnxNames& inputs,
                             const OnnxAttributes& attributes) {
  const std::string name = fresh(base_ + "/" + op_type);
  add_node(op_type, inputs, name, attributes);
  return name;
}

void OnnxGraph::alias(const Tensor& result, const Tensor& source) {
  const std::string name = name_of(source);
  kept_.push_back(result);
  values_[result.impl().get()] = name;
}

std::string OnnxGraph::constant(const Tensor& elements) {
  const std::string name = fresh(base_ + "/constant");
  initializers_.emplace_back(name, elements);
  return name;
}

std::string OnnxGraph::scalar(double value, DType dtype) {
  return constant(Tensor::scalar(value, dtype));
}

std::string OnnxGraph::integers(const std::vector<std::int64_t>& values) {
  return constant(
      Tensor::from(values, {static_cast<std::int64_t>(values.size())}));
}

void OnnxGraph::give(const Tensor& output) {
  const std::string old = name_of(output);
  const bool made = std::any_of(
      nodes_.begin(), nodes_.end(),
      [&old](const io::OnnxNode& node) { return node.outputs.at(0) == old; });
  if (!made) {  // the input itself, or a constant
    add_node("Identity", {old}, output_name_, {});
    return;
  }
  for (io::OnnxNode& node : nodes_) {
    for (std::string& input : node.inputs) {
      if (input == old) {
        input = output_name_;
      }
    }
    if (node.outputs[0] == old) {
      node.outputs[0] = output_name_;
    }
  }
}

io::OnnxModel OnnxGraph::finish(
    const std::vector<io::OnnxValue>& inputs,
    const std::vector<io::OnnxValue>& outputs) const {
  io::OnnxModel model;
  model.nodes = nodes_;
  model.initializers = initializers_;
  model.inputs = inputs;
  model.outputs = outputs;
  return model;
}

}  // namespace mjolnir::train

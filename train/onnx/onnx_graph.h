#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/core/trace.h>
#include <mjolnir/io/onnx.h>

namespace mjolnir::train {

/** Inputs of a node, by name. */
using OnnxNames = std::vector<std::string>;
/** Attributes of a node, by name. */
using OnnxAttributes = std::vector<std::pair<std::string, io::OnnxAttribute>>;

/**
 * An ONNX graph that grows by the ops of a trace. A translation of an op asks
 * for the names of its inputs and says which nodes give its output.
 */
class OnnxGraph {
 public:
  /** `parameters` become initializers under their names where they are used;
   * `input` is what the graph is fed. Throws ValueError for a name that is
   * given twice. */
  OnnxGraph(const std::vector<std::pair<std::string, Tensor>>& parameters,
            const Tensor& input, const std::string& input_name,
            const std::string& output_name);

  /** True if the graph has this tensor: the input, a parameter, a result. */
  bool knows(const Tensor& tensor) const;
  /** Name of a tensor's value. One that the graph does not know becomes an
   * initializer with its elements of now. Throws ValueError for an undefined
   * one. */
  std::string name_of(const Tensor& tensor);

  /** A node whose output is the value of `result`. */
  void result(const Tensor& result, const std::string& op_type,
              const OnnxNames& inputs, const OnnxAttributes& attributes = {});
  /** A node within an op; gives the name of its output. */
  std::string inner(const std::string& op_type, const OnnxNames& inputs,
                    const OnnxAttributes& attributes = {});
  /** `result` is the same value as `source`. */
  void alias(const Tensor& result, const Tensor& source);

  /** An initializer of one element, of rank 0. */
  std::string scalar(double value, DType dtype);
  /** An initializer that is a row of integers. */
  std::string integers(const std::vector<std::int64_t>& values);
  /** An initializer with these elements. */
  std::string constant(const Tensor& elements);

  /** From here on the names of values and nodes are made from this one. */
  void begin(const std::string& name) { base_ = name; }
  /** Makes a tensor's value the output of the graph. */
  void give(const Tensor& output);

  /** What it came to. */
  io::OnnxModel finish(const std::vector<io::OnnxValue>& inputs,
                       const std::vector<io::OnnxValue>& outputs) const;

 private:
  std::string fresh(const std::string& base);
  void add_node(const std::string& op_type, const OnnxNames& inputs,
                const std::string& output, const OnnxAttributes& attributes);

  std::map<const void*, std::string> values_;      // by tensor
  std::map<const void*, std::string> parameters_;  // likewise
  std::vector<Tensor> kept_;  // so that no tensor gets another's place
  std::vector<std::pair<std::string, Tensor>> initializers_;
  std::vector<io::OnnxNode> nodes_;
  std::set<std::string> used_;
  std::string base_;
  std::string output_name_;
};

}  // namespace mjolnir::train

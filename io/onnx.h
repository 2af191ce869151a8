#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>

namespace mjolnir::io {

/** Value of an attribute of an ONNX node. */
using OnnxAttribute =
    std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

/** A node of an ONNX graph: an operator, and the names of its values. */
struct OnnxNode {
  std::string op_type;
  std::vector<std::string> inputs;  ///< "" where an optional one is left out.
  std::vector<std::string> outputs;
  std::vector<std::pair<std::string, OnnxAttribute>> attributes = {};
  std::string name = {};
};

/** What goes into a graph, or comes out of it. */
struct OnnxValue {
  std::string name;
  DType dtype = DType::F32;
  /** Lengths of the axes; a word stands for any length. */
  std::vector<std::variant<std::int64_t, std::string>> shape = {};
};

/** A network as ONNX (https://github.com/onnx/onnx) describes it. */
struct OnnxModel {
  std::string name = "model";  ///< Of the graph.
  std::vector<OnnxNode> nodes;
  std::vector<std::pair<std::string, Tensor>> initializers = {};
  std::vector<OnnxValue> inputs;
  std::vector<OnnxValue> outputs;
  /** Of the default domain: which version of each operator is meant. */
  std::int64_t opset = 17;
  /** Of the format itself. */
  std::int64_t ir_version = 8;
  /** Of the program that made it; empty: of this library. */
  std::string version = {};
  /** What else there is to say, by keys. */
  std::map<std::string, std::string> metadata = {};
};

/** The bytes of an ONNX file; initializers in logical order. Throws ValueError
 * for an undefined tensor, or more than the 2 GiB that the format can hold. */
std::string encode_onnx(const OnnxModel& model);

/** Writes them, replacing the file as a whole. Throws IoError too. */
void write_onnx(const std::string& path, const OnnxModel& model);

}  // namespace mjolnir::io

#pragma once

#include <functional>
#include <map>
#include <string>

#include <mjolnir/core/trace.h>
#include <mjolnir/io/onnx.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/onnx/onnx_graph.h>

namespace mjolnir::train {

/** Adds the nodes of an op to a graph; the last one through result(). */
using OnnxTranslation = std::function<void(const TracedOp& op, OnnxGraph&)>;

/** Options of export_onnx() and onnx_model(). */
struct OnnxExportOptions {
  std::string input_name = "input";
  std::string output_name = "output";
  /** Word for the number of samples, which may be any. */
  std::string batch_name = "batch";
  /** Type of the input: I64 for a model of indices, and then index 0 must be
   * a valid one. */
  DType input_dtype = DType::F32;
  /** Goes into the file's metadata: what one must know to use it. */
  std::map<std::string, std::string> metadata = {};
  /** Translations of more ops, by name; they go before those that are built
   * in. */
  std::map<std::string, OnnxTranslation> translations = {};
};

/**
 * A model in evaluation mode as an ONNX graph (opset 17, IR 8) whose
 * initializers are its parameters and buffers under their names, in PyTorch's
 * shapes. `sample` is the shape of one input without the batch: (C,H,W) for
 * images. The model is called twice, with 2 and with 3 samples, and what
 * happens is written down; so a forward pass that decides by the values of its
 * input cannot be exported, nor one that computes outside ops. Mode, parameters
 * and buffers are afterwards what they were. Throws ValueError that names the
 * op and the layer for what has no translation or depends on the batch size.
 */
io::OnnxModel onnx_model(Module& model, const Shape& sample,
                         const OnnxExportOptions& options = {});

/** Writes onnx_model() to a file, replacing it as a whole. Throws IoError
 * too. */
void export_onnx(Module& model, const std::string& path, const Shape& sample,
                 const OnnxExportOptions& options = {});

}  // namespace mjolnir::train

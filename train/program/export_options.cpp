#include "train/program/export_options.h"

#include <filesystem>

#include "train/program/detail/flags.h"

namespace mjolnir::train {

ExportCommandLine parse_export_command_line(int argc, const char* const* argv) {
  ExportCommandLine line;
  ExportOptions& o = line.options;
  detail::Flags flags(
      "Writes a trained network as ONNX, for other runtimes. Its input are\n"
      "images normalised as in training, its output logits; the file's\n"
      "metadata tell the classes, and how to normalise.",
      "./mjolnir export");
  flags.text("--model", o.model, "PATH",
             "A model.safetensors of ./mjolnir train, or the\n"
             "folder of its run");
  flags.text("--out", o.out, "FILE",
             "The ONNX file (default: model.onnx beside it)");
  line.message = flags.parse(argc, argv);
  if (!line.message.empty()) {
    return line;
  }
  if (o.model.empty()) {
    throw UsageError(
        "--model: needed: a model.safetensors, or the folder of a run");
  }
  if (o.out.empty()) {
    std::filesystem::path path = o.model;
    std::error_code none;
    if (std::filesystem::is_directory(path, none)) {
      path /= "model.safetensors";
    }
    o.out = path.replace_extension(".onnx").string();
  }
  return line;
}

}  // namespace mjolnir::train

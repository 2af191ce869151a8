#include "train/program/predict_options.h"

#include "train/program/detail/flags.h"

namespace mjolnir::train {

PredictCommandLine parse_predict_command_line(int argc,
                                              const char* const* argv) {
  PredictCommandLine line;
  PredictOptions& o = line.options;
  detail::Flags flags(
      "Tells what a trained network sees in images.\n"
      "An image of another size or kind than those it was trained on is\n"
      "cropped to their proportions, resized, and made grey or RGB.",
      "./mjolnir predict");
  flags.words("IMAGE", o.images, "PNG or JPEG files");
  flags.group("Flags");
  flags.text("--model", o.model, "PATH",
             "A model.safetensors of ./mjolnir train, or the\n"
             "folder of its run");
  flags.integer("--top", o.top, 1, 1'000'000, std::to_string(o.top),
                "Classes to tell of each image, likeliest first");
  flags.integer("--threads", o.threads, 0, 4096, std::to_string(o.threads),
                "Threads; 0: every core this process may use");
  line.message = flags.parse(argc, argv);
  if (line.message.empty()) {
    if (o.model.empty()) {
      throw UsageError(
          "--model: needed: a model.safetensors, or the folder of a run");
    }
    if (o.images.empty()) {
      throw UsageError("no image was given (--help tells more)");
    }
  }
  return line;
}

}  // namespace mjolnir::train

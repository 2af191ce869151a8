// Writes a trained network as ONNX: the program behind
// `./mjolnir export --model runs/NAME`, which prints
//
//     runs/NAME/model.onnx: resnet8, 1x28x28 images to 10 logits, 314 kB
//
// The names of the classes, and how images are normalised, are in the file's
// metadata.

#include <mjolnir/mjolnir.h>

#include <filesystem>
#include <string>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

void run(const train::ExportOptions& options, train::Console& output) {
  train::Classifier classifier(options.model);
  const train::ClassifierInfo& info = classifier.info();
  const train::ImageKind& images = info.images;
  train::OnnxExportOptions how;
  how.output_name = "logits";
  how.metadata = train::classifier_notes(info);
  train::export_onnx(classifier.model(), options.out,
                     {images.channels, images.height, images.width}, how);
  const auto bytes = std::filesystem::file_size(options.out);
  output.line(
      options.out + ": " + info.model + ", " + std::to_string(images.channels) +
      "x" + std::to_string(images.height) + "x" + std::to_string(images.width) +
      " images to " + std::to_string(images.classes) + " logits, " +
      std::to_string((bytes + 500) / 1000) + " kB");
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program([&](const train::Surroundings& to) {
    const train::ExportCommandLine line =
        train::parse_export_command_line(argc, argv);
    if (line.message.empty()) {
      run(line.options, to.output);
    } else {
      to.output.text(line.message);
    }
    return train::exit_ok;
  });
}

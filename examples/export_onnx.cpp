// Writes a trained network as ONNX: the program behind
// `./mjolnir export --model runs/NAME`, which prints
//
//     runs/NAME/model.onnx: resnet8, 1x28x28 images to 10 logits, 314 kB
//
// The names of the classes, and how images are normalised, are in the file's
// metadata.

#include <mjolnir/mjolnir.h>

#include <exception>
#include <filesystem>
#include <string>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

int run(const train::ExportOptions& options, train::Console& output) {
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
  return output.working() ? train::exit_ok : train::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  train::prepare_program();
  train::Console progress(train::console_options(2));
  train::ConsoleOptions standard_output;
  standard_output.fd = 1;
  train::Console output(standard_output);
  train::Log log(progress);
  try {
    const train::ExportCommandLine line =
        train::parse_export_command_line(argc, argv);
    if (!line.message.empty()) {
      output.text(line.message);
      return train::exit_ok;
    }
    return run(line.options, output);
  } catch (const train::UsageError& error) {
    log.error(error.what());
    return train::exit_usage;
  } catch (const std::exception& error) {
    log.error(error.what());
    return train::exit_failed;
  }
}

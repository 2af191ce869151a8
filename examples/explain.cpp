// Shows what second-order training of a network would cost and cover, layer by
// layer: the program behind `./mjolnir explain`. With no flag it explains the
// ResNet-8 that `./mjolnir train` trains; the first lines then read
//
//     layer                    A   G    T   memory  look  factors  ...
//     conv1                    9  16  784   3.3 kB  ...

#include <mjolnir/mjolnir.h>

#include <exception>
#include <string>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

int run(const train::TrainOptions& options, train::Console& output) {
  mj::Generator rng(1);
  const train::ImageKind images = train::image_kind(options);
  const auto model = train::make_model(options, images, rng);
  mj::ExplainOptions how;
  how.split_dim = *options.split_dim;
  const mj::Explanation explanation = mj::explain(
      *model,
      mj::Shape{options.batch, images.channels, images.height, images.width},
      how);
  output.line(options.model + ", " + std::to_string(model->parameter_count()) +
              " parameters, batches of " + std::to_string(options.batch) +
              " images like those of " + options.data);
  output.text("\n" + explanation.str());
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
    const train::CommandLine line =
        train::parse_explain_command_line(argc, argv);
    if (!line.message.empty()) {
      output.text(line.message);
      return train::exit_ok;
    }
    return run(train::resolved(line.options), output);
  } catch (const train::UsageError& error) {
    log.error(error.what());
    return train::exit_usage;
  } catch (const std::exception& error) {
    log.error(error.what());
    return train::exit_failed;
  }
}

// Shows what second-order training of a network would cost and cover, layer by
// layer: the program behind `./mjolnir explain`. With no flag it explains the
// ResNet-8 that `./mjolnir train` trains; the first lines then read
//
//     weight of             block   A  G   T memory look refresh update    A by
//     conv1                  conv   9 16 784 4.0 kB 0.05    0.51   0.00 patches

#include <mjolnir/mjolnir.h>

#include <string>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

void run(const train::TrainOptions& options, train::Console& output) {
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
              " parameters");
  output.line(std::to_string(options.batch) + " images a batch, as in " +
              options.data);
  output.text("\n" + explanation.str(output.columns()));
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program([&](const train::Surroundings& to) {
    const train::CommandLine line =
        train::parse_explain_command_line(argc, argv);
    if (line.message.empty()) {
      run(train::resolved(line.options), to.output);
    } else {
      to.output.text(line.message);
    }
    return train::exit_ok;
  });
}

// Tells what a trained network sees in images: the program behind
// `./mjolnir predict --model runs/NAME IMAGE...`. For each image it prints a
// line like
//
//     shoe.png: Ankle boot 95.37 %
//
// and with --top 3 the three likeliest classes. An image that cannot be read
// is an error on stderr; the others are still told, and the exit code is 1.

#include <mjolnir/mjolnir.h>

#include <cmath>
#include <string>
#include <vector>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

// 0.95371 as "95.37 %", whatever the locale.
std::string percent(double share) {
  const long hundredths = std::lround(share * 10000.0);
  const std::string decimals = std::to_string(hundredths % 100);
  return std::to_string(hundredths / 100) + (decimals.size() < 2 ? ".0" : ".") +
         decimals + " %";
}

int run(const train::PredictOptions& options, train::Console& output,
        train::Log& log) {
  train::use_threads(options.threads);
  train::Classifier classifier(options.model);
  bool all = true;
  for (const std::string& path : options.images) {
    if (train::stop_signal() != 0) return 128 + train::stop_signal();
    try {
      std::string line;
      for (const train::Prediction& guess :
           classifier.predict(mj::io::read_image(path), options.top)) {
        line += (line.empty() ? " " : ", ") + guess.name + " " +
                percent(guess.probability);
      }
      output.line(path + ":" + line);
    } catch (const mj::IoError& error) {
      log.error(error.what());
      all = false;
    }
  }
  log.summary();
  return all ? train::exit_ok : train::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program([&](const train::Surroundings& to) {
    const train::PredictCommandLine line =
        train::parse_predict_command_line(argc, argv);
    if (line.message.empty()) return run(line.options, to.output, to.log);
    to.output.text(line.message);
    return static_cast<int>(train::exit_ok);
  });
}

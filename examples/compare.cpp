// Puts runs beside each other: the program behind `./mjolnir compare`. Given
// the folders of runs it prints a table that begins like
//
//     run                          val acc %  epoch     test acc %  ...
//     fashion-mnist-resnet8-thor-1  92.74 +- 0.37      8  92.43 +- 0.26  ...
//
// and writes compare.html, a page with their curves.

#include <mjolnir/mjolnir.h>
#include <unistd.h>

#include <exception>
#include <string>

namespace train = mjolnir::train;

namespace {

int run(const train::CompareOptions& options, train::Console& output,
        train::Log& log) {
  const train::Comparison comparison =
      train::compare_runs(options.folders, options.accuracies);
  mjolnir::io::write_file(options.out, comparison.html());
  // A pipe gets whole lines, whatever their width.
  const int columns = isatty(1) == 1 ? output.columns() : 1'000'000;
  output.text(comparison.str(columns) + "\npage: " + options.out + "\n");
  if (!output.working()) {
    log.error("the result could not be written to stdout");
    return train::exit_failed;
  }
  return train::exit_ok;
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
    const train::CompareOptions options =
        train::parse_compare_command_line(argc, argv);
    if (!options.message.empty()) {
      output.text(options.message);
      return train::exit_ok;
    }
    return run(options, output, log);
  } catch (const train::UsageError& error) {
    log.error(error.what());
    return train::exit_usage;
  } catch (const std::exception& error) {
    log.error(error.what());
    return train::exit_failed;
  }
}

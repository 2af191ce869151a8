// Puts runs beside each other: the program behind `./mjolnir compare`. Given
// the folders of runs it prints a table that begins like
//
//     run                          val acc %  epoch     test acc %  ...
//     fashion-mnist-resnet8-thor-1  92.74 +- 0.37      8  92.43 +- 0.26  ...
//
// and writes compare.html, a page with their curves.

#include <mjolnir/mjolnir.h>
#include <unistd.h>

#include <string>

namespace train = mjolnir::train;

namespace {

void run(const train::CompareOptions& options, train::Console& output) {
  const train::Comparison comparison =
      train::compare_runs(options.folders, options.accuracies);
  mjolnir::io::write_file(options.out, comparison.html());
  // A pipe gets whole lines, whatever their width.
  const int columns = isatty(1) == 1 ? output.columns() : 1'000'000;
  output.text(comparison.str(columns) + "\npage: " + options.out + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program([&](const train::Surroundings& to) {
    const train::CompareOptions options =
        train::parse_compare_command_line(argc, argv);
    if (options.message.empty()) {
      run(options, to.output);
    } else {
      to.output.text(options.message);
    }
    return train::exit_ok;
  });
}

#include "train/program/run_program.h"

#include <exception>

#include <mjolnir/train/options.h>

namespace mjolnir::train {

int run_program(const std::function<int(const Surroundings&)>& body) {
  prepare_program();
  Console progress(console_options(2));
  ConsoleOptions standard_output;
  standard_output.fd = 1;
  Console output(standard_output);
  Log log(progress);
  try {
    const int code = body({progress, output, log});
    if (code == exit_ok && !output.working()) {
      log.error("the result could not be written to stdout");
      return exit_failed;
    }
    return code;
  } catch (const UsageError& error) {
    log.error(error.what());
    return exit_usage;
  } catch (const std::exception& error) {
    log.error(error.what());
    return exit_failed;
  }
}

}  // namespace mjolnir::train

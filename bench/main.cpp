// ./mjolnir bench: what this machine can do, and how near to it Mjolnir comes.

#include <cstdio>
#include <exception>
#include <string>

#include "bench/benches.h"

namespace {

constexpr const char* usage =
    "usage: mjolnir_bench [--json FILE] [--only gemm|kernels|headers]\n";

struct Arguments {
  std::string json;
  std::string only;
};

// False if the command line is wrong.
bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) return false;
    const std::string value = argv[i + 1];
    if (flag == "--json") {
      arguments.json = value;
    } else if (flag == "--only" &&
               (value == "gemm" || value == "kernels" || value == "headers")) {
      arguments.only = value;
    } else {
      return false;
    }
  }
  return true;
}

void run(const Arguments& arguments) {
  bench::Report report;
  const bool all = arguments.only.empty();
  const bool kernels = all || arguments.only == "kernels";
  if (kernels || arguments.only == "gemm") {
    const double peak = bench::gemm_peak(report);
    if (kernels) bench::kernel_figures(report, peak);
  }
  if (all || arguments.only == "headers") bench::header_ratio(report);
  if (!arguments.json.empty()) report.write_json(arguments.json);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (argc == 2 &&
      (std::string(argv[1]) == "--help" || std::string(argv[1]) == "-h")) {
    std::fputs(usage, stdout);
    return 0;
  }
  if (!read(argc, argv, arguments)) {
    std::fputs(usage, stderr);
    return 2;
  }
  try {
    run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mjolnir_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}

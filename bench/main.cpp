// ./mjolnir bench: what this machine can do, and how near to it Mjolnir comes.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "bench/benches.h"

namespace {

constexpr const char* usage =
    "usage: mjolnir_bench [--json FILE] "
    "[--only gemm|kernels|curvature|refresh|step|io|checkpoint|headers] "
    "[--width N --batch N] [--rounds N]\n";

struct Arguments {
  std::string json;
  std::string only;
  bench::StepSize size{.width = 0, .batch = 0};
  int rounds = 12;
};

bool is_part(const std::string& name) {
  const std::vector<std::string> parts{"gemm",    "kernels",   "curvature",
                                       "refresh", "step",      "io",
                                       "headers", "checkpoint"};
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

// False if the command line is wrong.
bool read(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) return false;
    const std::string value = argv[i + 1];
    try {
      if (flag == "--json") {
        arguments.json = value;
      } else if (flag == "--only" && is_part(value)) {
        arguments.only = value;
      } else if (flag == "--width") {
        arguments.size.width = std::stol(value);
      } else if (flag == "--batch") {
        arguments.size.batch = std::stol(value);
      } else if (flag == "--rounds") {
        arguments.rounds = std::stoi(value);
      } else {
        return false;
      }
    } catch (const std::exception&) {
      return false;
    }
  }
  return arguments.rounds >= 1 &&
         (arguments.size.width > 0) == (arguments.size.batch > 0);
}

std::vector<bench::StepSize> sizes(const Arguments& arguments) {
  if (arguments.size.width > 0) return {arguments.size};
  return {{.width = 16, .batch = 128}, {.width = 64, .batch = 64}};
}

void run(const Arguments& arguments) {
  bench::Report report;
  const bool all = arguments.only.empty();
  const auto wants = [&](const std::string& name) {
    return all || arguments.only == name;
  };
  if (wants("gemm") || wants("kernels") || wants("step")) {
    const double peak = bench::gemm_peak(report);
    if (wants("kernels")) bench::kernel_figures(report, peak);
    if (wants("step")) {
      for (const bench::StepSize& size : sizes(arguments)) {
        bench::training_step(report, size, peak, arguments.rounds);
      }
    }
  }
  if (arguments.only == "curvature") {  // minutes of its own
    bench::CurvatureSize size;
    // A batch is given to look at the program, not at the machine.
    if (arguments.size.batch > 0) {
      size.batch = arguments.size.batch;
      size.documentations_example = false;
    }
    bench::curvature_figures(report, size);
    if (arguments.size.batch == 0) {
      bench::refresh_costs(report, arguments.rounds);
    }
  }
  if (arguments.only == "refresh") {
    for (const bench::StepSize& size : sizes(arguments)) {
      bench::refresh_times(report, size, arguments.rounds);
    }
  }
  if (wants("io")) {
    const std::int64_t width = arguments.size.width;
    bench::io_figures(report, width > 0 ? width : 96, arguments.rounds);
  }
  if (wants("checkpoint")) {
    bench::StepSize size;
    if (arguments.size.width > 0) size = arguments.size;
    bench::checkpoint_wait(report, size, arguments.rounds);
  }
  if (wants("headers")) bench::header_ratio(report);
  if (all) report.note("What curvature costs: --only curvature");
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

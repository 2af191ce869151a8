#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/benches.h"
#include "bench/clock.h"

namespace bench {
namespace {

std::string quoted(const std::string& path) {
  std::string text = "'";
  text += path;
  text += "'";
  return text;
}

// Seconds to compile a file with these includes, without optimization.
double compile(const std::vector<std::string>& includes) {
  const auto file =
      std::filesystem::temp_directory_path() /
      ("mjolnir_header_" + std::to_string(includes.size()) + ".cpp");
  {
    std::ofstream source(file);
    for (const auto& name : includes) source << "#include <" << name << ">\n";
    source << "int main() {}\n";
  }
  const std::string command =
      std::string(MJOLNIR_BENCH_COMPILER) + " -std=c++17 -c -o /dev/null -I " +
      quoted(MJOLNIR_BENCH_INCLUDE) + " " + quoted(file.string());
  const double spent = seconds([&] {
    if (std::system(command.c_str()) != 0) {
      throw std::runtime_error("failed: " + command);
    }
  });
  std::filesystem::remove(file);
  return spent;
}

}  // namespace

void header_ratio(Report& report) {
  double ours = 1e9, standard = 1e9;
  for (int round = 0; round < 7; ++round) {  // alternating: a busy machine
    ours = std::min(ours, compile({"mjolnir/mjolnir.h"}));
    standard = std::min(standard,
                        compile({"functional", "memory", "string", "vector"}));
  }
  report.section("Compiling a file that includes <mjolnir/mjolnir.h>");
  report.add("header_seconds", "best of 7", ours, "s", 2);
  report.add("header_standard_seconds",
             "<functional> <memory> <string> <vector>", standard, "s", 2);
  report.add_limited("header_ratio", "ratio", ours / standard, 2.5, 2);
}

}  // namespace bench

// One workload under the command of bench/peer/compare.py, which runs
// bench/peer/torch_work.py in the same way:
//
//     peer_work step --net resnet20 --width 16 --batch 128 --threads 2
//
// sets up, does the work once, and prints a line of JSON: what it is, how many
// threads it has. To every line with a number on its input it does the work so
// many times and answers with a line of figures; at the end of its input it
// ends.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "bench/peer/work.h"

namespace mj = mjolnir;
namespace peer = bench::peer;

namespace {

using Json = nlohmann::ordered_json;

// Largest resident size of this process so far, in MB (Linux).
double peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void say(Json figures) {
  figures["peak_mb"] = peak_memory();
  std::cout << figures.dump() << std::endl;
}

void serve(const peer::WorkOptions& options) {
  const auto workload = peer::make_workload(options);
  Json ready = {{"version", std::string("Mjolnir ") + mj::library_version()},
                {"onednn", mj::onednn_version()},
                {"blas", mj::blas_description()},
                {"threads", mj::num_threads()}};
  ready.update(workload->describe());
  say(ready);
  int steps = 0;
  while (std::cin >> steps) {
    if (steps < 1) throw mj::ValueError("[peer_work] expected steps above 0");
    say(workload->run(steps));
  }
}

}  // namespace

int main(int argc, char** argv) {
  peer::WorkOptions options;
  int threads = mj::num_threads();
  CLI::App app("One workload of ./mjolnir bench --peer torch");
  app.add_option("work", options.work,
                 "step, count, infer, thor, epoch or gemm")
      ->required();
  app.add_option("--net", options.size.net,
                 "resnet20, resnet18, lenet5, autoencoder or mlp");
  app.add_option("--width", options.size.width)->check(CLI::PositiveNumber);
  app.add_option("--batch", options.size.batch)->check(CLI::PositiveNumber);
  app.add_option("--threads", threads)->check(CLI::PositiveNumber);
  app.add_option("--split-dim", options.split_dim, "of thor; 0: no split");
  app.add_option("--data", options.data,
                 "folder of CIFAR-10 for epoch; without: made-up images");
  app.add_option("--images", options.images, "of an epoch")
      ->check(CLI::PositiveNumber);
  app.add_option("--gemm-size", options.gemm_size)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    mj::set_num_threads(threads);
    serve(options);
  } catch (const std::exception& error) {
    std::cout << Json{{"error", error.what()}}.dump() << std::endl;
    std::fprintf(stderr, "peer_work: %s\n", error.what());
    return 1;
  }
  return 0;
}

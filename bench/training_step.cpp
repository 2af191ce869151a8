#include <fstream>
#include <string>

#include <mjolnir/mjolnir.h>

#include "bench/benches.h"
#include "bench/flops.h"
#include "bench/steps.h"

namespace bench {
namespace {

namespace mj = mjolnir;

// Largest resident size so far, in MB; 0 where Linux's /proc is absent.
double peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0.0;
  while (status >> word) {
    if (word == "VmHWM:") status >> kilobytes;
  }
  return kilobytes / 1024.0;
}

void forget_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

}  // namespace

void training_step(Report& report, const StepSize& size, double peak,
                   int rounds) {
  mj::empty_cache();
  forget_peak_memory();
  mj::Generator rng(1);
  mj::models::ResNet net(resnet20(size), rng);
  const mj::Batch batch = random_batch(size, rng);
  const double flops = flops_of_step(net, batch);

  const std::string key = "resnet20_w" + std::to_string(size.width) + "_";
  report.section("ResNet-20, width " + std::to_string(size.width) +
                 ", 32x32 images, batch " + std::to_string(size.batch) +
                 ": median of " + std::to_string(rounds) + " steps");
  report.add(key + "gflop", "arithmetic of convolutions and dense layers",
             flops / 1e9, "GFLOP");

  const auto describe = [&](const std::string& name, const std::string& words,
                            Kind& kind) {
    const double time = kind.median();
    report.add(key + name + "_ms", words, time * 1e3, "ms");
    report.add(key + name + "_share", "  share of GEMM peak",
               100.0 * flops / time / peak, "%");
    report.add(key + name + "_images", "  images per second",
               static_cast<double>(size.batch) / time, "1/s", 0);
    report.add_limited(key + name + "_misses",
                       "  tensor-storage misses of the worst step",
                       static_cast<double>(kind.misses), 0, 0);
    report.add(key + name + "_news", "  calls of operator new",
               static_cast<double>(kind.news), "", 0);
    return time;
  };

  {
    mj::optim::Sgd sgd(net, {.learning_rate = 0.01, .momentum = 0.9});
    auto sgd_steps = measure({{net, sgd, 1}}, batch, rounds);
    describe("sgd", "Sgd step", sgd_steps[0]);
    report.add(key + "sgd_memory_mb", "  peak memory of the process so far",
               peak_memory(), "MB", 0);
  }

  mj::optim::Thor thor(net,
                       {.learning_rate = 0.01, .damping = 0.3, .frequency = 2});
  auto thor_steps = measure({{net, thor, 2}}, batch, rounds);
  const double refresh =
      describe("thor_refresh", "Thor step with a refresh", thor_steps[0]);
  const double plain =
      describe("thor_plain", "Thor step between refreshes", thor_steps[1]);
  report.add(key + "refresh_ratio", "a refresh step in plain steps",
             refresh / plain, "", 2);
  report.add(key + "memory_mb", "peak memory of the process", peak_memory(),
             "MB", 0);
}

}  // namespace bench

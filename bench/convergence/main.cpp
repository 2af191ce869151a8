// One training run of the comparison in docs/convergence.md; prints one line
// of CSV. bench/convergence/run.py calls it for every run of the protocol.
//
//     convergence --task resnet8 --method thor --epochs 5 --seed 1
//                 --learning-rate 0.3 --damping 0.3

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "bench/convergence/task.h"

namespace mj = mjolnir;
namespace bench = mjolnir::bench;

namespace {

struct Run {
  std::string task = "resnet8";
  std::string method = "thor";
  std::string data_folder;
  double epochs = 5.0;
  std::uint64_t seed = 1;
  double learning_rate = 0.3;
  double damping = 0.3;
  double kl_clip = 0.0;
  double running_average = 0.9;
  long frequency = 20;
  double warmup = 0.1;
  double weight_decay = 5e-4;
  int threads = 0;
};

Run read(int argc, char** argv) {
  Run run;
  CLI::App app("One run of the comparison in docs/convergence.md");
  app.add_option("--task", run.task, "resnet8, autoencoder or resnet20");
  app.add_option("--method", run.method,
                 "sgd, adamw, thor, thor-trace (Thor with the rule (0.01, 0)) "
                 "or kfac")
      ->check(CLI::IsMember({"sgd", "adamw", "thor", "thor-trace", "kfac"}));
  app.add_option("--data-dir", run.data_folder);
  app.add_option("--epochs", run.epochs, "may be a fraction")
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", run.seed);
  app.add_option("--learning-rate", run.learning_rate);
  app.add_option("--damping", run.damping);
  app.add_option("--kl-clip", run.kl_clip, "of kfac; 0: off");
  app.add_option("--running-average", run.running_average, "of kfac");
  app.add_option("--frequency", run.frequency);
  app.add_option("--warmup", run.warmup);
  app.add_option("--weight-decay", run.weight_decay);
  app.add_option("--threads", run.threads);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return run;
}

std::unique_ptr<mj::optim::Optimizer> make_optimizer(const Run& run,
                                                     mj::Module& model,
                                                     long steps) {
  const long ramp = std::lround(run.warmup * static_cast<double>(steps));
  const mj::optim::Schedule rate = mj::optim::warm_up(
      ramp, mj::optim::linear(run.learning_rate, steps - ramp));
  if (run.method == "sgd") {
    mj::optim::SgdOptions options;
    options.learning_rate = rate;
    options.momentum = 0.9;
    options.weight_decay = run.weight_decay;
    return std::make_unique<mj::optim::Sgd>(model, options);
  }
  if (run.method == "adamw") {
    mj::optim::AdamWOptions options;
    options.learning_rate = rate;
    options.weight_decay = run.weight_decay;
    return std::make_unique<mj::optim::AdamW>(model, options);
  }
  const auto fill = [&](auto& options) {
    options.learning_rate = rate;
    options.momentum = 0.9;
    options.weight_decay = run.weight_decay;
    options.damping = run.damping;
    options.frequency = run.frequency;
  };
  if (run.method == "kfac") {
    mj::optim::KfacOptions options;
    fill(options);
    options.step_length.kl_clip = run.kl_clip;
    options.running_average = run.running_average;
    return std::make_unique<mj::optim::Kfac>(model, options);
  }
  mj::optim::ThorOptions options;
  fill(options);
  if (run.method == "thor-trace") {
    options.refresh_rule = mj::RefreshRule::thor();
  }
  return std::make_unique<mj::optim::Thor>(model, options);
}

// What the steps of a run come to.
struct Tally {
  long steps = 0;
  double seconds = 0.0;
  double loss = 0.0;            // mean over the last epoch so far
  std::int64_t completed = 0;   // samples of the epochs before it
  std::int64_t this_epoch = 0;  // samples of it
  std::vector<double> cosines;

  void add(const mj::train::StepRecord& record) {
    if (record.step == 1) {
      completed += this_epoch;
    }
    this_epoch = record.so_far.samples;
    steps = static_cast<long>(record.run_step);
    seconds = record.seconds;
    loss = record.so_far.loss();
  }
  std::int64_t samples() const { return completed + this_epoch; }
  double mean_cosine() const {
    const double sum = std::accumulate(cosines.begin(), cosines.end(), 0.0);
    return cosines.empty() ? 1.0 : sum / static_cast<double>(cosines.size());
  }
};

}  // namespace

int main(int argc, char** argv) try {
  const Run run = read(argc, argv);
  if (run.threads > 0) {
    mj::set_num_threads(run.threads);
  }
  mj::Generator rng(run.seed);
  const bool second_order = run.method != "sgd" && run.method != "adamw";
  bench::Task task =
      bench::make_task(run.task, run.data_folder, second_order, rng);
  const bench::Costs costs = bench::count_costs(*task.model, task);

  mj::data::LoaderOptions batches;
  batches.batch = task.batch;
  batches.shuffle = true;
  batches.augment = task.augment;
  mj::data::Loader training(task.train, batches, rng);
  mj::data::LoaderOptions plain;
  plain.batch = 500;
  mj::data::Loader validation(task.validation, plain);
  const long steps =
      std::lround(run.epochs * static_cast<double>(training.steps()));
  const auto optimizer = make_optimizer(run, *task.model, steps);
  const auto* curvature =
      dynamic_cast<const mj::CurvatureState*>(optimizer.get());

  // The parameters of the last step count, not those of the best epoch.
  mj::train::FitOptions fit;
  fit.epochs = std::lround(std::ceil(run.epochs));
  fit.objective = task.objective;
  Tally tally;
  fit.on_step = [&](const mj::train::StepRecord& record) {
    tally.add(record);
    if (curvature != nullptr && record.run_step % 100 == 0) {
      tally.cosines.push_back(bench::median_cosine(*curvature));
    }
  };
  fit.stop = [&] { return tally.steps >= steps; };
  const mj::train::FitResult result =
      mj::train::fit(*task.model, *optimizer, training, fit);
  const bool finished = result.status != mj::train::FitStatus::Diverged;
  mj::train::Meter meter;
  if (finished) {
    meter = mj::train::evaluate(*task.model, validation, task.objective);
  }

  const auto count = static_cast<double>(tally.samples());
  double flops = count * costs.step;
  double refreshes = 0.0;
  if (curvature != nullptr) {
    refreshes = bench::mean_refreshes(*curvature);
    const double share =
        tally.steps > 0 ? refreshes / static_cast<double>(tally.steps) : 0.0;
    flops += count * share * costs.factors + refreshes * costs.inverses +
             static_cast<double>(tally.steps) * costs.conditioning;
  }
  const double loss = finished ? meter.loss() : std::nan("");
  std::printf(
      "%s,%s,%g,%llu,%.9g,%.9g,%.9g,%ld,%s,%ld,%.1f,%.6g,%.6f,%.6f,"
      "%.6f,%.4f,%.6g\n",
      run.task.c_str(), run.method.c_str(), run.epochs,
      static_cast<unsigned long long>(run.seed), run.learning_rate,
      second_order ? run.damping : 0.0, run.weight_decay,
      second_order ? run.frequency : 0L, finished ? "completed" : "diverged",
      tally.steps, tally.seconds, flops, tally.loss, loss, meter.accuracy(),
      tally.mean_cosine(), refreshes);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "convergence: %s\n", error.what());
  return 1;
}

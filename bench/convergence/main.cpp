// One training run of the comparison in docs/convergence.md; prints one line
// of CSV. bench/convergence/run.py calls it for every run of the protocol.
//
//     convergence --task resnet8 --method thor --epochs 5 --seed 1
//                 --learning-rate 0.3 --damping 0.3

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <string>

#include "bench/convergence/task.h"

namespace mj = mjolnir;
namespace bench = mjolnir::bench;

namespace {

struct Run {
  std::string task = "resnet8";
  std::string method = "thor";
  std::string data_folder;
  long epochs = 5;
  std::uint64_t seed = 1;
  double learning_rate = 0.3;
  double damping = 0.3;
  long frequency = 20;
  double warmup = 0.1;
  double weight_decay = 5e-4;
  int threads = 0;
};

Run read(int argc, char** argv) {
  Run run;
  CLI::App app("One run of the comparison in docs/convergence.md");
  app.add_option("--task", run.task, "resnet8 or autoencoder");
  app.add_option("--method", run.method, "thor, sgd or adamw")
      ->check(CLI::IsMember({"thor", "sgd", "adamw"}));
  app.add_option("--data-dir", run.data_folder);
  app.add_option("--epochs", run.epochs)->check(CLI::PositiveNumber);
  app.add_option("--seed", run.seed);
  app.add_option("--learning-rate", run.learning_rate);
  app.add_option("--damping", run.damping);
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
  mj::optim::ThorOptions options;
  options.learning_rate = rate;
  options.momentum = 0.9;
  options.weight_decay = run.weight_decay;
  options.damping = run.damping;
  options.frequency = run.frequency;
  return std::make_unique<mj::optim::Thor>(model, options);
}

}  // namespace

int main(int argc, char** argv) try {
  const Run run = read(argc, argv);
  if (run.threads > 0) {
    mj::set_num_threads(run.threads);
  }
  mj::Generator rng(run.seed);
  const bool second_order = run.method == "thor";
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
  const auto steps = static_cast<long>(run.epochs * training.steps());
  const auto optimizer = make_optimizer(run, *task.model, steps);
  const auto* curvature =
      dynamic_cast<const mj::CurvatureState*>(optimizer.get());

  // The parameters of the last step count, not those of the best epoch.
  mj::train::FitOptions fit;
  fit.epochs = run.epochs;
  fit.objective = task.objective;
  double cosine_sum = 0.0;
  int cosine_count = 0;
  double training_seconds = 0.0;
  double training_loss = 0.0;
  std::int64_t samples = 0;
  std::int64_t refreshes = 0;
  fit.on_step = [&](const mj::train::StepRecord& record) {
    refreshes = record.settings.refreshes.value_or(0);
    if (curvature != nullptr && record.run_step % 100 == 0) {
      const double cosine = bench::median_cosine(*curvature);
      cosine_sum += cosine;
      ++cosine_count;
    }
  };
  fit.on_epoch = [&](const mj::train::EpochRecord& record) {
    training_seconds += record.training_seconds;
    training_loss = record.training.loss();
    samples += record.training.samples;
  };
  const mj::train::FitResult result =
      mj::train::fit(*task.model, *optimizer, training, fit);
  const bool finished = result.status == mj::train::FitStatus::Completed;
  mj::train::Meter meter;
  if (finished) {
    meter = mj::train::evaluate(*task.model, validation, task.objective);
  }

  const auto count = static_cast<double>(samples);
  double flops = count * costs.step;
  if (second_order) {
    const auto share =
        static_cast<double>(refreshes) / static_cast<double>(result.run_steps);
    flops += count * share * costs.factors +
             static_cast<double>(refreshes) * costs.inverses +
             static_cast<double>(result.run_steps) * costs.conditioning;
  }
  const double loss = finished ? meter.loss() : std::nan("");
  std::printf(
      "%s,%s,%ld,%llu,%.9g,%.9g,%.9g,%ld,%s,%lld,%.1f,%.6g,%.6f,%.6f,"
      "%.6f,%.4f,%lld\n",
      run.task.c_str(), run.method.c_str(), run.epochs,
      static_cast<unsigned long long>(run.seed), run.learning_rate,
      second_order ? run.damping : 0.0, run.weight_decay,
      second_order ? run.frequency : 0L, finished ? "completed" : "diverged",
      static_cast<long long>(result.run_steps), training_seconds, flops,
      training_loss, loss, meter.accuracy(),
      cosine_count > 0 ? cosine_sum / cosine_count : 1.0,
      static_cast<long long>(refreshes));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "convergence: %s\n", error.what());
  return 1;
}

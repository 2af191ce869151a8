// Trains an image classifier and writes what it learned: the program behind
// `./mjolnir train`. With no flag it trains a ResNet-8 on Fashion-MNIST with
// THOR; the last lines it prints then read like
//
//     test accuracy 92.25 % (+- 0.27)
//     files in runs/fashion-mnist-resnet8-thor-1:
//       model.safetensors  metrics.csv  metrics.jsonl  config.json  ...

#include <mjolnir/mjolnir.h>

#include <optional>
#include <string>

namespace mj = mjolnir;
namespace train = mjolnir::train;

namespace {

int run(const train::TrainOptions& options, const train::Surroundings& to) {
  const auto& [progress, output, log] = to;
  train::use_threads(options.threads);
  mj::check_blas_threading();
  mj::Generator rng(static_cast<std::uint64_t>(options.seed));

  // The data: batches for training, validation and the test at the end.
  const train::JobData data = train::load_data(options);
  mj::data::Loader training(data.train, train::training_batches(options), rng);
  mj::data::Loader validation(data.validation,
                              train::evaluation_batches(options));
  mj::data::Loader test(data.test, train::evaluation_batches(options));

  // What is trained, and how.
  const auto model = train::make_model(options, data.train, rng);
  const auto optimizer =
      train::make_optimizer(options, *model, training.steps());

  // Where the files go: nothing is written before all of the above is right.
  train::RunFiles files(options, *model, *optimizer, data);
  train::ProgressReporter reporter(progress, options.epochs);
  files.also_tell(reporter);

  train::FitOptions fit;
  fit.epochs = options.epochs;
  fit.log_every = options.log_every;
  fit.objective = train::classification(options.label_smoothing);
  fit.validation = *options.validation > 0 ? &validation : nullptr;
  fit.on_divergence = train::on_divergence(options);
  fit.stop = [] { return train::stop_signal() != 0; };
  files.follow(fit);
  const train::FitResult result = train::fit(*model, *optimizer, training, fit);

  files.save(result);
  progress.clear();
  output.text(files.curvature_table(output.columns()));
  output.text(train::epoch_table(result, output.columns()));
  std::optional<train::Meter> final;
  if (result.status == train::FitStatus::Completed) {
    progress.status("evaluating the test images");
    final = train::evaluate(*model, test, files.test_objective(), fit.stop);
    progress.clear();
    if (train::stop_signal() == 0) {
      output.line(train::accuracy_line(*final));
    } else {
      final.reset();
    }
  }
  files.finish(result, final);
  output.text(files.summary(output.columns()));
  log.summary();

  const std::string advice = files.advice(result);
  if (result.status == train::FitStatus::Diverged) {
    log.error("diverged " + result.reason + advice);
    return train::exit_diverged;
  }
  if (train::stop_signal() != 0) {
    log.warning("interrupted; the parameters so far were saved" + advice);
    return 128 + train::stop_signal();
  }
  return train::exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return train::run_program([&](const train::Surroundings& to) {
    const train::CommandLine line = train::read_command_line(argc, argv);
    if (!line.message.empty()) {
      to.output.text(line.message);
      return static_cast<int>(train::exit_ok);
    }
    for (const std::string& note : line.notes) {
      to.log.warning(note);
    }
    return run(train::resolved(line.options), to);
  });
}

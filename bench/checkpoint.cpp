#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <mjolnir/mjolnir.h>

#include "bench/benches.h"
#include "bench/steps.h"

namespace bench {
namespace {

namespace mj = mjolnir;
namespace train = mjolnir::train;

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times.empty() ? 0.0 : times[times.size() / 2];
}

// A folder on the disk that runs are kept on, removed with all it holds.
class Folder {
 public:
  Folder() {
    std::string pattern = "checkpoint-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
      throw std::runtime_error("cannot make a folder here");
    }
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

mj::data::Dataset images(std::int64_t count) {
  mj::data::SyntheticOptions options;
  options.samples = count;
  options.channels = 3;
  options.height = 32;
  options.width = 32;
  return mj::data::synthetic(options);
}

// What fit() spent between the ends of steps, with and without a save in it.
struct Times {
  std::vector<double> plain;    // of a step after which none was made
  std::vector<double> handing;  // in on_checkpoint itself: copying, waiting
  std::vector<double> saving;   // of a step while one is being written
  std::uintmax_t bytes = 0;
};

Times run(const StepSize& size, int rounds) {
  constexpr std::int64_t every = 4;  // steps
  const std::int64_t steps = (rounds + 1) * every;
  mj::Generator rng(1);
  mj::models::ResNet net(resnet20(size), rng);
  mj::optim::Thor thor(
      net, {.learning_rate = 0.01, .damping = 0.3, .frequency = 1000000});
  mj::data::Loader loader(images(steps * size.batch),
                          {.batch = size.batch, .shuffle = true}, rng);
  const Folder folder;
  train::CheckpointWriter writer(train::CheckpointFolder(folder.path(), 2));
  Times times;
  train::FitOptions options;
  options.checkpoint_every = every;
  double end_of_step = 0.0;  // the last one; 0 before the first
  bool saved = false;        // after it
  options.on_step = [&](const train::StepRecord& record) {
    const double time = now();
    if (record.run_step > every) {  // what comes before warms up
      (saved ? times.saving : times.plain).push_back(time - end_of_step);
    }
    saved = false;
    end_of_step = now();
  };
  options.on_checkpoint = [&](train::FitCheckpoint moment) {
    train::CheckpointWriter::Job job;
    job.step = moment.run_step;
    job.checkpoint.state = std::move(moment.state);
    writer.save(std::move(job));
    saved = true;
    times.handing.push_back(now() - end_of_step);  // the copy included
  };
  train::fit(net, thor, loader, options);
  writer.wait();
  times.bytes = std::filesystem::file_size(writer.last_path());
  return times;
}

}  // namespace

void checkpoint_wait(Report& report, const StepSize& size, int rounds) {
  report.section("A checkpoint of ResNet-20, width " +
                 std::to_string(size.width) + ", batch " +
                 std::to_string(size.batch) + ", with THOR's state");
  const Times times = run(size, rounds);
  const double step = median(times.plain);
  const std::string key = "checkpoint_w" + std::to_string(size.width) + "_";
  report.add(key + "mb", "size of the file",
             static_cast<double>(times.bytes) / 1e6, "MB");
  report.add(key + "step_ms", "a step", 1e3 * step, "ms");
  report.add(key + "copy_ms", "copying the state, until the run goes on",
             1e3 * median(times.handing), "ms");
  report.add(key + "saving_step_ms",
             "a step with the copy before it and the file written beside it",
             1e3 * median(times.saving), "ms");
  report.add_limited(key + "wait", "what saving adds, in steps",
                     (median(times.saving) - step) / step, 0.5, 2);
}

}  // namespace bench

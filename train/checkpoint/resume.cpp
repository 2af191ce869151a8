#include "train/checkpoint/resume.h"

#include <algorithm>
#include <utility>

#include <mjolnir/train/config.h>

namespace mjolnir::train {

namespace {

// What a resumed run may change: where and how often something is written, how
// the work is done, and how long it goes on.
constexpr const char* free_options[] = {
    "data-dir",         "epochs", "threads",       "log-every",   "out",
    "checkpoint-every", "keep",   "on-divergence", "tensorboard", "no-report"};

CommandLine parse(const std::string& program,
                  const std::vector<std::string>& words) {
  std::vector<const char*> argv{program.c_str()};
  for (const std::string& word : words) {
    argv.push_back(word.c_str());
  }
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

TrainOptions options_of_run(const std::string& path,
                            const std::vector<std::string>& words) {
  try {
    return parse("", words).options;
  } catch (const UsageError& error) {
    throw IoError("[config] '" + path + "': " + error.what());
  }
}

std::string shown(const std::string& text) {
  return text.empty() ? "none" : text;
}

void note_changes(const TrainOptions& before, const TrainOptions& now,
                  std::vector<std::string>& notes) {
  const bool constant = now.schedule == "constant" && now.warmup == 0.0;
  if (now.epochs != before.epochs && !constant) {
    notes.push_back("--epochs: the learning rate now follows the schedule of " +
                    std::to_string(now.epochs) + " epochs, not of " +
                    std::to_string(before.epochs) +
                    "; an unbroken run would have followed it from the start");
  }
}

}  // namespace

std::vector<std::string> differences(const TrainOptions& before,
                                     const TrainOptions& now) {
  std::vector<std::string> all;
  const auto was = option_texts(resolved(before));
  const auto is = option_texts(resolved(now));
  for (std::size_t i = 0; i < was.size(); ++i) {
    const std::string& name = was[i].first;
    if (std::find(std::begin(free_options), std::end(free_options), name) !=
            std::end(free_options) ||
        was[i].second == is[i].second) {
      continue;
    }
    all.push_back("--" + name + ": the run has " + shown(was[i].second) +
                  ", asked for is " + shown(is[i].second));
  }
  return all;
}

CommandLine read_command_line(int argc, const char* const* argv) {
  CommandLine line = parse_command_line(argc, argv);
  if (!line.message.empty() || line.options.resume.empty()) {
    if (line.options.force) {
      line.notes.push_back("--force has no effect without --resume");
    }
    return line;
  }
  if (!line.options.out.empty()) {
    throw UsageError(
        "--out: not with --resume; the files go where the run's "
        "are");
  }
  const std::string folder = line.options.resume;
  const std::string path = folder + "/config.json";
  std::vector<std::string> words = config_arguments(path);
  const TrainOptions before = options_of_run(path, words);
  words.insert(words.end(), argv + 1, argv + argc);
  line = parse(argv[0], words);
  line.notes.clear();  // about flags that only config.json has
  const std::vector<std::string> others = differences(before, line.options);
  if (!others.empty() && !line.options.force) {
    std::string text =
        "--resume: that would be another run (--force does it "
        "all the same)";
    for (const std::string& other : others) {
      text += "\n  " + other;
    }
    throw UsageError(text);
  }
  for (const std::string& other : others) {
    line.notes.push_back(other);
  }
  note_changes(before, line.options, line.notes);
  line.options.out = folder;
  return line;
}

}  // namespace mjolnir::train

// A run that goes on from a state of its own is the unbroken one, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/state.h"
#include "tests/train/resume_net.h"

#include <mjolnir/train/checkpoint/checkpoint.h>

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::expect_same_bits;
using mjolnir::testing::TempDirectory;
using resume_tests::Net;
using resume_tests::Trial;
using ::testing::ElementsAre;

template <class T>
std::vector<T> tail(const std::vector<T>& all, std::size_t from) {
  return {all.begin() + static_cast<std::ptrdiff_t>(from), all.end()};
}

// The unbroken run and its state at every step and at every end of an epoch.
class FitResume : public ::testing::Test {
 protected:
  void SetUp() override {
    FitOptions options;
    options.log_every = 4;
    options.checkpoint_every = 1;
    options.on_checkpoint = [this](FitCheckpoint moment) {
      moments_.push_back(std::move(moment));
    };
    result_ = whole_.fit(options);
  }

  // What a run that goes on from `moment` must have in common with it.
  void expect_the_rest(const FitCheckpoint& moment, Trial& run,
                       const FitResult& result) {
    const std::string where = "from step " + std::to_string(moment.run_step);
    expect_same_bits(run.model(), whole_.model(), where);
    expect_same_bits(run.thor.state(), whole_.thor.state(), where);
    EXPECT_EQ(run.steps,
              tail(whole_.steps, static_cast<std::size_t>(moment.run_step)));
    EXPECT_EQ(run.epochs,
              tail(whole_.epochs, static_cast<std::size_t>(moment.epoch)));
    EXPECT_EQ(result.run_steps, result_.run_steps);
    EXPECT_EQ(result.best_epoch, result_.best_epoch);
    EXPECT_EQ(result.epochs.size(), result_.epochs.size());
    EXPECT_GE(result.seconds, 0.0);
  }

  Trial whole_{1};
  FitResult result_;
  std::vector<FitCheckpoint> moments_;
};

TEST_F(FitResume, AtEveryStepGivesTheSameBits) {
  ASSERT_EQ(result_.run_steps, 21);
  ASSERT_EQ(moments_.size(), 21u);  // the last of an epoch is its end
  for (const FitCheckpoint& moment : moments_) {
    // Everything else is another one's: weights, order, random numbers.
    Trial run(99, static_cast<int>(moment.run_step % 3));
    FitOptions options;
    options.log_every = 4;
    options.resume = &moment.state;
    const FitResult result = run.fit(options);
    expect_the_rest(moment, run, result);
    EXPECT_EQ(run.logged, tail(whole_.logged,
                               static_cast<std::size_t>(moment.run_step / 4)));
  }
}

TEST_F(FitResume, ThroughAFileAndSeveralTimes) {
  const TempDirectory folder;
  Trial first(1);
  FitOptions options;
  int calls = 0;
  options.stop = [&] { return ++calls >= 5; };
  std::vector<FitCheckpoint> saved;
  options.on_checkpoint = [&](FitCheckpoint moment) {
    write_checkpoint(folder / "c", {moment.state, {}});
    saved.push_back(std::move(moment));
  };
  EXPECT_EQ(first.fit(options).status, FitStatus::Interrupted);
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].run_step, 5);
  EXPECT_EQ(saved[0].epoch, 0);
  EXPECT_EQ(saved[0].step, 5);
  for (int part = 0; part < 3; ++part) {
    const SavedState state = read_checkpoint(folder / "c").state;
    Trial run(50);
    calls = 0;
    options.resume = &state;
    options.log_every = 7;
    if (part == 2) options.stop = {};
    const FitCheckpoint from = saved.back();
    const FitResult result = run.fit(options);
    EXPECT_EQ(result.status == FitStatus::Interrupted, part < 2);
    if (part == 2) expect_the_rest(from, run, result);
  }
}

TEST_F(FitResume, WithinAValidationComesBackToIt) {
  Trial first(1);
  FitOptions options;
  int calls = 0;
  // 7 steps, then the first of two batches of the validation.
  options.stop = [&] { return ++calls >= 8; };
  std::vector<FitCheckpoint> saved;
  options.on_checkpoint = [&](FitCheckpoint moment) {
    saved.push_back(std::move(moment));
  };
  EXPECT_EQ(first.fit(options).status, FitStatus::Interrupted);
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].step, 7);
  Trial run(7);
  FitOptions rest;
  rest.resume = &saved[0].state;
  const FitResult result = run.fit(rest);
  expect_the_rest(saved[0], run, result);
}

TEST_F(FitResume, MoreEpochsGoOnWhereTheRunEnded) {
  Trial longer(1);
  FitOptions options;
  options.epochs = 4;
  const FitResult want = longer.fit(options);
  Trial run(3);
  options.resume = &moments_.back().state;
  const FitResult got = run.fit(options);
  expect_same_bits(run.model(), longer.model(), "one epoch more");
  expect_same_bits(run.thor.state(), longer.thor.state(), "one epoch more");
  EXPECT_EQ(got.run_steps, 28);
  EXPECT_EQ(got.best_epoch, want.best_epoch);
}

TEST_F(FitResume, ARunThatIsOverIsOver) {
  Trial run(3);
  FitOptions options;
  options.resume = &moments_.back().state;
  bool begun = false;
  options.on_begin = [&] { begun = true; };
  const FitResult result = run.fit(options);
  EXPECT_TRUE(begun);
  EXPECT_TRUE(run.steps.empty());
  EXPECT_EQ(result.status, FitStatus::Completed);
  expect_same_bits(run.model(), whole_.model(), "the best epoch");
}

TEST_F(FitResume, TheBestEpochIsNamedFromItsEndOn) {
  ASSERT_GT(result_.best_epoch, 0);
  const auto best = static_cast<std::int64_t>(7 * result_.best_epoch);
  EXPECT_EQ(moments_.back().best_run_step, best);
  EXPECT_EQ(moments_.front().best_run_step, 0);
  EXPECT_EQ(moments_.at(6).epoch, 1);
  EXPECT_EQ(moments_.at(6).step, 0);
  EXPECT_EQ(moments_.at(6).best_run_step, 7);  // the first is always best
}

TEST_F(FitResume, AnotherModelIsRefusedAndNothingIsTouched) {
  struct Wider : Net {
    explicit Wider(Generator& rng) : Net(rng), more(fc_options(), rng) {
      add("more", more);
    }
    DenseThor more;
  };
  Generator rng(4);
  Wider net(rng);
  optim::Thor thor(net, Trial::thor_options());
  data::Loader training(resume_tests::images(52, 0), Trial::batches(1), rng);
  SavedState before;
  for (const auto& [name, tensor] : net.state()) {
    before.emplace_back(name, tensor.clone());
  }
  FitOptions options;
  options.resume = &moments_.front().state;
  bool begun = false;
  options.on_begin = [&] { begun = true; };
  expect_error<ValueError>(
      [&] { fit(net, thor, training, options); },
      {"model/more.weight is missing", "optimizer/momentum/more.weight"});
  EXPECT_FALSE(begun);
  SavedState after;
  for (const auto& [name, tensor] : net.state()) {
    after.emplace_back(name, tensor.clone());
  }
  expect_same_bits(after, before, "after the refusal");
}

TEST_F(FitResume, AStepBeyondTheEpochIsRefused) {
  Generator rng(4);
  Net net(rng);
  optim::Thor thor(net, Trial::thor_options());
  data::LoaderOptions batches = Trial::batches(1);
  batches.batch = 26;  // 2 steps, the state has 5
  data::Loader training(resume_tests::images(52, 0), batches, rng);
  FitOptions options;
  options.resume = &moments_.at(4).state;
  expect_error<ValueError>([&] { fit(net, thor, training, options); },
                           {"run/integers has 5 at 1, expected 0 to 2"});
}

}  // namespace
}  // namespace mjolnir::train

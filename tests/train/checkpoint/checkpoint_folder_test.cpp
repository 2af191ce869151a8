#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mjolnir/core/events.h>
#include <mjolnir/train/checkpoint/checkpoint_folder.h>
#include <mjolnir/train/checkpoint/checkpoint_writer.h>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "io/detail/system_calls.h"
#include "tests/support/files.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_error;
using mjolnir::testing::plant;
using mjolnir::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Checkpoint numbered(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.state = {{"step", Tensor::from<std::int64_t>({step}, {1})}};
  checkpoint.notes = {{"step", std::to_string(step)}};
  return checkpoint;
}

// Lets every save fail while it lives.
class FullDisk {
 public:
  FullDisk() : before_(io::detail::system_calls()) {
    io::detail::system_calls().write = [](int, const void*,
                                          std::size_t) -> ssize_t {
      errno = ENOSPC;
      return -1;
    };
  }
  ~FullDisk() { io::detail::system_calls() = before_; }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  io::detail::SystemCalls before_;
};

TEST(CheckpointFolder, KeepsTheNewestAndTheBest) {
  const TempDirectory place;
  CheckpointFolder folder(place / "checkpoints", 2);
  EXPECT_THAT(folder.steps(), IsEmpty());
  folder.save(5, numbered(5));
  folder.set_best(10);
  for (const std::int64_t step : {10, 15, 20, 100}) {
    folder.save(step, numbered(step));
  }
  EXPECT_THAT(folder.steps(), ElementsAre(10, 20, 100));
  folder.set_best(100);  // the best is one of the newest, too
  folder.save(105, numbered(105));
  EXPECT_THAT(folder.steps(), ElementsAre(100, 105));
  folder.save(110, numbered(110));
  EXPECT_THAT(folder.steps(), ElementsAre(100, 105, 110));
  EXPECT_EQ(folder.newest().step, 110);
  EXPECT_EQ(folder.newest().checkpoint.notes.at("step"), "110");
}

TEST(CheckpointFolder, AFailedSaveRemovesNothing) {
  const TempDirectory place;
  CheckpointFolder folder(place.path(), 1);
  folder.save(5, numbered(5));
  {
    const FullDisk disk;
    expect_error<IoError>([&] { folder.save(10, numbered(10)); },
                          {folder.path(10), "No space left"});
  }
  EXPECT_THAT(folder.steps(), ElementsAre(5));
  EXPECT_EQ(folder.newest().step, 5);
  folder.save(10, numbered(10));
  EXPECT_THAT(folder.steps(), ElementsAre(10));
}

TEST(CheckpointFolder, PicksTheNewestWholeOneAndPutsDamagedOnesAside) {
  const TempDirectory place;
  CheckpointFolder folder(place.path(), 3);
  for (const std::int64_t step : {5, 10, 15}) folder.save(step, numbered(step));
  std::filesystem::resize_file(folder.path(15), 100);
  plant(folder.path(10), {});
  const CheckpointFolder::Found found = folder.newest();
  EXPECT_EQ(found.step, 5);
  EXPECT_EQ(found.path, folder.path(5));
  EXPECT_THAT(found.damaged, ElementsAre(HasSubstr(folder.path(15)),
                                         HasSubstr(folder.path(10))));
  EXPECT_THAT(folder.steps(), ElementsAre(5));
  EXPECT_TRUE(io::file_exists(folder.path(15) + ".damaged"));
  // They do not count, or the next one would be older than what is kept.
  folder.save(7, numbered(7));
  EXPECT_THAT(folder.steps(), ElementsAre(5, 7));
}

TEST(CheckpointFolder, WithoutAWholeOneEveryErrorIsTold) {
  const TempDirectory place;
  const CheckpointFolder folder(place.path(), 3);
  expect_error<IoError>([&] { folder.newest(); },
                        {"no whole checkpoint", place.path()});
  plant(folder.path(5), {1, 2, 3});
  plant(folder.path(10), {});
  expect_error<IoError>([&] { folder.newest(); },
                        {folder.path(5), folder.path(10)});
  EXPECT_THAT(folder.steps(), ElementsAre(5, 10));
  EXPECT_THROW(CheckpointFolder(place.path(), 0), ValueError);
}

TEST(CheckpointFolder, OtherFilesAreNoCheckpoints) {
  const TempDirectory place;
  CheckpointFolder folder(place.path(), 1);
  const std::vector<std::string> others = {
      "step-.safetensors", "step-5.safetensors", "step-x0000005.safetensors",
      "step-00000005.safetensors.damaged", "a-step-00000005.safetensors"};
  for (const std::string& name : others) plant(place / name, {1});
  EXPECT_THAT(folder.steps(), IsEmpty());
  folder.save(9, numbered(9));
  for (const std::string& name : others) {
    EXPECT_TRUE(io::file_exists(place / name)) << name;
  }
}

TEST(CheckpointFolder, WhatAKilledWriterLeftIsIgnoredAndCleanedUp) {
  const TempDirectory place;
  CheckpointFolder folder(place.path(), 2);
  folder.save(5, numbered(5));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const std::string stale =
      folder.path(10) + ".tmp-" + std::to_string(child) + "-0";
  plant(stale, {1, 2, 3});
  EXPECT_EQ(folder.newest().step, 5);
  folder.save(15, numbered(15));
  EXPECT_FALSE(io::file_exists(stale));
}

// What is emitted while it lives.
class Listener {
 public:
  Listener() {
    previous_ = set_event_sink([this](const Event& event) {
      const std::lock_guard<std::mutex> lock(mutex_);
      messages_.push_back(event.topic + ": " + event.message);
    });
  }
  ~Listener() { set_event_sink(previous_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  EventSink previous_;
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

CheckpointWriter::Job job(std::int64_t step) {
  CheckpointWriter::Job job;
  job.step = step;
  job.checkpoint = numbered(step);
  return job;
}

TEST(CheckpointWriter, WritesInTheBackgroundOneAfterTheOther) {
  const TempDirectory place;
  std::atomic<int> at_a_time{0};
  std::atomic<int> most{0};
  std::atomic<bool> elsewhere{true};
  const std::thread::id here = std::this_thread::get_id();
  const io::detail::SystemCalls real = io::detail::system_calls();
  io::detail::system_calls().write = [&](int fd, const void* data,
                                         std::size_t size) {
    most = std::max<int>(most, ++at_a_time);
    elsewhere = elsewhere && std::this_thread::get_id() != here;
    const ssize_t put = real.write(fd, data, size);
    --at_a_time;
    return put;
  };
  {
    CheckpointWriter writer(CheckpointFolder(place.path(), 2));
    for (const std::int64_t step : {1, 2, 3, 4}) writer.save(job(step));
    writer.wait();
    EXPECT_EQ(writer.last_step(), 4);
    EXPECT_EQ(writer.last_path(), writer.folder().path(4));
    writer.save(job(5));
  }  // waits
  io::detail::system_calls() = real;
  EXPECT_EQ(most, 1);
  EXPECT_TRUE(elsewhere);
  EXPECT_EQ(CheckpointFolder(place.path(), 2).newest().step, 5);
}

TEST(CheckpointWriter, AFailureIsAnEventAndTheRunGoesOn) {
  const TempDirectory place;
  const Listener listener;
  CheckpointWriter writer(CheckpointFolder(place.path(), 1));
  writer.save(job(1));
  writer.wait();
  {
    const FullDisk disk;
    writer.save(job(2));
    writer.wait();
  }
  ASSERT_THAT(listener.messages(), SizeIs(1));
  EXPECT_THAT(
      listener.messages()[0],
      HasSubstr("checkpoint: the checkpoint of step 2 was not written"));
  EXPECT_THAT(listener.messages()[0], HasSubstr("No space left"));
  EXPECT_EQ(writer.last_step(), 1);
  CheckpointWriter::Job missing = job(3);
  missing.flush_first = place / "no such file";
  writer.save(std::move(missing));
  writer.wait();
  EXPECT_THAT(listener.messages(), SizeIs(2));
  writer.save(job(4));
  writer.wait();
  EXPECT_EQ(writer.last_step(), 4);
  EXPECT_THAT(writer.folder().steps(), ElementsAre(4));
}

}  // namespace
}  // namespace mjolnir::train

#include "train/checkpoint/checkpoint_writer.h"

#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include <mjolnir/core/events.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/io/file.h>

namespace mjolnir::train {

CheckpointWriter::CheckpointWriter(CheckpointFolder folder)
    : folder_(std::move(folder)) {}

CheckpointWriter::~CheckpointWriter() { wait(); }

void CheckpointWriter::wait() {
  if (thread_.joinable()) thread_.join();
  if (written_ > 0) last_step_ = written_;
}

void CheckpointWriter::save(Job job) {
  wait();
  folder_.set_best(job.best);
  const auto shared = std::make_shared<Job>(std::move(job));
  try {
    thread_ = std::thread([this, shared] {
      set_num_threads(1);  // a team of its own would fight with the one that
                           // trains
      write(*shared);
    });
  } catch (const std::system_error&) {  // no thread to be had
    write(*shared);
  }
}

void CheckpointWriter::write(const Job& job) {
  try {
    if (!job.flush_first.empty()) io::flush_file(job.flush_first);
    folder_.save(job.step, job.checkpoint);
    written_ = job.step;
  } catch (const std::exception& error) {
    emit(Severity::Warning, "checkpoint",
         std::string("the checkpoint of step ") + std::to_string(job.step) +
             " was not written, older ones stay: " + error.what());
  }
}

std::string CheckpointWriter::last_path() const {
  return last_step_ > 0 ? folder_.path(last_step_) : "";
}

}  // namespace mjolnir::train

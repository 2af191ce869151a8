#include "train/report/html_report.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/train/run_data.h>

#include "train/report/detail/page.h"
#include "train/report/detail/pictures.h"

namespace mjolnir::train {

namespace {

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// As a whole, but without waiting for the disk, as io::write_file() does: the
// page of a run that goes on can be made again.
void replace_file(const std::string& path, const std::string& text) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) {
    std::filesystem::rename(part, path, error);
  }
  if (!file || error) {
    const std::string reason = error ? error.message() : std::strerror(errno);
    std::filesystem::remove(part, error);
    throw IoError("[report] cannot write '" + path + "': " + reason);
  }
}

}  // namespace

HtmlReport::HtmlReport(std::string folder, const Module& model,
                       const CurvatureState* state, const JobData& data,
                       const HtmlReportOptions& options)
    : folder_(std::move(folder)),
      model_(model),
      state_(state),
      data_(data),
      options_(options),
      validation_(data.train.classes()),
      test_(data.train.classes()) {}

void HtmlReport::start() {
  write();
  next_ = 0.0;  // the first figures are shown at once
}

Objective HtmlReport::listening_to_validation(Objective objective) {
  return validation_.listening(std::move(objective));
}

Objective HtmlReport::listening_to_test(Objective objective) {
  return test_.listening(std::move(objective));
}

void HtmlReport::on_step(const StepRecord& record) {
  steps_per_epoch_ = record.steps;
  if (record.logging) {
    write_if_due();
  }
}

void HtmlReport::on_epoch(const EpochRecord& record) {
  Predictions predictions = validation_.take();
  if (record.validation && predictions.images == record.validation->samples) {
    validated_ = std::move(predictions);
    epoch_ = record.epoch;
  }
  write_if_due();
}

void HtmlReport::on_end(const FitResult&, const std::optional<Meter>& test) {
  Predictions predictions = test_.take();
  if (test && predictions.images == test->samples) {
    tested_ = std::move(predictions);
  }
  ended_ = true;
  write();
}

void HtmlReport::write_if_due() {
  if (now() >= next_) {
    write();
  }
}

void HtmlReport::write() {
  if (!working_) {
    return;
  }
  const double began = now();
  try {
    replace_file(folder_ + "/report.html", page());
  } catch (const Error& error) {
    working_ = false;
    emit(Severity::Warning, "report",
         "report.html is no longer written: " + std::string(error.what()));
  }
  const double ended = now();
  next_ = ended + std::max(options_.least_seconds,
                           options_.times_its_own * (ended - began));
}

std::string HtmlReport::page() const {
  RunData run = read_run(folder_);
  if (!ended_) {
    run.result.reset();  // of the part before, in a run that goes on again
  }
  if (steps_per_epoch_ > 0) {
    run.steps_per_epoch = steps_per_epoch_;
  }
  if (state_ != nullptr) {
    run.decisions = state_->decisions();
  }
  detail::ReportPictures pictures;
  pictures.filters = detail::filters_figure(model_, data_.train);
  if (tested_) {
    const std::string of = "test images, at the end";
    pictures.confusion =
        detail::confusion_figure(*tested_, data_.test.class_names(), of);
    pictures.mistakes = detail::mistakes_figure(*tested_, data_.test, of);
  } else if (validated_) {
    const std::string of =
        "validation images, after epoch " + std::to_string(epoch_);
    pictures.confusion = detail::confusion_figure(
        *validated_, data_.validation.class_names(), of);
    pictures.mistakes =
        detail::mistakes_figure(*validated_, data_.validation, of);
  }
  return detail::report_page(run, pictures);
}

}  // namespace mjolnir::train

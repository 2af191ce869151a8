#include "train/metrics/tensorboard.h"

#include <cmath>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/train/filters.h>
#include <mjolnir/train/metrics/curvature_log.h>

namespace mjolnir::train {

namespace {

io::EventFileOptions from_step(std::int64_t first_step) {
  io::EventFileOptions options;
  options.first_step = first_step;
  return options;
}

}  // namespace

TensorBoardReporter::TensorBoardReporter(const std::string& folder,
                                         const Module& model,
                                         const Shape& sample,
                                         std::int64_t first_step)
    : file_(folder, from_step(first_step)), model_(model), sample_(sample) {}

std::string TensorBoardReporter::name() const {
  return file_.path().substr(file_.path().rfind('/') + 1);
}

template <class F>
void TensorBoardReporter::write(const F& add) {
  if (!working_) {
    return;
  }
  try {
    add(file_);
  } catch (const IoError& error) {
    working_ = false;
    emit(Severity::Warning, "tensorboard",
         std::string("no more records go to the event file: ") + error.what());
  }
}

void TensorBoardReporter::scalar_if(const std::string& tag, double value,
                                    std::int64_t step) {
  if (std::isnan(value)) {
    return;
  }
  write([&](io::EventFile& file) { file.add_scalar(tag, value, step); });
}

void TensorBoardReporter::on_step(const StepRecord& record) {
  if (!record.logging) {
    return;
  }
  const std::int64_t step = record.run_step;
  write([&](io::EventFile& file) {
    file.add_scalar("train/loss", record.interval.loss(), step);
    if (record.interval.has_accuracy) {
      file.add_scalar("train/accuracy", record.interval.accuracy(), step);
    }
    file.add_scalar("learning_rate", record.settings.learning_rate, step);
    if (record.settings.damping) {
      file.add_scalar("damping", *record.settings.damping, step);
    }
    if (record.settings.refreshes) {
      file.add_scalar("refreshes",
                      static_cast<double>(*record.settings.refreshes), step);
    }
    if (record.interval_seconds > 0.0) {
      file.add_scalar("images_per_second",
                      static_cast<double>(record.interval.samples) /
                          record.interval_seconds,
                      step);
    }
  });
}

void TensorBoardReporter::on_curvature(const StepRecord& record,
                                       const CurvatureReport& report) {
  const std::int64_t step = record.run_step;
  const CurvatureSummary means = summary_of(report);
  scalar_if("curvature/damping_a", means.damping_a, step);
  scalar_if("curvature/damping_g", means.damping_g, step);
  scalar_if("curvature/cosine", means.cosine, step);
  for (const LayerReport& layer : report.layers) {
    const auto add = [&](const char* name, double value) {
      std::string of = layer.name;
      if (layer.groups > 1) {
        of += "." + std::to_string(layer.group);
      }
      scalar_if(std::string("curvature_") + name + "/" + of, value, step);
    };
    add("damping_share_a", layer.a.damping_share);
    add("damping_share_g", layer.g.damping_share);
    add("condition_a", layer.a.condition);
    add("condition_g", layer.g.condition);
    add("cosine_to_gradient", layer.cosine_to_gradient);
    add("cosine_to_exact", layer.cosine_to_exact);
  }
}

void TensorBoardReporter::on_epoch(const EpochRecord& record) {
  const std::int64_t step = record.run_step;
  write([&](io::EventFile& file) {
    if (record.validation) {
      file.add_scalar("validation/loss", record.validation->loss(), step);
      if (record.validation->has_accuracy) {
        file.add_scalar("validation/accuracy", record.validation->accuracy(),
                        step);
      }
    }
    for (const auto& [name, parameter] : model_.named_parameters()) {
      file.add_histogram("weights/" + name, parameter, step);
    }
    if (const auto filters = first_filters(model_, sample_)) {
      file.add_image("filters/" + filters->first,
                     filter_picture(filters->second), step);
    }
  });
}

void TensorBoardReporter::on_end(const FitResult& result,
                                 const std::optional<Meter>& test) {
  if (!test) {
    return;
  }
  write([&](io::EventFile& file) {
    file.add_scalar("test/loss", test->loss(), result.run_steps);
    if (test->has_accuracy) {
      file.add_scalar("test/accuracy", test->accuracy(), result.run_steps);
    }
  });
}

}  // namespace mjolnir::train

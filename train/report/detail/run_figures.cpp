#include "train/report/detail/run_figures.h"

#include <algorithm>

namespace mjolnir::train::detail {

namespace {

using Field = std::optional<double> MetricsRow::*;

// The images that the accuracy of a row is of, about: the last batch of an
// epoch may be short.
double training_images(const RunData& run, const std::vector<MetricsRow>& rows,
                       std::size_t i) {
  const double before = i > 0 ? static_cast<double>(rows[i - 1].step) : 0.0;
  return (static_cast<double>(rows[i].step) - before) *
         static_cast<double>(run.count("batch"));
}

// Points of a field, of the rows that have it.
std::vector<CurvePoint> points_of(const RunData& run,
                                  const std::vector<MetricsRow>& rows,
                                  Field field) {
  std::vector<CurvePoint> points;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::optional<double>& value = rows[i].*field;
    if (!value) {
      continue;
    }
    CurvePoint point;
    point.x = places(run, static_cast<double>(rows[i].step), rows[i].seconds);
    point.y = *value;
    if (field == &MetricsRow::accuracy) {
      point.error = standard_error(*value, training_images(run, rows, i));
    } else if (field == &MetricsRow::validation_accuracy) {
      point.error =
          standard_error(*value, static_cast<double>(run.count("validation")));
    }
    points.push_back(point);
  }
  return points;
}

std::vector<CurvePoint> speed_points(const RunData& run) {
  const Metrics& m = run.metrics;
  std::vector<CurvePoint> points;
  for (const MetricsRow& row : m.steps.empty() ? m.epochs : m.steps) {
    CurvePoint point;
    point.x = places(run, static_cast<double>(row.step), row.seconds);
    point.y = row.images_per_second;
    points.push_back(point);
  }
  return points;
}

// Loss or accuracy, of training at the logging steps, else of whole epochs.
Curve training_curve(const RunData& run, Field field) {
  Curve curve;
  curve.name = "training";
  curve.points = points_of(run, run.metrics.steps, field);
  if (curve.points.empty()) {
    curve.points = points_of(run, run.metrics.epochs, field);
  }
  return curve;
}

Curve validation_curve(const RunData& run, Field field) {
  Curve curve;
  curve.name = "validation";
  curve.colour = 1;
  curve.dots = true;
  curve.points = points_of(run, run.metrics.epochs, field);
  return curve;
}

void add_if_any(Figure& figure, Curve curve) {
  if (!curve.points.empty()) {
    figure.curves.push_back(std::move(curve));
  }
}

Figure setting(const RunData& run, const std::string& id,
               const std::string& title, Field field) {
  Figure figure;
  figure.id = id;
  figure.title = title;
  figure.may_be_logarithmic = field == &MetricsRow::damping;
  Curve curve;
  curve.name = title;
  curve.points = points_of(run, run.metrics.steps, field);
  if (curve.points.empty()) {
    curve.points = points_of(run, run.metrics.epochs, field);
  }
  add_if_any(figure, std::move(curve));
  return figure;
}

}  // namespace

std::string run_figures(const RunData& run) {
  const AxisEnds ends = axis_ends({&run});
  Figure loss;
  loss.id = "loss";
  loss.title = "Loss";
  loss.may_be_logarithmic = true;
  add_if_any(loss, training_curve(run, &MetricsRow::loss));
  add_if_any(loss, validation_curve(run, &MetricsRow::validation_loss));
  Figure accuracy;
  accuracy.id = "accuracy";
  accuracy.title = "Accuracy";
  accuracy.note = "Bars: one standard error.";
  accuracy.unit = Unit::Percent;
  add_if_any(accuracy, training_curve(run, &MetricsRow::accuracy));
  add_if_any(accuracy, validation_curve(run, &MetricsRow::validation_accuracy));
  if (accuracy.curves.size() < 2) {
    accuracy.note = "";
  }
  Figure speed;
  speed.id = "speed";
  speed.title = "Images per second";
  speed.note = "While training.";
  Curve curve;
  curve.name = "images/s";
  curve.points = speed_points(run);
  add_if_any(speed, std::move(curve));

  std::string html = figure_html(loss, ends) + figure_html(accuracy, ends) +
                     figure_html(setting(run, "learning-rate", "Learning rate",
                                         &MetricsRow::learning_rate),
                                 ends);
  const Figure damping =
      setting(run, "damping", "Damping λ", &MetricsRow::damping);
  if (!damping.curves.empty()) {
    html += figure_html(damping, ends);
  }
  return html + figure_html(speed, ends);
}

std::string curvature_figure(const RunData& run) {
  Figure figure;
  figure.id = "damping-share";
  figure.title = "Damping’s share, and the update’s cosine";
  figure.note =
      "Means over the layers: damping’s share of A and of G, and the cosine of "
      "the update to the gradient. Where all are near 100 %, the method is "
      "plain gradient descent.";
  figure.unit = Unit::Percent;
  int colour = 0;
  for (const auto& [name, field] :
       {std::pair<const char*, Field>{"of A", &MetricsRow::damping_a},
        std::pair<const char*, Field>{"of G", &MetricsRow::damping_g},
        std::pair<const char*, Field>{"cosine", &MetricsRow::cosine}}) {
    Curve curve;
    curve.name = name;
    curve.colour = colour++;
    curve.dots = true;
    curve.points = points_of(run, run.metrics.steps, field);
    add_if_any(figure, std::move(curve));
  }
  return figure.curves.empty() ? "" : figure_html(figure, axis_ends({&run}));
}

std::string compared_figures(const std::vector<RunData>& runs) {
  std::vector<const RunData*> all;
  for (const RunData& run : runs) {
    all.push_back(&run);
  }
  const AxisEnds ends = axis_ends(all);
  struct Kind {
    const char* id;
    const char* title;
    Field field;  // null: images/s
    Unit unit;
    bool dots;
    bool wide;
  };
  const Kind kinds[] = {
      {"validation-accuracy", "Validation accuracy",
       &MetricsRow::validation_accuracy, Unit::Percent, true, false},
      {"validation-loss", "Validation loss", &MetricsRow::validation_loss,
       Unit::Number, true, true},
      {"loss", "Training loss", &MetricsRow::loss, Unit::Number, false, true},
      {"accuracy", "Training accuracy", &MetricsRow::accuracy, Unit::Percent,
       false, false},
      {"learning-rate", "Learning rate", &MetricsRow::learning_rate,
       Unit::Number, false, false},
      {"damping", "Damping λ", &MetricsRow::damping, Unit::Number, false, true},
      {"speed", "Images per second", nullptr, Unit::Number, false, false}};
  std::string html;
  for (const Kind& kind : kinds) {
    Figure figure;
    figure.id = kind.id;
    figure.title = kind.title;
    figure.unit = kind.unit;
    figure.may_be_logarithmic = kind.wide;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      Curve curve = kind.field == nullptr
                        ? Curve{"", 0, false, false, speed_points(runs[i])}
                    : kind.dots ? validation_curve(runs[i], kind.field)
                                : training_curve(runs[i], kind.field);
      curve.name = runs[i].name;
      curve.colour = static_cast<int>(i % 8);
      add_if_any(figure, std::move(curve));
    }
    if (!figure.curves.empty()) {
      html += figure_html(figure, ends);
    }
  }
  return html;
}

}  // namespace mjolnir::train::detail

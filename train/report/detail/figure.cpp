#include "train/report/detail/figure.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/detail/text.h"
#include "train/report/detail/html.h"

namespace mjolnir::train::detail {

namespace {

constexpr std::size_t most_points = 500;  // of a curve
constexpr double wide = 50.0;             // a range for a logarithmic axis

std::string percent(double share) { return fixed(100.0 * share, 2) + "%"; }

std::vector<double> values_of(const Figure& figure) {
  std::vector<double> values;
  for (const Curve& curve : figure.curves) {
    for (const CurvePoint& point : curve.points) {
      values.push_back(point.y);
      if (curve.dots && point.error > 0.0) {
        values.push_back(point.y - point.error);
        values.push_back(point.y + point.error);
      }
    }
  }
  return values;
}

AxisRange y_range(const Figure& figure) {
  const std::vector<double> values = values_of(figure);
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  bool positive = figure.may_be_logarithmic;
  for (const double value : values) {
    if (std::isfinite(value)) {
      positive = positive && value >= 0.0;
      low = value > 0.0 ? std::min(low, value) : low;
      high = std::max(high, value);
    }
  }
  AxisRange range = range_of(values, positive && high > wide * low);
  if (figure.unit == Unit::Percent) {
    range.high = std::min(range.high, 1.0);
    range.low = std::max(range.low, 0.0);
  }
  return range;
}

// M and L through the points, broken where one has no place.
std::string path_of(const Curve& curve, std::size_t axis, const AxisRange& x,
                    const AxisRange& y) {
  std::string path;
  bool drawing = false;
  for (const CurvePoint& point : curve.points) {
    const double px = x.place(point.x[axis]);
    const double py = std::isfinite(point.y)
                          ? y.place(point.y)
                          : std::numeric_limits<double>::quiet_NaN();
    if (std::isnan(px) || std::isnan(py)) {
      drawing = false;
      continue;
    }
    path += (drawing ? "L" : "M") + coordinate(px) + " " + coordinate(1 - py);
    drawing = true;
  }
  return path;
}

// A line of no length is drawn as a dot by its round ends.
std::string dots_of(const Curve& curve, std::size_t axis, const AxisRange& x,
                    const AxisRange& y) {
  std::string dots;
  std::string bars;
  for (const CurvePoint& point : curve.points) {
    const double px = x.place(point.x[axis]);
    if (std::isnan(px) || !std::isfinite(point.y) ||
        std::isnan(y.place(point.y))) {
      continue;
    }
    dots +=
        "M" + coordinate(px) + " " + coordinate(1 - y.place(point.y)) + "h0";
    const double low = y.place(point.y - point.error);
    if (point.error > 0.0 && !std::isnan(low)) {
      bars += "M" + coordinate(px) + " " + coordinate(1 - low) + "V" +
              coordinate(1 - y.place(point.y + point.error));
    }
  }
  const std::string colour = " c" + std::to_string(curve.colour);
  return (bars.empty() ? ""
                       : "<path class='bar" + colour + "' d='" + bars + "'/>") +
         "<path class='dots" + colour + "' d='" + dots + "'/>";
}

std::string drawing(const Figure& figure, std::size_t axis, const AxisRange& x,
                    const AxisRange& y) {
  std::string svg =
      "<svg viewBox='0 0 1000 1000' preserveAspectRatio='none' role='img' "
      "aria-label='" +
      escaped(figure.title) + "'>";
  std::string grid;
  for (const Tick& tick : ticks(y, 5, figure.unit)) {
    grid += "M0 " + coordinate(1 - y.place(tick.value)) + "H1000";
  }
  svg += "<path class='grid' d='" + grid + "'/>";
  for (const Curve& curve : figure.curves) {
    svg += "<path class='line c" + std::to_string(curve.colour) +
           (curve.faint ? " faint" : "") + "' d='" +
           path_of(curve, axis, x, y) + "'/>";
    // A single point makes no line.
    if (curve.dots || curve.points.size() == 1) {
      svg += dots_of(curve, axis, x, y);
    }
  }
  return svg + "</svg>";
}

std::string y_labels(const Figure& figure, const AxisRange& y) {
  std::string html;
  for (const Tick& tick : ticks(y, 5, figure.unit)) {
    html += "<span style='bottom:" + percent(y.place(tick.value)) + "'>" +
            escaped(tick.label) + "</span>";
  }
  return "<div class='y'>" + html + "</div>";
}

std::string view(const Figure& figure, std::size_t axis, double end,
                 const AxisRange& y) {
  const AxisKind& kind = axis_kinds.at(axis);
  const std::string open = "<div class='view by-" + std::string(kind.id) + "'>";
  if (!(end > 0.0)) {
    return open + "<p class='empty'>known after the first epoch</p></div>";
  }
  AxisRange x;
  x.high = end;
  return open + "<div class='chart'>" + y_labels(figure, y) +
         "<div class='plot' data-axis='" + kind.id + "'>" +
         drawing(figure, axis, x, y) + "</div>" +
         x_labels(x, kind.unit, kind.title) + "</div></div>\n";
}

const char* unit_name(Unit unit) {
  switch (unit) {
    case Unit::Percent:
      return "percent";
    case Unit::Seconds:
      return "seconds";
    case Unit::Number:
      break;
  }
  return "number";
}

std::string json(const Figure& figure, const AxisEnds& ends,
                 const AxisRange& y) {
  std::string text = "{\"unit\":" + json_string(unit_name(figure.unit)) +
                     ",\"log\":" + (y.logarithmic ? "true" : "false") +
                     ",\"y\":" + json_numbers({y.low, y.high}) +
                     ",\"ends\":" + json_numbers({ends[0], ends[1], ends[2]}) +
                     ",\"curves\":[";
  bool first = true;
  for (const Curve& curve : figure.curves) {
    text += std::string(first ? "" : ",") +
            "{\"name\":" + json_string(curve.name) +
            ",\"colour\":" + std::to_string(curve.colour) + ",\"x\":[";
    for (std::size_t axis = 0; axis < axis_kinds.size(); ++axis) {
      std::vector<double> values;
      for (const CurvePoint& point : curve.points) {
        values.push_back(point.x[axis]);
      }
      text += (axis > 0 ? "," : "") + json_numbers(values);
    }
    std::vector<double> values;
    std::vector<double> errors;
    bool known = false;
    for (const CurvePoint& point : curve.points) {
      values.push_back(point.y);
      errors.push_back(point.error);
      known = known || point.error > 0.0;
    }
    text += "],\"values\":" + json_numbers(values, 5);
    text += known ? ",\"errors\":" + json_numbers(errors, 2) + "}" : "}";
    first = false;
  }
  return text + "]}";
}

std::string legend(const Figure& figure) {
  if (figure.curves.size() < 2) {
    return "";
  }
  std::string html = "<ul class='legend'>";
  for (const Curve& curve : figure.curves) {
    html += "<li class='c" + std::to_string(curve.colour) +
            (curve.faint ? " faint" : "") + "'>" + escaped(curve.name) +
            "</li>";
  }
  return html + "</ul>";
}

}  // namespace

AxisEnds axis_ends(const std::vector<const RunData*>& runs) {
  AxisEnds ends{0.0, 0.0, 0.0};
  for (const RunData* run : runs) {
    for (const auto* rows : {&run->metrics.steps, &run->metrics.epochs}) {
      if (rows->empty()) {
        continue;
      }
      const MetricsRow& last = rows->back();
      const auto x = places(*run, static_cast<double>(last.step), last.seconds);
      for (std::size_t axis = 0; axis < x.size(); ++axis) {
        ends[axis] =
            std::isnan(x[axis]) ? ends[axis] : std::max(ends[axis], x[axis]);
      }
    }
  }
  return ends;
}

std::array<double, 3> places(const RunData& run, double step, double seconds) {
  std::array<double, 3> x{};
  for (std::size_t axis = 0; axis < x.size(); ++axis) {
    x[axis] = position(run, axis_kinds[axis].axis, step, seconds);
  }
  return x;
}

std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points,
                                std::size_t most) {
  if (points.size() <= most || most < 2) {
    return points;
  }
  std::vector<CurvePoint> kept;
  const std::size_t parts = most / 2;
  const auto less = [](const CurvePoint& a, const CurvePoint& b) {
    return a.y < b.y;
  };
  for (std::size_t part = 0; part < parts; ++part) {
    const auto at = [&](std::size_t p) {
      return points.begin() +
             static_cast<std::ptrdiff_t>(p * points.size() / parts);
    };
    const auto [low, high] = std::minmax_element(at(part), at(part + 1), less);
    kept.push_back(*std::min(low, high));
    if (low != high) {
      kept.push_back(*std::max(low, high));
    }
  }
  return kept;
}

std::string coordinate(double share) {
  const std::string text = fixed(1000.0 * share, 1);
  return text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0
             ? text.substr(0, text.size() - 2)
             : text;
}

std::string x_labels(const AxisRange& range, Unit unit,
                     const std::string& title) {
  std::string html;
  for (const Tick& tick : ticks(range, 6, unit)) {
    html += "<span style='left:" + percent(range.place(tick.value)) + "'>" +
            escaped(tick.label) + "</span>";
  }
  return "<div class='x'>" + html + "</div><div class='x-title'>" +
         escaped(title) + "</div>";
}

std::string figure_html(const Figure& given, const AxisEnds& ends) {
  Figure figure = given;
  bool any = false;
  for (Curve& curve : figure.curves) {
    curve.points = thinned(curve.points, most_points);
    any = any || !curve.points.empty();
  }
  std::string html = "<figure id='" + escaped(figure.id) +
                     "' class='curves'><figcaption><h3>" +
                     escaped(figure.title) + "</h3>";
  const AxisRange y = y_range(figure);
  std::string note = figure.note;
  if (y.logarithmic) {
    note += std::string(note.empty() ? "" : " ") + "Logarithmic.";
  }
  if (!note.empty()) {
    html += "<p>" + escaped(note) + "</p>";
  }
  html += legend(figure) + "</figcaption>\n";
  if (!any) {
    return html + "<p class='empty'>no values yet</p></figure>\n";
  }
  for (std::size_t axis = 0; axis < axis_kinds.size(); ++axis) {
    html += view(figure, axis, ends[axis], y);
  }
  return html + "<script type='application/json'>" + json(figure, ends, y) +
         "</script></figure>\n";
}

}  // namespace mjolnir::train::detail

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <mjolnir/curvature/report.h>

#include "curvature/detail/table.h"

namespace mjolnir {
namespace {

std::string formatted(const char* format, double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double share) { return formatted("%.0f %%", 100 * share); }

std::string name_of(const LayerReport& l) {
  const std::string name = l.name.empty() ? "(the model itself)" : l.name;
  return l.groups == 1 ? name : name + " group " + std::to_string(l.group);
}

}  // namespace

std::string CurvatureReport::str(int columns) const {
  const auto room = static_cast<std::size_t>(std::max(columns, 1));
  std::vector<std::vector<std::string>> rows{{"layer", "", "least", "median",
                                              "most", "cond", "damped", "age",
                                              "cos g", "exact"}};
  const auto side = [&rows](const char* name, const Spectrum& s) {
    rows.push_back({"", name, formatted("%.1e", s.least),
                    formatted("%.1e", s.median), formatted("%.1e", s.most),
                    formatted("%.0e", s.condition), percent(s.damping_share),
                    "", "", ""});
  };
  bool pairs = false;
  for (const LayerReport& l : layers) {
    const bool pair = l.kind == BlockKind::ScaleShift;
    pairs = pairs || pair;
    side(pair ? "2x2" : "A", pair ? l.g : l.a);
    std::vector<std::string>& first = rows.back();
    first[0] = name_of(l);
    first[7] = l.age < 0 ? "-" : std::to_string(l.age);
    first[8] = formatted("%.2f", l.cosine_to_gradient);
    first[9] = formatted("%.2f", l.cosine_to_exact);
    if (!pair) side("G", l.g);
  }
  return detail::aligned(rows, room, 2) + "\n" +
         detail::wrapped(
             "least to cond: eigenvalues and condition of A and of G. damped: "
             "the part of the damped factor's trace that is damping (lambda "
             "= " +
                 formatted("%.3g", damping) +
                 "); near 100 % that side is a multiple of I. age: steps since "
                 "the inverse was made. cos g, exact: cosine of the update to "
                 "the gradient and to the exact block's update.",
             room) +
         (pairs ? detail::wrapped("2x2: the scale-shift blocks of all units of "
                                  "the layer.",
                                  room)
                : "");
}

}  // namespace mjolnir

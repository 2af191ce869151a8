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

std::string CurvatureReport::str() const {
  std::vector<std::vector<std::string>> rows{
      {"layer", "T", "A median", "A most", "A damped", "G median", "G most",
       "G damped", "age", "cos(g)", "cos(exact)"}};
  for (const LayerReport& l : layers) {
    rows.push_back({name_of(l), formatted("%.0f", l.positions),
                    formatted("%.1e", l.a.median), formatted("%.1e", l.a.most),
                    percent(l.a.damping_share), formatted("%.1e", l.g.median),
                    formatted("%.1e", l.g.most), percent(l.g.damping_share),
                    l.age < 0 ? "-" : std::to_string(l.age),
                    formatted("%.2f", l.cosine_to_gradient),
                    formatted("%.2f", l.cosine_to_exact)});
  }
  return detail::aligned(rows) +
         "\ndamped: the part of the damped factor's trace that is damping "
         "(lambda = " +
         formatted("%.3g", damping) +
         ");\nnear 100 % that side is a multiple of I. cos: of the update to "
         "the gradient\nand to the exact block's update.\n";
}

}  // namespace mjolnir

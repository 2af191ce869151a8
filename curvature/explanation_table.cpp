#include <algorithm>
#include <cstdio>
#include <map>

#include <mjolnir/curvature/explain.h>

#include "curvature/detail/table.h"

namespace mjolnir {
namespace {

/** "12 kB", "3.4 MB": three digits. */
std::string bytes(std::int64_t n) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(n);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text,
                value < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", value,
                units[unit]);
  return text;
}

/** "0.12 %": of a training step. */
std::string share(double part, double whole) {
  const double percent = whole > 0 ? 100 * part / whole : 0;
  char text[32];
  std::snprintf(text, sizeof text, percent < 9.995 ? "%.2f" : "%.0f", percent);
  return text;
}

std::string times(std::int64_t n, const std::string& text) {
  return n == 1 ? text : std::to_string(n) + " x " + text;
}

/** "576 (5 blocks)", or "2 x 9". */
std::string factor(std::int64_t size, std::int64_t blocks, bool diagonal,
                   std::int64_t groups) {
  std::string text = times(groups, std::to_string(size));
  if (diagonal) return text + " diagonal";
  return blocks == 1 ? text : text + " in " + std::to_string(blocks);
}

std::string algorithm(const ExplainedLayer& l) {
  if (l.diagonal_a) return "counts";
  if (l.algorithm == CovarianceAlgorithm::Automatic) return "syrk";
  return name_of(l.algorithm);
}

/** "conv", with a joint bias "conv+b". */
std::string block(const ExplainedLayer& l) {
  const char* kind = l.kind == CurvatureKind::Conv2d      ? "conv"
                     : l.kind == CurvatureKind::Embedding ? "embed"
                                                          : "dense";
  return kind + std::string(l.joint_bias ? "+b" : "");
}

/** Parameters of one reason: "bn1.weight, bn1.bias, 36 more: reason", in two
 * lines or more if one were too long. */
std::string list_of(const std::vector<FirstOrderParameter>& parameters,
                    std::size_t columns) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> names;
  for (const FirstOrderParameter& p : parameters) {
    if (names[p.why].empty()) order.push_back(p.why);
    names[p.why].push_back(p.name);
  }
  std::string text;
  for (const std::string& why : order) {
    const std::vector<std::string>& all = names[why];
    constexpr std::size_t shown = 3;
    std::string line = "  ";
    for (std::size_t i = 0; i < std::min(shown, all.size()); ++i) {
      line += (i > 0 ? ", " : "") + all[i];
    }
    if (all.size() > shown) {
      line += " and " + std::to_string(all.size() - shown) + " more";
    }
    if (line.size() + 2 + why.size() <= columns) {
      text += line + ": " + why + "\n";
    } else {
      text += detail::wrapped(line + ":", columns, 4) +
              detail::wrapped("      " + why, columns, 6);
    }
  }
  return text;
}

}  // namespace

std::string Explanation::str(int columns) const {
  const auto room = static_cast<std::size_t>(std::max(columns, 1));
  std::vector<std::vector<std::string>> rows{{"weight of", "block", "A", "G",
                                              "T", "memory", "look", "refresh",
                                              "update", "A by"}};
  ExplainedLayer total;
  for (const ExplainedLayer& l : layers) {
    rows.push_back({l.name.empty() ? "(the model itself)" : l.name, block(l),
                    factor(l.size_a, l.blocks_a, l.diagonal_a, l.groups),
                    factor(l.size_g, l.blocks_g, false, l.groups),
                    std::to_string(l.samples > 0 ? l.positions / l.samples : 0),
                    bytes(l.bytes), share(l.look, step),
                    share(l.factors + l.inverses, step), share(l.update, step),
                    algorithm(l)});
    total.bytes += l.bytes;
    total.look += l.look;
    total.factors += l.factors;
    total.inverses += l.inverses;
    total.update += l.update;
    total.scratch = std::max(total.scratch, l.scratch);
  }
  rows.push_back({"all", "", "", "", "", bytes(total.bytes),
                  share(total.look, step),
                  share(total.factors + total.inverses, step),
                  share(total.update, step), ""});
  std::string text = detail::aligned(rows, room);
  text += "\n" +
          detail::wrapped(
              "look, refresh, update: % of the arithmetic of one training "
              "step. Of all refreshes " +
                  share(total.inverses, step) +
                  " are inverses, the rest factors. A look only reads: it "
                  "costs memory traffic, which no column shows. Scratch of a "
                  "refresh: " +
                  bytes(total.scratch) + ".",
              room);
  if (!scale_shifts.empty()) {
    text += "\nScale and shift, a 2x2 block per unit:\n";
    for (const ExplainedScaleShift& p : scale_shifts) {
      text += detail::wrapped(
          "  " + (p.name.empty() ? "(the model itself)" : p.name) + " (" +
              p.type + "): " + std::to_string(p.units) + " units, " +
              bytes(p.bytes),
          room, 6);
    }
  }
  if (first_order.empty()) return text;
  return text + "\nFirst-order parameters:\n" + list_of(first_order, room);
}

}  // namespace mjolnir

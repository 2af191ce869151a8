#include <algorithm>
#include <cmath>
#include <map>

#include "train/detail/text.h"
#include "train/report/detail/html.h"
#include "train/report/detail/run_figures.h"

namespace mjolnir::train::detail {

namespace {

constexpr std::size_t most_looks = 240;  // of a layer, as bars
constexpr double least_delta = 1e-4;     // the lowest bar

std::string percent(double share) { return fixed(100.0 * share, 2) + "%"; }

using Looks = std::vector<const RefreshDecision*>;

// By layer, in the order in which they come.
std::vector<std::pair<std::string, Looks>> by_layer(const RunData& run) {
  std::vector<std::pair<std::string, Looks>> layers;
  std::map<std::string, std::size_t> index;
  for (const RefreshDecision& d : run.decisions) {
    const auto [at, added] = index.emplace(d.layer, layers.size());
    if (added) {
      layers.emplace_back(d.layer, Looks());
    }
    layers[at->second].second.push_back(&d);
  }
  return layers;
}

// The first look has nothing to compare with.
bool has_delta(const RefreshDecision& d) {
  return std::isfinite(d.trace.delta) && d.trace.reference > 0.0;
}

// How high the bar of a look is, 0..1: Delta on a logarithmic scale.
double height(const RefreshDecision& d) {
  if (!has_delta(d)) {
    return 1.0;
  }
  const double share = 1.0 - std::log10(std::max(d.trace.delta, least_delta)) /
                                 std::log10(least_delta);
  return std::clamp(share, 0.08, 1.0);
}

// Of many looks the one with the largest Delta of each part; a refresh goes
// before what is none.
Looks thinned_looks(const Looks& looks) {
  if (looks.size() <= most_looks) {
    return looks;
  }
  Looks kept;
  const auto less = [](const RefreshDecision* a, const RefreshDecision* b) {
    const bool ra = a->trace.verdict == Verdict::Refresh;
    const bool rb = b->trace.verdict == Verdict::Refresh;
    return ra != rb ? rb : height(*a) < height(*b);
  };
  for (std::size_t part = 0; part < most_looks; ++part) {
    const auto at = [&](std::size_t p) {
      return looks.begin() +
             static_cast<std::ptrdiff_t>(p * looks.size() / most_looks);
    };
    kept.push_back(*std::max_element(at(part), at(part + 1), less));
  }
  return kept;
}

// The look of step 0 was taken in the first step, which is 1 elsewhere.
std::array<double, 3> look_places(const RunData& run,
                                  const RefreshDecision& d) {
  const double step = static_cast<double>(d.step) + 1.0;
  return places(run, step, seconds_at(run, step));
}

std::string bars(const RunData& run, const Looks& looks, std::size_t axis,
                 const AxisRange& x) {
  std::map<Verdict, std::string> paths;
  for (const RefreshDecision* d : looks) {
    const double px = x.place(look_places(run, *d)[axis]);
    if (!std::isnan(px)) {
      paths[d->trace.verdict] +=
          "M" + coordinate(px) + " 1000V" + coordinate(1.0 - height(*d));
    }
  }
  std::string svg =
      "<svg viewBox='0 0 1000 1000' preserveAspectRatio='none' "
      "aria-hidden='true'>";
  for (const auto& [verdict, path] : paths) {
    svg += std::string("<path class='") + name_of(verdict) + "' d='" + path +
           "'/>";
  }
  return svg + "</svg>";
}

std::string counts(const Looks& looks) {
  std::size_t refreshes = 0;
  for (const RefreshDecision* d : looks) {
    refreshes += d->trace.verdict == Verdict::Refresh;
  }
  return std::to_string(refreshes) + " of " + std::to_string(looks.size());
}

std::string looks_json(
    const RunData& run, const AxisEnds& ends,
    const std::vector<std::pair<std::string, Looks>>& layers) {
  std::string json = "{\"ends\":" + json_numbers({ends[0], ends[1], ends[2]}) +
                     ",\"layers\":[";
  for (const auto& [name, all] : layers) {
    std::array<std::vector<double>, 3> x;
    std::vector<double> deltas;
    std::vector<double> dampings;
    std::string verdicts;
    for (const RefreshDecision* d : thinned_looks(all)) {
      const auto at = look_places(run, *d);
      for (std::size_t axis = 0; axis < x.size(); ++axis) {
        x[axis].push_back(at[axis]);
      }
      deltas.push_back(has_delta(*d) ? d->trace.delta : std::nan(""));
      dampings.push_back(d->damping);
      verdicts += name_of(d->trace.verdict)[0];
    }
    json += std::string(json.back() == '[' ? "" : ",") +
            "{\"name\":" + json_string(name) + ",\"x\":[" + json_numbers(x[0]) +
            "," + json_numbers(x[1], 5) + "," + json_numbers(x[2], 5) +
            "],\"delta\":" + json_numbers(deltas, 3) +
            ",\"damping\":" + json_numbers(dampings, 4) +
            ",\"verdict\":" + json_string(verdicts) + "}";
  }
  return json + "]}";
}

struct SpectrumRow {
  std::string name;
  const char* side;  // "A" or "G"
  const Spectrum* spectrum;
};

// Both sides of every layer of the last report; not what a layer has not.
std::vector<SpectrumRow> last_spectra(const RunData& run) {
  std::vector<SpectrumRow> rows;
  const std::vector<LayerRow>& all = run.metrics.layers;
  std::map<std::string, std::int64_t> groups;
  for (const LayerRow& row : all) {
    groups[row.layer.name] = std::max(groups[row.layer.name], row.layer.group);
  }
  for (const LayerRow& row : all) {
    if (row.step != all.back().step) {
      continue;
    }
    const std::string group = groups[row.layer.name] > 0
                                  ? " group " + std::to_string(row.layer.group)
                                  : "";
    if (row.layer.a.most > 0.0) {
      rows.push_back({row.layer.name + group, "A", &row.layer.a});
    }
    if (row.layer.g.most > 0.0) {
      rows.push_back({row.layer.name + group, "G", &row.layer.g});
    }
  }
  return rows;
}

// What lies within 1e-8 of the largest eigenvalue; below it is rounding.
AxisRange spectra_range(const std::vector<SpectrumRow>& rows) {
  std::vector<double> values;
  for (const SpectrumRow& row : rows) {
    const Spectrum& s = *row.spectrum;
    for (const double value :
         {s.least, s.tenth, s.median, s.ninetieth, s.most, s.damping}) {
      if (value > 1e-8 * s.most) {
        values.push_back(value);
      }
    }
  }
  return range_of(values, true);
}

std::string spectrum_picture(const Spectrum& s, const AxisRange& x) {
  const auto at = [&](double value) {
    return coordinate(value > x.low ? x.place(value) : 0.0);
  };
  std::string svg =
      "<svg viewBox='0 0 1000 1000' preserveAspectRatio='none' "
      "aria-hidden='true'><path class='whisker' d='M" +
      at(s.least) + " 500H" + at(s.most) + "'/><path class='box' d='M" +
      at(s.tenth) + " 200H" + at(s.ninetieth) + "V800H" + at(s.tenth) +
      "Z'/><path class='median' d='M" + at(s.median) + " 120V880'/>";
  if (s.damping > 0.0) {
    svg += "<path class='lambda' d='M" + at(s.damping) + " 0V1000'/>";
  }
  return svg + "</svg>";
}

std::string spectrum_tip(const SpectrumRow& row) {
  const Spectrum& s = *row.spectrum;
  return row.name + " " + row.side + "\nleast " + compact(s.least, 3) +
         "\n10 % below " + compact(s.tenth, 3) + "\nmedian " +
         compact(s.median, 3) + "\n90 % below " + compact(s.ninetieth, 3) +
         "\nlargest " + compact(s.most, 3) + "\ncondition " +
         (std::isfinite(s.condition) ? compact(s.condition, 3) : "infinite") +
         "\ndamping " + compact(s.damping, 3) + ", " +
         value_text(s.damping_share, Unit::Percent, 3) + " of the damped trace";
}

}  // namespace

std::string looks_figure(const RunData& run) {
  const auto layers = by_layer(run);
  if (layers.empty()) {
    return "";
  }
  const AxisEnds ends = axis_ends({&run});
  std::string html =
      "<figure id='refreshes' class='rows looks'><figcaption><h3>Refreshes of "
      "each layer</h3><p>A bar is a look at the layer: its height is Δ, the "
      "change of the trace of its Fisher block, from 10⁻⁴ to 1 on a "
      "logarithmic scale (lines at 10⁻³, 10⁻², 10⁻¹). The first look has "
      "nothing to compare with and is drawn full.</p><ul class='legend'>"
      "<li class='refresh'>refreshed</li><li class='keep'>kept</li>"
      "<li class='freeze'>frozen for good</li></ul></figcaption>\n";
  for (std::size_t axis = 0; axis < axis_kinds.size(); ++axis) {
    const AxisKind& kind = axis_kinds.at(axis);
    html += "<div class='view by-" + std::string(kind.id) + "'>";
    if (!(ends[axis] > 0.0)) {
      html += "<p class='empty'>known after the first epoch</p></div>";
      continue;
    }
    AxisRange x;
    x.high = ends[axis];
    html += "<div class='table'>";
    std::size_t number = 0;
    for (const auto& [name, looks] : layers) {
      html += "<div class='name' title='" + escaped(name) + "'>" +
              escaped(name) + "</div><div class='strip' data-axis='" + kind.id +
              "' data-row='" + std::to_string(number++) + "'>" +
              bars(run, thinned_looks(looks), axis, x) +
              "</div><div class='value'>" + counts(looks) + "</div>";
    }
    html += "<div></div><div>" + x_labels(x, kind.unit, kind.title) +
            "</div><div></div></div></div>\n";
  }
  return html + "<script type='application/json'>" +
         looks_json(run, ends, layers) + "</script></figure>\n";
}

std::string spectra_figure(const RunData& run) {
  const std::vector<SpectrumRow> rows = last_spectra(run);
  if (rows.empty()) {
    return "";
  }
  const AxisRange x = spectra_range(rows);
  std::string html =
      "<figure id='spectra' class='rows spectra'><figcaption><h3>Spectra of "
      "the factors</h3><p>Eigenvalues of A and G in the report after step " +
      std::to_string(run.metrics.layers.back().step) +
      ", on a logarithmic axis: all of them (line), four fifths (box), the "
      "median; and what damping adds to each. On the right, damping’s share "
      "of the damped trace: near 100 % that side of the layer is not "
      "preconditioned.</p><ul class='legend'><li class='box'>eigenvalues</li>"
      "<li class='lambda'>damping</li></ul></figcaption>\n<div class='table'>";
  std::string grid;
  for (const Tick& tick : ticks(x, 6, Unit::Number)) {
    grid += "<i style='left:" + percent(x.place(tick.value)) + "'></i>";
  }
  for (const SpectrumRow& row : rows) {
    html += "<div class='name sided' title='" + escaped(row.name) + "'><span>" +
            escaped(row.name) + "</span><b>" + row.side +
            "</b></div><div class='strip' data-tip='" +
            escaped(spectrum_tip(row)) + "'>" + grid +
            spectrum_picture(*row.spectrum, x) + "</div><div class='value'>" +
            value_text(row.spectrum->damping_share, Unit::Percent, 3) +
            "</div>";
  }
  return html + "<div></div><div>" + x_labels(x, Unit::Number, "eigenvalue") +
         "</div><div></div></div></figure>\n";
}

}  // namespace mjolnir::train::detail

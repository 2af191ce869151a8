#pragma once

#include <array>
#include <string>
#include <vector>

#include <mjolnir/train/run_data.h>

#include "train/report/detail/ticks.h"

namespace mjolnir::train::detail {

/** The axes a page can be switched between, and how it names them. */
struct AxisKind {
  RunAxis axis;
  const char* id;     ///< "step"
  const char* title;  ///< "step"
  Unit unit;
};
inline constexpr std::array<AxisKind, 3> axis_kinds = {
    AxisKind{RunAxis::Step, "step", "optimizer step", Unit::Number},
    AxisKind{RunAxis::Epoch, "epoch", "epoch", Unit::Number},
    AxisKind{RunAxis::Time, "time", "time since the start", Unit::Seconds}};

/** The end of each axis, in the order of axis_kinds; all begin at 0. NaN for
 * an axis that is not known yet. */
using AxisEnds = std::array<double, 3>;

/** The ends that hold every row of these runs. */
AxisEnds axis_ends(const std::vector<const RunData*>& runs);

/** A value and where it stands on each axis. */
struct CurvePoint {
  std::array<double, 3> x{};
  double y = 0.0;
  double error = 0.0;  ///< Standard error; 0: not known.
};

/** One curve; a y that is not finite leaves a gap. */
struct Curve {
  std::string name;
  int colour = 0;      ///< Number of a colour of the page, from 0.
  bool dots = false;   ///< A dot at each point, with its error as a bar.
  bool faint = false;  ///< In the background of another one.
  std::vector<CurvePoint> points;
};

/** Curves with common axes. */
struct Figure {
  std::string id;
  std::string title;
  std::string note = {};  ///< A sentence below the title.
  Unit unit = Unit::Number;
  /** Logarithmic where the values differ by more than a factor of 50. */
  bool may_be_logarithmic = false;
  std::vector<Curve> curves = {};
};

/** Where a row of a run stands on each axis. */
std::array<double, 3> places(const RunData& run, double step, double seconds);

/** At most about `most` of the points: the least and the greatest of each part
 * of a longer curve, so that no peak is lost. */
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points,
                                std::size_t most);

/** A <figure> with a picture for each axis, of which the page shows one, and
 * the values as JSON for tooltips. */
std::string figure_html(const Figure& figure, const AxisEnds& ends);

/** The labels below a plot, at their places. */
std::string x_labels(const AxisRange& range, Unit unit,
                     const std::string& title);

/** "12.5": a coordinate in a picture 1000 wide and high. */
std::string coordinate(double share);

}  // namespace mjolnir::train::detail

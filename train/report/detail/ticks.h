#pragma once

#include <string>
#include <vector>

namespace mjolnir::train::detail {

/** What the numbers of an axis are, and so how its labels look. */
enum class Unit { Number, Percent, Seconds };

/** A value that an axis names. */
struct Tick {
  double value = 0.0;
  std::string label;
};

/** Where an axis begins and ends, and how it divides. */
struct AxisRange {
  double low = 0.0;
  double high = 1.0;
  bool logarithmic = false;

  /** 0 at low, 1 at high; clamped, so that nothing leaves the plot. NaN where
   * the value has no place: NaN itself, or nothing above 0 on a logarithmic
   * axis. */
  double place(double value) const;
};

/** A range that holds the finite ones of these values, with a little room;
 * [0,1] if there is none, and never empty. Values of one sign and near 0 bring
 * 0 in. Logarithmic: of those above 0. */
AxisRange range_of(const std::vector<double>& values, bool logarithmic);

/** Round values within a range, about `count` of them: steps of 1, 2 or 5 times
 * a power of ten, of a clock for seconds, or powers of ten if logarithmic. */
std::vector<Tick> ticks(const AxisRange& range, int count, Unit unit);

/** A value as a tick or a tooltip writes it: "0.05", "62.5 %", "1:05". */
std::string value_text(double value, Unit unit, int digits = 4);

}  // namespace mjolnir::train::detail

#include "train/report/detail/ticks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "train/detail/text.h"

namespace mjolnir::train::detail {

namespace {

// What is beyond it (or, on a logarithmic axis, below its inverse) is drawn at
// the edge: differences would overflow.
constexpr double largest = 1e100;

// The smallest of 1, 2, 5 times a power of ten that is not below `least`.
double round_step(double least) {
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (times * power >= least * (1.0 - 1e-9)) {
      return times * power;
    }
  }
  return 10.0 * power;
}

// Steps of a clock, in seconds; days beyond.
double clock_step(double least) {
  constexpr std::array<double, 16> steps = {1,    2,    5,     10,   15,   30,
                                            60,   120,  300,   600,  1200, 1800,
                                            3600, 7200, 21600, 43200};
  if (least < 1.0) {
    return round_step(least);
  }
  for (const double step : steps) {
    if (step >= least * (1.0 - 1e-9)) {
      return step;
    }
  }
  return 86400.0 * round_step(least / 86400.0);
}

// "1e-5" of "1e-05", "1e5" of "1e+05".
std::string short_power(std::string text) {
  const std::size_t e = text.find('e');
  if (e == std::string::npos) {
    return text;
  }
  if (e + 2 < text.size() && text[e + 2] == '0') {
    text.erase(e + 2, 1);
  }
  if (text[e + 1] == '+') {
    text.erase(e + 1, 1);
  }
  return text;
}

std::vector<Tick> even_ticks(const AxisRange& range, int count, Unit unit) {
  const double least = (range.high - range.low) / count;
  const double step =
      unit == Unit::Seconds ? clock_step(least) : round_step(least);
  std::vector<Tick> all;
  const double slack = 1e-9 * step;
  for (double i = std::ceil((range.low - slack) / step);
       i * step <= range.high + slack && all.size() < 100; ++i) {
    const double value = i == 0.0 ? 0.0 : i * step;  // never -0
    all.push_back({value, value_text(value, unit)});
  }
  return all;
}

std::vector<Tick> power_ticks(const AxisRange& range, int count, Unit unit) {
  const double decades = std::log10(range.high / range.low);
  std::vector<double> within = {1.0};
  if (decades < 1.5) {
    within = {1.0, 2.0, 5.0};
  }
  const double every = std::max(1.0, std::ceil(decades / count));
  std::vector<Tick> all;
  const double first = std::floor(std::log10(range.low) / every) * every;
  for (double power = first; power <= std::log10(range.high) + 1e-9;
       power += every) {
    for (const double times : within) {
      const double value = times * std::pow(10.0, power);
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9)) {
        all.push_back({value, value_text(value, unit, 3)});
      }
    }
  }
  return all;
}

}  // namespace

double AxisRange::place(double value) const {
  if (std::isnan(value) || (logarithmic && !(value > 0.0))) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double share = logarithmic
                           ? std::log(value / low) / std::log(high / low)
                           : (value - low) / (high - low);
  return std::clamp(share, 0.0, 1.0);
}

AxisRange range_of(const std::vector<double>& values, bool logarithmic) {
  AxisRange range;
  range.logarithmic = logarithmic;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (std::abs(value) <= largest &&
        (!logarithmic || value >= 1.0 / largest)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low > high) {
    range.low = logarithmic ? 0.1 : 0.0;
    return range;
  }
  if (logarithmic) {
    const double room =
        high / low < 1.0 + 1e-9 ? 3.0 : std::pow(high / low, 0.04);
    range.low = low / room;
    range.high = high * room;
    return range;
  }
  if (low >= 0.0 && low < 0.4 * high) {
    low = 0.0;
  }
  if (high <= 0.0 && high > 0.4 * low) {
    high = 0.0;
  }
  // Of a constant, half of it on both sides.
  const double most = std::max(std::abs(low), std::abs(high));
  const double size = high - low > 1e-9 * most ? 0.05 * (high - low)
                      : most > 0.0             ? 0.5 * most
                                               : 1.0;
  range.low = low == 0.0 && high > 0.0 ? 0.0 : low - size;
  range.high = high == 0.0 && low < 0.0 ? 0.0 : high + size;
  return range;
}

std::vector<Tick> ticks(const AxisRange& range, int count, Unit unit) {
  return range.logarithmic ? power_ticks(range, count, unit)
                           : even_ticks(range, count, unit);
}

std::string value_text(double value, Unit unit, int digits) {
  if (std::isnan(value)) {
    return "–";
  }
  if (unit == Unit::Percent) {
    return short_power(compact(100.0 * value, digits)) + " %";
  }
  if (unit == Unit::Seconds) {
    const double whole = std::round(value);
    return std::abs(value) < 60.0
               ? (value == whole ? compact(value) : fixed(value, 1)) + " s"
               : clock_time(value);
  }
  if (std::abs(value) >= 1e4 && std::abs(value) < 1e7 &&
      value == std::round(value)) {
    return fixed(value, 0);  // rather a count than "1e+04"
  }
  return short_power(compact(value, digits));
}

}  // namespace mjolnir::train::detail

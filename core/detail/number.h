#pragma once

#include <cmath>
#include <locale>
#include <sstream>
#include <string>

namespace mjolnir::detail {

/** A number as errors and events print it, whatever the locale: six digits
 * that matter, so that 1e-9 is not "0.000000". */
inline std::string number(double value) {
  if (std::isnan(value)) return "nan";
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << value;
  return text.str();
}

}  // namespace mjolnir::detail

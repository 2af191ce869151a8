#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mjolnir::train::detail {

/** `value` with that many decimals, "1234.50"; the locale plays no part. */
std::string fixed(double value, int decimals);

/** The same below 10,000, "1.23e+30" above; a NaN is "nan". */
std::string readable(double value, int decimals);

/** The shortest text that reads back as the same double; "nan", "inf". */
std::string shortest(double value);

/** `value` to some significant digits, without trailing zeros: "0.00123". */
std::string compact(double value, int digits = 4);

/** "1:05" or "2:00:09"; "--:--" for a negative or non-finite time. */
std::string clock_time(double seconds);

/** The whole of `text` as a number; the locale plays no part. */
std::optional<double> to_double(const std::string& text);
std::optional<std::int64_t> to_integer(const std::string& text);

/** The candidate with the fewest edits to `word`, or "" if none is near. */
std::string nearest(const std::string& word,
                    const std::vector<std::string>& candidates);

/** "a, b, c" */
std::string join(const std::vector<std::string>& words);

}  // namespace mjolnir::train::detail

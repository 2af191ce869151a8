#include "train/detail/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace mjolnir::train::detail {

namespace {

// Long enough for every double in fixed notation.
using Buffer = std::array<char, 400>;

std::string finish(const Buffer& buffer, std::to_chars_result result) {
  return std::string(buffer.data(), static_cast<const char*>(result.ptr));
}

// Levenshtein's distance: insertions, deletions and changes of a letter.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

template <class T>
std::optional<T> parse(const std::string& text) {
  T value{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (text.size() > 1 && *begin == '+' && begin[1] != '-') {
    ++begin;  // from_chars() takes no plus
  }
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end || text.empty()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string fixed(double value, int decimals) {
  Buffer buffer;
  return finish(
      buffer, std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                            std::chars_format::fixed, decimals));
}

std::string readable(double value, int decimals) {
  if (std::isnan(value)) {
    return "nan";  // without a sign
  }
  if (std::abs(value) < 1e4 || std::isinf(value)) {
    return fixed(value, decimals);
  }
  Buffer buffer;
  return finish(
      buffer, std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                            std::chars_format::scientific, 2));
}

std::string shortest(double value) {
  Buffer buffer;
  return finish(buffer, std::to_chars(buffer.data(),
                                      buffer.data() + buffer.size(), value));
}

std::string compact(double value, int digits) {
  Buffer buffer;
  return finish(
      buffer, std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                            std::chars_format::general, digits));
}

std::string clock_time(double seconds) {
  if (!(seconds >= 0.0) || !std::isfinite(seconds) || seconds > 1e9) {
    return "--:--";
  }
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  const auto two = [](std::int64_t n) {
    return (n < 10 ? "0" : "") + std::to_string(n);
  };
  const std::int64_t hours = total / 3600;
  const std::int64_t minutes = total / 60 % 60;
  const std::string tail = ":" + two(total % 60);
  if (hours == 0) {
    return std::to_string(minutes) + tail;
  }
  return std::to_string(hours) + ":" + two(minutes) + tail;
}

std::optional<double> to_double(const std::string& text) {
  return parse<double>(text);
}

std::optional<std::int64_t> to_integer(const std::string& text) {
  return parse<std::int64_t>(text);
}

std::string nearest(const std::string& word,
                    const std::vector<std::string>& candidates) {
  std::string best;
  // More than a third of the letters wrong is another word.
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d < best_distance) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

}  // namespace mjolnir::train::detail

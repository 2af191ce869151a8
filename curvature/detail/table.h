#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace mjolnir::detail {

/** Of a terminal. */
constexpr std::size_t table_columns = 80;

/** Rows of cells as lines; the first column is set left, the others right, two
 * blanks apart, or one where two make the lines too long. */
inline std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::size_t width = 0;
  for (const std::size_t w : widths) width += w + 2;
  const std::string between(width <= table_columns + 2 ? 2 : 1, ' ');
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      line +=
          (i > 0 ? between : "") + (i == 0 ? row[i] + blanks : blanks + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace mjolnir::detail

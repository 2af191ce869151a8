#include "curvature/detail/table.h"

#include <algorithm>
#include <numeric>
#include <sstream>

namespace mjolnir::detail {
namespace {

using Row = std::vector<std::string>;
using Indices = std::vector<std::size_t>;

std::vector<std::size_t> widths_of(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  return widths;
}

std::size_t width_of(const std::vector<std::size_t>& widths,
                     const Indices& shown, std::size_t gap) {
  std::size_t width = 0;
  for (const std::size_t i : shown) width += widths[i] + gap;
  return width - std::min(width, gap);
}

// The columns `shown` of every row.
std::string lines(const std::vector<Row>& rows,
                  const std::vector<std::size_t>& widths, const Indices& shown,
                  std::size_t gap) {
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (const std::size_t i : shown) {
      const std::string cell = i < row.size() ? row[i] : "";
      const std::string blanks(widths[i] - cell.size(), ' ');
      line += (i > 0 ? std::string(gap, ' ') : "") +
              (i == 0 ? cell + blanks : blanks + cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string aligned(const std::vector<Row>& rows, std::size_t columns,
                    std::size_t keys) {
  const std::vector<std::size_t> widths = widths_of(rows);
  Indices all(widths.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const std::size_t gap : {2, 1}) {
    if (width_of(widths, all, gap) <= columns) {
      return lines(rows, widths, all, gap);
    }
  }
  std::string text;
  for (std::size_t next = keys; next < all.size();) {
    Indices shown(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(keys));
    do {
      shown.push_back(next++);
    } while (next < all.size() &&
             width_of(widths, shown, 1) + 1 + widths[next] <= columns);
    text += (text.empty() ? "" : "\n") + lines(rows, widths, shown, 1);
  }
  return text;
}

std::string wrapped(const std::string& text, std::size_t columns,
                    std::size_t indent) {
  std::istringstream words(text);
  std::string result, line;
  // Blanks before the first word are the text's own.
  line.assign(std::min(text.find_first_not_of(' '), text.size()), ' ');
  bool begun = false;
  for (std::string word; words >> word; begun = true) {
    if (begun && line.size() + 1 + word.size() > columns) {
      result += line + "\n";
      line.assign(indent, ' ');
      begun = false;
    }
    line += (begun ? " " : "") + word;
  }
  return result + line + "\n";
}

}  // namespace mjolnir::detail

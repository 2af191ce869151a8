#include "train/detail/text_table.h"

#include <algorithm>

namespace mjolnir::train::detail {

namespace {

using Row = std::vector<std::string>;

constexpr std::size_t gap = 2;

// Letters, of UTF-8.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string line(const Row& cells, const std::vector<std::size_t>& widths) {
  std::string text;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string blanks(widths[i] - width(cells[i]), ' ');
    text +=
        i == 0 ? cells[i] + blanks : std::string(gap, ' ') + blanks + cells[i];
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

std::string blocks(const Row& header, const std::vector<Row>& rows,
                   std::size_t columns) {
  std::size_t widest = 0;
  for (const std::string& name : header) {
    widest = std::max(widest, width(name));
  }
  std::string text;
  for (const Row& row : rows) {
    text += row[0] + "\n";
    for (std::size_t i = 1; i < row.size(); ++i) {
      const bool fits = 2 * gap + widest + width(row[i]) <= columns;
      text += std::string(gap, ' ') + header[i] +
              (fits ? std::string(widest - width(header[i]) + gap, ' ')
                    : "\n" + std::string(2 * gap, ' ')) +
              row[i] + "\n";
    }
  }
  return text;
}

}  // namespace

std::string text_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows,
                       int columns, std::size_t spare) {
  if (rows.empty()) {
    return "";
  }
  const auto room = static_cast<std::size_t>(std::max(columns, 0));
  std::vector<std::size_t> widths;
  std::size_t whole = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    std::size_t most = width(header[i]);
    for (const Row& row : rows) {
      most = std::max(most, width(row.at(i)));
    }
    widths.push_back(most);
    whole += most + (i > 0 ? gap : 0);
  }
  for (; whole > room && spare > 0 && widths.size() > 1; --spare) {
    whole -= widths.back() + gap;
    widths.pop_back();
  }
  if (whole > room) {
    return blocks(header, rows, room);
  }
  std::string text = line(header, widths);
  for (const Row& row : rows) {
    text += line(row, widths);
  }
  return text;
}

}  // namespace mjolnir::train::detail

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mjolnir::train::detail {

/** Cells in columns, for a terminal: the first column to the left, the others
 * to the right. Where a line would be wider than `columns`, up to `spare` of
 * the last columns are left out; where that is not enough, each row becomes a
 * block instead: its first cell, then a line per column, or two. Ends with a
 * newline; "" without a row. */
std::string text_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows,
                       int columns, std::size_t spare = 0);

}  // namespace mjolnir::train::detail

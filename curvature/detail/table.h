#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mjolnir::detail {

/**
 * Rows of cells, the first of them the header, as lines of at most `columns`:
 * the first column is set left, the others right, two blanks apart, or one
 * where two make the lines too long. Where one blank does too, the table comes
 * in parts, a blank line between them, each with the first `keys` columns and
 * as many of the others as fit, one at least.
 */
std::string aligned(const std::vector<std::vector<std::string>>& rows,
                    std::size_t columns, std::size_t keys = 1);

/** Words separated by blanks, in lines of at most `columns` where no word is
 * longer; all lines but the first begin with `indent` blanks. Ends with a
 * newline. */
std::string wrapped(const std::string& text, std::size_t columns,
                    std::size_t indent = 0);

}  // namespace mjolnir::detail

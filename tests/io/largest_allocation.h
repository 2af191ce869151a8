#pragma once

#include <cstddef>

namespace mjolnir::testing {

/** Forgets the largest request for memory so far. */
void reset_largest_allocation() noexcept;

/** The largest single request to operator new since then, in bytes, by any
 * thread of this test program. */
std::size_t largest_allocation() noexcept;

}  // namespace mjolnir::testing

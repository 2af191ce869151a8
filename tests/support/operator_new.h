#pragma once

#include <cstddef>
#include <cstdint>

/** What a program that is linked with operator_new.cpp asks of operator new, in
 * all its threads and libraries. */
namespace mjolnir::testing {

/** Calls so far. */
std::int64_t operator_new_calls() noexcept;

/** Forgets the largest request so far. */
void reset_largest_allocation() noexcept;

/** The largest single request since then, in bytes. */
std::size_t largest_allocation() noexcept;

}  // namespace mjolnir::testing

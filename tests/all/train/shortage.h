#pragma once

#include <mjolnir/core/allocator.h>

namespace mjolnir::testing {

/** Lets the n-th allocation after this fail, from 1, and each later one too if
 * `for_good`, until nothing_fails(). */
void let_fail(long n, bool for_good);
void nothing_fails();
/** True if one failed since let_fail(). */
bool memory_failed();

/** Memory is short while it lives: the n-th allocation fails. */
class Shortage {
 public:
  Shortage(long n, bool for_good) {
    empty_cache();
    let_fail(n, for_good);
  }
  ~Shortage() { nothing_fails(); }
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
};

}  // namespace mjolnir::testing

#pragma once

#include <string>

namespace mjolnir::detail {

/**
 * Cores' worth of processor time that the control groups of this process grant
 * (cgroup v2, from its own group up to the root of the tree: the smallest
 * quota), rounded up; 0 where none is set. `root` goes before the paths that
 * are read, for tests.
 */
int cgroup_cores(const std::string& root = "");

}  // namespace mjolnir::detail

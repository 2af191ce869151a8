#include "core/detail/cgroup.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <locale>

namespace mjolnir::detail {
namespace {

// "0::/user.slice/job": the group of cgroup v2, "" at the root of the tree.
std::string own_group(const std::string& root) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("0::/", 0) != 0) continue;
    const std::string group = line.substr(3);
    return group == "/" ? "" : group;
  }
  return "";
}

// "200000 100000": 200 of every 100 ms, two cores' worth; "max" sets none.
double quota_of(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  file.imbue(std::locale::classic());
  std::int64_t quota = 0;
  std::int64_t period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<double>(quota) / static_cast<double>(period);
}

}  // namespace

int cgroup_cores(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  double least = 0;
  // A container may see its group's path, but not the files above its own
  // root: those that are missing set no quota.
  for (std::string group = own_group(root);;) {
    const double quota = quota_of(mount + group);
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
    if (group.empty()) break;
    group.erase(group.rfind('/'));
  }
  return static_cast<int>(std::ceil(std::min(least, 1e6)));
}

}  // namespace mjolnir::detail

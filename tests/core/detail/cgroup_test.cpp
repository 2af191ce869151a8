#include "core/detail/cgroup.h"

#include <gtest/gtest.h>

#include "tests/support/files.h"

namespace mjolnir {
namespace {

using testing::bytes_of;
using testing::plant;

// A machine's files, as far as they matter here.
struct Machine : testing::TempDirectory {
  void group(const std::string& line) const {
    plant(*this / "proc/self/cgroup", bytes_of(line));
  }
  void quota(const std::string& path, const std::string& text) const {
    plant(*this / ("sys/fs/cgroup" + path + "/cpu.max"), bytes_of(text));
  }
  int cores() const { return detail::cgroup_cores(path()); }
};

TEST(Cgroup, WithoutFilesOrQuotaThereIsNoLimit) {
  const Machine machine;
  EXPECT_EQ(machine.cores(), 0);
  machine.group("0::/\n");
  machine.quota("", "max 100000\n");
  EXPECT_EQ(machine.cores(), 0);
}

TEST(Cgroup, AContainerSeesItsQuotaAtTheRoot) {
  const Machine machine;
  machine.group("0::/\n");
  machine.quota("", "250000 100000\n");
  EXPECT_EQ(machine.cores(), 3);
  machine.quota("", "10000 100000\n");
  EXPECT_EQ(machine.cores(), 1);
}

TEST(Cgroup, TheProcessOwnGroupCounts) {
  const Machine machine;
  machine.group("0::/jobs.slice/job-7\n");
  machine.quota("/jobs.slice", "max 100000\n");
  machine.quota("/jobs.slice/job-7", "400000 100000\n");
  machine.quota("/jobs.slice/job-8", "100000 100000\n");
  EXPECT_EQ(machine.cores(), 4);
}

TEST(Cgroup, TheSmallestQuotaUpTheTreeHolds) {
  const Machine machine;
  machine.group("0::/a/b/c\n");
  machine.quota("/a", "300000 100000\n");
  machine.quota("/a/b", "100000 50000\n");
  machine.quota("/a/b/c", "800000 100000\n");
  EXPECT_EQ(machine.cores(), 2);
}

// cgroup v1 has a line for each controller, v2 one with the number 0.
TEST(Cgroup, OtherLinesAreNotItsGroup) {
  const Machine machine;
  machine.group("4:cpu,cpuacct:/other\n0::/mine\n1:name=systemd:/other\n");
  machine.quota("/other", "100000 100000\n");
  machine.quota("/mine", "200000 100000\n");
  EXPECT_EQ(machine.cores(), 2);
}

TEST(Cgroup, APathThatIsNotMountedLeavesTheRoots) {
  const Machine machine;
  machine.group("0::/../../docker/0a1b\n");
  machine.quota("", "200000 100000\n");
  EXPECT_EQ(machine.cores(), 2);
}

TEST(Cgroup, WhatIsNoQuotaIsNone) {
  const Machine machine;
  machine.group("0::/\n");
  for (const char* text :
       {"", "\n", "100000\n", "100000 0\n", "-1 100000\n", "many 100000\n"}) {
    machine.quota("", text);
    EXPECT_EQ(machine.cores(), 0) << text;
  }
}

}  // namespace
}  // namespace mjolnir

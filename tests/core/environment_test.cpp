#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <mjolnir/core/backend.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/core/threads.h>

#include "core/detail/parallel.h"

// The environment is read when a process starts, so each test runs this
// program again with another one, and reads what Probe prints.

namespace mjolnir {
namespace {

TEST(Probe, DISABLED_PrintsWhatItFinds) {
  std::string blas = "ok";
  set_event_sink([&](const Event& e) {
    if (e.topic == "blas") blas = e.message;
  });
  const bool shares_threads = check_blas_threading();
  const int threads = num_threads();
  const Tensor x = Tensor::full({1000, 1000}, 2);
  double sum = 0;
  for (const float v : x.to_vector<float>()) sum += v;
  std::printf("probe threads=%d sum=%.0f shares=%d blas=%s\n", threads, sum,
              shares_threads ? 1 : 0, blas.c_str());
}

// Runs Probe under a command prefix ("OMP_NUM_THREADS=64 ...").
std::string probe(const std::string& prefix) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = prefix + " '" + self +
                              "' --gtest_filter=Probe.* "
                              "--gtest_also_run_disabled_tests 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe)) {
    const std::string line = buffer.data();
    if (line.rfind("probe ", 0) == 0) text = line;
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

int threads_of(const std::string& line) {
  const std::size_t at = line.find("threads=");
  return at == std::string::npos ? -1 : std::atoi(line.c_str() + at + 8);
}

#ifdef _OPENMP
TEST(Environment, ThreadsAreAtMostTheCoresOfThisProcess) {
  const int cores = omp_get_num_procs();
  EXPECT_EQ(threads_of(probe("OMP_NUM_THREADS=1")), 1);
  EXPECT_EQ(threads_of(probe("OMP_NUM_THREADS=2")), std::min(2, cores));
  const std::string many = probe("OMP_NUM_THREADS=64");
  EXPECT_LE(threads_of(many), cores);
  EXPECT_NE(many.find("sum=2000000 "), std::string::npos) << many;
  EXPECT_EQ(threads_of(probe("taskset -c 0")), 1);
}

TEST(Environment, ThisProgramUsesTheOpenMPFlavourOfOpenBlas) {
  const std::string line = probe("");
  EXPECT_NE(line.find("shares=1 blas=ok"), std::string::npos) << line;
}
#endif

// Debian's other flavours, from the folder that the variable names (one
// subfolder each) or from where apt puts them.
TEST(Environment, OtherFlavoursOfOpenBlasAreReported) {
  const char* named = std::getenv("MJOLNIR_OPENBLAS_FLAVOURS");
  const std::string folder = named ? named : "/usr/lib/x86_64-linux-gnu";
  int tried = 0;
  for (const std::string flavour : {"pthread", "serial"}) {
    const std::string path = folder + "/openblas-" + flavour;
    if (!std::filesystem::exists(path + "/libopenblas.so.0")) continue;
    const std::string line = probe("LD_LIBRARY_PATH=" + path);
    EXPECT_NE(line.find("shares=0"), std::string::npos) << line;
    EXPECT_NE(line.find(flavour + " flavour"), std::string::npos) << line;
    EXPECT_NE(line.find("libopenblas0-openmp"), std::string::npos) << line;
    ++tried;
  }
  if (tried == 0) {
    GTEST_SKIP() << "no other flavour of OpenBLAS in " << folder
                 << "; set MJOLNIR_OPENBLAS_FLAVOURS";
  }
}

}  // namespace
}  // namespace mjolnir

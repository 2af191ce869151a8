#include "core/kernels/dropout.h"

#include <mjolnir/core/threads.h>

#include "core/kernels/philox.h"
#include "tests/core/kernels/kernel_test.h"

namespace mjolnir::kernels {
namespace {

std::vector<float> dropped(std::int64_t count, double p, std::uint64_t seed,
                           std::uint64_t stream) {
  const std::vector<float> x(count, 1.0f);
  std::vector<float> y(count, -1.0f);
  dropout(count, p, seed, stream, x.data(), y.data());
  return y;
}

TEST(DropoutKernel, KeepsTheExpectedShareAndScale) {
  const std::int64_t n = 200'001;
  for (double p : {0.1, 0.5, 0.8}) {
    std::int64_t kept = 0;
    for (float y : dropped(n, p, 42, 7)) {
      if (y != 0) {
        ASSERT_FLOAT_EQ(y, float(1 / (1 - p)));
        ++kept;
      }
    }
    // five standard deviations of a binomial count
    EXPECT_NEAR(double(kept), n * (1 - p), 5 * std::sqrt(n * p * (1 - p)));
  }
}

TEST(DropoutKernel, ElementIDependsOnThe32BitsOfItsOwn) {
  const auto y = dropped(11, 0.5, 3, 9);
  for (std::uint64_t i = 0; i < 11; ++i) {
    const std::uint64_t word = philox(3, 9, i / 4)[i / 2 % 2];
    const std::uint64_t bits = i % 2 == 0 ? word & 0xFFFFFFFF : word >> 32;
    EXPECT_EQ(y[i] != 0, bits >= std::uint64_t{1} << 31) << i;
  }
}

TEST(DropoutKernel, DoesNotDependOnTheThreads) {
  const int before = num_threads();
  set_num_threads(1);
  const auto serial = dropped(100'003, 0.3, 1, 2);
  set_num_threads(3);
  const auto parallel = dropped(100'003, 0.3, 1, 2);
  set_num_threads(before);
  EXPECT_EQ(serial, parallel);
  EXPECT_NE(serial, dropped(100'003, 0.3, 2, 2));
  EXPECT_NE(serial, dropped(100'003, 0.3, 1, 3));
}

TEST(DropoutKernel, AtItsEnds) {
  EXPECT_EQ(dropped(9, 0, 1, 1), std::vector<float>(9, 1.0f));
  EXPECT_EQ(dropped(9, 1, 1, 1), std::vector<float>(9, 0.0f));
}

}  // namespace
}  // namespace mjolnir::kernels

#include <mjolnir/core/denormals.h>

#include <gtest/gtest.h>

#include <algorithm>

#include <mjolnir/core/ops.h>

namespace mjolnir {
namespace {

// The product is subnormal: 1e-20 * 1e-20.
Tensor tiny_products(std::int64_t n) {
  return mul(Tensor::full({n}, 1e-20), Tensor::full({n}, 1e-20));
}

TEST(FlushDenormals, FlushesOnEveryThreadAndRestores) {
  const std::int64_t n = 1 << 18;  // enough for several threads
  const std::vector<float> before = tiny_products(n).to_vector<float>();
  EXPECT_GT(*std::min_element(before.begin(), before.end()), 0.0f);
#if defined(__SSE2__)
  {
    const FlushDenormals scope;
    const std::vector<float> inside = tiny_products(n).to_vector<float>();
    EXPECT_EQ(*std::max_element(inside.begin(), inside.end()), 0.0f);
    {
      const FlushDenormals nested;
      EXPECT_EQ(tiny_products(1).item(), 0.0);
    }
    EXPECT_EQ(tiny_products(1).item(), 0.0);
  }
#endif
  EXPECT_EQ(tiny_products(n).to_vector<float>(), before);
}

}  // namespace
}  // namespace mjolnir

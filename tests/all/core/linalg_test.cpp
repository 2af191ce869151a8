#include <mjolnir/core/linalg.h>

#include <gtest/gtest.h>

#include <vector>

namespace mjolnir::linalg {
namespace {

// Its working memory, 18,018,001 numbers, is odd and above 2^24: a float that
// tells the length says one less.
TEST(Eigh, OfMatricesWhoseWorkspaceNoFloatCanName) {
  const std::int64_t n = 3000;
  const Tensor a = Tensor::zeros({n, n});
  float* const numbers = a.mutable_data<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    numbers[i * n + i] = static_cast<float>(i * 7 % n);
  }
  const auto result = eigh(a);
  ASSERT_TRUE(result) << name_of(result.status());
  const std::vector<float> values = result->values.to_vector<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    ASSERT_EQ(values[static_cast<std::size_t>(i)], static_cast<float>(i));
  }
}

}  // namespace
}  // namespace mjolnir::linalg

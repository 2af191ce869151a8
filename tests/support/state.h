#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>

namespace mjolnir::testing {

/** The elements of a tensor in logical order, as bytes. */
inline std::vector<std::uint8_t> bits_of(const Tensor& x) {
  std::vector<std::uint8_t> bytes;
  const auto copy = [&bytes](const auto& values) {
    bytes.resize(values.size() * sizeof(values[0]));
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  };
  switch (x.dtype()) {
    case DType::F32:
      copy(x.to_vector<float>());
      break;
    case DType::F64:
      copy(x.to_vector<double>());
      break;
    case DType::I64:
      copy(x.to_vector<std::int64_t>());
      break;
    case DType::U8:
      copy(x.to_vector<std::uint8_t>());
      break;
  }
  return bytes;
}

/** Expects the same names in the same order, and the same bits. */
inline void expect_same_bits(const SavedState& got, const SavedState& want,
                             const std::string& where) {
  ASSERT_EQ(got.size(), want.size()) << where;
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].first, want[i].first) << where;
    EXPECT_EQ(got[i].second.shape(), want[i].second.shape()) << got[i].first;
    EXPECT_TRUE(bits_of(got[i].second) == bits_of(want[i].second))
        << where << ": " << got[i].first;
  }
}

}  // namespace mjolnir::testing

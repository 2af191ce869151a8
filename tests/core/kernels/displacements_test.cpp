#include "core/kernels/displacements.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace mjolnir {
namespace {

using Cells = std::set<std::pair<std::int64_t, std::int64_t>>;  // (u, a)

// By the definition: window position t reads u = stride t + dilation a - pad
// with cell a, and u + dilation delta with cell a + delta.
Cells pairs_of(const kernels::WindowAxis& axis, std::int64_t delta) {
  Cells pairs;
  for (std::int64_t t = 0; t < axis.positions; ++t)
    for (std::int64_t a = 0; a < axis.cells; ++a) {
      const std::int64_t b = a + delta;
      const std::int64_t u = axis.stride * t + axis.dilation * a - axis.pad;
      const std::int64_t v = axis.stride * t + axis.dilation * b - axis.pad;
      if (b >= 0 && b < axis.cells && u >= 0 && u < axis.length && v >= 0 &&
          v < axis.length)
        pairs.emplace(u, a);
    }
  return pairs;
}

TEST(Displacements, CutAnAxisByTheCellsThatReachIt) {
  for (const std::int64_t length : {1, 5, 9})
    for (const std::int64_t cells : {1, 2, 3, 5})
      for (const std::int64_t stride : {1, 2, 3})
        for (const std::int64_t dilation : {1, 2, 3})
          for (const std::int64_t pad : {0, 1, 4}) {
            const std::int64_t room =
                length + 2 * pad - dilation * (cells - 1) - 1;
            if (room < 0) continue;
            const kernels::WindowAxis axis{length,   cells, stride,
                                           dilation, pad,   room / stride + 1};
            for (std::int64_t delta = 1 - cells; delta < cells; ++delta) {
              Cells pairs;
              for (const auto& term : kernels::axis_terms(axis, delta)) {
                EXPECT_EQ(term.step, stride);
                std::int64_t count = 0;
                for (std::int64_t u = term.begin; u < term.end;
                     u += term.step) {
                  ++count;
                  for (const std::int64_t a : term.cells)
                    EXPECT_TRUE(pairs.emplace(u, a).second) << "twice";
                }
                EXPECT_EQ(term.count(), count);
              }
              EXPECT_EQ(pairs, pairs_of(axis, delta));
            }
          }
}

TEST(Displacements, AreFewWhereAWindowGoesFarIntoTheImage) {
  // same padding, 3x3: 13 displacements, and 16 border pieces.
  const kernels::WindowAxis axis{16, 3, 1, 1, 1, 16};
  const auto terms = kernels::displacement_terms(axis, axis);
  EXPECT_EQ(terms.size(), 29U);
  std::set<std::pair<std::int64_t, std::int64_t>> displacements;
  for (const auto& t : terms) displacements.emplace(t.dh, t.dw);
  EXPECT_EQ(displacements.size(), 13U);
}

}  // namespace
}  // namespace mjolnir

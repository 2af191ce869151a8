#include <gmock/gmock.h>

#include <mjolnir/core/events.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using testing::relative_error;
using testing::tensor;
using testing::values_of;

DenseThorOptions base() {
  DenseThorOptions options;
  options.in_channels = 3;
  options.out_channels = 2;
  options.dtype = DType::F64;
  return options;
}

TEST(DenseThor, GoldenA) {
  Generator rng(1);
  DenseThor dense(base(), rng);
  const Tensor dout = tensor({1, 2, -3, 1}, {2, 2});
  sum(dense(tensor({1, 2, 3, 3, 4, 5}, {2, 3})) * dout).backward();
  EXPECT_LE(relative_error(values_of(dense.matrix_a()),
                           {5, 7, 9, 7, 10, 13, 9, 13, 17}),
            1e-15);
  EXPECT_LE(relative_error(values_of(dense.matrix_g()), {5, -0.5, -0.5, 2.5}),
            1e-15);
  EXPECT_EQ(dense.factors()->sums().positions_per_sample, 1);
}

TEST(DenseThor, DefaultsAreUpstreams) {
  Generator rng(1);
  DenseThorOptions options = base();
  options.in_channels = 100;
  options.out_channels = 50;
  const DenseThor dense(options, rng);
  ASSERT_TRUE(dense.bias.defined());
  for (const double b : values_of(dense.bias)) EXPECT_EQ(b, 0);
  double squares = 0;
  for (const double w : values_of(dense.weight)) squares += w * w;
  EXPECT_NEAR(std::sqrt(squares / 5000), 0.01, 0.0005);
}

TEST(DenseThor, Refuses) {
  const auto refuse = [](auto change) {
    DenseThorOptions options = base();
    change(options);
    return message_of<ValueError>([&] {
      Generator rng(1);
      DenseThor(options, rng);
    });
  };
  EXPECT_THAT(refuse([](auto& o) { o.in_channels = 0; }),
              AllOf(HasSubstr("[DenseThor]"), HasSubstr("in_channels"),
                    HasSubstr("0")));
  EXPECT_THAT(refuse([](auto& o) { o.out_channels = -2; }),
              AllOf(HasSubstr("out_channels"), HasSubstr("-2")));
  EXPECT_THAT(refuse([](auto& o) { o.weight_init = "nothing"; }),
              AllOf(HasSubstr("weight_init"), HasSubstr("nothing")));
  EXPECT_THAT(refuse([](auto& o) { o.bias_init = "he_uniform"; }),
              AllOf(HasSubstr("bias_init"), HasSubstr("he_uniform")));
}

TEST(DenseThor, AnUnusedBiasInitIsAnEvent) {
  Generator rng(1);
  DenseThorOptions options = base();
  options.has_bias = false;
  options.bias_init = 1;
  const std::int64_t before = event_count("initializer");
  const DenseThor dense(options, rng);
  EXPECT_FALSE(dense.bias.defined());
  EXPECT_EQ(event_count("initializer"), before + 1);
}

TEST(DenseThor, CloneIsEqual) {
  Generator rng(2);
  DenseThor dense(base(), rng);
  const auto copy = dense.clone();
  const Tensor x = testing::random_f64({4, 3}, rng);
  EXPECT_TRUE(testing::bit_equal((*copy)(x), dense(x)));
  EXPECT_EQ(copy->describe(), "DenseThor(in_channels=3, out_channels=2)");
}

}  // namespace
}  // namespace mjolnir

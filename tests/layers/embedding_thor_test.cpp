#include <mjolnir/layers/embedding_thor.h>

#include <gmock/gmock.h>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/factors.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::values_of;

EmbeddingThorOptions options() {
  EmbeddingThorOptions o;
  o.vocab_size = 5;
  o.embedding_size = 2;
  o.dtype = DType::F64;
  return o;
}

TEST(EmbeddingThor, SumsItsFactorsFromBirth) {
  Generator rng(4);
  EmbeddingThor table(options(), rng);
  const Tensor ids = Tensor::from<std::int64_t>({3, 1, 3, 0, 3, 1}, {2, 3});
  const Tensor dout =
      Tensor::from<double>({1, 2, 0, -1, 3, 1, 2, 2, 1, 0, -1, 1}, {2, 3, 2});
  sum(table(ids) * dout).backward();
  // A: how often each id came, of six; G: sum dout dout^T / 6.
  EXPECT_EQ(values_of(table.matrix_a()),
            (std::vector<double>{1.0 / 6, 2.0 / 6, 0, 3.0 / 6, 0}));
  EXPECT_EQ(values_of(table.matrix_g()),
            (std::vector<double>{16.0 / 6, 8.0 / 6, 8.0 / 6, 11.0 / 6}));
  EXPECT_EQ(table.factors()->sums().positions_per_sample, 3.0);
}

TEST(EmbeddingThor, StartsFromMindSporesInitializer) {
  Generator rng(4), twin(4);
  const EmbeddingThor table(options(), rng);
  const Tensor want = Tensor::zeros({5, 2}, {DType::F64});
  Initializer("normal").apply(want, twin);
  EXPECT_EQ(values_of(table.weight), values_of(want));
}

TEST(EmbeddingThor, ThePaddingRowStartsAtZero) {
  Generator rng(4);
  EmbeddingThorOptions o = options();
  o.embedding_table = "ones";
  o.padding_idx = 2;
  const EmbeddingThor table(o, rng);
  EXPECT_EQ(values_of(table.weight),
            (std::vector<double>{1, 1, 1, 1, 0, 0, 1, 1, 1, 1}));
}

TEST(EmbeddingThor, ClonesWithItsFactors) {
  Generator rng(4);
  EmbeddingThor table(options(), rng);
  const auto copy = table.clone();
  EXPECT_EQ(copy->describe(), "EmbeddingThor(vocab_size=5, embedding_size=2)");
  EXPECT_EQ(values_of(copy->parameters()[0]), values_of(table.weight));
  EXPECT_TRUE(curvature(*copy).factors());
}

TEST(EmbeddingThor, RefusalsNameLayerArgumentAndValue) {
  Generator rng(4);
  const auto refusal = [&](auto change) {
    EmbeddingThorOptions o = options();
    change(o);
    return message_of<ValueError>([&] { EmbeddingThor(o, rng); });
  };
  using O = EmbeddingThorOptions;
  EXPECT_THAT(refusal([](O& o) { o.vocab_size = 0; }),
              HasSubstr("[EmbeddingThor] expected vocab_size"));
  EXPECT_THAT(refusal([](O& o) { o.embedding_size = -1; }),
              HasSubstr("embedding_size"));
  EXPECT_THAT(refusal([](O& o) { o.padding_idx = 5; }),
              HasSubstr("padding_idx in [0, 5), got 5"));
  EXPECT_THAT(refusal([](O& o) { o.embedding_table = "nonsense"; }),
              HasSubstr("nonsense"));
}

}  // namespace
}  // namespace mjolnir

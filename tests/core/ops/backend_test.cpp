// The two backends share no product: else one could not check the other.

#include <gtest/gtest.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>

#include "core/kernels/onednn.h"

namespace mjolnir {
namespace {

// Products and convolutions, forward and backward, in f32; among them those
// for which oneDNN has no convolution of its own.
void use_every_product() {
  Generator rng(5);
  const Tensor a = normal({9, 9}, 0, 1, rng), b = normal({9, 9}, 0, 1, rng);
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  sum(matmul(a, b)).backward();
  sum(linear(a, b)).backward();
  linalg::matmul(a, b);
  for (const std::int64_t stride : {1, 2}) {
    for (const std::int64_t kernel : {1, 3}) {
      Conv2dGeometry g;
      g.kernel_h = g.kernel_w = kernel;
      g.stride_h = g.stride_w = stride;
      const Tensor x = normal({2, 8, 9, 9}, 0, 1, rng);
      const Tensor w = normal({5, 8, kernel, kernel}, 0, 1, rng);
      x.set_requires_grad(true);
      w.set_requires_grad(true);
      sum(conv2d(x, w, Tensor(), g)).backward();
    }
  }
}

TEST(Backend, TheReferenceNeverAsksOneDnnForAProduct) {
  if (!has_onednn()) GTEST_SKIP() << "built without oneDNN";
  const ScopedBackend scope(Backend::Reference);
  const std::int64_t before = kernels::onednn::sgemm_count();
  use_every_product();
  EXPECT_EQ(kernels::onednn::sgemm_count(), before);
}

TEST(Backend, AutoDoes) {
  if (!has_onednn()) GTEST_SKIP() << "built without oneDNN";
  const auto products_of = [](auto f) {
    const std::int64_t before = kernels::onednn::sgemm_count();
    f();
    return kernels::onednn::sgemm_count() - before;
  };
  const Tensor a = Tensor::ones({9, 9});
  EXPECT_GT(products_of([&] { matmul(a, a); }), 0);
  EXPECT_GT(products_of([&] { linear(a, a); }), 0);
  EXPECT_GT(products_of([&] { linalg::matmul(a, a); }), 0);
  EXPECT_GT(products_of(use_every_product), 4);
}

}  // namespace
}  // namespace mjolnir

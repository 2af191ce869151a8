#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/norm.h>

#include "core/detail/check.h"
#include "core/detail/dispatch.h"
#include "core/kernels/dropout.h"

namespace mjolnir {
namespace {

// The mask is a function of the key and the place in memory: linear in x, and
// its own adjoint on a gradient in the same layout.
Tensor apply(const Tensor& x, double p, const Generator::State& key) {
  const Tensor y = Tensor::empty_like(x);
  dispatch_float("dropout", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    kernels::dropout(x.numel(), p, key.seed, key.stream, x.data<T>(),
                     y.mutable_data<T>());
  });
  return make_op(
      "dropout", {x}, y,
      [p, key, layout = x.layout()](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{apply(dy.to(layout), p, key)};
      });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& rng, bool training) {
  check_floating("dropout", x);
  if (!(p >= 0 && p <= 1)) {
    throw ValueError("[dropout] expected p in [0, 1], got " +
                     std::to_string(p));
  }
  if (!training) return x;
  return apply(x, p, rng.split().state());
}

}  // namespace mjolnir

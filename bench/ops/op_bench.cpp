// Times every op's case at its own small size, so that what is measured is
// mostly the price of a call: recording, memory, dispatch.
//   op_bench [text]   only the cases whose name contains the text

#include <algorithm>
#include <cstdio>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/backend.h>
#include <mjolnir/core/threads.h>

#include "bench/clock.h"
#include "tests/core/ops/op_case.h"

namespace {

using mjolnir::Tensor;
using mjolnir::testing::OpCase;
using mjolnir::testing::Tensors;

// Microseconds a call, the best of several batches.
template <class F>
double microseconds(F&& f) {
  constexpr int kCalls = 200;
  double best = 1e9;
  for (int batch = 0; batch < 7; ++batch) {
    best = std::min(best, bench::seconds([&] {
                      for (int i = 0; i < kCalls; ++i) f();
                    }));
  }
  return best / kCalls * 1e6;
}

void time_case(const OpCase& c) {
  Tensors inputs, wanted;
  for (const Tensor& x : in_f32(c, case_inputs(c))) {
    inputs.push_back(x);
    if (x.dtype() != mjolnir::DType::F32 || !c.differentiable) continue;
    x.set_requires_grad(true);
    wanted.push_back(x);
  }
  const double recorded = microseconds([&] { c.run(inputs); });
  double alone = 0.0, reference = 0.0, both = 0.0;
  {
    const mjolnir::NoGrad guard;
    alone = microseconds([&] { c.run(inputs); });
    const mjolnir::ScopedBackend scope(mjolnir::Backend::Reference);
    reference = microseconds([&] { c.run(inputs); });
  }
  if (c.differentiable) {
    mjolnir::GradOptions how;
    how.allow_unused = true;
    how.grad_outputs = {Tensor::ones_like(c.run(inputs).detach())};
    both = microseconds([&] { mjolnir::grad({c.run(inputs)}, wanted, how); });
  }
  std::printf("%-48s %9.2f %9.2f %9.2f %9.2f\n", c.name.c_str(), alone,
              reference, recorded, both);
}

}  // namespace

int main(int count, char** values) {
  const std::string text = count > 1 ? values[1] : "";
  mjolnir::set_num_threads(1);
  std::printf("%-48s %9s %9s %9s %9s\n", "microseconds, f32, one thread",
              "forward", "reference", "recorded", "+backward");
  for (const OpCase& c : mjolnir::testing::op_cases()) {
    if (c.name.find(text) != std::string::npos) time_case(c);
  }
  return 0;
}

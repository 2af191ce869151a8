// A research project on top of Mjolnir: an op, a layer with curvature and an
// optimizer of its own (own.h), checked with Mjolnir's public checkers.

#include <mjolnir/mjolnir.h>
#include <mjolnir/testing/curvature_check.h>
#include <mjolnir/testing/gradcheck.h>

#include <cstdio>

#include "own.h"

namespace mj = mjolnir;

namespace {

int failures = 0;

void expect(bool ok, const char* what) {
  std::printf("%s: %s\n", ok ? "ok" : "FAILED", what);
  if (!ok) ++failures;
}

mj::Tensor random(const mj::Shape& shape, mj::Generator& rng) {
  mj::TensorOptions options;
  options.dtype = mj::DType::F64;
  return mj::uniform(shape, -1.0, 1.0, rng, options);
}

void check_op(mj::Generator& rng) {
  const auto run = [](const std::vector<mj::Tensor>& x) { return cube(x[0]); };
  const std::vector<mj::Tensor> inputs = {random({3, 5}, rng)};
  expect(mj::testing::check_gradients(run, inputs).ok, "gradient of cube");
  expect(mj::testing::check_gradients_of_gradients(run, inputs).ok,
         "gradient of the gradient of cube");
}

// The checkers must notice a wrong gradient, or the above says nothing.
void check_checkers(mj::Generator& rng) {
  const auto wrong = [](const std::vector<mj::Tensor>& x) {
    return mj::make_op("wrong", {x[0]}, x[0].clone(),
                       [](const mj::Tensor& dy, const mj::BackwardContext&) {
                         return std::vector<mj::Tensor>{1.01 * dy};
                       });
  };
  expect(!mj::testing::check_gradients(wrong, {random({4}, rng)}).ok,
         "a gradient that is 1 % off is noticed");
}

// Our layer shows its observers what the checker finds by definition.
void check_curvature(CubicDense& layer, const mj::Tensor& x) {
  const auto forward = [&] { return layer(x); };
  const auto result = mj::testing::check_curvature(layer, forward);
  std::printf("%s\n", result.message.c_str());
  expect(result.ok && result.records == 1, "curvature of our layer");
  expect(!mj::testing::check_curvature(
              layer, [&] { return layer(x) + mj::mean(layer.weight); })
              .ok,
         "a use of the weight that no observer sees is noticed");
}

// The layer learns another one of its kind; 0 if the optimizer got nowhere.
template <class Optimizer>
double loss_ratio(CubicDense& layer, Optimizer& optimizer, const mj::Tensor& x,
                  const mj::Tensor& target) {
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 200; ++step) {
    optimizer.zero_grad();
    const mj::Tensor loss = mj::mse(layer(x), target);
    loss.backward();
    optimizer.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  return last / first;
}

mj::optim::ThorOptions thor_options() {
#if __cplusplus >= 202002L
  return {.learning_rate = 0.3, .damping = 0.01, .frequency = 10};
#else
  mj::optim::ThorOptions options;
  options.learning_rate = 0.3;
  options.damping = 0.01;
  options.frequency = 10;
  return options;
#endif
}

}  // namespace

int main() {
  mj::Generator rng(7);
  check_op(rng);
  check_checkers(rng);

  CubicDense teacher(4, 3, rng), layer(4, 3, rng), other(4, 3, rng);
  const mj::Tensor x = random({32, 4}, rng);
  check_curvature(layer, x);

  const mj::Tensor target = teacher(x).detach();
  SignDescent own(layer);
  expect(loss_ratio(layer, own, x, target) < 0.1, "our optimizer learns");
  mj::optim::Thor thor(other, thor_options());
  expect(loss_ratio(other, thor, x, target) < 0.9, "Thor trains our layer");
  return failures == 0 ? 0 : 1;
}

// A research project on top of Mjolnir: an op, a layer with curvature and an
// optimizer of its own (own.h), checked with Mjolnir's public checkers.

#include <mjolnir/mjolnir.h>
#include <mjolnir/testing/gradcheck.h>

#include <cmath>
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

// S_A = sum x x^T and S_G = sum dz dz^T over the samples, by definition, with
// dz = 3 z^2 for the loss sum(y).
void check_curvature(CubicDense& layer, const mj::Tensor& x) {
  layer.enable_factors();
  layer.collect(mj::Collect::Factors);
  layer.zero_grad();
  mj::sum(layer(x)).backward();
  const std::vector<double> a = layer.matrix_a().to_vector<double>();
  const std::vector<double> g = layer.matrix_g().to_vector<double>();

  const std::vector<double> inputs = x.to_vector<double>();
  const std::vector<double> w = layer.weight.to_vector<double>();
  const std::size_t n = static_cast<std::size_t>(x.size(0));
  const std::size_t in = static_cast<std::size_t>(x.size(1));
  const std::size_t out = w.size() / in;
  double worst = 0.0;
  for (std::size_t i = 0; i < in; ++i) {
    for (std::size_t j = 0; j < in; ++j) {
      double sum = 0.0;
      for (std::size_t s = 0; s < n; ++s) {
        sum += inputs[s * in + i] * inputs[s * in + j];
      }
      worst = std::fmax(
          worst, std::fabs(a[i * in + j] - sum / static_cast<double>(n)));
    }
  }
  std::vector<double> dz(n * out);
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t o = 0; o < out; ++o) {
      double z = 0.0;
      for (std::size_t i = 0; i < in; ++i) {
        z += inputs[s * in + i] * w[o * in + i];
      }
      dz[s * out + o] = 3.0 * z * z;
    }
  }
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t p = 0; p < out; ++p) {
      double sum = 0.0;
      for (std::size_t s = 0; s < n; ++s) {
        sum += dz[s * out + o] * dz[s * out + p];
      }
      worst = std::fmax(
          worst, std::fabs(g[o * out + p] - sum / static_cast<double>(n)));
    }
  }
  expect(worst < 1e-12, "curvature of the layer, by definition");
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

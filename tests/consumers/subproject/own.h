#pragma once

#include <mjolnir/mjolnir.h>

#include <cmath>
#include <memory>
#include <vector>

/** An op from outside Mjolnir's tree: y = x^3, element by element. Its
 * gradient is written with ops, so it can be differentiated again. */
inline mjolnir::Tensor cube(const mjolnir::Tensor& x) {
  mjolnir::Tensor y = mjolnir::Tensor::from<double>(
      [&] {
        std::vector<double> values = x.to_vector<double>();
        for (double& value : values) value = value * value * value;
        return values;
      }(),
      x.shape());
  return mjolnir::make_op(
      "cube", {x}, y,
      [x = mjolnir::Saved(x)](const mjolnir::Tensor& dy,
                              const mjolnir::BackwardContext&) {
        const mjolnir::Tensor saved = x.get();
        return std::vector<mjolnir::Tensor>{3.0 * saved * saved * dy};
      });
}

/** A layer with curvature: y = (x w^T)^3, with x (N,in), w (out,in). What it
 * shows its observers are x and the gradient of x w^T. */
class CubicDense : public mjolnir::Module, public mjolnir::CurvatureSource {
 public:
  CubicDense(std::int64_t in, std::int64_t out, mjolnir::Generator& rng) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(in));
    mjolnir::TensorOptions f64;
    f64.dtype = mjolnir::DType::F64;
    weight = mjolnir::uniform({out, in}, -bound, bound, rng, f64);
    weight.set_requires_grad(true);
    add("weight", weight);
  }

  mjolnir::Tensor operator()(const mjolnir::Tensor& x) override {
    const mjolnir::Tensor z = mjolnir::linear(x, weight, {});
    watch(x, z);
    return cube(z);
  }

  mjolnir::CurvatureKind curvature_kind() const override {
    return mjolnir::CurvatureKind::Dense;
  }
  mjolnir::Tensor curvature_weight() const override { return weight; }

  mjolnir::Tensor weight;
};

struct SignDescentOptions {
  mjolnir::optim::Schedule learning_rate = 0.01;
};

/** An optimizer: w <- w - eta sign(dL/dw). */
class SignDescent : public mjolnir::optim::Optimizer {
 public:
  explicit SignDescent(const mjolnir::Module& module,
                       const SignDescentOptions& options = {})
      : Optimizer(module, common(options)) {}

  void step() override {
    for (const Update& update : begin_step()) {
      const std::vector<double> gradient = update.gradient.to_vector<double>();
      auto* w = update.parameter.mutable_data<double>();
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        w[i] -= update.learning_rate *
                static_cast<double>((gradient[i] > 0) - (gradient[i] < 0));
      }
    }
    end_step();
  }

 private:
  static Common common(const SignDescentOptions& options) {
    Common common;
    common.name = "sign_descent";
    common.learning_rate = options.learning_rate;
    return common;
  }
};

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <mjolnir/layers/module.h>

namespace mjolnir {

/** A module without parameters or options: clone() makes another. */
template <class Self>
class Plain : public Module {
 public:
  std::unique_ptr<Module> clone() const override {
    auto copy = std::make_unique<Self>();
    copy->copy_from(*this);
    return copy;
  }
};

/** max(x, 0). */
class ReLU final : public Plain<ReLU> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** x Phi(x), with the exact normal distribution function Phi. */
class GELU final : public Plain<GELU> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** x sigmoid(x). */
class SiLU final : public Plain<SiLU> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** 1 / (1 + exp(-x)). */
class Sigmoid final : public Plain<Sigmoid> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** Hyperbolic tangent. */
class Tanh final : public Plain<Tanh> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** log(1 + exp(x)). */
class Softplus final : public Plain<Softplus> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** Does nothing. */
class Identity final : public Plain<Identity> {
 public:
  Tensor operator()(const Tensor& x) override;
};

/** x where x > 0, slope x elsewhere. */
class LeakyReLU final : public Module {
 public:
  explicit LeakyReLU(double slope = 0.01) : slope_(slope) {}
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  double slope_;
};

/** exp(x) / sum exp(x) along an axis; negative counts from the end. */
class Softmax final : public Module {
 public:
  explicit Softmax(std::int64_t axis = -1) : axis_(axis) {}
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  std::int64_t axis_;
};

/** Joins the axes from start_axis on: (N,C,H,W) to (N,CHW). */
class Flatten final : public Module {
 public:
  explicit Flatten(std::int64_t start_axis = 1) : start_axis_(start_axis) {}
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  std::int64_t start_axis_;
};

}  // namespace mjolnir

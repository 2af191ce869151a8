#pragma once

#include <memory>
#include <string>

#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/layers/window.h>

namespace mjolnir {

/** Options of MaxPool2d and AvgPool2d. */
struct Pool2dOptions {
  Pair kernel = 2;
  Pair stride = 0;      ///< 0: the kernel's size.
  Padding padding = 0;  ///< At most half of the kernel.
};

/** Largest element of each window of (N,C,H,W); padded cells never win.
 * Throws ValueError for an option out of its domain. */
class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(const Pool2dOptions& options);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  Pool2dOptions options_;
  Conv2dGeometry window_;
};

/** Mean of each window of (N,C,H,W); padded cells count as zeros. Throws
 * ValueError for an option out of its domain. */
class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(const Pool2dOptions& options);
  Tensor operator()(const Tensor& x) override;
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;

 private:
  Pool2dOptions options_;
  Conv2dGeometry window_;
};

/** Mean over height and width: (N,C,H,W) to (N,C). */
class GlobalAvgPool final : public Plain<GlobalAvgPool> {
 public:
  Tensor operator()(const Tensor& x) override;
};

}  // namespace mjolnir

#pragma once

#include <functional>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/tensor.h>

#include "core/kernels/elementwise.h"

namespace mjolnir::detail {

/** f(x), not recorded. */
Tensor map(kernels::Unary f, const Tensor& x, kernels::Constants constants);

/** f's gradient in one pass, not recorded; `saved` is f(x) where
 * kernels::gradient_from_output(f), else x. It may take dy's place. */
Tensor map_gradient(kernels::Unary f, const Tensor& saved, const Tensor& dy,
                    kernels::Constants constants, bool overwrite = false);

/** The same for a function whose slope is constant between kinks, recorded:
 * dx = slope dy, where `saved` decides the slope. */
Tensor piecewise_gradient(kernels::Unary f, kernels::Constants constants,
                          const Saved& saved, const Tensor& dy,
                          bool overwrite = false);

/** f(a, b) with broadcasting, not recorded. Throws as add() does. */
Tensor zip(const char* op, kernels::Binary f, const Tensor& a, const Tensor& b);

/** a >= b with broadcasting, as u8; 0 where either is NaN. */
Tensor greater_equal(const Tensor& a, const Tensor& b);

/** The gradient of a smooth function written with ops, from what
 * map_gradient takes. */
using Derivative = Tensor (*)(const Tensor& saved, const Tensor& dy);

/** The recorded op `name`: y = f(x), with its gradient in one pass, or by
 * `derivative` where that is recorded too. */
Tensor unary(const char* name, kernels::Unary f, const Tensor& x,
             Derivative derivative);

/** The same for a function whose slope is constant between kinks. */
Tensor piecewise(const char* name, kernels::Unary f, const Tensor& x,
                 kernels::Constants constants = {});

}  // namespace mjolnir::detail

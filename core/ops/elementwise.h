#pragma once

#include <mjolnir/core/tensor.h>

namespace mjolnir {

// Operands broadcast by NumPy's rules on their logical shapes, and must share
// one dtype, f32 or f64. Of two layouts the first operand of rank 4 decides,
// and the other is converted. Errors: ValueError for other dtypes, ShapeError
// for shapes that do not broadcast. Where a derivative is a matter of choice
// (kinks, ties), docs/kinks.md has the choice.

/** a + b. */
Tensor add(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, double b);
Tensor add(double a, const Tensor& b);

/** a - b. */
Tensor sub(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, double b);
Tensor sub(double a, const Tensor& b);

/** a b, elementwise. */
Tensor mul(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, double b);
Tensor mul(double a, const Tensor& b);

/** a / b, elementwise. */
Tensor div(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, double b);
Tensor div(double a, const Tensor& b);

/** The larger of a and b; NaN if either is. Ties count as a. */
Tensor maximum(const Tensor& a, const Tensor& b);
/** The smaller of a and b; NaN if either is. Ties count as a. */
Tensor minimum(const Tensor& a, const Tensor& b);

/** x^exponent; NaN for negative x and a fractional exponent. */
Tensor pow(const Tensor& x, double exponent);
/** x^y, elementwise. */
Tensor pow(const Tensor& x, const Tensor& y);

/** -x. */
Tensor neg(const Tensor& x);
/** e^x. */
Tensor exp(const Tensor& x);
/** Natural logarithm: -inf at 0, NaN below. */
Tensor log(const Tensor& x);
/** Square root: NaN below 0; its derivative at 0 is infinite. */
Tensor sqrt(const Tensor& x);
/** |x|. */
Tensor abs(const Tensor& x);
/** x within [low, high], NaN stays NaN. Throws ValueError unless low <= high.
 */
Tensor clamp(const Tensor& x, double low, double high);

/** max(x, 0); NaN stays NaN. */
Tensor relu(const Tensor& x);
/** x where x > 0, slope x elsewhere. */
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/** 1 / (1 + e^-x). */
Tensor sigmoid(const Tensor& x);
/** Hyperbolic tangent. */
Tensor tanh(const Tensor& x);
/** log(1 + e^x). */
Tensor softplus(const Tensor& x);
/** x sigmoid(x) (Elfwing et al., 2017; also called swish). */
Tensor silu(const Tensor& x);
/** x Phi(x), Phi the normal distribution function: the exact form of
 * Hendrycks & Gimpel, 2016. */
Tensor gelu(const Tensor& x);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, b); }
inline Tensor operator/(double a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }

}  // namespace mjolnir

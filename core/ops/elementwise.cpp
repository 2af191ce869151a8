#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/core/trace.h>

#include <string>
#include <utility>

#include "core/detail/axes.h"
#include "core/detail/check.h"
#include "core/detail/elementwise.h"
#include "core/detail/saved.h"

namespace mjolnir {
namespace {

using detail::map;
using detail::map_gradient;
using detail::piecewise;
using detail::saved_if;
using detail::unary;
using detail::zip;
using kernels::Binary;
using kernels::Unary;

// Both operands in the layout of the result; differentiable.
struct Operands {
  Operands(const char* op, const Tensor& left, const Tensor& right)
      : a(left), b(right) {
    check_same_dtype(op, a, b);
    if (a.rank() != 4 || b.rank() != 4) return;
    const Layout layout = detail::common_layout(a, b);
    if (a.layout() != layout) a = a.to(layout);
    if (b.layout() != layout) b = b.to(layout);
  }
  Tensor a, b;
};

kernels::Constants constants(double p, double q = 0.0) { return {p, q}; }

// scale x + shift
Tensor affine(const char* name, const Tensor& x, double scale, double shift) {
  check_floating(name, x);
  const Tensor y = map(Unary::Affine, x, constants(scale, shift));
  if (tracing()) trace_note(y, {{"scale", scale}, {"shift", shift}});
  return make_op(
      name, {x}, y, [scale](const Tensor& dy, const BackwardContext&) {
        return std::vector<Tensor>{scale == 1.0 ? dy : mul(dy, scale)};
      });
}

}  // namespace

// ---- arithmetic ------------------------------------------------------------

Tensor add(const Tensor& left, const Tensor& right) {
  const Operands in("add", left, right);
  return make_op("add", {in.a, in.b}, zip("add", Binary::Add, in.a, in.b),
                 [sa = in.a.shape(), sb = in.b.shape()](
                     const Tensor& dy, const BackwardContext& context) {
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) dx[0] = sum_to(dy, sa);
                   if (context.needs(1)) dx[1] = sum_to(dy, sb);
                   return dx;
                 });
}

Tensor sub(const Tensor& left, const Tensor& right) {
  const Operands in("sub", left, right);
  return make_op("sub", {in.a, in.b}, zip("sub", Binary::Sub, in.a, in.b),
                 [sa = in.a.shape(), sb = in.b.shape()](
                     const Tensor& dy, const BackwardContext& context) {
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) dx[0] = sum_to(dy, sa);
                   if (context.needs(1)) dx[1] = neg(sum_to(dy, sb));
                   return dx;
                 });
}

Tensor mul(const Tensor& left, const Tensor& right) {
  const Operands in("mul", left, right);
  return make_op("mul", {in.a, in.b}, zip("mul", Binary::Mul, in.a, in.b),
                 [sa = saved_if(in.b.requires_grad(), in.a),
                  sb = saved_if(in.a.requires_grad(), in.b),
                  shape_a = in.a.shape(), shape_b = in.b.shape()](
                     const Tensor& dy, const BackwardContext& context) {
                   std::vector<Tensor> dx(2);
                   if (context.needs(0)) {
                     dx[0] = sum_to(mul(dy, sb.get()), shape_a);
                   }
                   if (context.needs(1)) {
                     dx[1] = sum_to(mul(dy, sa.get()), shape_b);
                   }
                   return dx;
                 });
}

Tensor div(const Tensor& left, const Tensor& right) {
  const Operands in("div", left, right);
  return make_op("div", {in.a, in.b}, zip("div", Binary::Div, in.a, in.b),
                 [sa = saved_if(in.b.requires_grad(), in.a), sb = Saved(in.b),
                  shape_a = in.a.shape()](const Tensor& dy,
                                          const BackwardContext& context) {
                   const Tensor b = sb.get();
                   std::vector<Tensor> dx(2);
                   const Tensor da = div(dy, b);
                   if (context.needs(0)) dx[0] = sum_to(da, shape_a);
                   if (context.needs(1)) {
                     dx[1] = neg(sum_to(mul(da, div(sa.get(), b)), b.shape()));
                   }
                   return dx;
                 });
}

Tensor add(const Tensor& a, double b) { return affine("add", a, 1.0, b); }
Tensor add(double a, const Tensor& b) { return affine("add", b, 1.0, a); }
Tensor sub(const Tensor& a, double b) { return affine("sub", a, 1.0, -b); }
Tensor sub(double a, const Tensor& b) { return affine("sub", b, -1.0, a); }
// Adding -0 leaves every product as it is, a product of -0 too.
Tensor mul(const Tensor& a, double b) { return affine("mul", a, b, -0.0); }
Tensor mul(double a, const Tensor& b) { return affine("mul", b, a, -0.0); }

Tensor div(const Tensor& a, double b) {
  check_floating("div", a);
  const Tensor y = map(Unary::DivideBy, a, constants(b));
  if (tracing()) trace_note(y, {{"divisor", b}});
  return make_op("div", {a}, y, [b](const Tensor& dy, const BackwardContext&) {
    return std::vector<Tensor>{div(dy, b)};
  });
}

Tensor div(double a, const Tensor& x) {
  check_floating("div", x);
  const Tensor y = map(Unary::Reciprocal, x, constants(a));
  if (tracing()) trace_note(y, {{"dividend", a}});
  return make_op(
      "div", {x}, y,
      [a, saved = Saved(x)](const Tensor& dy, const BackwardContext&) {
        const Tensor kept = saved.get();
        return std::vector<Tensor>{
            grad_enabled()
                ? neg(mul(div(a, kept), div(dy, kept)))
                : map_gradient(Unary::Reciprocal, kept, dy, constants(a))};
      });
}

Tensor neg(const Tensor& x) {
  check_floating("neg", x);
  return make_op("neg", {x}, map(Unary::Neg, x, {}),
                 [](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{neg(dy)};
                 });
}

// ---- ties and kinks --------------------------------------------------------

namespace {

// y is a where order(a, b), b elsewhere, and so goes its gradient.
Tensor choose(const char* name, Binary f, const Operands& in,
              Tensor (*order)(const Tensor&, const Tensor&)) {
  return make_op(name, {in.a, in.b}, zip(name, f, in.a, in.b),
                 [order, sa = Saved(in.a), sb = Saved(in.b)](
                     const Tensor& dy, const BackwardContext& context) {
                   const Tensor a = sa.get(), b = sb.get();
                   const Tensor first = order(a, b);
                   const Tensor zero = Tensor::scalar(0.0, dy.dtype());
                   std::vector<Tensor> dx(2);
                   if (context.needs(0))
                     dx[0] = sum_to(where(first, dy, zero), a.shape());
                   if (context.needs(1))
                     dx[1] = sum_to(where(first, zero, dy), b.shape());
                   return dx;
                 });
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  return choose("maximum", Binary::Maximum, Operands("maximum", a, b),
                [](const Tensor& x, const Tensor& y) {
                  return detail::greater_equal(x, y);
                });
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return choose("minimum", Binary::Minimum, Operands("minimum", a, b),
                [](const Tensor& x, const Tensor& y) {
                  return detail::greater_equal(y, x);
                });
}

Tensor abs(const Tensor& x) { return piecewise("abs", Unary::Abs, x); }

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) {
    throw ValueError("[clamp] expected low <= high, got " +
                     std::to_string(low) + " and " + std::to_string(high));
  }
  return piecewise("clamp", Unary::Clamp, x, constants(low, high));
}

// ---- powers ----------------------------------------------------------------

Tensor exp(const Tensor& x) {
  return unary("exp", Unary::Exp, x,
               [](const Tensor& y, const Tensor& dy) { return mul(dy, y); });
}

Tensor log(const Tensor& x) {
  return unary("log", Unary::Log, x,
               [](const Tensor& in, const Tensor& dy) { return div(dy, in); });
}

Tensor sqrt(const Tensor& x) {
  return unary("sqrt", Unary::Sqrt, x, [](const Tensor& y, const Tensor& dy) {
    return div(dy, add(y, y));
  });
}

Tensor pow(const Tensor& x, double exponent) {
  check_floating("pow", x);
  const Unary f = exponent == 2.0 ? Unary::Square : Unary::Power;
  const Tensor y = map(f, x, constants(exponent));
  if (tracing()) trace_note(y, {{"exponent", exponent}});
  return make_op("pow", {x}, y,
                 [f, exponent, saved = Saved(x)](const Tensor& dy,
                                                 const BackwardContext&) {
                   const Tensor kept = saved.get();
                   if (!grad_enabled()) {
                     return std::vector<Tensor>{
                         map_gradient(f, kept, dy, constants(exponent))};
                   }
                   if (exponent == 0.0)
                     return std::vector<Tensor>{mul(dy, 0.0)};
                   return std::vector<Tensor>{
                       mul(mul(dy, exponent), pow(kept, exponent - 1.0))};
                 });
}

namespace {

// 1 where x is 0, as a condition.
Tensor is_zero(const Tensor& x) {
  const Tensor zero = Tensor::scalar(0.0, x.dtype());
  return detail::greater_equal(zero, map(Unary::Abs, x, {}));
}

}  // namespace

Tensor pow(const Tensor& left, const Tensor& right) {
  const Operands in("pow", left, right);
  const Tensor z = zip("pow", Binary::Pow, in.a, in.b);
  return make_op(
      "pow", {in.a, in.b}, z,
      [sx = Saved(in.a), sy = saved_if(in.a.requires_grad(), in.b),
       sz = in.b.requires_grad() ? Saved::output(z) : Saved(),
       shape_y = in.b.shape()](const Tensor& dz,
                               const BackwardContext& context) {
        const Tensor x = sx.get();
        const Tensor one = Tensor::scalar(1.0, x.dtype());
        const Tensor x_is_zero = is_zero(x);
        std::vector<Tensor> dx(2);
        if (context.needs(0)) {
          // At 0^0 the derivative is 0, not 0 0^-1.
          const Tensor y = sy.get();
          const Tensor base = where(x_is_zero, where(is_zero(y), one, x), x);
          dx[0] = sum_to(mul(dz, mul(y, pow(base, sub(y, 1.0)))), x.shape());
        }
        if (context.needs(1)) {
          // z log x tends to 0 with x.
          const Tensor base = where(x_is_zero, one, x);
          dx[1] = sum_to(mul(dz, mul(sz.get(), log(base))), shape_y);
        }
        return dx;
      });
}

}  // namespace mjolnir

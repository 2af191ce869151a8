#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/linalg.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/second_moment.h>

#include <string>
#include <utility>

#include "core/detail/check.h"
#include "layers/detail/sample_gradients.h"

namespace mjolnir {
namespace {

constexpr const char* op = "SecondMomentObserver";

void check_square(const char* name, const Tensor& u) {
  check_floating(op, u);
  check_rank(op, name, u, 2);
  check_shape(op, name, u, {u.size(0), u.size(0)});
}

/** D, the length of what a weight row is multiplied by. */
std::int64_t columns_of(const CurvatureRecord& record) {
  if (record.kind == CurvatureKind::Dense) return record.x.size(-1);
  return record.geometry.kernel_h * record.geometry.kernel_w * record.x.size(1);
}

}  // namespace

SecondMomentObserver::SecondMomentObserver(Tensor u_a, Tensor u_g,
                                           Purpose purpose)
    : SampleSquaresObserver(purpose) {
  set_bases(std::move(u_a), std::move(u_g));
}

void SecondMomentObserver::set_bases(Tensor u_a, Tensor u_g) {
  check_square("u_a", u_a);
  check_square("u_g", u_g);
  check_same_dtype(op, u_a, u_g);
  u_a_ = std::move(u_a);
  u_g_ = std::move(u_g);
  clear();
}

void SecondMomentObserver::record(const CurvatureRecord& record) {
  if (record.kind == CurvatureKind::Embedding)
    throw ValueError(
        "[SecondMomentObserver] expected Conv2d or Dense, got an Embedding, "
        "whose A is a diagonal; observe it with a DiagonalObserver");
  if (record.geometry.groups != 1)
    throw ValueError(
        "[SecondMomentObserver] expected a convolution of one group, got "
        "groups = " +
        std::to_string(record.geometry.groups));
  const std::int64_t columns = columns_of(record);
  check_same_dtype(op, u_a_, record.dout);
  check_shape(op, "u_a", u_a_, {columns, columns});
  check_shape(op, "u_g", u_g_, {record.rows, record.rows});
  if (!begin(op, record)) return;
  const NoGrad no_grad;
  if (!sum_.defined())
    sum_ = Tensor::zeros({record.rows, columns}, {u_a_.dtype()});
  if (record.kind == CurvatureKind::Conv2d) {
    detail::add_patch_squares(record.x, record.dout, record.geometry,
                              {u_a_, u_g_}, sum_);
    return;
  }
  // U_G^T dout^T x U_A = (dout U_G)^T (x U_A)
  const Tensor x = reshape(record.x, {-1, columns});
  const Tensor dout = reshape(record.dout, {-1, record.rows});
  detail::add_squares(linalg::matmul(x, u_a_), linalg::matmul(dout, u_g_),
                      record.samples, sum_);
}

}  // namespace mjolnir

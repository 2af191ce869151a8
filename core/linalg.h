#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <mjolnir/core/tensor.h>

/**
 * Dense linear algebra on row-major f32 and f64 matrices, by BLAS and LAPACK.
 * Nothing here is recorded for gradients. A wrong shape or dtype is an
 * exception; a factorisation that the numbers refuse is a Status, because
 * second-order methods meet it in ordinary runs and go on.
 */
namespace mjolnir::linalg {

/** How a factorisation ended. */
enum class Status : std::uint8_t {
  Ok,
  NotFinite,            ///< The input has a NaN or infinity; LAPACK not called.
  NotPositiveDefinite,  ///< A pivot of the Cholesky factor was not positive.
  Singular,             ///< A pivot was zero, or the result overflowed.
  NotConverged,         ///< An iteration (eigenvalues, SVD) did not converge.
  /** LAPACK reported success, but its inverse or eigenvectors do not give back
   * what the matrix makes of a vector of ones. */
  WronglyFactored,
};

/** "ok", "not finite", "not positive definite", "singular", ... */
const char* name_of(Status status) noexcept;

/** A value, or the reason why there is none. */
template <class T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: meant to convert
  /** A failure of the function `op`. Throws ValueError for Status::Ok. */
  Result(Status failure, const char* op = "linalg::Result")  // NOLINT: likewise
      : status_(failure), op_(op) {
    if (failure == Status::Ok) {
      throw ValueError("[" + std::string(op) +
                       "] expected a failure or a value, got ok without one");
    }
  }

  explicit operator bool() const noexcept { return status_ == Status::Ok; }
  Status status() const noexcept { return status_; }
  /** The value. Throws NumericalError, naming the function, if there is none.
   */
  const T& value() const {
    if (status_ != Status::Ok) {
      throw NumericalError("[" + std::string(op_) +
                           "] no result: the matrix is " + name_of(status_) +
                           "; ask status() before the value");
    }
    return value_;
  }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }

 private:
  Status status_ = Status::Ok;
  const char* op_ = "";  // a literal
  T value_;
};

/** c (m,n) = op(a) op(b); op transposes if asked. Throws ShapeError for inner
 * lengths that differ and lengths of 2^31 and more, ValueError for dtypes. */
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false,
              bool transpose_b = false);

/** a a^T (m,m) of a (m,k), or a^T a (k,k) if transposed; exactly symmetric.
 * Throws ShapeError unless a is a matrix, ValueError unless it is floating. */
Tensor syrk(const Tensor& a, bool transpose = false);

/**
 * Inverse of a + diagonal I for symmetric positive definite a (n,n), by
 * Cholesky (potrf, potri); exactly symmetric. Reads the lower triangle.
 * NotFinite, NotPositiveDefinite, Singular where the inverse overflows, or
 * WronglyFactored.
 * Throws ShapeError unless a is square, ValueError unless it is floating.
 */
Result<Tensor> cholesky_inverse(const Tensor& a, double diagonal = 0.0);

/** x with a x = b, by LU; a (n,n), b (n) or (n,m). NotFinite, or Singular where
 * a pivot is zero or x overflows. Throws ShapeError, ValueError. */
Result<Tensor> solve(const Tensor& a, const Tensor& b);

/** a = vectors diag(values) vectors^T. */
struct Eigh {
  Tensor values;   ///< (n), ascending.
  Tensor vectors;  ///< (n,n), eigenvectors in columns.
};

/** Eigendecomposition of a symmetric matrix; reads the lower triangle.
 * NotFinite, NotConverged or WronglyFactored. Throws ShapeError unless a is
 * square and its working memory, 2 n^2 numbers, can be counted in an int (n up
 * to 32766); ValueError unless it is floating. */
Result<Eigh> eigh(const Tensor& a);

/** a = u diag(s) vt, with k = min(m,n). */
struct Svd {
  Tensor u;   ///< (m,k)
  Tensor s;   ///< (k), descending.
  Tensor vt;  ///< (k,n)
};

/** Thin singular value decomposition of a (m,n). NotFinite or NotConverged.
 * Throws ShapeError unless a is a matrix whose working memory, 4 k^2 numbers,
 * can be counted in an int (k up to 23169); ValueError unless it is floating.
 */
Result<Svd> svd(const Tensor& a);

}  // namespace mjolnir::linalg

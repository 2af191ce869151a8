#include <mjolnir/curvature/factor.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

#include <mjolnir/core/error.h>
#include <mjolnir/curvature/damping.h>

#include "core/detail/dispatch.h"
#include "core/detail/finite.h"
#include "core/kernels/gemm.h"

namespace mjolnir {
namespace {

constexpr const char* op = "kronecker";
constexpr std::int64_t grain = std::int64_t{1} << 15;

/** False if keep average + gain sums is not finite somewhere; average may be
 * null. average, sums (n) */
template <class T>
bool blend_is_finite(std::int64_t n, const T* average, const T* sums, T keep,
                     T gain) {
  T poison = 0;
  if (average == nullptr) {
#pragma omp simd reduction(+ : poison)
    for (std::int64_t i = 0; i < n; ++i) poison += gain * sums[i] * T{0};
  } else {
#pragma omp simd reduction(+ : poison)
    for (std::int64_t i = 0; i < n; ++i) {
      poison += (keep * average[i] + gain * sums[i]) * T{0};
    }
  }
  return poison == T{0};
}

}  // namespace

Factor::Factor(FactorOptions options) : options_(std::move(options)) {
  // All memory now, so that no refresh finds less of it than the first.
  inverse_ = new_inverse();
  next_ = new_inverse();
  if (options_.running_average > 0.0 || options_.keep) {
    average_ =
        Tensor::zeros(options_.diagonal ? Shape{options_.size}
                                        : Shape{options_.size, options_.size},
                      {options_.dtype, Layout::RowMajor});
  }
}

BlockInverse Factor::new_inverse() const {
  BlockInverse inverse;
  inverse.diagonal = options_.diagonal;
  std::int64_t count = options_.size;
  if (!options_.diagonal) {
    inverse.blocks = cut_blocks(options_.size, options_.split_dim);
    // Whole factors stay in storage order; blocks are cut in weight order.
    if (inverse.blocks.size() > 1) inverse.order = options_.order;
    count = 0;
    for (const FactorBlock& b : inverse.blocks) count += b.size * b.size;
  }
  inverse.values = Tensor::empty({count}, {options_.dtype, Layout::RowMajor});
  return inverse;
}

void Factor::check(const Tensor& sums) const {
  const Shape shape = options_.diagonal ? Shape{options_.size}
                                        : Shape{options_.size, options_.size};
  if (sums.defined() && sums.shape() == shape) return;
  throw ShapeError("[kronecker] expected a factor of shape " + shape.str() +
                   ", got " + (sums.defined() ? sums.shape().str() : "none"));
}

double Factor::average_share() const noexcept {
  return averaged_ ? options_.running_average : 0.0;
}

bool Factor::accepts(const Tensor& sums, double scale) const {
  return dispatch_float(op, options_.dtype, [&](auto tag) {
    using T = decltype(tag);
    const double rho = average_share();
    const T* average = rho > 0.0 ? average_.data<T>() : nullptr;
    const T* from = sums.data<T>();
    const T keep = static_cast<T>(rho);
    const T gain = static_cast<T>((1.0 - rho) * scale);
    std::atomic<bool> finite{true};
    detail::parallel_for(
        sums.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
          if (!blend_is_finite(end - begin,
                               average == nullptr ? nullptr : average + begin,
                               from + begin, keep, gain)) {
            finite = false;
          }
        });
    return finite.load();
  });
}

void Factor::take(const Tensor& sums, double scale) {
  current_ = sums;
  scale_ = scale;
  dispatch_float(op, options_.dtype, [&](auto tag) {
    using T = decltype(tag);
    if (average_.defined()) {
      const T* from = sums.data<T>();
      T* to = average_.mutable_data<T>();
      const T keep = static_cast<T>(average_share());
      const T gain = static_cast<T>((1.0 - average_share()) * scale);
      detail::parallel_for(sums.numel(), grain,
                           [&](std::int64_t begin, std::int64_t end) {
                             for (std::int64_t i = begin; i < end; ++i) {
                               to[i] = keep * to[i] + gain * from[i];
                             }
                           });
      averaged_ = true;
      current_ = average_;
      scale_ = 1.0;
    }
    const T* x = current_.data<T>();
    const std::int64_t next = options_.diagonal ? 1 : options_.size + 1;
    mean_ = largest_ = 0.0;
    for (std::int64_t i = 0; i < options_.size; ++i) {
      const double value = scale_ * double{x[i * next]};
      mean_ += value / static_cast<double>(options_.size);
      largest_ = std::max(largest_, value);
    }
  });
}

void Factor::set_damping(double damping) {
  damping_ = std::max(damping, damping_floor(options_.dtype, largest_));
}

InversionJob Factor::job(double diagonal) {
  InversionJob job;
  job.factor = current_;
  job.scale = scale_;
  job.diagonal = diagonal;
  job.inverse = &next_;
  return job;
}

void Factor::accept() noexcept { std::swap(inverse_, next_); }

template <class T>
void Factor::multiply_left(std::int64_t columns, const T* x, T* y) const {
  const std::int64_t n = options_.size;
  const T* m = average_.data<T>();
  if (!options_.diagonal) {
    // y (n,columns) = M (n,n) x (n,columns)
    return kernels::gemm<T>(false, false, n, columns, n, T{1}, m, n, x, columns,
                            T{0}, y, columns);
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      y[i * columns + j] = m[i] * x[i * columns + j];
    }
  }
}

template <class T>
void Factor::multiply_right(std::int64_t rows, const T* x, T* y) const {
  const std::int64_t n = options_.size;
  const T* m = average_.data<T>();
  if (!options_.diagonal) {
    // y (rows,n) = x (rows,n) M (n,n)
    return kernels::gemm<T>(false, false, rows, n, n, T{1}, x, n, m, n, T{0}, y,
                            n);
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < n; ++j) y[i * n + j] = x[i * n + j] * m[j];
  }
}

template void Factor::multiply_left(std::int64_t, const float*, float*) const;
template void Factor::multiply_left(std::int64_t, const double*, double*) const;
template void Factor::multiply_right(std::int64_t, const float*, float*) const;
template void Factor::multiply_right(std::int64_t, const double*,
                                     double*) const;

void Factor::visit_state(StateVisitor& visitor, bool inverted) {
  visitor.number(mean_);
  visitor.number(largest_);
  visitor.number(damping_);
  if (average_.defined()) {
    if (visitor.integer(averaged_)) {
      visitor.tensor("average", average_);
    } else if (visitor.loading()) {
      average_.fill(0.0);  // take() multiplies it by 0
    }
  }
  if (inverted) visitor.tensor("inverse", inverse_.values);
}

Tensor Factor::inverse_in_weight_order() const {
  const Tensor dense = inverse_.dense();
  if (options_.order.empty() || !inverse_.order.empty()) return dense;
  const Tensor sorted = Tensor::empty_like(dense);
  dispatch_float(op, options_.dtype, [&](auto tag) {
    using T = decltype(tag);
    const auto n = static_cast<std::size_t>(options_.size);
    const T* from = dense.data<T>();
    T* to = sorted.mutable_data<T>();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        to[i * n + j] = from[static_cast<std::size_t>(options_.order[i]) * n +
                             static_cast<std::size_t>(options_.order[j])];
      }
    }
  });
  return sorted;
}

void Factor::set_inverse(const Tensor& inverse) {
  check(inverse);
  const Tensor given = inverse.to(options_.dtype);
  if (options_.diagonal) return inverse_.values.copy_from(given);
  dispatch_float(op, options_.dtype, [&](auto tag) {
    using T = decltype(tag);
    const std::vector<std::int64_t>& order = options_.order;
    const bool to_storage = !order.empty() && inverse_.order.empty();
    const T* from = given.data<T>();
    T* values = inverse_.values.mutable_data<T>();
    for (const FactorBlock& b : inverse_.blocks) {
      for (std::int64_t i = 0; i < b.size; ++i) {
        for (std::int64_t j = 0; j < b.size; ++j) {
          const T x = from[(b.begin + i) * options_.size + b.begin + j];
          const std::int64_t row =
              to_storage ? order[static_cast<std::size_t>(i)] : i;
          const std::int64_t column =
              to_storage ? order[static_cast<std::size_t>(j)] : j;
          values[b.offset + row * b.size + column] = x;
        }
      }
    }
  });
}

}  // namespace mjolnir

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <mjolnir/core/adopt.h>
#include <mjolnir/core/tensor.h>

#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>

namespace mjolnir {

namespace detail {

template <class T>
inline constexpr bool is_element =
    std::is_same_v<T, float> || std::is_same_v<T, double> ||
    std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint8_t>;

template <class E>
inline constexpr bool is_row_major_container = false;
template <class T, class A, class S>
inline constexpr bool is_row_major_container<
    xt::xarray_container<xt::uvector<T, A>, xt::layout_type::row_major, S>> =
    true;
template <class T, class A, std::size_t N>
inline constexpr bool is_row_major_container<
    xt::xtensor_container<xt::uvector<T, A>, N, xt::layout_type::row_major>> =
    true;

template <class S>
Shape shape_of_xtensor(const S& shape) {
  std::vector<std::int64_t> lengths;
  for (const auto length : shape) {
    lengths.push_back(static_cast<std::int64_t>(length));
  }
  return Shape(lengths);
}

inline std::vector<std::size_t> xtensor_shape(const Tensor& x) {
  std::vector<std::size_t> lengths;
  for (const std::int64_t length : x.shape()) {
    lengths.push_back(static_cast<std::size_t>(length));
  }
  return lengths;
}

inline void check_row_major(const Tensor& x) {
  if (x.layout() != Layout::RowMajor) {
    throw ValueError(
        "[as_xtensor] expected a row-major tensor, got channels-last; "
        "convert it with to(Layout::RowMajor)");
  }
}

}  // namespace detail

/**
 * A tensor on the elements of an xtensor container, without a copy; both see
 * the same memory. `array` is a row-major xt::xarray or xt::xtensor of float,
 * double, int64 or uint8, and must not be resized while the tensor lives.
 * Throws ValueError for a null `array`, ShapeError for more than 8 axes.
 */
template <class Container,
          std::enable_if_t<detail::is_row_major_container<Container>, int> = 0>
Tensor from_xtensor(std::shared_ptr<Container> array) {
  using T = typename Container::value_type;
  static_assert(detail::is_element<T>,
                "expected elements of type float, double, int64_t or uint8_t; "
                "convert with xt::cast");
  if (!array) throw ValueError("[from_xtensor] got no array");
  T* const data = array->data();
  const Shape shape = detail::shape_of_xtensor(array->shape());
  return adopt(data, shape, dtype_of<T>(), std::move(array));
}

/**
 * A tensor of the elements of an xtensor expression. A row-major container
 * that is moved in becomes the tensor's memory; everything else is evaluated
 * into a new one.
 */
template <class E,
          std::enable_if_t<xt::is_xexpression<std::decay_t<E>>::value, int> = 0>
Tensor from_xtensor(E&& expression) {
  using D = std::decay_t<E>;
  using T = std::decay_t<typename D::value_type>;
  static_assert(detail::is_element<T>,
                "expected elements of type float, double, int64_t or uint8_t; "
                "convert with xt::cast");
  if constexpr (detail::is_row_major_container<D> &&
                std::is_rvalue_reference_v<E&&> &&
                !std::is_const_v<std::remove_reference_t<E>>) {
    return from_xtensor(std::make_shared<D>(std::move(expression)));
  } else {
    TensorOptions options;
    options.dtype = dtype_of<T>();
    const Tensor out =
        Tensor::empty(detail::shape_of_xtensor(expression.shape()), options);
    auto view =
        xt::adapt(out.mutable_data<T>(), static_cast<std::size_t>(out.numel()),
                  xt::no_ownership(), detail::xtensor_shape(out));
    xt::noalias(view) = expression;
    return out;
  }
}

/**
 * An xtensor adaptor on the elements of a row-major tensor, to read, without
 * a copy; it keeps the elements alive. Throws ValueError if T is not the
 * dtype, or for a channels-last tensor.
 */
template <class T>
auto as_xtensor(const Tensor& x) {
  detail::check_row_major(x);
  return xt::adapt_smart_ptr(x.data<T>(), detail::xtensor_shape(x),
                             x.detach().impl());
}

/** The same to write; taking it counts as a change of the buffer. */
template <class T>
auto as_mutable_xtensor(const Tensor& x) {
  detail::check_row_major(x);
  return xt::adapt_smart_ptr(x.mutable_data<T>(), detail::xtensor_shape(x),
                             x.detach().impl());
}

}  // namespace mjolnir

#include <mjolnir/core/tensor.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <locale>
#include <sstream>
#include <type_traits>

#include <mjolnir/core/autograd.h>

#include "core/detail/axes.h"
#include "core/detail/dispatch.h"
#include "core/detail/parallel.h"
#include "core/detail/tensor_impl.h"
#include "core/kernels/layout.h"

namespace mjolnir {
namespace {

using detail::TensorImpl;

const TensorImpl& need(const std::shared_ptr<TensorImpl>& impl,
                       const char* call) {
  if (!impl) {
    throw ValueError("[" + std::string(call) + "] the tensor is undefined");
  }
  return *impl;
}

template <class T>
void check_type(const TensorImpl& impl, const char* call) {
  if (impl.dtype != dtype_of<T>()) {
    throw ValueError("[" + std::string(call) + "] expected a tensor of " +
                     name_of(dtype_of<T>()) + ", got " + name_of(impl.dtype));
  }
}

// From a float to an integer type: without its fraction, the nearest in range,
// and 0 for NaN; a plain cast of such a value is undefined.
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // 2^63 or 2^8: unlike the largest To, both are numbers of type From.
    constexpr From end =
        static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (std::isnan(x)) return 0;
    if (x >= end) return std::numeric_limits<To>::max();
    if (x <= static_cast<From>(std::numeric_limits<To>::min())) {
      return std::numeric_limits<To>::min();
    }
  }
  return static_cast<To>(x);
}

template <class To, class From>
void convert(const From* x, To* y, std::int64_t n) {
  parallel_for(n, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = converted<To>(x[i]);
  });
}

void check_holds(const char* call, DType dtype, double value) {
  if (is_floating(dtype)) return;
  const double whole = std::trunc(value);
  const bool holds = dtype == DType::U8 ? whole >= 0 && whole < 256
                                        : whole >= -0x1p63 && whole < 0x1p63;
  if (holds) return;
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << '[' << call << "] expected a value that " << name_of(dtype)
       << " can hold, got " << value;
  throw ValueError(text.str());
}

// Copies elements from one memory order to another.
void reorder(const TensorImpl& from, TensorImpl& to) {
  const Shape& s = from.shape;
  const bool last = to.layout == Layout::ChannelsLast;
  dispatch_any(from.dtype, [&](auto tag) {
    using T = decltype(tag);
    kernels::transpose_inner(
        static_cast<const T*>(from.data()), static_cast<T*>(to.data()), s[0],
        last ? s[1] : s[2] * s[3], last ? s[2] * s[3] : s[1]);
  });
}

}  // namespace

// ---- making one ----------------------------------------------------------

Tensor Tensor::empty(const Shape& shape, const TensorOptions& options) {
  if (options.layout == Layout::ChannelsLast && shape.rank() != 4) {
    throw ShapeError("[Tensor::empty] channels-last needs rank 4, got shape " +
                     shape.str());
  }
  auto impl = std::make_shared<TensorImpl>();
  impl->storage = std::make_shared<detail::Storage>(
      static_cast<std::size_t>(shape.numel()) * size_of(options.dtype));
  impl->shape = shape;
  impl->dtype = options.dtype;
  impl->layout = options.layout;
  return Tensor(std::move(impl));
}

Tensor Tensor::full(const Shape& shape, double value,
                    const TensorOptions& options) {
  check_holds("Tensor::full", options.dtype, value);
  Tensor x = empty(shape, options);
  x.fill(value);
  return x;
}

Tensor Tensor::zeros(const Shape& shape, const TensorOptions& options) {
  return full(shape, 0, options);
}

Tensor Tensor::ones(const Shape& shape, const TensorOptions& options) {
  return full(shape, 1, options);
}

template <class T>
Tensor Tensor::from(const std::vector<T>& values, const Shape& shape,
                    Layout layout) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel()) {
    throw ShapeError("[Tensor::from] expected " +
                     std::to_string(shape.numel()) + " values for shape " +
                     shape.str() + ", got " + std::to_string(values.size()));
  }
  TensorOptions options;
  options.dtype = dtype_of<T>();
  const Tensor x = empty(shape, options);
  std::copy(values.begin(), values.end(), static_cast<T*>(x.impl_->data()));
  const NoGrad guard;
  return x.to(layout);
}

Tensor Tensor::scalar(double value, DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  return full({}, value, options);
}

Tensor Tensor::empty_like(const Tensor& other) {
  need(other.impl_, "Tensor::empty_like");
  return empty(other.shape(), other.options());
}

Tensor Tensor::zeros_like(const Tensor& other) {
  need(other.impl_, "Tensor::zeros_like");
  return zeros(other.shape(), other.options());
}

Tensor Tensor::ones_like(const Tensor& other) {
  need(other.impl_, "Tensor::ones_like");
  return ones(other.shape(), other.options());
}

// ---- what it is ----------------------------------------------------------

const Shape& Tensor::shape() const { return need(impl_, "shape").shape; }

std::size_t Tensor::rank() const { return need(impl_, "rank").shape.rank(); }

std::int64_t Tensor::size(std::int64_t axis) const {
  return need(impl_, "size").shape.dim(axis);
}

std::int64_t Tensor::numel() const {
  return need(impl_, "numel").shape.numel();
}

DType Tensor::dtype() const { return need(impl_, "dtype").dtype; }

Layout Tensor::layout() const { return need(impl_, "layout").layout; }

TensorOptions Tensor::options() const {
  const TensorImpl& impl = need(impl_, "options");
  return {impl.dtype, impl.layout};
}

// ---- elements ------------------------------------------------------------

template <class T>
const T* Tensor::data() const {
  check_type<T>(need(impl_, "data"), "data");
  return static_cast<const T*>(impl_->data());
}

template <class T>
T* Tensor::mutable_data() const {
  check_type<T>(need(impl_, "mutable_data"), "mutable_data");
  impl_->storage->changed();
  return static_cast<T*>(impl_->data());
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  check_type<T>(need(impl_, "to_vector"), "to_vector");
  const NoGrad guard;
  const Tensor x = to(Layout::RowMajor);
  const T* values = static_cast<const T*>(x.impl_->data());
  return std::vector<T>(values, values + x.numel());
}

double Tensor::item() const {
  need(impl_, "item");
  if (numel() != 1) {
    throw ShapeError("[item] expected one element, got shape " + shape().str());
  }
  return dispatch_any(dtype(), [&](auto tag) {
    return static_cast<double>(*data<decltype(tag)>());
  });
}

void Tensor::copy_from(const Tensor& source) const {
  need(impl_, "copy_from");
  need(source.impl_, "copy_from");
  if (source.shape() != shape()) {
    throw ShapeError("[copy_from] expected shape " + shape().str() + ", got " +
                     source.shape().str());
  }
  if (source.dtype() != dtype()) {
    throw ValueError("[copy_from] expected " + std::string(name_of(dtype())) +
                     ", got " + name_of(source.dtype()));
  }
  const auto bytes = numel() * static_cast<std::int64_t>(size_of(dtype()));
  if (shares_buffer_with(source)) {
    const NoGrad guard;
    const Tensor same = source.to(layout());
    impl_->storage->changed();
    std::memmove(impl_->data(), same.impl_->data(),
                 static_cast<std::size_t>(bytes));
    return;
  }
  impl_->storage->changed();
  if (source.layout() != layout() && detail::layout_matters(shape())) {
    reorder(*source.impl_, *impl_);
    detail::count_layout_conversion();
    return;
  }
  char* to = static_cast<char*>(impl_->data());
  const char* from = static_cast<const char*>(source.impl_->data());
  parallel_for(bytes, std::int64_t{1} << 20,
               [&](std::int64_t begin, std::int64_t end) {
                 std::memcpy(to + begin, from + begin,
                             static_cast<std::size_t>(end - begin));
               });
}

void Tensor::fill(double value) const {
  check_holds("fill", need(impl_, "fill").dtype, value);
  const std::int64_t n = numel();
  dispatch_any(dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* const y = mutable_data<T>();
    const T v = static_cast<T>(value);
    parallel_for(n, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      std::fill(y + begin, y + end, v);
    });
  });
}

Tensor Tensor::clone() const {
  need(impl_, "clone");
  const Tensor y = empty_like(*this);
  y.copy_from(*this);
  return y;
}

Tensor Tensor::detach() const {
  return Tensor(detail::alias(need(impl_, "detach")));
}

Tensor Tensor::to(DType target) const {
  const DType own = need(impl_, "to").dtype;
  if (target == own) return *this;
  TensorOptions options;
  options.dtype = target;
  options.layout = layout();
  const Tensor y = empty(shape(), options);
  dispatch_any(own, [&](auto from) {
    dispatch_any(target, [&](auto tag) {
      convert(data<decltype(from)>(),
              static_cast<decltype(tag)*>(y.impl_->data()), numel());
    });
  });
  if (!is_floating(own) || !is_floating(target)) return y;
  return make_op("cast", {*this}, y,
                 [own](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{dy.to(own)};
                 });
}

Tensor Tensor::to(Layout target) const {
  const Layout own = need(impl_, "to").layout;
  if (target == own) return *this;
  const Shape& s = shape();
  if (s.rank() != 4) {
    throw ShapeError("[to] channels-last needs rank 4, got shape " + s.str());
  }
  Tensor y;
  if (s[1] == 1 || s[2] * s[3] == 1) {
    y = detail::view_as(*this, s, target);
  } else {
    TensorOptions options;
    options.dtype = dtype();
    options.layout = target;
    y = empty(s, options);
    reorder(*impl_, *y.impl_);
    detail::count_layout_conversion();
  }
  return make_op("to_layout", {*this}, y,
                 [own](const Tensor& dy, const BackwardContext&) {
                   return std::vector<Tensor>{dy.to(own)};
                 });
}

bool Tensor::shares_buffer_with(const Tensor& other) const {
  return need(impl_, "shares_buffer_with").storage ==
         need(other.impl_, "shares_buffer_with").storage;
}

std::uint64_t Tensor::version() const {
  return need(impl_, "version").storage->version();
}

std::string Tensor::str(std::int64_t limit) const {
  if (!defined()) return "Tensor(undefined)";
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << "Tensor" << shape().str() << ' ' << name_of(dtype()) << ' '
       << name_of(layout()) << " [";
  dispatch_any(dtype(), [&](auto tag) {
    using T = decltype(tag);
    const std::vector<T> values = to_vector<T>();
    const std::int64_t shown = std::min(limit, numel());
    for (std::int64_t i = 0; i < shown; ++i) {
      text << (i > 0 ? ", " : "") << +values[static_cast<std::size_t>(i)];
    }
    if (shown < numel()) text << ", ... " << numel() - shown << " more";
  });
  text << ']';
  return text.str();
}

template Tensor Tensor::from(const std::vector<float>&, const Shape&, Layout);
template Tensor Tensor::from(const std::vector<double>&, const Shape&, Layout);
template Tensor Tensor::from(const std::vector<std::int64_t>&, const Shape&,
                             Layout);
template Tensor Tensor::from(const std::vector<std::uint8_t>&, const Shape&,
                             Layout);
template const float* Tensor::data<float>() const;
template const double* Tensor::data<double>() const;
template const std::int64_t* Tensor::data<std::int64_t>() const;
template const std::uint8_t* Tensor::data<std::uint8_t>() const;
template float* Tensor::mutable_data<float>() const;
template double* Tensor::mutable_data<double>() const;
template std::int64_t* Tensor::mutable_data<std::int64_t>() const;
template std::uint8_t* Tensor::mutable_data<std::uint8_t>() const;
template std::vector<float> Tensor::to_vector<float>() const;
template std::vector<double> Tensor::to_vector<double>() const;
template std::vector<std::int64_t> Tensor::to_vector<std::int64_t>() const;
template std::vector<std::uint8_t> Tensor::to_vector<std::uint8_t>() const;

}  // namespace mjolnir

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/types.h>

namespace mjolnir {

struct BackwardOptions;
namespace detail {
struct TensorImpl;
}

/** How a new tensor is stored. */
struct TensorOptions {
  DType dtype = DType::F32;
  Layout layout = Layout::RowMajor;
};

/** Removes the hook or tap it stands for; copies refer to the same one. */
class HookHandle {
 public:
  HookHandle() = default;
  explicit HookHandle(std::function<void()> remove);
  /** Removes it, from within the hook as well; more calls do nothing. */
  void remove();

 private:
  std::shared_ptr<std::function<void()>> remove_;
};

/**
 * A shared handle on one dense buffer, a shape, a dtype and a layout, with a
 * place in the autograd graph. Copying a Tensor copies the handle: both see
 * the same elements. `clone()` copies the elements. Default-constructed it is
 * undefined, as it is after it was moved from; every call but `defined()` and
 * `str()` then throws ValueError.
 */
class Tensor {
 public:
  Tensor() noexcept = default;

  // ---- making one ------------------------------------------------------
  /** Uninitialised elements. Throws ShapeError for channels-last of another
   * rank than 4, std::bad_alloc for more memory than there is. */
  static Tensor empty(const Shape& shape, const TensorOptions& options = {});
  /** Every element `value`, without its fraction in an integer type. Throws as
   * empty(), and ValueError for a value (or NaN) that the type cannot hold. */
  static Tensor full(const Shape& shape, double value,
                     const TensorOptions& options = {});
  /** Every element 0. Throws as empty(). */
  static Tensor zeros(const Shape& shape, const TensorOptions& options = {});
  /** Every element 1. Throws as empty(). */
  static Tensor ones(const Shape& shape, const TensorOptions& options = {});
  /** Copies `values`, given in logical order; throws ShapeError on count. */
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape,
                     Layout layout = Layout::RowMajor);
  /** A rank-0 tensor. Throws ValueError as full(). */
  static Tensor scalar(double value, DType dtype = DType::F32);
  /** empty() with the shape, dtype and layout of another tensor. */
  static Tensor empty_like(const Tensor& other);
  /** zeros() with the shape, dtype and layout of another tensor. */
  static Tensor zeros_like(const Tensor& other);
  /** ones() with the shape, dtype and layout of another tensor. */
  static Tensor ones_like(const Tensor& other);

  // ---- what it is ------------------------------------------------------
  /** False if default-constructed or moved from. */
  bool defined() const noexcept { return impl_ != nullptr; }
  /** Logical lengths, e.g. (N,C,H,W) in either layout. */
  const Shape& shape() const;
  /** Number of axes; 0 for a scalar. */
  std::size_t rank() const;
  /** Length of an axis; negative counts from the end. Throws ShapeError. */
  std::int64_t size(std::int64_t axis) const;
  /** Number of elements. */
  std::int64_t numel() const;
  /** Type of the elements. */
  DType dtype() const;
  /** Order of the elements in memory. */
  Layout layout() const;
  /** dtype() and layout(), to make another tensor like this one. */
  TensorOptions options() const;

  // ---- elements --------------------------------------------------------
  /** Elements in memory order. Throws ValueError if T is not the dtype. */
  template <class T>
  const T* data() const;
  /** The same for writing; counts as a change of the buffer (version()). */
  template <class T>
  T* mutable_data() const;
  /** Elements in logical order. Throws ValueError if T is not the dtype. */
  template <class T>
  std::vector<T> to_vector() const;
  /** The only element, as a double. Throws ShapeError if numel() != 1,
   * ValueError if undefined. */
  double item() const;
  /** Overwrites the elements with those of `source` (same shape and dtype,
   * any layout); not recorded. Throws ShapeError or ValueError where they
   * differ, ValueError if one is undefined. */
  void copy_from(const Tensor& source) const;
  /** Overwrites every element; not recorded. Throws ValueError as full(). */
  void fill(double value) const;

  /** A copy of the elements in a buffer of its own, outside the graph. */
  Tensor clone() const;
  /** A handle on the same buffer, outside the graph. */
  Tensor detach() const;
  /** Converted elements; differentiable between float types. Itself if the
   * dtype is already right. From a float to an integer type the fraction is
   * dropped, what is out of range becomes the nearest number in it, and NaN 0;
   * i64 to u8 is modulo 256. */
  Tensor to(DType dtype) const;
  /** The same elements in another memory order; differentiable. Itself if
   * the layout is already right. ChannelsLast needs rank 4 (ShapeError). */
  Tensor to(Layout layout) const;
  /** True if both handles see the same buffer. */
  bool shares_buffer_with(const Tensor& other) const;
  /** Changes of the buffer so far, through any handle. */
  std::uint64_t version() const;

  // ---- autograd --------------------------------------------------------
  /** True if gradients flow to or through this tensor. */
  bool requires_grad() const;
  /** Marks a leaf (a parameter, an input) as wanting a gradient. Throws
   * ValueError for integer dtypes or for a result of a recorded op. */
  const Tensor& set_requires_grad(bool value) const;
  /** True if no recorded op produced it. */
  bool is_leaf() const;
  /** The accumulated gradient, undefined if there is none. */
  Tensor grad() const;
  /** Replaces the accumulated gradient (undefined clears it), in this tensor's
   * layout; throws ShapeError or ValueError unless shape and dtype are its. */
  void set_grad(const Tensor& gradient) const;
  /** Forgets the accumulated gradient. */
  void zero_grad() const;
  /** Gradients of this scalar with respect to every leaf that wants one, added
   * to their grad(). See BackwardOptions in core/autograd.h for what it throws
   * and what an error leaves behind. */
  void backward() const;
  /** The same with options: what it keeps, records, feeds and starts from. */
  void backward(const BackwardOptions& options) const;
  /**
   * Calls `f` with the gradient of the loss with respect to this tensor once
   * it is complete (a leaf's in its layout); a defined result replaces it.
   * Hooks run in the order they were added, in loss.backward() and grad(), but
   * not in curvature passes, nor in a call that one of them makes. Throws
   * ValueError if no gradient flows to this tensor.
   */
  HookHandle on_gradient(std::function<Tensor(const Tensor&)> f) const;

  /** Shape, dtype and up to `limit` elements, for a person to read. */
  std::string str(std::int64_t limit = 64) const;

  /** For the library's own files. */
  explicit Tensor(std::shared_ptr<detail::TensorImpl> impl) noexcept
      : impl_(std::move(impl)) {}
  const std::shared_ptr<detail::TensorImpl>& impl() const noexcept {
    return impl_;
  }

 private:
  std::shared_ptr<detail::TensorImpl> impl_;
};

/** One batch of samples: axis 0 of both counts samples. */
struct Batch {
  Tensor images;
  Tensor labels;
};

}  // namespace mjolnir

#pragma once

#include <memory>

#include <mjolnir/core/tensor.h>

#include "core/detail/node.h"
#include "core/detail/storage.h"

namespace mjolnir::detail {

/** What a Tensor is a handle on. */
struct TensorImpl {
  std::shared_ptr<Storage> storage;
  std::size_t offset = 0;  // bytes
  Shape shape;
  DType dtype = DType::F32;
  Layout layout = Layout::RowMajor;

  bool requires_grad = false;  // leaves only
  Tensor grad;
  std::shared_ptr<Node> producer;  // of a recorded op's result
  std::shared_ptr<Node> leaf;      // where a leaf's gradient arrives

  void* data() const noexcept {
    return static_cast<char*>(storage->data()) + offset;
  }
};

/** A new handle on the same elements, outside the graph. */
std::shared_ptr<TensorImpl> alias(const TensorImpl& impl);

/** A handle on the elements of `x` from element `first` on, in memory order,
 * seen with another shape (same layout); outside the graph. */
Tensor view(const Tensor& x, const Shape& shape, std::int64_t first = 0);

/** The same with another layout: only where both orders coincide. */
Tensor view_as(const Tensor& x, const Shape& shape, Layout layout);

/** Counts one change of memory order (layout_conversion_count). */
void count_layout_conversion() noexcept;

/** The node through which gradients reach this tensor: null if none do. */
std::shared_ptr<Node> gradient_node(const TensorImpl& impl);

}  // namespace mjolnir::detail

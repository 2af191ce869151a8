#include "core/detail/tensor_impl.h"

#include <atomic>

#include <mjolnir/core/backend.h>

namespace mjolnir {
namespace detail {
namespace {

std::atomic<std::int64_t> conversions{0};

}  // namespace

void count_layout_conversion() noexcept {
  conversions.fetch_add(1, std::memory_order_relaxed);
}

std::shared_ptr<TensorImpl> alias(const TensorImpl& impl) {
  auto copy = std::make_shared<TensorImpl>();
  copy->storage = impl.storage;
  copy->offset = impl.offset;
  copy->shape = impl.shape;
  copy->dtype = impl.dtype;
  copy->layout = impl.layout;
  return copy;
}

Tensor view(const Tensor& x, const Shape& shape, std::int64_t first) {
  auto impl = alias(*x.impl());
  impl->shape = shape;
  impl->offset += static_cast<std::size_t>(first) * size_of(impl->dtype);
  return Tensor(std::move(impl));
}

Tensor view_as(const Tensor& x, const Shape& shape, Layout layout) {
  auto impl = alias(*x.impl());
  impl->shape = shape;
  impl->layout = layout;
  return Tensor(std::move(impl));
}

std::shared_ptr<Node> gradient_node(const TensorImpl& impl) {
  if (impl.producer) return impl.producer;
  return impl.requires_grad ? impl.leaf : nullptr;
}

}  // namespace detail

std::int64_t layout_conversion_count() noexcept {
  return detail::conversions.load(std::memory_order_relaxed);
}

}  // namespace mjolnir

#include <mjolnir/core/adopt.h>

#include <cstdint>
#include <utility>

#include "core/detail/tensor_impl.h"

namespace mjolnir {

Tensor adopt(void* data, const Shape& shape, DType dtype,
             std::shared_ptr<void> owner) {
  if (!owner) throw ValueError("[adopt] expected an owner of the memory");
  if (data == nullptr && shape.numel() > 0) {
    throw ValueError("[adopt] got no memory for shape " + shape.str());
  }
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(dtype) != 0) {
    throw ValueError("[adopt] memory is not aligned for " +
                     std::string(name_of(dtype)));
  }
  auto impl = std::make_shared<detail::TensorImpl>();
  impl->storage = std::make_shared<detail::Storage>(
      data, static_cast<std::size_t>(shape.numel()) * size_of(dtype),
      std::move(owner));
  impl->shape = shape;
  impl->dtype = dtype;
  return Tensor(std::move(impl));
}

}  // namespace mjolnir

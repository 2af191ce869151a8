#pragma once

#include <memory>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/**
 * A row-major tensor on memory that somebody else made, without a copy:
 * `data` holds shape.numel() elements, aligned as their type needs, for as
 * long as `owner` lives; the tensor keeps it alive. Throws ValueError without
 * an owner, or for null or misaligned `data`.
 */
Tensor adopt(void* data, const Shape& shape, DType dtype,
             std::shared_ptr<void> owner);

}  // namespace mjolnir

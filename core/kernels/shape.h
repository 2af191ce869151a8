#pragma once

#include <cstdint>

#include "core/kernels/loop_nest.h"

namespace mjolnir::kernels {

// y[to] = x[from], element by element, for any element type of a tensor
// x as the nest's operand 0, y as its operand 1
template <class T>
void copy(const LoopNest& nest, const T* x, T* y);

}  // namespace mjolnir::kernels

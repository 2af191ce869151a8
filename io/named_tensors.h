#pragma once

#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::io {

/** What a file with several tensors holds, in its order. */
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

}  // namespace mjolnir::io

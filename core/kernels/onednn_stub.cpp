#include <mjolnir/core/backend.h>

#include "core/kernels/onednn.h"

namespace mjolnir {

bool has_onednn() noexcept { return false; }
std::string onednn_version() { return ""; }

namespace kernels::onednn {

bool sgemm(bool, bool, std::int64_t, std::int64_t, std::int64_t, float,
           const float*, std::int64_t, const float*, std::int64_t, float,
           float*, std::int64_t) {
  return false;
}

std::int64_t sgemm_count() noexcept { return 0; }
std::int64_t primitive_creation_count() noexcept { return 0; }

bool conv2d_forward(const ConvSizes&, const float*, const float*, const float*,
                    float*) {
  return false;
}

bool conv2d_input_gradient(const ConvSizes&, const float*, const float*,
                           float*) {
  return false;
}

bool conv2d_weight_gradient(const ConvSizes&, const float*, const float*,
                            float*) {
  return false;
}

}  // namespace kernels::onednn
}  // namespace mjolnir

#pragma once

#include <cstdint>
#include <string>

namespace mjolnir {

/** Which kernels an op may use. f64 always takes the reference kernels. */
enum class Backend : std::uint8_t {
  Auto,       ///< The fast f32 kernel where there is one (default).
  Reference,  ///< The readable kernel, in every float type.
};

/** The calling thread's backend. */
Backend backend() noexcept;

/** Sets the calling thread's backend for a scope. */
class ScopedBackend {
 public:
  explicit ScopedBackend(Backend backend) noexcept;
  ~ScopedBackend();
  ScopedBackend(const ScopedBackend&) = delete;
  ScopedBackend& operator=(const ScopedBackend&) = delete;

 private:
  Backend previous_;
};

/** Tensors copied into another memory order so far, in this process. */
std::int64_t layout_conversion_count() noexcept;

/** True if the library was built with oneDNN. */
bool has_onednn() noexcept;

/** "2.6.3", or "" without oneDNN. */
std::string onednn_version();

/** OpenBLAS's own description of itself and the kernels it picked. */
std::string blas_description();

/**
 * Emits a warning (topic "blas") with the fix unless the BLAS in use is
 * OpenBLAS's OpenMP flavour, which shares our threads. Returns whether it is.
 */
bool check_blas_threading();

}  // namespace mjolnir

#include <mjolnir/version.h>

namespace mjolnir {

const char* library_version() noexcept { return version; }

}  // namespace mjolnir

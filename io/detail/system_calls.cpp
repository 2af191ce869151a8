#include "io/detail/system_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace mjolnir::io::detail {

SystemCalls& system_calls() {
  static SystemCalls calls{
      [](const char* path, int flags, mode_t mode) {
        return ::open(path, flags, mode);
      },
      [](int descriptor, const void* data, std::size_t size) {
        return ::write(descriptor, data, size);
      },
      [](int descriptor) { return ::fsync(descriptor); },
      [](int descriptor) { return ::close(descriptor); },
      [](const char* from, const char* to) { return ::rename(from, to); },
      [](const char* path) { return ::unlink(path); }};
  return calls;
}

}  // namespace mjolnir::io::detail

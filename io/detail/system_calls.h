#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>

namespace mjolnir::io::detail {

/** What AtomicFile asks of the system. Tests put others in their place, to see
 * the order of the calls and to let some of them fail. */
struct SystemCalls {
  std::function<int(const char* path, int flags, mode_t mode)> open;
  std::function<ssize_t(int descriptor, const void* data, std::size_t size)>
      write;
  std::function<int(int descriptor)> fsync;
  std::function<int(int descriptor)> close;
  std::function<int(const char* from, const char* to)> rename;
  std::function<int(const char* path)> unlink;
};

/** Those in use; at first the system's own. */
SystemCalls& system_calls();

}  // namespace mjolnir::io::detail

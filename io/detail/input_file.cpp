#include "io/detail/input_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <mjolnir/core/error.h>

#include "core/detail/parallel.h"

namespace mjolnir::io::detail {
namespace {

constexpr std::size_t piece = std::size_t{1} << 20;  // of a parallel read

// New memory comes page by page, which takes longer than the copy into it. In
// huge pages it comes at once, where the system has them; else nothing happens.
void ask_for_huge_pages([[maybe_unused]] const Span& span) {
#ifdef MADV_HUGEPAGE
  constexpr std::uintptr_t huge = std::uintptr_t{1} << 21;
  const auto begin = reinterpret_cast<std::uintptr_t>(span.to);
  const std::uintptr_t first = (begin + huge - 1) / huge * huge;
  const std::uintptr_t last = (begin + span.size) / huge * huge;
  if (first < last) {
    ::madvise(static_cast<char*>(span.to) + (first - begin), last - first,
              MADV_HUGEPAGE);
  }
#endif
}

}  // namespace

void InputFile::fail(const std::string& reason) const {
  throw IoError("[io] cannot read '" + path_ + "': " + reason);
}

InputFile::InputFile(const std::string& path) : path_(path) {
  do {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) fail(std::generic_category().message(errno));
  struct stat info {};
  const int error = ::fstat(descriptor_, &info) != 0 ? errno
                    : S_ISDIR(info.st_mode)          ? EISDIR
                                                     : 0;
  if (error != 0) {
    ::close(descriptor_);
    fail(std::generic_category().message(error));
  }
  regular_ = S_ISREG(info.st_mode);
  size_ = static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0));
  modified_[0] = info.st_mtim.tv_sec;
  modified_[1] = info.st_mtim.tv_nsec;
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::uint64_t at, void* to, std::size_t size) const {
  char* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got =
        ::pread(descriptor_, bytes, size, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::generic_category().message(errno));
    if (got == 0) fail("it became shorter while it was read");
    bytes += got;
    at += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
}

void InputFile::read(const std::vector<Span>& spans) const {
  std::vector<Span> pieces;
  for (const Span& span : spans) {
    ask_for_huge_pages(span);
    for (std::size_t done = 0; done < span.size; done += piece) {
      pieces.push_back({span.at + done, static_cast<char*>(span.to) + done,
                        std::min(piece, span.size - done)});
    }
  }
  // A second thread pays from a few pieces on.
  std::size_t total = 0;
  for (const Span& span : pieces) total += span.size;
  const auto count = static_cast<std::int64_t>(pieces.size());
  const std::int64_t grain = total < 4 * piece ? count : 4;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Span& span = pieces[static_cast<std::size_t>(i)];
      read(span.at, span.to, span.size);
    }
  });
}

Bytes InputFile::read_to_end() const {
  Bytes bytes;
  for (std::size_t size = 0;;) {
    bytes.resize(size + piece);
    const ssize_t got = ::read(descriptor_, bytes.data() + size, piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::generic_category().message(errno));
    size += static_cast<std::size_t>(got);
    if (got > 0) continue;
    bytes.resize(size);
    return bytes;
  }
}

void InputFile::expect_unchanged() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) {
    fail(std::generic_category().message(errno));
  }
  if (static_cast<std::uint64_t>(info.st_size) != size_ ||
      info.st_mtim.tv_sec != modified_[0] ||
      info.st_mtim.tv_nsec != modified_[1]) {
    fail("it was written to while it was read");
  }
}

}  // namespace mjolnir::io::detail

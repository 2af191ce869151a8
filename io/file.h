#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <mjolnir/core/error.h>

namespace mjolnir::io {

using Bytes = std::vector<std::uint8_t>;

/** Whole content of a file. Throws IoError with the path and the reason. */
Bytes read_file(const std::string& path);

/** Waits until what was written to a file is on the disk. Throws IoError. */
void flush_file(const std::string& path);

/** True if `path` leads to a regular file. */
bool file_exists(const std::string& path) noexcept;

/** Makes a directory and its parents; throws IoError. */
void make_directories(const std::string& path);

/**
 * Replaces a file as a whole: what is written goes to a sibling temporary
 * file, commit() flushes it to the disk, renames it over `path` and flushes
 * the directory. Until then, and without commit(), `path` stays as it is. A
 * link is followed; a device or pipe is written directly.
 * Every call throws IoError with the path and the reason.
 */
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  /** Removes the temporary file unless commit() succeeded. */
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::string path_;
  std::string target_;     // path_ with links resolved
  std::string temporary_;  // empty if written directly
  int descriptor_ = -1;
};

/**
 * Removes the temporary files that AtomicFiles of processes that are gone left
 * in a directory (a process that was killed cannot), and gives their names.
 * Those of living processes stay, and so does every other file. Throws nothing:
 * what cannot be removed does no harm.
 */
std::vector<std::string> remove_leftovers(const std::string& directory);

/** AtomicFile in one call. */
void write_file(const std::string& path, std::string_view content);
void write_file(const std::string& path, const Bytes& content);

}  // namespace mjolnir::io

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/io/file.h>

namespace mjolnir::io::detail {

/** Where bytes of a file go. */
struct Span {
  std::uint64_t at = 0;  // in the file
  void* to = nullptr;
  std::size_t size = 0;
};

/** A regular file that is read in pieces, straight to where they belong. Every
 * call throws IoError with the path and the reason. */
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /** False for a pipe or a device, which has no size: use read_to_end(). */
  bool regular() const noexcept { return regular_; }
  /** What is left to read. A pipe's writer may be gone by now, so that opening
   * it again would wait for another one. */
  Bytes read_to_end() const;
  /** Bytes when it was opened. */
  std::uint64_t size() const noexcept { return size_; }
  /** Fills `to`; an error if the file has become too short for that. */
  void read(std::uint64_t at, void* to, std::size_t size) const;
  /** The same for many, by all threads. */
  void read(const std::vector<Span>& spans) const;
  /** An error if the file was written to since it was opened. */
  void expect_unchanged() const;

 private:
  [[noreturn]] void fail(const std::string& reason) const;

  std::string path_;
  int descriptor_ = -1;
  bool regular_ = false;
  std::uint64_t size_ = 0;
  std::int64_t modified_[2] = {0, 0};  // seconds, nanoseconds
};

}  // namespace mjolnir::io::detail

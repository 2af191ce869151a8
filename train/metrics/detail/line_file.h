#pragma once

#include <cstdint>
#include <string>

#include <mjolnir/core/state.h>

namespace mjolnir::train::detail {

/**
 * A file that grows by whole lines, each written with one system call, so that
 * a killed run leaves whole lines. A write that fails (a full disk) does not
 * stop the run: one event "metrics", then nothing more is written.
 */
class LineFile {
 public:
  /** Creates or empties the file; with `go_on` what is there stays. Throws
   * IoError. */
  explicit LineFile(const std::string& path, bool go_on = false);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /** Appends `text` and a newline. */
  void write(std::string text);

  bool empty() const noexcept { return size_ == 0; }
  /** Whether the first line is this. */
  bool begins_with(const std::string& line) const;

  /** Shows how long the file is. Loading cuts it to the length it had: later
   * lines will be written again. An event (topic "metrics") tells if it is
   * shorter, and so lacks lines. */
  void visit_state(StateVisitor& visitor);

 private:
  void cut(std::int64_t size);

  std::string path_;
  int fd_ = -1;
  std::int64_t size_ = 0;  // bytes of whole lines
};

}  // namespace mjolnir::train::detail

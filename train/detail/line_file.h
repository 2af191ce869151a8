#pragma once

#include <string>

namespace mjolnir::train::detail {

/**
 * A file that grows by whole lines, each written with one system call, so that
 * a killed run leaves whole lines. A write that fails (a full disk) does not
 * stop the run: one event "metrics", then nothing more is written.
 */
class LineFile {
 public:
  /** Creates or empties the file. Throws IoError. */
  explicit LineFile(const std::string& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /** Appends `text` and a newline. */
  void write(std::string text);

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace mjolnir::train::detail

#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace mjolnir::train {

/** How a Console writes. */
struct ConsoleOptions {
  int fd = 2;          ///< File descriptor to write to.
  bool live = false;   ///< One line that is rewritten in place.
  bool color = false;  ///< Escape codes for colour are allowed.
  /** Columns of a live line; 0 asks the terminal before every drawing. */
  int width = 0;
  /** Least time between two drawings of the live line, in seconds. */
  double refresh = 0.1;
};

/**
 * Options for a file descriptor as its surroundings want it: live if it is a
 * terminal and TERM is set and not "dumb"; colour on a live terminal unless
 * NO_COLOR is set and not empty, and anywhere with FORCE_COLOR set and not
 * empty. NO_COLOR wins over FORCE_COLOR.
 */
ConsoleOptions console_options(int fd);

/**
 * Where progress and the log go. A live console keeps one line at the bottom
 * that status() redraws; any other writes lines only. A write error (a reader
 * that left, a closed terminal) silences the console for good: a run never
 * fails because nobody watches. May be used from several threads.
 */
class Console {
 public:
  explicit Console(const ConsoleOptions& options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /** Redraws the live line, at most every `refresh` seconds; cut to the
   * width. Does nothing on a console that is not live. */
  void status(const std::string& text);
  /** Writes a whole line, above the live line if there is one. */
  void line(const std::string& text);
  /** Writes text as it is, after removing the live line. */
  void text(const std::string& text);
  /** Removes the live line. */
  void clear();

  /** Of the live line, asked of the terminal unless given; 80 if unknown. */
  int columns() const;
  bool live() const noexcept { return options_.live; }
  bool color() const noexcept { return options_.color; }
  /** False once a write failed. */
  bool working() const;

 private:
  std::string erase_sequence();
  void write(const std::string& bytes);

  ConsoleOptions options_;
  mutable std::mutex mutex_;
  bool working_ = true;
  std::string shown_;  // the live line as it stands
  std::chrono::steady_clock::time_point drawn_{};
  bool ever_drawn_ = false;
};

}  // namespace mjolnir::train

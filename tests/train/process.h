#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mjolnir::train {

/** How to start a program. */
struct Start {
  std::vector<std::string> argv;
  /** Environment variables. */
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> unset;
  std::string folder;         ///< Working folder, "" for this one.
  bool terminal = false;      ///< stderr is a terminal.
  int columns = 80;           ///< Of that terminal.
  bool close_stderr = false;  ///< The program has no stderr at all.
  bool close_stdout = false;
  std::string output_file;     ///< Not "": stdout goes there.
  bool readers_leave = false;  ///< stdout, stderr: pipes nobody reads.
  /** Sends this signal as soon as `signal_after` shows up in stderr. */
  int signal = 0;
  std::string signal_after;
};

/** How it ended. */
struct Finished {
  int code = -1;    ///< Exit code, or -1 if a signal ended it.
  int signal = 0;   ///< That signal.
  std::string out;  ///< stdout
  std::string err;  ///< stderr, or what the terminal got
};

/** Runs a program to its end. */
Finished run(const Start& start);

/** A terminal whose other end this process reads. */
class Terminal {
 public:
  explicit Terminal(int columns);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  int fd() const { return inner_; }
  void resize(int columns);
  /** What was written so far, byte for byte. */
  std::string output();

 private:
  int outer_ = -1;
  int inner_ = -1;
};

/** What a screen of that width shows after the bytes: carriage returns
 * overwrite, escape sequences vanish, blanks at line ends too. */
std::string screen(const std::string& bytes, std::size_t columns);

}  // namespace mjolnir::train

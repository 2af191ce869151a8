#include "train/program/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace mjolnir::train {

namespace {

bool set_and_not_empty(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

ConsoleOptions console_options(int fd) {
  const char* term = std::getenv("TERM");
  ConsoleOptions options;
  options.fd = fd;
  options.live = isatty(fd) == 1 && term != nullptr && *term != '\0' &&
                 std::string(term) != "dumb";
  options.color = !set_and_not_empty("NO_COLOR") &&
                  (options.live || set_and_not_empty("FORCE_COLOR"));
  return options;
}

Console::Console(const ConsoleOptions& options) : options_(options) {}

Console::~Console() { clear(); }

void Console::status(const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  const std::chrono::duration<double> since = now - drawn_;
  if (!options_.live || (ever_drawn_ && since.count() < options_.refresh)) {
    return;
  }
  // The last column stays free: a full line would wrap and scroll.
  const auto room = static_cast<std::size_t>(std::max(columns() - 1, 0));
  const std::string fitting = text.substr(0, room);
  // Blanks cover what is left of a longer line; shown_ may be wider than a
  // window that shrank meanwhile.
  const std::size_t old = std::min(shown_.size(), room);
  const std::size_t blanks = old > fitting.size() ? old - fitting.size() : 0;
  const char* on = options_.color ? "\x1b[36m" : "";
  const char* off = options_.color ? "\x1b[0m" : "";
  write("\r" + (on + fitting + off) + std::string(blanks, ' '));
  shown_ = fitting;
  drawn_ = now;
  ever_drawn_ = true;
}

void Console::line(const std::string& text) { this->text(text + "\n"); }

void Console::text(const std::string& text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  write(erase_sequence() + text);
}

void Console::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string bytes = erase_sequence();
  if (!bytes.empty()) {
    write(bytes);
  }
}

bool Console::working() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return working_;
}

int Console::columns() const {
  if (options_.width > 0) {
    return options_.width;
  }
  winsize size{};
  if (ioctl(options_.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return 80;  // a terminal that does not know its width
}

std::string Console::erase_sequence() {
  if (shown_.empty()) {
    return "";
  }
  const auto room = static_cast<std::size_t>(std::max(columns() - 1, 0));
  const std::string blanks(std::min(shown_.size(), room), ' ');
  shown_.clear();
  ever_drawn_ = false;  // what comes next may be drawn at once
  return "\r" + blanks + "\r";
}

void Console::write(const std::string& bytes) {
  std::size_t done = 0;
  while (working_ && done < bytes.size()) {
    const ssize_t n =
        ::write(options_.fd, bytes.data() + done, bytes.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno == EAGAIN) {
      usleep(1000);
    } else if (errno != EINTR) {
      working_ = false;
    }
  }
}

}  // namespace mjolnir::train

#include "tests/train/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace mjolnir::train {

namespace {

void set_columns(int fd, int columns) {
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  ioctl(fd, TIOCSWINSZ, &size);
}

void open_terminal(int& outer, int& inner, int columns) {
  if (openpty(&outer, &inner, nullptr, nullptr, nullptr) != 0) {
    throw std::runtime_error("no pseudo terminal");
  }
  termios mode{};
  tcgetattr(inner, &mode);
  cfmakeraw(&mode);  // bytes as they are written
  tcsetattr(inner, TCSANOW, &mode);
  set_columns(inner, columns);
}

// Appends what can be read; false at the end of the stream.
bool take(int fd, std::string& text) {
  char buffer[4096];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return n > 0 || (n < 0 && errno == EINTR);
}

[[noreturn]] void become(const Start& start, int out, int err) {
  dup2(out, 1);
  dup2(err, 2);
  for (int fd = 3; fd < 256; ++fd) {
    close(fd);
  }
  if (start.close_stdout) {
    close(1);
  }
  if (!start.output_file.empty()) {
    dup2(open(start.output_file.c_str(), O_WRONLY), 1);
  }
  if (start.close_stderr) {
    close(2);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) {
    std::signal(signal, SIG_DFL);
  }
  for (const std::string& name : start.unset) {
    unsetenv(name.c_str());
  }
  for (const auto& [name, value] : start.set) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> argv;
  for (const std::string& word : start.argv) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  if (start.folder.empty() || chdir(start.folder.c_str()) == 0) {
    execv(argv[0], argv.data());
  }
  _exit(127);
}

}  // namespace

Finished run(const Start& start) {
  int out[2];
  int err[2];
  if (pipe(out) != 0) {
    throw std::runtime_error("no pipe");
  }
  if (start.terminal) {
    open_terminal(err[0], err[1], start.columns);
  } else if (pipe(err) != 0) {
    throw std::runtime_error("no pipe");
  }
  const pid_t child = fork();
  if (child == 0) {
    become(start, out[1], err[1]);
  }
  close(out[1]);
  close(err[1]);
  Finished result;
  bool out_open = true;
  bool err_open = true;
  bool signalled = start.signal == 0;
  if (start.readers_leave) {
    close(out[0]);
    close(err[0]);
    out_open = err_open = false;
  }
  while (out_open || err_open) {
    pollfd streams[2] = {{out_open ? out[0] : -1, POLLIN, 0},
                         {err_open ? err[0] : -1, POLLIN, 0}};
    poll(streams, 2, -1);
    if (streams[0].revents != 0) {
      out_open = take(out[0], result.out);
    }
    if (streams[1].revents != 0) {
      err_open = take(err[0], result.err);
    }
    if (!signalled &&
        result.err.find(start.signal_after) != std::string::npos) {
      kill(child, start.signal);
      signalled = true;
    }
  }
  if (!start.readers_leave) {
    close(out[0]);
    close(err[0]);
  }
  int status = 0;
  waitpid(child, &status, 0);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return result;
}

Terminal::Terminal(int columns) { open_terminal(outer_, inner_, columns); }

Terminal::~Terminal() {
  close(outer_);
  close(inner_);
}

void Terminal::resize(int columns) { set_columns(inner_, columns); }

std::string Terminal::output() {
  std::string text;
  pollfd stream = {outer_, POLLIN, 0};
  while (poll(&stream, 1, 50) > 0 && take(outer_, text)) {
  }
  return text;
}

std::string screen(const std::string& bytes, std::size_t columns) {
  std::string shown;
  std::string line;
  std::size_t column = 0;
  const auto end_line = [&] {
    line.erase(line.find_last_not_of(' ') + 1);
    shown += line + "\n";
    line.clear();
    column = 0;
  };
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      end_line();
    } else if (c == '\x1b') {
      while (i < bytes.size() && bytes[i] != 'm') {
        ++i;
      }
    } else {
      if (column == columns) {
        end_line();  // wrapped
      }
      line.resize(std::max(line.size(), column + 1), ' ');
      line[column++] = c;
    }
  }
  end_line();
  return shown;
}

}  // namespace mjolnir::train

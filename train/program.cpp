#include "train/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace mjolnir::train {

namespace {

volatile std::sig_atomic_t caught = 0;

extern "C" void mjolnir_request_stop(int signal) {
  if (caught != 0) {
    _exit(128 + signal);
  }
  caught = signal;
}

}  // namespace

void prepare_program() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);  // takes this number
    }
  }
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = mjolnir_request_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() noexcept { return caught; }

}  // namespace mjolnir::train

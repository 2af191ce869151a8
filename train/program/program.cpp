#include "train/program/program.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

namespace mjolnir::train {

namespace {

std::atomic<int> caught{0};

// No handler may run on a thread that computes: oneDNN 2.6.3's sgemm uses the
// stack pointer for data, and the frame of a handler would overwrite the heap.
void wait_for_signals(sigset_t signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) == 0) {
    if (caught.exchange(signal) != 0) {
      _exit(128 + signal);
    }
  }
}

}  // namespace

void prepare_program() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);  // takes this number
    }
  }
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(wait_for_signals, signals).detach();
}

int stop_signal() noexcept { return caught; }

}  // namespace mjolnir::train

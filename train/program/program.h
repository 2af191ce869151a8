#pragma once

namespace mjolnir::train {

/** What every program of this project returns. */
enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,    ///< The run could not be done.
  exit_usage = 2,     ///< The command line is wrong.
  exit_diverged = 3,  ///< The loss was not finite.
};

/**
 * Makes a process fit to run for hours: opens /dev/null in the place of a
 * closed standard stream (or the next file would take its number and be
 * written to), ignores SIGPIPE, and turns the first SIGINT or SIGTERM into a
 * request to stop; a second one ends the process at once with 128 + its
 * number. A thread of its own waits for them, so call this before anything
 * else starts a thread. For programs; the library itself never touches
 * signals.
 */
void prepare_program();

/** The signal that asked to stop, or 0. */
int stop_signal() noexcept;

}  // namespace mjolnir::train

#pragma once

#include <functional>

#include <mjolnir/train/program/console.h>
#include <mjolnir/train/program/log.h>
#include <mjolnir/train/program/program.h>

namespace mjolnir::train {

/** What a program speaks with. */
struct Surroundings {
  Console& progress;  ///< stderr: live where a person watches.
  Console& output;    ///< stdout: the result.
  Log& log;           ///< Warnings and errors, on stderr too.
};

/**
 * Runs the body of a program after prepare_program(), and returns its exit
 * code: what the body returns; exit_usage after a UsageError and exit_failed
 * after any other exception, each logged; exit_failed as well if the body was
 * content but its output could not be written.
 */
int run_program(const std::function<int(const Surroundings&)>& body);

}  // namespace mjolnir::train

#pragma once

#include <string>
#include <vector>

#include <mjolnir/train/run_data.h>

namespace mjolnir::train {

/** What `./mjolnir compare` is asked to do. */
struct CompareOptions {
  std::vector<std::string> folders = {};  ///< Of the runs, two or more.
  std::vector<double> accuracies = {};    ///< 0..1; empty: the best reached.
  std::string out = "compare.html";       ///< The page.
  /** Not empty: print it to stdout and exit 0 (--help, --version). */
  std::string message = {};
};

/** Reads the flags of `./mjolnir compare`. Throws UsageError. */
CompareOptions parse_compare_command_line(int argc, const char* const* argv);

/** An option that is not the same in all runs; a value per run, "-" where a run
 * has none. */
struct OptionDifference {
  std::string name;
  std::vector<std::string> values;
};

/** Some runs beside each other. */
struct Comparison {
  std::vector<RunData> runs;
  std::vector<double> accuracies;  ///< To be reached, 0..1, rising.
  std::vector<OptionDifference> differences;

  /** Tables for a terminal: the results; steps and time to each accuracy, of
   * validation images; the options that differ. As blocks of lines where they
   * would be wider than `columns`. */
  std::string str(int columns = 80) const;
  /** A page with the curves of all runs and these tables. */
  std::string html() const;
};

/** Reads the folders. Runs of equal names are called by their folders. Without
 * accuracies these are the highest round ones that all runs, and that one,
 * reached. Throws as read_run() does, and UsageError for an accuracy outside
 * (0,1]. */
Comparison compare_runs(const std::vector<std::string>& folders,
                        std::vector<double> accuracies = {});

}  // namespace mjolnir::train

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <mjolnir/train/metrics/metrics.h>

namespace mjolnir::train {

namespace detail {
class LineFile;
}

/**
 * metrics.jsonl: the rows of metrics.csv as JSON, an object per line, under
 * the names of the columns. A field without a value has no key; a number that
 * is not finite is null, since JSON has no such numbers. Written as
 * MetricsFile writes.
 */
class MetricsJsonl {
 public:
  /** Creates or empties the file; `more` and `go_on` as in MetricsFile. Throws
   * IoError. */
  explicit MetricsJsonl(const std::string& path,
                        const std::vector<std::string>& more = {},
                        bool go_on = false);
  ~MetricsJsonl();
  MetricsJsonl(const MetricsJsonl&) = delete;
  MetricsJsonl& operator=(const MetricsJsonl&) = delete;

  /** Appends a row. Throws ValueError for cells without a column. */
  void add(const MetricsRow& row);

  /** As that of MetricsFile. */
  void visit_state(StateVisitor& visitor);

 private:
  std::unique_ptr<detail::LineFile> file_;
  std::vector<std::string> more_;
};

}  // namespace mjolnir::train

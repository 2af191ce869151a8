#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bench {

/** Prints figures as they come and keeps them for a JSON file. */
class Report {
 public:
  void section(const std::string& title);
  /** `key` names the figure in the file, `words` to a person. */
  void add(const std::string& key, const std::string& words, double value,
           const std::string& unit, int decimals = 1);
  void note(const std::string& sentence);
  /** Throws std::runtime_error if the file cannot be written. */
  void write_json(const std::string& path) const;

 private:
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace bench

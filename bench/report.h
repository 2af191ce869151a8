#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bench {

/** Prints figures as they come and keeps them for a JSON file. */
class Report {
 public:
  void section(const std::string& title);
  /** `key` names the figure in the file, `words` to a person. */
  void add(const std::string& key, const std::string& words, double value,
           const std::string& unit, int decimals = 1);
  /** A figure that must not be above `at_most`: says PASS or over. */
  void add_limited(const std::string& key, const std::string& words,
                   double value, double at_most, int decimals);
  void note(const std::string& sentence);
  /** Each figure under its key, and under "limits", by the same keys, what
   * those with one are held to: {"at_most": 2.5, "pass": true}. Throws
   * std::runtime_error if the file cannot be written. */
  void write_json(const std::string& path) const;

 private:
  struct Figure {
    std::string key;
    double value;
    std::optional<double> at_most;
  };
  void print(const std::string& words, double value, int decimals,
             const std::string& rest);

  std::vector<Figure> figures_;
};

}  // namespace bench

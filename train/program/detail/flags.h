#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mjolnir/train/options.h>

#include "train/detail/text.h"

namespace mjolnir::train::detail {

/** The parser and the values of one command line: each method declares a flag.
 * What is wrong with one is a UsageError that names it. */
class Flags {
 public:
  /** What the program does, and its name. */
  Flags(const std::string& what, const std::string& program);

  /** A heading for the flags that follow. */
  void group(const std::string& name) { group_ = name; }

  /** Words without "--" go to a list, in their order; without this they are
   * refused. */
  void words(const std::string& name, std::vector<std::string>& target,
             const std::string& help);

  void text(const std::string& flag, std::string& target,
            const std::string& type, const std::string& help);

  void choice(const std::string& flag, std::string& target,
              const std::vector<std::string>& allowed, const std::string& help,
              const std::string& note = "");

  template <class Target>  // std::int64_t or an optional one
  void integer(const std::string& flag, Target& target, std::int64_t low,
               std::int64_t high, const std::string& standard,
               const std::string& help) {
    declare(flag, "N", standard, help, [=, &target](const std::string& given) {
      target = integer_in(flag, given, low, high);
    });
  }

  /** A number in [low, high], or in [low, high) if `open`. */
  template <class Target>  // double or an optional one
  void number(const std::string& flag, Target& target, double low, double high,
              bool open, const std::string& standard, const std::string& help) {
    declare(flag, "X", standard, help, [=, &target](const std::string& given) {
      target = number_in(flag, given, low, high, open);
    });
  }

  void flag(const std::string& flag, bool& target, const std::string& help);

  /** True if the flag was given. */
  bool given(const std::string& flag) const { return app_.count(flag) > 0; }

  /** The text of --help or --version, "" if neither was asked for. */
  std::string parse(int argc, const char* const* argv);

 private:
  static std::int64_t integer_in(const std::string& flag,
                                 const std::string& given, std::int64_t low,
                                 std::int64_t high);
  static double number_in(const std::string& flag, const std::string& given,
                          double low, double high, bool open);
  void declare(const std::string& flag, const std::string& type,
               const std::string& standard, const std::string& help,
               std::function<void(const std::string&)> set);
  void refuse_extras() const;

  CLI::App app_;
  std::string group_;
  std::vector<std::string> names_ = {"--help", "--version"};
};

}  // namespace mjolnir::train::detail

#include "train/program/detail/flags.h"

#include <limits>
#include <utility>

#include <mjolnir/version.h>

namespace mjolnir::train::detail {

namespace {

constexpr std::size_t help_columns = 48;

// "... [default: 8]", on a line of its own where the last one is full.
std::string with_default(const std::string& help, const std::string& standard) {
  if (standard.empty()) {
    return help;
  }
  const std::string note = "[default: " + standard + "]";
  const std::size_t last = help.size() - (help.rfind('\n') + 1);
  return help + (last + note.size() + 1 > help_columns ? "\n" : " ") + note;
}

// CLI11 leaves two empty lines between groups.
std::string without_double_blanks(std::string text) {
  for (std::size_t at = 0;
       (at = text.find("\n\n\n", at)) != std::string::npos;) {
    text.erase(at, 1);
  }
  return text;
}

// The flag that an error of the parser is about.
std::string flag_in(const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::size_t begin = text.find("--");
  if (begin == std::string::npos) {
    return text.substr(0, text.find(':'));
  }
  const std::size_t end =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", begin);
  return text.substr(begin, end - begin);
}

std::string wrapped(const std::vector<std::string>& words) {
  std::string text;
  std::size_t column = 0;
  for (const std::string& word : words) {
    const bool last = &word == &words.back();
    const bool full = column + word.size() + 2 > help_columns;
    if (column > 0) {
      text += full ? "\n" : " ";
    }
    text += word + (last ? "" : ",");
    column = (full ? 0 : column + 1) + word.size() + 1;
  }
  return text;
}

}  // namespace

Flags::Flags(const std::string& what, const std::string& program)
    : app_(what, program) {
  app_.allow_extras();
  app_.set_version_flag("--version", std::string("mjolnir ") + version);
  app_.get_formatter()->column_width(31);
}

void Flags::words(const std::string& name, std::vector<std::string>& target,
                  const std::string& help) {
  app_.add_option(name, target, help)->type_name("");
}

void Flags::text(const std::string& flag, std::string& target,
                 const std::string& type, const std::string& help) {
  declare(flag, type, target, help,
          [&target](const std::string& given) { target = given; });
}

void Flags::choice(const std::string& flag, std::string& target,
                   const std::vector<std::string>& allowed,
                   const std::string& help, const std::string& note) {
  declare(flag, "NAME", target,
          help + ":\n" + wrapped(allowed) + (note.empty() ? "" : "\n" + note),
          [flag, &target, allowed](const std::string& given) {
            for (const std::string& name : allowed) {
              if (name == given) {
                target = given;
                return;
              }
            }
            const std::string near = nearest(given, allowed);
            throw UsageError(
                flag + ": no such value '" + given +
                "'; allowed: " + join(allowed) +
                (near.empty() ? "" : "; did you mean '" + near + "'?"));
          });
}

std::int64_t Flags::integer_in(const std::string& flag,
                               const std::string& given, std::int64_t low,
                               std::int64_t high) {
  const auto value = to_integer(given);
  if (!value || *value < low || *value > high) {
    throw UsageError(flag + ": expected an integer from " +
                     std::to_string(low) + " to " + std::to_string(high) +
                     ", got '" + given + "'");
  }
  return *value;
}

double Flags::number_in(const std::string& flag, const std::string& given,
                        double low, double high, bool open) {
  const auto value = to_double(given);
  const bool fits =
      value && *value >= low && (open ? *value < high : *value <= high);
  if (!fits) {
    const bool bounded = high != std::numeric_limits<double>::infinity();
    const std::string upper =
        bounded ? (open ? " to below " : " to ") + shortest(high) : " or more";
    throw UsageError(flag + ": expected a " + (bounded ? "" : "finite ") +
                     "number, " + shortest(low) + upper + ", got '" + given +
                     "'");
  }
  return *value;
}

void Flags::flag(const std::string& flag, bool& target,
                 const std::string& help) {
  names_.push_back(flag);
  app_.add_flag(flag, target, with_default(help, "off"))->group(group_);
}

std::string Flags::parse(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return without_double_blanks(app_.help());
  } catch (const CLI::CallForVersion& version) {
    return std::string(version.what()) + "\n";
  } catch (const CLI::ArgumentMismatch& error) {
    throw UsageError(flag_in(error) + ": needs a value after it");
  } catch (const CLI::ConversionError& error) {
    throw UsageError(flag_in(error) +
                     ": takes no value; leave it away for off");
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  refuse_extras();
  return "";
}

void Flags::declare(const std::string& flag, const std::string& type,
                    const std::string& standard, const std::string& help,
                    std::function<void(const std::string&)> set) {
  names_.push_back(flag);
  app_.add_option_function<std::string>(flag, std::move(set),
                                        with_default(help, standard))
      ->type_name(type)
      ->take_last()
      ->group(group_);
}

void Flags::refuse_extras() const {
  const std::vector<std::string> extras = app_.remaining();
  if (extras.empty()) {
    return;
  }
  const std::string word = extras[0].substr(0, extras[0].find('='));
  if (word.empty() || word[0] != '-') {
    throw UsageError("'" + word + "': unexpected (flags begin with --; " +
                     "--help lists them)");
  }
  const std::string near = nearest(word, names_);
  throw UsageError(word + ": no such flag" +
                   (near.empty() ? "" : "; did you mean '" + near + "'?") +
                   " (--help lists all)");
}

}  // namespace mjolnir::train::detail

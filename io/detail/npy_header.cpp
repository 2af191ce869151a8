#include "io/detail/npy_header.h"

#include <cstddef>
#include <set>

#include <mjolnir/core/error.h>

namespace mjolnir::io::detail {
namespace {

// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } in any
// order of its keys, and nothing else that Python could write there.
class Parser {
 public:
  Parser(const std::string& text, const std::string& file)
      : text_(text), file_(file) {}

  NpyHeader parse() {
    NpyHeader header;
    std::set<std::string> seen;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      if (!seen.insert(key).second) fail("key '" + key + "' twice");
      expect(':');
      if (key == "descr") {
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        fail("the unknown key '" + key + "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (at_ != text_.size()) fail("something after its dictionary");
    for (const char* key : {"descr", "fortran_order", "shape"}) {
      if (seen.count(key) == 0) fail("no key '" + std::string(key) + "'");
    }
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw IoError("[npy] '" + file_ + "' has a header with " + what);
  }

  void skip_spaces() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  bool accept(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) {
      fail("no '" + std::string(1, c) + "' at character " +
           std::to_string(at_));
    }
  }

  std::string string() {
    skip_spaces();
    if (accept('[')) fail("a structured dtype, which is not read");
    const char quote = accept('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string::npos) fail("a string without an end");
    const std::string value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }

  bool boolean() {
    skip_spaces();
    for (const bool value : {true, false}) {
      const std::string word = value ? "True" : "False";
      if (text_.compare(at_, word.size(), word) == 0) {
        at_ += word.size();
        return value;
      }
    }
    fail("a fortran_order that is neither True nor False");
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> lengths;
    expect('(');
    while (!accept(')')) {
      lengths.push_back(length());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return lengths;
  }

  std::int64_t length() {
    skip_spaces();
    std::int64_t value = 0;
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      const int digit = text_[at_++] - '0';
      if (value > (INT64_MAX - digit) / 10) fail("a length above 2^63");
      value = 10 * value + digit;
    }
    if (at_ == begin) fail("a shape that is not a tuple of lengths");
    return value;
  }

  const std::string& text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader parse_npy_header(const std::string& text, const std::string& file) {
  return Parser(text, file).parse();
}

}  // namespace mjolnir::io::detail

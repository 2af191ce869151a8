#include "io/detail/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace mjolnir::io::detail {
namespace {

using nlohmann::json;

// Takes the events of the parser and accepts nothing but
// {name: {"dtype": s, "shape": [u...], "data_offsets": [u, u]}, ...,
//  "__metadata__": {s: s, ...}}, so that no depth or size of JSON can hurt.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& file, Header& header)
      : file_(file), header_(header) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override {
    return unexpected("a negative number");
  }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a fraction or a number beyond 2^64");
  }
  bool binary(binary_t&) override { return unexpected("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::Shape) {
      entry().shape.push_back(value);
    } else if (state_ == State::Offsets) {
      entry().offsets.push_back(value);
    } else {
      return unexpected("a number");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (state_ == State::Metadata) {
      header_.metadata[key_] = value;
    } else if (state_ == State::Entry && key_ == "dtype") {
      entry().dtype = value;
    } else {
      return unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::Start) {
      state_ = State::Top;
    } else if (state_ == State::Top) {
      keys_.clear();
      state_ = key_ == "__metadata__" ? State::Metadata : State::Entry;
      if (state_ == State::Entry) {
        header_.entries.emplace_back();
        entry().name = key_;
      }
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    std::set<std::string>& seen = state_ == State::Top ? names_ : keys_;
    if (!seen.insert(value).second) fail("has '" + value + "' twice");
    if (value.find('\0') != std::string::npos) {
      fail("has a name with a NUL character");
    }
    if (state_ == State::Entry && value != "dtype" && value != "shape" &&
        value != "data_offsets") {
      fail("has the unknown key '" + value + "' in tensor '" + entry().name +
           "'");
    }
    key_ = value;
    return true;
  }

  bool end_object() override {
    if (state_ == State::Entry) {
      const HeaderEntry& e = entry();
      if (e.dtype.empty() || !e.has_shape || !e.has_offsets) {
        fail("lacks dtype, shape or data_offsets of tensor '" + e.name + "'");
      }
      if (e.offsets.size() != 2) {
        fail("has " + std::to_string(e.offsets.size()) +
             " data_offsets for tensor '" + e.name + "', expected 2");
      }
    }
    state_ = state_ == State::Top ? State::End : State::Top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::Entry && key_ == "shape") {
      state_ = State::Shape;
      entry().has_shape = true;
    } else if (state_ == State::Entry && key_ == "data_offsets") {
      state_ = State::Offsets;
      entry().has_offsets = true;
    } else {
      return unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    state_ = State::Entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    fail("has a header that is not JSON at byte " + std::to_string(position) +
         ": " + error.what());
  }

 private:
  enum class State { Start, Top, Entry, Metadata, Shape, Offsets, End };

  HeaderEntry& entry() { return header_.entries.back(); }

  [[noreturn]] void fail(const std::string& reason) const {
    throw IoError("[safetensors] '" + file_ + "' " + reason);
  }

  bool unexpected(const char* what) const {
    fail("has a header with " + std::string(what) + " where none belongs" +
         (key_.empty() ? "" : ", at '" + key_ + "'"));
  }

  const std::string& file_;
  Header& header_;
  State state_ = State::Start;
  std::string key_;
  std::set<std::string> names_;  // of tensors
  std::set<std::string> keys_;   // of the object being read
};

}  // namespace

Header parse_header(const char* json_text, std::size_t size,
                    const std::string& name) {
  Header header;
  HeaderReader reader(name, header);
  json::sax_parse(json_text, json_text + size, &reader);
  return header;
}

}  // namespace mjolnir::io::detail

#include "train/report/detail/html.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include <mjolnir/io/png.h>

#include "train/detail/text.h"

namespace mjolnir::train::detail {

std::string escaped(const std::string& text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string json_string(const std::string& text) {
  const std::string json = nlohmann::json(text).dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (const char c : json) {
    safe += c == '<' ? "\\u003c" : std::string(1, c);  // no </script>
  }
  return safe;
}

std::string json_numbers(const std::vector<double>& values, int digits) {
  std::string json = "[";
  for (const double value : values) {
    json += json.size() > 1 ? "," : "";
    json += std::isfinite(value) ? compact(value, digits) : "null";
  }
  return json + "]";
}

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr const char* letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (k < count ? bytes[i + k] : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? letters[word >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

std::string picture_uri(const Tensor& image) {
  return "data:image/png;base64," + base64(io::encode_png(image));
}

}  // namespace mjolnir::train::detail

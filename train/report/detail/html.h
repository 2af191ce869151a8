#pragma once

#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::train::detail {

/** Text as HTML shows it, between tags or in a quoted attribute. */
std::string escaped(const std::string& text);

/** A string of JSON that may stand in a <script> element. */
std::string json_string(const std::string& text);

/** "[1,0.5,null]": to some significant digits; null where not finite. */
std::string json_numbers(const std::vector<double>& values, int digits = 6);

std::string base64(const std::vector<std::uint8_t>& bytes);

/** "data:image/png;base64,..." of a U8 image (H,W,C). */
std::string picture_uri(const Tensor& image);

}  // namespace mjolnir::train::detail

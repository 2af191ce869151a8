#include "train/report/detail/html.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include <mjolnir/io/png.h>

namespace mjolnir::train::detail {
namespace {

TEST(Html, NothingOfATextIsMarkup) {
  EXPECT_EQ(escaped("<script a='b' c=\"d\">&amp;"),
            "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;amp;");
  EXPECT_EQ(escaped("λ = 0,1"), "λ = 0,1");
}

TEST(Html, AStringOfJsonCannotEndItsScript) {
  const std::string text = "</script>\"\\\n<!--";
  const std::string json = json_string(text);
  EXPECT_EQ(json.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(json).get<std::string>(), text);
  // What is not UTF-8 does not end the run.
  EXPECT_NO_THROW(json_string("\xff\xfe"));
}

TEST(Html, NumbersThatAreNoneAreNull) {
  EXPECT_EQ(json_numbers({1, 0.125, std::numeric_limits<double>::quiet_NaN(),
                          -std::numeric_limits<double>::infinity()}),
            "[1,0.125,null,null]");
  EXPECT_EQ(json_numbers({}), "[]");
}

// The vectors of RFC 4648, section 10.
TEST(Html, Base64) {
  const auto of = [](const std::string& text) {
    return base64(std::vector<std::uint8_t>(text.begin(), text.end()));
  };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foob"), "Zm9vYg==");
  EXPECT_EQ(of("fooba"), "Zm9vYmE=");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(of("\xfb\xff"), "+/8=");
}

TEST(Html, APictureIsAPngInTheText) {
  const Tensor image = Tensor::from<std::uint8_t>({0, 128, 255, 7}, {2, 2, 1});
  const std::string uri = picture_uri(image);
  EXPECT_EQ(uri.rfind("data:image/png;base64,iVBORw0KGgo", 0), 0u) << uri;
}

}  // namespace
}  // namespace mjolnir::train::detail

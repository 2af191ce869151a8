#include "train/report/detail/figure.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace mjolnir::train::detail {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

CurvePoint point(double step, double y, double error = 0.0) {
  return {{step, step / 10.0, step / 5.0}, y, error};
}

Figure figure(std::vector<CurvePoint> points) {
  Figure f;
  f.id = "loss";
  f.title = "Loss";
  Curve curve;
  curve.name = "training";
  curve.points = std::move(points);
  f.curves = {curve};
  return f;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;
       ++at) {
    ++found;
  }
  return found;
}

nlohmann::json data_of(const std::string& html) {
  const std::string open = "<script type='application/json'>";
  const std::size_t begin = html.find(open) + open.size();
  return nlohmann::json::parse(
      html.substr(begin, html.find("</script>", begin) - begin));
}

const AxisEnds ends{100.0, 10.0, 20.0};  // of point(100, ...)

TEST(Figure, HasAViewForEachAxis) {
  const std::string html =
      figure_html(figure({point(0, 2.0), point(100, 1.0)}), ends);
  for (const char* part : {"id='loss'", "by-step", "by-epoch", "by-time",
                           "optimizer step", "time since the start"}) {
    EXPECT_THAT(html, HasSubstr(part));
  }
  // From end to end, and downwards: y grows to the bottom in a picture.
  EXPECT_EQ(count(html, "d='M0 45.5L1000 954.5'"), 3u) << html;
}

TEST(Figure, ANumberThatIsNoneLeavesAGap) {
  const std::string html =
      figure_html(figure({point(0, 2.0), point(20, 1.5), point(40, nan),
                          point(60, std::numeric_limits<double>::infinity()),
                          point(80, 1.2), point(100, 1.0)}),
                  ends);
  EXPECT_THAT(html, HasSubstr("d='M0 45.5L200 500M800 772.7L1000 954.5'"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
  EXPECT_TRUE(data_of(html)["curves"][0]["values"][2].is_null());
}

TEST(Figure, WithoutAValueItSaysSo) {
  const std::string html = figure_html(figure({}), ends);
  EXPECT_THAT(html, HasSubstr("no values yet"));
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
}

TEST(Figure, OnePointIsADot) {
  const std::string html = figure_html(figure({point(50, 2.0)}), ends);
  EXPECT_THAT(html, HasSubstr("class='dots c0' d='M500 500h0'"));
}

TEST(Figure, AConstantIsInTheMiddle) {
  const std::string html =
      figure_html(figure({point(0, 0.1), point(100, 0.1)}), ends);
  EXPECT_THAT(html, HasSubstr("d='M0 500L1000 500'"));
}

TEST(Figure, AnAxisThatIsNotKnownYetSaysSo) {
  const std::string html =
      figure_html(figure({point(50, 2.0)}), {100.0, 0.0, 20.0});
  EXPECT_EQ(count(html, "known after the first epoch"), 1u);
  EXPECT_EQ(count(html, "<svg"), 2u);
}

TEST(Figure, WideRangesAreLogarithmicWhereTheyMayBe) {
  Figure wide = figure({point(0, 100.0), point(50, 1.0), point(100, 0.01)});
  EXPECT_THAT(figure_html(wide, ends), Not(HasSubstr("Logarithmic.")));
  wide.may_be_logarithmic = true;
  const std::string html = figure_html(wide, ends);
  EXPECT_THAT(html, HasSubstr("Logarithmic."));
  EXPECT_THAT(html, HasSubstr("L500 500L"));  // 1 is half-way
  Figure narrow = figure({point(0, 2.0), point(100, 1.0)});
  narrow.may_be_logarithmic = true;
  EXPECT_THAT(figure_html(narrow, ends), Not(HasSubstr("Logarithmic.")));
}

TEST(Figure, PercentEndsAtAHundred) {
  Figure f = figure({point(0, 0.1), point(100, 1.0)});
  f.unit = Unit::Percent;
  const std::string html = figure_html(f, ends);
  EXPECT_THAT(html, HasSubstr("bottom:100.00%'>100 %<"));
}

TEST(Figure, ErrorsAreBarsOfTheirLength) {
  Figure f = figure({point(0, 0.25, 0.25), point(50, 0.75, 0.25)});
  f.unit = Unit::Percent;
  f.curves[0].dots = true;
  const std::string html = figure_html(f, ends);  // from 0 to 1
  EXPECT_THAT(html, HasSubstr("class='bar c0' d='M0 1000V500M500 500V0'"));
  EXPECT_EQ(data_of(html)["curves"][0]["errors"][1], 0.25);
}

TEST(Figure, NamesAreNoMarkup) {
  Figure f = figure({point(0, 2.0), point(100, 1.0)});
  f.curves.push_back(f.curves[0]);
  f.curves[0].name = "</script><script>alert(1)</script>";
  const std::string html = figure_html(f, ends);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_EQ(data_of(html)["curves"][0]["name"], f.curves[0].name);
}

TEST(Figure, ThinningKeepsEveryPeak) {
  std::vector<CurvePoint> points;
  for (int i = 0; i < 10000; ++i) {
    points.push_back(point(i, i == 4321 ? 50.0 : i == 7777 ? -3.0 : 1.0));
  }
  const auto kept = thinned(points, 500);
  EXPECT_LE(kept.size(), 500u);
  const auto has = [&](double step, double y) {
    return std::any_of(kept.begin(), kept.end(), [&](const CurvePoint& p) {
      return p.x[0] == step && p.y == y;
    });
  };
  EXPECT_TRUE(has(4321, 50.0));
  EXPECT_TRUE(has(7777, -3.0));
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end(),
                             [](const CurvePoint& a, const CurvePoint& b) {
                               return a.x[0] < b.x[0];
                             }));
  EXPECT_EQ(thinned({point(1, 1.0)}, 500).size(), 1u);
}

}  // namespace
}  // namespace mjolnir::train::detail

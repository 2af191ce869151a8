#include "train/report/detail/page.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>

#include <mjolnir/data/synthetic.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>

#include "tests/train/files.h"
#include "tests/train/run_folder_files.h"
#include "train/report/detail/pictures.h"
#include "train/report/detail/run_figures.h"

namespace mjolnir::train::detail {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunData run_of(const TemporaryFolder& folder, const std::string& name = "run") {
  put_run(folder.path() + "/" + name);
  return read_run(folder.path() + "/" + name);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;
       ++at) {
    ++found;
  }
  return found;
}

TEST(Page, HasItsPartsByTheirIds) {
  const TemporaryFolder folder;
  const std::string html = report_page(run_of(folder));
  for (const char* id :
       {"name", "status", "best", "progress", "axes", "axis-step", "axis-epoch",
        "axis-time", "loss", "accuracy", "learning-rate", "damping", "speed",
        "damping-share", "options", "surroundings"}) {
    EXPECT_EQ(count(html, " id='" + std::string(id) + "'"), 1u) << id;
  }
}

TEST(Page, TellsTheFiguresOfTheRun) {
  const TemporaryFolder folder;
  RunData run = run_of(folder);
  std::string html = report_page(run);
  EXPECT_THAT(html, HasSubstr(">running<"));
  EXPECT_THAT(html, HasSubstr("data-running"));
  // sqrt(0.75 * 0.25 / 400) = 0.02165
  EXPECT_THAT(html,
              HasSubstr("75.00<span> ± 2.17</span> %<small>best, epoch 2<"));
  EXPECT_THAT(html, HasSubstr("20 / 20<small>epoch 2 of 2<"));
  EXPECT_THAT(html, HasSubstr("<td>0.0005</td>"));
  run.result = RunResult();
  run.result->test = Meter();
  run.result->test->add(0.5, 1000, 900);
  html = report_page(run);
  EXPECT_THAT(html, HasSubstr(">completed<"));
  EXPECT_THAT(html, Not(HasSubstr("data-running")));
  EXPECT_THAT(html,
              HasSubstr("90.00<span> ± 0.95</span> %<small>1000 images<"));
}

TEST(Page, NeedsNothingFromElsewhere) {
  const TemporaryFolder folder;
  const std::string html = report_page(run_of(folder));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* part : {"http://", "https://", "src='/", "@import", "url(",
                           "<link rel='stylesheet'"}) {
    EXPECT_THAT(html, Not(HasSubstr(part)));
  }
}

TEST(Page, ANameIsNoMarkup) {
  const TemporaryFolder folder;
  RunData run = run_of(folder);
  const std::string bad = "<script>alert('x')</script>";
  run.name = bad;
  run.options.emplace_back(bad, bad);
  run.surroundings.emplace_back(bad, bad);
  RefreshDecision decision;
  decision.layer = bad;
  run.decisions = {decision};
  LayerRow layer;
  layer.layer.name = bad;
  layer.layer.a.most = layer.layer.a.median = 1.0;
  run.metrics.layers = {layer};
  run.result = RunResult();
  run.result->reason = bad;
  const std::string html = report_page(run);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
}

TEST(Page, BeforeTheFirstRowItWaits) {
  RunData run;
  run.name = "new";
  const std::string html = report_page(run);
  EXPECT_THAT(html, HasSubstr("id='waiting'"));
  EXPECT_THAT(html, HasSubstr("no values yet"));
  EXPECT_THAT(html, Not(HasSubstr("id='refreshes'")));
  EXPECT_THAT(html, Not(HasSubstr("id='spectra'")));
}

TEST(Page, EachLayerHasItsLooks) {
  const TemporaryFolder folder;
  RunData run = run_of(folder);
  for (const auto& [layer, step, delta, verdict] :
       {std::tuple("conv", 0L, 0.0, Verdict::Refresh),
        std::tuple("fc", 0L, 0.0, Verdict::Refresh),
        std::tuple("conv", 10L, 0.01, Verdict::Refresh),
        std::tuple("fc", 10L, 1e-6, Verdict::Freeze)}) {
    RefreshDecision d;
    d.layer = layer;
    d.step = step;
    d.trace.reference = step == 0 ? 0.0 : 1.0;
    d.trace.delta = delta;
    d.trace.verdict = verdict;
    run.decisions.push_back(d);
  }
  const std::string html = looks_figure(run);
  EXPECT_THAT(html, HasSubstr(">2 of 2<"));
  EXPECT_THAT(html, HasSubstr(">1 of 2<"));
  // Step 11 of 20; a Delta of 0.01 is half-way from 1e-4 to 1.
  EXPECT_THAT(html, HasSubstr("class='refresh' d='M50 1000V0M550 1000V500'"));
  EXPECT_THAT(html, HasSubstr("class='freeze' d='M550 1000V920'"));
  EXPECT_EQ(looks_figure(RunData()), "");
}

TEST(Page, SpectraAreThoseOfTheLastReport) {
  const TemporaryFolder folder;
  RunData run = run_of(folder);
  LayerRow row;
  row.step = 5;
  row.layer.name = "fc";
  row.layer.a = {1e-3, 1e-2, 0.1, 1, 10, 2, 1e4, 0.1, 0.25, 0.5};
  row.layer.g.most = std::numeric_limits<double>::quiet_NaN();
  run.metrics.layers = {row};
  row.step = 10;
  row.layer.a.damping_share = 0.75;
  run.metrics.layers.push_back(row);
  const std::string html = spectra_figure(run);
  EXPECT_THAT(html, HasSubstr("after step 10"));
  EXPECT_THAT(html, HasSubstr(">75 %<"));
  EXPECT_THAT(html, Not(HasSubstr(">25 %<")));
  // The median is where the damping is, in the middle; G has no row.
  EXPECT_THAT(html, HasSubstr("class='median' d='M500 120V880'"));
  EXPECT_THAT(html, HasSubstr("class='lambda' d='M500 0V1000'"));
  EXPECT_THAT(html, Not(HasSubstr("<b>G</b>")));
  EXPECT_EQ(spectra_figure(RunData()), "");
}

data::Dataset images() {
  data::SyntheticOptions options;
  options.samples = 20;
  options.channels = 1;
  options.height = 28;
  options.width = 28;
  return data::synthetic(options);
}

TEST(Page, FiltersAreATileEach) {
  Generator rng(1);
  models::LeNet5Options lenet;
  lenet.width = 5;
  EXPECT_EQ(count(filters_figure(models::LeNet5(lenet, rng), images()), "<img"),
            5u);
  models::MlpOptions mlp;
  mlp.in_channels = 1;
  mlp.image = {28, 28};
  mlp.width = 7;
  const std::string html = filters_figure(models::Mlp(mlp, rng), images());
  EXPECT_EQ(count(html, "<img"), 7u);
  EXPECT_THAT(html, HasSubstr("7 of 28 × 28"));
}

Predictions some(std::int64_t classes) {
  Predictions p;
  p.classes = classes;
  p.images = 10;
  p.counts.assign(static_cast<std::size_t>(classes * classes), 0);
  p.counts[0] = 6;
  p.counts[1] = 4;
  Mistake mistake;
  mistake.image = 3;
  mistake.answer = 1;
  p.worst = {mistake};
  return p;
}

TEST(Page, ConfusionsAreATableOrAPicture) {
  const std::vector<std::string> names = {"<cat>", "dog"};
  const std::string table = confusion_figure(some(2), names, "test images");
  EXPECT_EQ(count(table, "<td"), 4u);
  EXPECT_THAT(table, HasSubstr("10 test images"));
  EXPECT_THAT(table, HasSubstr("<b>4 ×</b> &lt;cat&gt; taken for dog "
                               "<small>(40.0 % of"));
  const std::string picture = confusion_figure(some(100), {}, "test images");
  EXPECT_EQ(count(picture, "<td"), 0u);
  EXPECT_EQ(count(picture, "<img"), 1u);
}

TEST(Page, MistakesAreShownAsTheyAre) {
  const std::string html = mistakes_figure(some(10), images(), "test images");
  EXPECT_EQ(count(html, "<img"), 1u);
  EXPECT_THAT(html, HasSubstr("image 3 of the test images"));
  Predictions none = some(10);
  none.worst.clear();
  EXPECT_THAT(mistakes_figure(none, images(), "x"), HasSubstr("no mistake"));
}

}  // namespace
}  // namespace mjolnir::train::detail

#include <mjolnir/data/dataset.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;

// Sample i, channel c, row y, column x: 100 i + 10 c + 3 y + x, in `layout`.
DatasetParts parts(std::int64_t n = 2, Layout layout = Layout::RowMajor) {
  std::vector<std::uint8_t> values;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < n; ++i) {
    labels.push_back(i % 3);
    for (int c = 0; c < 2; ++c) {
      for (int y = 0; y < 2; ++y) {
        for (int x = 0; x < 3; ++x) {
          values.push_back(
              static_cast<std::uint8_t>(100 * i + 10 * c + 3 * y + x));
        }
      }
    }
  }
  DatasetParts p;
  p.name = "small";
  p.images = Tensor::from(values, {n, 2, 2, 3}, layout);
  p.labels = Tensor::from(labels, {n});
  p.class_names = {"a", "b", "c"};
  p.mean = {0.5, 0.25};
  p.stddev = {0.125, 1};
  return p;
}

TEST(Dataset, KnowsItsSizes) {
  const Dataset d(parts());
  EXPECT_EQ(d.name(), "small");
  EXPECT_EQ(d.size(), 2);
  EXPECT_EQ(d.channels(), 2);
  EXPECT_EQ(d.height(), 2);
  EXPECT_EQ(d.width(), 3);
  EXPECT_EQ(d.classes(), 3);
  EXPECT_EQ(d.class_names()[2], "c");
  EXPECT_EQ(d.mean(), std::vector<double>({0.5, 0.25}));
  EXPECT_EQ(d.stddev(), std::vector<double>({0.125, 1}));
}

TEST(Dataset, GivesPixelsChannelsLastAndImagesInLogicalOrder) {
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const Dataset d(parts(2, layout));
    EXPECT_EQ(d.label(1), 1);
    const std::uint8_t* p = d.pixels(1);
    EXPECT_EQ(p[0], 100);  // (0,0,0)
    EXPECT_EQ(p[1], 110);  // (1,0,0)
    EXPECT_EQ(p[2], 101);  // (0,0,1)
    EXPECT_EQ(p[7], 113);  // (1,1,0)
    EXPECT_EQ(d.image(1).shape(), Shape({2, 2, 3}));
    EXPECT_EQ(d.image(1).to_vector<std::uint8_t>(),
              std::vector<std::uint8_t>({100, 101, 102, 103, 104, 105, 110, 111,
                                         112, 113, 114, 115}));
  }
}

TEST(Dataset, SubsetsSeeTheSameBytes) {
  const Dataset d(parts());
  const Dataset swapped = d.subset({1, 0, 1});
  EXPECT_EQ(swapped.size(), 3);
  EXPECT_EQ(swapped.pixels(0), d.pixels(1));
  EXPECT_EQ(swapped.pixels(1), d.pixels(0));
  const Dataset again = swapped.subset({2});
  EXPECT_EQ(again.pixels(0), d.pixels(1));
  EXPECT_EQ(again.label(0), 1);
  EXPECT_EQ(d.first(1).size(), 1);
  EXPECT_EQ(d.first(10).size(), 2);
}

TEST(Dataset, RefusesAnIndexOutOfRange) {
  const Dataset d(parts());
  expect_error<ValueError>([&] { d.label(2); },
                           {"small", "2 samples", "index 2"});
  expect_error<ValueError>([&] { d.pixels(-1); }, {"small", "index -1"});
  expect_error<ValueError>([&] { d.subset({0, 5}); }, {"small", "index 5"});
  const Dataset part = d.subset({1});
  expect_error<ValueError>([&] { part.image(1); }, {"1 samples", "index 1"});
}

TEST(Dataset, RefusesPartsThatDoNotFit) {
  DatasetParts p = parts();
  p.labels = Tensor::from(std::vector<std::int64_t>{0, 1, 2}, {3});
  expect_error<ShapeError>([&] { Dataset d(p); },
                           {"small", "(2,2,2,3)", "(3)"});
  p = parts();
  p.class_names = {"a"};
  expect_error<ValueError>([&] { Dataset d(p); },
                           {"small", "sample 1", "label 1", "1 classes"});
  p = parts();
  p.labels = Tensor::from(std::vector<std::int64_t>{0, -1}, {2});
  expect_error<ValueError>([&] { Dataset d(p); }, {"sample 1", "label -1"});
  p = parts();
  p.images = Tensor::zeros({2, 2, 2, 3});
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "u8"});
  p = parts();
  p.images = Tensor();
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "u8"});
  p = parts();
  p.labels = Tensor::zeros({2});
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "i64"});
  TensorOptions bytes;
  bytes.dtype = DType::U8;
  p = parts();
  p.images = Tensor::zeros({2, 3}, bytes);
  expect_error<ShapeError>([&] { Dataset d(p); }, {"small", "(N,C,H,W)"});
  p.images = Tensor::zeros({2, 1, 0, 3}, bytes);
  expect_error<ShapeError>([&] { Dataset d(p); }, {"small", "no pixels"});
}

TEST(Dataset, RefusesStatisticsThatDoNotFit) {
  DatasetParts p = parts();
  p.mean = {0.5};
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "2 channels"});
  p = parts();
  p.stddev = {1, -1};
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "at least 0"});
  p.stddev = {1, std::nan("")};
  expect_error<ValueError>([&] { Dataset d(p); }, {"small", "finite"});
  expect_error<ValueError>(
      [&] {
        Dataset(parts()).with_statistics({{1}, {1}});
      },
      {"2 channels"});
}

TEST(Dataset, ComputesItsStatistics) {
  DatasetParts p;
  p.name = "two";
  // Channel 0: 0, 255, 255, 0; channel 1: always 51.
  p.images = Tensor::from(
      std::vector<std::uint8_t>{0, 255, 51, 51, 255, 0, 51, 51}, {2, 2, 1, 2});
  p.labels = Tensor::from(std::vector<std::int64_t>{0, 0}, {2});
  p.class_names = {"a"};
  const Dataset d(p);
  EXPECT_EQ(d.mean(), std::vector<double>({0.5, 0.2}));
  EXPECT_EQ(d.stddev(), std::vector<double>({0.5, 0}));
  // Of one sample: 0 and 255 still, but the subset keeps the numbers it had.
  const Dataset one = d.subset({0});
  EXPECT_EQ(one.mean(), d.mean());
  EXPECT_EQ(one.with_statistics({{0, 0}, {1, 1}}).stddev(),
            std::vector<double>({1, 1}));
}

TEST(Dataset, MayBeEmpty) {
  const Dataset d(parts(0));
  EXPECT_EQ(d.size(), 0);
  EXPECT_EQ(d.channel_statistics().mean, std::vector<double>({0, 0}));
}

std::vector<const std::uint8_t*> addresses(const Dataset& d) {
  std::vector<const std::uint8_t*> out;
  for (std::int64_t i = 0; i < d.size(); ++i) out.push_back(d.pixels(i));
  return out;
}

TEST(Split, CutsIntoTwoDisjointPartsInOrder) {
  const Dataset d(parts(100));
  const SplitDataset s = split(d, 23, 5);
  ASSERT_EQ(s.validation.size(), 23);
  ASSERT_EQ(s.train.size(), 77);
  const auto train = addresses(s.train);
  const auto validation = addresses(s.validation);
  std::set<const std::uint8_t*> all(train.begin(), train.end());
  all.insert(validation.begin(), validation.end());
  EXPECT_EQ(all.size(), 100u);
  EXPECT_TRUE(std::is_sorted(train.begin(), train.end()));
  EXPECT_TRUE(std::is_sorted(validation.begin(), validation.end()));
}

TEST(Split, DependsOnTheSeedAlone) {
  const Dataset d(parts(100));
  const auto one = addresses(split(d, 23, 5).validation);
  EXPECT_EQ(one, addresses(split(d, 23, 5).validation));
  EXPECT_NE(one, addresses(split(d, 23, 6).validation));
}

TEST(Split, TakesNothingOrEverythingButNotMore) {
  const Dataset d(parts(4));
  EXPECT_EQ(split(d, 0, 1).train.size(), 4);
  EXPECT_EQ(split(d, 0, 1).validation.size(), 0);
  EXPECT_EQ(split(d, 4, 1).train.size(), 0);
  expect_error<ValueError>([&] { split(d, 5, 1); }, {"5 of 4", "small"});
  expect_error<ValueError>([&] { split(d, -1, 1); }, {"-1 of 4"});
}

}  // namespace
}  // namespace mjolnir::data

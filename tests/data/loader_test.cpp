#include <mjolnir/data/loader.h>

#include <algorithm>
#include <cmath>

#include "tests/data/numbered.h"
#include "tests/support/files.h"

namespace mjolnir::data {
namespace {

using mjolnir::testing::expect_error;

TEST(Loader, GivesNormalisedChannelsLastBatchesInOrder) {
  Loader loader(numbered(7), batch_of(3));
  EXPECT_EQ(loader.steps(), 3);
  std::int64_t sample = 0;
  int steps = 0;
  for (auto [images, labels] : loader) {
    const std::int64_t count = steps < 2 ? 3 : 1;
    ASSERT_EQ(images.shape(), Shape({count, channels, height, width}));
    EXPECT_EQ(images.layout(), Layout::ChannelsLast);
    EXPECT_EQ(images.dtype(), DType::F32);
    ASSERT_EQ(labels.shape(), Shape({count}));
    EXPECT_EQ(labels.dtype(), DType::I64);
    const auto values = images.to_vector<float>();  // logical order
    std::size_t at = 0;
    for (std::int64_t i = 0; i < count; ++i, ++sample) {
      EXPECT_EQ(labels.data<std::int64_t>()[i], sample);
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t y = 0; y < height; ++y) {
          for (std::int64_t x = 0; x < width; ++x) {
            ASSERT_FLOAT_EQ(values[at++],
                            normalised(pixel(sample, c, y, x), c));
          }
        }
      }
    }
    ++steps;
  }
  EXPECT_EQ(sample, 7);
  EXPECT_EQ(steps, 3);
}

TEST(Loader, DropsAShortLastBatch) {
  LoaderOptions options = batch_of(3);
  options.last_batch = LastBatch::Drop;
  Loader loader(numbered(7), options);
  EXPECT_EQ(loader.steps(), 2);
  const auto batches = epoch_of(loader);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[1].labels, std::vector<std::int64_t>({3, 4, 5}));
  options.batch = 7;
  EXPECT_EQ(Loader(numbered(7), options).steps(), 1);
}

TEST(Loader, EachEpochIsAnotherPermutation) {
  LoaderOptions options = batch_of(8);
  options.shuffle = true;
  Generator rng(5);
  Loader loader(numbered(50), options, rng);
  std::vector<std::vector<std::int64_t>> orders;
  for (int epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(loader.epoch(), epoch);
    orders.push_back(labels_of(epoch_of(loader)));
  }
  EXPECT_NE(orders[0], orders[1]);
  EXPECT_NE(orders[1], orders[2]);
  std::vector<std::int64_t> sorted(50);
  for (std::int64_t i = 0; i < 50; ++i) sorted[static_cast<std::size_t>(i)] = i;
  for (auto& order : orders) {
    EXPECT_NE(order, sorted);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, sorted);
  }
}

TEST(Loader, TheNumberOfWorkersChangesNothing) {
  std::vector<std::vector<Copy>> first, second;
  for (const int workers : {0, 1, 2, 8}) {
    Generator rng(77);
    Loader loader(numbered(53), everything(workers), rng);
    first.push_back(epoch_of(loader));
    second.push_back(epoch_of(loader));
  }
  EXPECT_EQ(first[0].size(), 7u);
  EXPECT_FALSE(first[0] == second[0]);
  for (std::size_t i = 1; i < first.size(); ++i) {
    EXPECT_TRUE(first[i] == first[0]) << i;
    EXPECT_TRUE(second[i] == second[0]) << i;
  }
}

TEST(Loader, TheSeedDecides) {
  Generator one(77), same(77), other(78);
  Loader a(numbered(53), everything(1), one);
  Loader b(numbered(53), everything(1), same);
  Loader c(numbered(53), everything(1), other);
  const auto batches = epoch_of(a);
  EXPECT_TRUE(batches == epoch_of(b));
  EXPECT_FALSE(batches == epoch_of(c));
  // Two loaders of one generator are different too.
  Loader next(numbered(53), everything(1), one);
  EXPECT_FALSE(batches == epoch_of(next));
}

// A sample is augmented by (key, epoch, index) alone: its place in the order
// and the size of the batch do not matter.
TEST(Loader, AugmentationIsPerSample) {
  LoaderOptions options = everything(1);
  Generator rng(7), same(7);
  Loader shuffled(numbered(20), options, rng);
  options.shuffle = false;
  options.batch = 3;
  Loader plain(numbered(20), options, same);
  std::vector<std::vector<float>> by_sample(20), plain_by_sample(20);
  const auto collect = [](Loader& loader,
                          std::vector<std::vector<float>>& into) {
    for (auto [images, labels] : loader) {
      const auto values = images.to_vector<float>();
      const std::size_t size =
          values.size() / static_cast<std::size_t>(labels.numel());
      for (std::int64_t i = 0; i < labels.numel(); ++i) {
        const auto begin =
            values.begin() + i * static_cast<std::ptrdiff_t>(size);
        into[static_cast<std::size_t>(labels.data<std::int64_t>()[i])].assign(
            begin, begin + static_cast<std::ptrdiff_t>(size));
      }
    }
  };
  collect(shuffled, by_sample);
  collect(plain, plain_by_sample);
  EXPECT_EQ(by_sample, plain_by_sample);
}

TEST(Loader, FramesSmallImagesWithBlackPixels) {
  LoaderOptions options = batch_of(2);
  options.pad_to = 8;  // rows 1 to 5, columns 2 to 5
  Loader loader(numbered(2), options);
  for (auto [images, labels] : loader) {
    ASSERT_EQ(images.shape(), Shape({2, channels, 8, 8}));
    const auto values = images.to_vector<float>();
    std::size_t at = 0;
    for (std::int64_t i = 0; i < 2; ++i) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t y = 0; y < 8; ++y) {
          for (std::int64_t x = 0; x < 8; ++x) {
            const bool inside = y >= 1 && y < 6 && x >= 2 && x < 6;
            const int value = inside ? pixel(i, c, y - 1, x - 2) : 0;
            ASSERT_FLOAT_EQ(values[at++], normalised(value, c));
          }
        }
      }
    }
  }
}

TEST(Loader, PaintsCutoutsInTheMeanColour) {
  LoaderOptions options = batch_of(1);
  options.augment.cutout = 20;  // covers the whole image
  Generator rng(1);
  Loader loader(numbered(1), options, rng);
  for (auto [images, labels] : loader) {
    const auto values = images.to_vector<float>();
    constexpr std::size_t area = height * width;
    for (std::size_t p = 0; p < area; ++p) {
      EXPECT_FLOAT_EQ(values[p], normalised(128, 0));  // 0.5 of 255
      EXPECT_FLOAT_EQ(values[area + p], normalised(64, 1));
      EXPECT_FLOAT_EQ(values[2 * area + p], normalised(191, 2));
    }
  }
}

TEST(Loader, AConstantImageStaysFinite) {
  DatasetParts p;
  p.name = "constant";
  p.images = Tensor::full({4, 1, 2, 2}, 200, {DType::U8, Layout::RowMajor});
  p.labels = Tensor::from(std::vector<std::int64_t>{0, 0, 0, 0}, {4});
  p.class_names = {"a"};
  Loader loader(Dataset(p), batch_of(4));
  for (auto [images, labels] : loader) {
    for (const float v : images.to_vector<float>()) EXPECT_EQ(v, 0.0f);
  }
}

TEST(Loader, RefusesNumbersThatDoNotFit) {
  const Dataset d =
      numbered(2).with_statistics({{0.5, 0.5, 0.5}, {1, 1e-300, 1}});
  expect_error<ValueError>([&] { Loader loader(d); },
                           {"numbered", "channel 1", "f32"});
}

TEST(Loader, ABatchLargerThanTheDataSetIsShort) {
  Loader loader(numbered(3), batch_of(100));
  const auto batches = epoch_of(loader);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].labels, std::vector<std::int64_t>({0, 1, 2}));
  LoaderOptions options = batch_of(100);
  options.last_batch = LastBatch::Drop;
  expect_error<ValueError>([&] { Loader(numbered(3), options); },
                           {"batch 100", "3 samples", "numbered"});
}

TEST(Loader, NoSampleMeansNoStepAndOneSampleMeansOne) {
  for (const LastBatch last : {LastBatch::Keep, LastBatch::Drop}) {
    for (const int workers : {0, 2}) {
      LoaderOptions options = batch_of(1);
      options.last_batch = last;
      options.workers = workers;
      Loader none(numbered(0), options);
      EXPECT_EQ(none.steps(), 0);
      EXPECT_TRUE(epoch_of(none).empty());
      EXPECT_EQ(none.epoch(), 1);
      Loader one(numbered(1), options);
      EXPECT_EQ(epoch_of(one).size(), 1u);
      EXPECT_EQ(epoch_of(one).size(), 1u);
    }
  }
}

TEST(Loader, RefusesOptionsOutOfRange) {
  const auto refused = [](const char* word,
                          const std::function<void(LoaderOptions&)>& set) {
    LoaderOptions options;
    set(options);
    Generator rng(1);
    expect_error<ValueError>([&] { Loader(numbered(4), options, rng); },
                             {"[loader]", word});
  };
  refused("batch", [](LoaderOptions& o) { o.batch = 0; });
  refused("batch", [](LoaderOptions& o) { o.batch = -4; });
  refused("workers", [](LoaderOptions& o) { o.workers = -1; });
  refused("workers", [](LoaderOptions& o) { o.workers = 1000; });
  refused("prefetch", [](LoaderOptions& o) { o.prefetch = 0; });
  refused("pad_to", [](LoaderOptions& o) { o.pad_to = 4; });  // 5 rows
  refused("crop_padding",
          [](LoaderOptions& o) { o.augment.crop_padding = -1; });
  refused("cutout", [](LoaderOptions& o) { o.augment.cutout = -1; });
}

TEST(Loader, RandomnessNeedsAGenerator) {
  LoaderOptions options;
  options.shuffle = true;
  expect_error<ValueError>([&] { Loader(numbered(4), options); },
                           {"[loader]", "Generator"});
  options.shuffle = false;
  options.augment.flip = true;
  expect_error<ValueError>([&] { Loader(numbered(4), options); },
                           {"[loader]", "Generator"});
}

// ---- state -----------------------------------------------------------------

TEST(Loader, StateSaysWhatWasHandedOut) {
  Loader loader(numbered(5), batch_of(2));
  EXPECT_EQ(loader.state().step, 0);
  std::int64_t step = 0;
  for (auto [images, labels] : loader) {
    EXPECT_EQ(loader.state().epoch, 0);
    EXPECT_EQ(loader.state().step, ++step);
  }
  EXPECT_EQ(loader.state().epoch, 1);
  EXPECT_EQ(loader.state().step, 0);
}

TEST(Loader, ResumesAtAnyStep) {
  Generator rng(9);
  Loader whole(numbered(21), everything(2), rng);
  const LoaderState start = whole.state();
  std::vector<std::vector<Copy>> epochs;
  for (int e = 0; e < 3; ++e) epochs.push_back(epoch_of(whole));

  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    for (std::int64_t step = 0; step <= whole.steps(); ++step) {
      Generator other(1000);
      Loader resumed(numbered(21), everything(1), other);
      LoaderState state = start;
      state.epoch = epoch;
      state.step = step;
      resumed.set_state(state);
      const auto& expected = epochs[static_cast<std::size_t>(epoch)];
      EXPECT_TRUE(epoch_of(resumed) ==
                  std::vector<Copy>(expected.begin() + step, expected.end()))
          << epoch << " " << step;
      EXPECT_TRUE(epoch_of(resumed) ==
                  epochs[static_cast<std::size_t>(epoch) + 1]);
    }
  }
}

TEST(Loader, RefusesAStateOutOfRange) {
  Loader loader(numbered(5), batch_of(2));
  LoaderState state;
  state.step = 4;
  expect_error<ValueError>([&] { loader.set_state(state); },
                           {"step 4", "3 steps"});
  state.step = -1;
  expect_error<ValueError>([&] { loader.set_state(state); }, {"step -1"});
  state.step = 0;
  state.epoch = -1;
  expect_error<ValueError>([&] { loader.set_state(state); }, {"epoch -1"});
}

}  // namespace
}  // namespace mjolnir::data

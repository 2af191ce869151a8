#pragma once

#include <cstdint>
#include <memory>

#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/data/augment.h>
#include <mjolnir/data/dataset.h>

namespace mjolnir::data {

/** Two members: images (f32, ChannelsLast, normalised), labels (I64). */
using Batch = mjolnir::Batch;

/** What becomes of the samples that do not fill a batch. */
enum class LastBatch : std::uint8_t { Keep, Drop };

/** How a Loader makes batches. */
struct LoaderOptions {
  std::int64_t batch = 128;
  /** A new order in every epoch. */
  bool shuffle = false;
  LastBatch last_batch = LastBatch::Keep;
  /** Threads that prepare batches; 0: the calling thread. The batches do not
   * depend on it. */
  int workers = 1;
  /** Batches prepared ahead. */
  int prefetch = 2;
  /** Frames smaller images in black to this height and width; 0: as it is. */
  std::int64_t pad_to = 0;
  AugmentOptions augment = {};
};

/** Where a Loader stands; see Loader::state. */
struct LoaderState {
  std::uint64_t key = 0;   ///< Of all its randomness.
  std::int64_t epoch = 0;  ///< Counts from 0.
  std::int64_t step = 0;   ///< Batches of that epoch already handed out.
};

/**
 * Batches of a data set, prepared in the background:
 *
 *   for (auto [images, labels] : loader) ...
 *
 * Each begin() starts the next epoch; a loop may be left early. A batch is a
 * function of (key, epoch, step) alone, so the same seed gives the same
 * batches for any number of workers. What a worker throws is thrown by the
 * loop at the batch it concerns.
 *
 * Pixels become (p / 255 - mean) / stddev of their channel; a channel of
 * standard deviation 0 is only centred. An empty data set gives no batch.
 */
class Loader {
 public:
  /** Draws its key from `rng`. Throws ValueError for an option out of range,
   * or a Drop that would leave no batch of a data set that is not empty. */
  Loader(Dataset dataset, const LoaderOptions& options, Generator& rng);
  /** Without randomness; throws ValueError if the options ask for some. */
  explicit Loader(Dataset dataset, const LoaderOptions& options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  class Iterator;
  struct End {};
  /** Starts the next epoch. One iterator at a time: ValueError otherwise. */
  Iterator begin();
  End end() const noexcept { return {}; }

  /** Batches per epoch. */
  std::int64_t steps() const noexcept;
  /** The epoch that is running, or the next one to begin. */
  std::int64_t epoch() const noexcept;
  const Dataset& dataset() const noexcept;
  const LoaderOptions& options() const noexcept;

  /** In a loop: its epoch and the batches handed out so far, the current one
   * included. Outside: where the next begin() starts. */
  LoaderState state() const noexcept;
  /** Makes the next begin() start there, with that key: the batches that the
   * loader of that state had yet to give follow bit for bit (with the same
   * data set and options). Throws ValueError inside a loop or for a state out
   * of range. */
  void set_state(const LoaderState& state);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/** Single-pass; destroying it stops the workers and waits for them. */
class Loader::Iterator {
 public:
  Iterator(Iterator&&) noexcept;
  Iterator& operator=(Iterator&&) = delete;
  ~Iterator();

  const Batch& operator*() const noexcept;
  const Batch* operator->() const noexcept { return &**this; }
  Iterator& operator++();
  friend bool operator!=(const Iterator& i, End) noexcept {
    return !i.at_end();
  }
  friend bool operator==(const Iterator& i, End) noexcept { return i.at_end(); }

 private:
  friend class Loader;
  struct Epoch;
  explicit Iterator(std::unique_ptr<Epoch> epoch) noexcept;
  bool at_end() const noexcept;

  std::unique_ptr<Epoch> epoch_;
};

}  // namespace mjolnir::data

#include <mjolnir/data/loader.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "data/detail/batch_maker.h"
#include "data/detail/prefetcher.h"

namespace mjolnir::data {

struct Loader::Shared {
  Shared(Dataset dataset, const LoaderOptions& options, std::uint64_t key)
      : maker(std::move(dataset), options) {
    next.key = key;
  }
  detail::BatchMaker maker;
  LoaderState next;  // where the next begin() starts
  LoaderState now;   // of the running loop
  bool running = false;
};

struct Loader::Iterator::Epoch {
  explicit Epoch(std::shared_ptr<Shared> of)
      : shared(std::move(of)),
        plan(shared->maker.plan(shared->next.key, shared->next.epoch)) {
    const LoaderOptions& options = shared->maker.options();
    if (options.workers > 0) reserve_storage();
    prefetcher = std::make_unique<detail::Prefetcher>(
        [this](std::int64_t step) { return shared->maker.make(plan, step); },
        shared->next.step, shared->maker.steps(), options.workers,
        options.prefetch);
    shared->now = shared->next;
    shared->next.epoch += 1;
    shared->next.step = 0;
    shared->running = true;
  }
  ~Epoch() { shared->running = false; }
  Epoch(const Epoch&) = delete;
  Epoch& operator=(const Epoch&) = delete;

  // Takes as many batches from the allocator as will ever live at a time and
  // gives them back, so that how far the workers get ahead does not decide
  // when it has to ask the system.
  void reserve_storage() const {
    const detail::BatchMaker& maker = shared->maker;
    const std::int64_t full =
        std::min(maker.options().batch, maker.dataset().size());
    std::vector<Batch> all;
    for (int i = 0; i <= maker.options().prefetch; ++i) {
      all.push_back(maker.empty(full));
    }
  }

  void advance() {
    batch = Batch();
    if (shared->now.step == shared->maker.steps()) {
      prefetcher.reset();
      shared->running = false;
      done = true;
      return;
    }
    batch = prefetcher->next();
    ++shared->now.step;
  }

  const std::shared_ptr<Shared> shared;
  const detail::EpochPlan plan;
  std::unique_ptr<detail::Prefetcher> prefetcher;
  Batch batch;
  bool done = false;
};

Loader::Loader(Dataset dataset, const LoaderOptions& options, Generator& rng)
    : shared_(
          std::make_shared<Shared>(std::move(dataset), options, rng.next())) {}

Loader::Loader(Dataset dataset, const LoaderOptions& options)
    : shared_(std::make_shared<Shared>(std::move(dataset), options, 0)) {
  const AugmentOptions& augment = options.augment;
  if (options.shuffle || augment.crop_padding > 0 || augment.flip ||
      augment.cutout > 0 || augment.custom) {
    throw ValueError(
        "[loader] shuffling and augmentation need a Generator as third "
        "argument");
  }
}

Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

Loader::Iterator Loader::begin() {
  if (shared_->running) {
    throw ValueError(
        "[loader] begin() inside a loop over the same loader; make a second "
        "loader");
  }
  Iterator iterator(std::make_unique<Iterator::Epoch>(shared_));
  ++iterator;
  return iterator;
}

std::int64_t Loader::steps() const noexcept { return shared_->maker.steps(); }
std::int64_t Loader::epoch() const noexcept { return state().epoch; }
const Dataset& Loader::dataset() const noexcept {
  return shared_->maker.dataset();
}
const LoaderOptions& Loader::options() const noexcept {
  return shared_->maker.options();
}

LoaderState Loader::state() const noexcept {
  return shared_->running ? shared_->now : shared_->next;
}

void Loader::set_state(const LoaderState& state) {
  if (shared_->running) {
    throw ValueError("[loader] set_state() inside a loop over the loader");
  }
  if (state.epoch < 0 || state.step < 0 || state.step > steps()) {
    throw ValueError("[loader] no epoch " + std::to_string(state.epoch) +
                     ", step " + std::to_string(state.step) +
                     " in a loader of " + std::to_string(steps()) +
                     " steps an epoch");
  }
  shared_->next = state;
}

Loader::Iterator::Iterator(std::unique_ptr<Epoch> epoch) noexcept
    : epoch_(std::move(epoch)) {}
Loader::Iterator::Iterator(Iterator&&) noexcept = default;
Loader::Iterator::~Iterator() = default;

const Batch& Loader::Iterator::operator*() const noexcept {
  return epoch_->batch;
}

Loader::Iterator& Loader::Iterator::operator++() {
  epoch_->advance();
  return *this;
}

bool Loader::Iterator::at_end() const noexcept { return epoch_->done; }

}  // namespace mjolnir::data

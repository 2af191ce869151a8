// Memory runs out at the n-th allocation, for every n: an exception, and the
// parameters are as they were. This program has an operator new of its own, and
// so is built for the tier all, which no sanitizer sees: they bring theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <mjolnir/core/allocator.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/checkpoint.h>
#include <mjolnir/train/fit.h>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "tests/optim/scale_shift_net.h"
#include "tests/support/files.h"
#include "tests/support/state.h"

namespace {

// Allocations to come before one fails; below 0: none does.
std::atomic<long> before_failure{-1};
std::atomic<bool> for_good{false};  // all later ones fail too
std::atomic<bool> failed{false};

bool fails() noexcept {
  if (before_failure < 0) return false;
  const long left = before_failure.fetch_sub(1);
  if (left > 0) return false;
  before_failure = for_good ? 0 : -1;
  failed = true;
  return true;
}

void* allocate(std::size_t size) noexcept {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}

void* allocate(std::size_t size, std::align_val_t alignment) noexcept {
  return fails() ? nullptr
                 : ::memalign(static_cast<std::size_t>(alignment), size);
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Every form, so that each meets its partner.
void* operator new(std::size_t n) { return or_throw(allocate(n)); }
void* operator new[](std::size_t n) { return or_throw(allocate(n)); }
void* operator new(std::size_t n, std::align_val_t a) {
  return or_throw(allocate(n, a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return or_throw(allocate(n, a));
}
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return allocate(n);
}
void* operator new(std::size_t n, std::align_val_t a,
                   const std::nothrow_t&) noexcept {
  return allocate(n, a);
}
void* operator new[](std::size_t n, std::align_val_t a,
                     const std::nothrow_t&) noexcept {
  return allocate(n, a);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t,
                     const std::nothrow_t&) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::align_val_t,
                       const std::nothrow_t&) noexcept {
  std::free(p);
}
// What tensors live in.
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails() ? nullptr : ::memalign(alignment, size);
}

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_same_bits;
using mjolnir::testing::TempDirectory;
using optim::Optimizer;
using optim::scale_shift_tests::mixed_data;
using optim::scale_shift_tests::MixedNet;

// Lets the n-th allocation of its life fail, and each one after it if `good`.
class Shortage {
 public:
  Shortage(long n, bool good) {
    empty_cache();
    failed = false;
    for_good = good;
    before_failure = n - 1;
  }
  ~Shortage() { before_failure = -1; }
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
};

SavedState copies(const std::vector<NamedTensor>& tensors) {
  SavedState state;
  for (const auto& [name, tensor] : tensors) {
    state.emplace_back(name, tensor.clone());
  }
  return state;
}

struct Training {
  std::unique_ptr<MixedNet> net;
  std::unique_ptr<Optimizer> optimizer;
  optim::scale_shift_tests::Data data = mixed_data(5);

  Tensor loss() const { return cross_entropy((*net)(data.x), data.y); }
};

using Make = std::function<std::unique_ptr<Optimizer>(Module&)>;

Training start(const Make& make) {
  Training t;
  t.net = optim::scale_shift_tests::make_mixed();
  t.optimizer = make(*t.net);
  return t;
}

enum class Phase { Forward, Backward, Step };

// One try with the n-th allocation of a phase failing. False if none failed.
bool attempt(const Make& make, Phase phase, long n, bool good) {
  Training t = start(make);
  const SavedState before = copies(t.net->named_parameters());
  const std::string where = "allocation " + std::to_string(n);
  bool thrown = false;
  const auto guarded = [&](Phase now, const std::function<void()>& f) {
    if (thrown) return;
    try {
      if (now == phase) {
        const Shortage shortage(n, good);
        f();
      } else {
        f();
      }
    } catch (const std::bad_alloc&) {
      thrown = true;
    } catch (const Error&) {  // said in words
      thrown = true;
    }
  };
  failed = false;
  t.optimizer->zero_grad();
  Tensor loss;
  guarded(Phase::Forward, [&] { loss = t.loss(); });
  guarded(Phase::Backward, [&] { loss.backward(); });
  guarded(Phase::Step, [&] { t.optimizer->step(); });
  if (!failed) {
    EXPECT_FALSE(thrown) << where;
    EXPECT_EQ(t.optimizer->steps(), 1);
    return false;
  }
  // The cache of tensor storage may have had what the system had not.
  if (thrown) {
    expect_same_bits(copies(t.net->named_parameters()), before, where);
    EXPECT_EQ(t.optimizer->steps(), 0) << where;
  }
  // All is fit for use.
  t.optimizer->zero_grad();
  t.loss().backward();
  t.optimizer->step();
  EXPECT_EQ(t.optimizer->steps(), thrown ? 1 : 2) << where;
  return true;
}

void try_all(const Make& make) {
  for (const Phase phase : {Phase::Forward, Phase::Backward, Phase::Step}) {
    for (const bool good : {false, true}) {
      long n = 1;
      while (n < 100000 && attempt(make, phase, n, good)) ++n;
      EXPECT_GT(n, 10);
      EXPECT_LT(n, 100000);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(OutOfMemory, ThorKeepsTheParameters) {
  try_all([](Module& net) {
    optim::ThorOptions options;
    options.frequency = 1;
    options.scale_shift = true;
    return std::make_unique<optim::Thor>(net, options);
  });
}

TEST(OutOfMemory, SgdKeepsTheParameters) {
  try_all([](Module& net) {
    optim::SgdOptions options;
    options.momentum = 0.9;
    return std::make_unique<optim::Sgd>(net, options);
  });
}

TEST(OutOfMemory, AConstructorThatFailsLeavesNothing) {
  const auto made = [](long n) {
    const Shortage shortage(n, true);
    try {
      const auto net = optim::scale_shift_tests::make_mixed();
      optim::Thor thor(*net);
    } catch (const std::bad_alloc&) {
    } catch (const Error&) {
    }
    return !failed;
  };
  const std::size_t before = allocator_statistics().in_use;
  long n = 1;
  while (n < 100000 && !made(n)) ++n;
  EXPECT_GT(n, 10);
  EXPECT_LT(n, 100000);
  EXPECT_EQ(allocator_statistics().in_use, before);
}

TEST(OutOfMemory, ASaveThatFailsKeepsTheOldFile) {
  const TempDirectory folder;
  const std::string path = folder / "c";
  write_checkpoint(path, {{{"w", Tensor::zeros({3})}}, {{"step", "1"}}});
  const io::Bytes old = io::read_file(path);
  const Checkpoint next{{{"w", Tensor::ones({3})}}, {{"step", "2"}}};
  long n = 1;
  for (; n < 100000; ++n) {
    bool thrown = false;
    {
      const Shortage shortage(n, true);
      try {
        write_checkpoint(path, next);
      } catch (const std::bad_alloc&) {
        thrown = true;
      } catch (const Error&) {
        thrown = true;
      }
    }
    if (!thrown) break;
    ASSERT_EQ(io::read_file(path), old) << n;
  }
  EXPECT_GT(n, 10);
  EXPECT_EQ(read_checkpoint(path).notes.at("step"), "2");
  EXPECT_TRUE(io::remove_leftovers(folder.path()).empty());
}

}  // namespace
}  // namespace mjolnir::train

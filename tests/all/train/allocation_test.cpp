// Memory runs out at the n-th allocation, for every n: an exception, and the
// parameters are as they were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mjolnir/core/allocator.h>
#include <mjolnir/optim/kfac.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/checkpoint/checkpoint.h>
#include <mjolnir/train/fit.h>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include "tests/all/train/shortage.h"
#include "tests/optim/scale_shift_net.h"
#include "tests/support/files.h"
#include "tests/support/state.h"

namespace mjolnir::train {
namespace {

using mjolnir::testing::expect_same_bits;
using mjolnir::testing::memory_failed;
using mjolnir::testing::Shortage;
using mjolnir::testing::TempDirectory;
using optim::Optimizer;
using optim::scale_shift_tests::mixed_data;
using optim::scale_shift_tests::MixedNet;

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
  t.optimizer->zero_grad();
  Tensor loss;
  guarded(Phase::Forward, [&] { loss = t.loss(); });
  guarded(Phase::Backward, [&] { loss.backward(); });
  guarded(Phase::Step, [&] { t.optimizer->step(); });
  if (!memory_failed()) {
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
    return !memory_failed();
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

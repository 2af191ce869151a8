#include "bench/peer/work.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "bench/clock.h"
#include "bench/flops.h"
#include "bench/gemm.h"
#include "bench/steps.h"

namespace bench::peer {

namespace mj = mjolnir;

namespace {

using Json = nlohmann::ordered_json;

// Of an even number the mean of the two in the middle, as in torch_work.py.
template <class F>
double median_of(int calls, F&& f) {
  std::vector<double> times;
  for (int i = 0; i < calls; ++i) times.push_back(seconds(f));
  std::sort(times.begin(), times.end());
  const std::size_t middle = times.size() / 2;
  return times.size() % 2 == 1 ? times[middle]
                               : (times[middle - 1] + times[middle]) / 2;
}

class Steps : public Workload {
 public:
  explicit Steps(const NetSize& size)
      : problem_(make_problem(size)),
        sgd_(*problem_.net, {.learning_rate = 0.01, .momentum = 0.9}) {
    problem_.step(sgd_);
  }
  Json run(int steps) override {
    return {{"seconds", median_of(steps, [this] { problem_.step(sgd_); })}};
  }

 private:
  Problem problem_;
  mj::optim::Sgd sgd_;
};

class Inference : public Workload {
 public:
  explicit Inference(const NetSize& size) : problem_(make_problem(size)) {
    problem_.net->eval();
    forward();
  }
  Json run(int steps) override {
    return {{"seconds", median_of(steps, [this] { forward(); })}};
  }

 private:
  void forward() {
    const mj::NoGrad no_grad;
    (*problem_.net)(problem_.batch.images);
  }

  Problem problem_;
};

// Steps of Sgd, and of Thor with a refresh and without.
class ThorSteps : public Workload {
 public:
  explicit ThorSteps(const WorkOptions& options)
      : problem_(make_problem(options.size, true)),
        thor_net_(problem_.net->clone()),
        sgd_(*problem_.net, {.learning_rate = 0.01, .momentum = 0.9}),
        thor_(*thor_net_, {.learning_rate = 0.01,
                           .damping = 0.3,
                           .split_dim = options.split_dim,
                           .frequency = 2}) {
    run(1);
  }
  Json run(int steps) override {
    std::vector<Kind> kinds =
        measure({{*problem_.net, sgd_, 1}, {*thor_net_, thor_, 2}},
                problem_.batch, steps);
    return {{"sgd", kinds[0].median()},
            {"refresh", kinds[1].median()},
            {"plain", kinds[2].median()}};
  }

 private:
  Problem problem_;
  std::unique_ptr<mj::Module> thor_net_;
  mj::optim::Sgd sgd_;
  mj::optim::Thor thor_;
};

class Gemm : public Workload {
 public:
  explicit Gemm(int size) : size_(size) { gemm_speeds(size_, 1); }
  Json run(int steps) override {
    const GemmSpeeds speeds = gemm_speeds(size_, steps);
    return {{"gflops", speeds.best() / 1e9},
            {"openblas", speeds.openblas / 1e9},
            {"onednn", speeds.onednn / 1e9}};
  }

 private:
  int size_;
};

// Steps whose arithmetic is known: it counts that on a net of its own.
class CountedSteps : public Steps {
 public:
  explicit CountedSteps(const NetSize& size) : Steps(size) {
    NetSize one = size;
    one.batch = 1;
    const Problem counted = make_problem(one, true);
    gflop_ = flops_of_step(*counted.net, counted.batch) *
             static_cast<double>(size.batch) / 1e9;
  }
  Json describe() override { return {{"gflop", gflop_}}; }

 private:
  double gflop_ = 0.0;
};

}  // namespace

std::unique_ptr<Workload> make_workload(const WorkOptions& options) {
  if (options.work == "step") return std::make_unique<Steps>(options.size);
  if (options.work == "count")
    return std::make_unique<CountedSteps>(options.size);
  if (options.work == "infer") return std::make_unique<Inference>(options.size);
  if (options.work == "thor") return std::make_unique<ThorSteps>(options);
  if (options.work == "gemm") return std::make_unique<Gemm>(options.gemm_size);
  if (options.work == "epoch") return make_epoch(options);
  throw mj::ValueError(
      "[peer_work] expected step, count, infer, thor, epoch or gemm, got " +
      options.work);
}

}  // namespace bench::peer

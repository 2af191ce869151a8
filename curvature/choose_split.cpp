#include <mjolnir/curvature/choose_split.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/curvature/block_inverse.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>

#include "core/detail/check.h"
#include "core/detail/number.h"
#include "curvature/detail/batch.h"
#include "curvature/detail/kept_buffers.h"

namespace mjolnir {
namespace {

constexpr const char* op = "choose_split_dim";

// ---- the curves -----------------------------------------------------------

std::vector<double> share_kept(const std::vector<SplitFactor>& factors,
                               std::size_t sizes, double tolerance) {
  std::vector<double> kept;
  for (std::size_t i = 0; i < sizes; ++i) {
    const auto count = std::count_if(factors.begin(), factors.end(),
                                     [&](const SplitFactor& factor) {
                                       return factor.losses[i] < tolerance;
                                     });
    kept.push_back(static_cast<double>(count) /
                   static_cast<double>(factors.size()));
  }
  return kept;
}

/** Seconds to invert a matrix (n,n) by blocks, the best of three. */
double seconds_to_invert(std::int64_t n, std::int64_t size, DType dtype) {
  BlockInverse inverse;
  inverse.blocks = cut_blocks(n, size);
  const FactorBlock& last = inverse.blocks.back();
  inverse.values = Tensor::empty({last.offset + last.size * last.size},
                                 {dtype, Layout::RowMajor});
  std::vector<InversionJob> jobs(1);
  jobs[0].factor = Tensor::zeros({n, n}, {dtype, Layout::RowMajor});
  jobs[0].diagonal = 1.0;
  jobs[0].inverse = &inverse;
  double best = HUGE_VAL;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    invert(jobs);
    const std::chrono::duration<double> spent =
        std::chrono::steady_clock::now() - start;
    best = std::min(best, spent.count());
  }
  return best;
}

std::vector<double> measured_speed(const std::vector<NamedTensor>& factors,
                                   const std::vector<std::int64_t>& sizes) {
  const auto smaller = [](const NamedTensor& a, const NamedTensor& b) {
    return a.second.size(0) < b.second.size(0);
  };
  const Tensor& largest =
      std::max_element(factors.begin(), factors.end(), smaller)->second;
  const std::int64_t n = largest.size(0);
  std::vector<double> speed;
  for (const std::int64_t size : sizes) {
    const bool whole = !speed.empty() && sizes[speed.size() - 1] >= n;
    speed.push_back(whole ? speed.back()
                          : 1 / seconds_to_invert(n, size, largest.dtype()));
  }
  return speed;
}

/** Fills in the crossing of the curves and the size nearest to it. `raw` is
 * the speed before it was made to fall. */
void cross(const std::vector<double>& raw, SplitChoice& choice) {
  const std::size_t count = choice.sizes.size();
  const auto size = [&](std::size_t i) {
    return static_cast<double>(choice.sizes[i]);
  };
  const auto lead = [&](std::size_t i) {
    return choice.kept[i] - choice.speed[i];
  };
  std::size_t next = 0;  // the first size where the share has caught up
  while (next < count && lead(next) < 0.0) ++next;
  std::size_t nearest = std::min(next, count - 1);
  choice.crossing = size(nearest);
  if (next > 0 && next < count) {
    const double way = lead(next - 1) / (lead(next - 1) - lead(next));
    choice.crossing =
        size(next - 1) * std::pow(size(next) / size(next - 1), way);
    if (way < 0.5) nearest = next - 1;
  }
  // A larger one that is as fast loses less.
  while (raw[nearest] < choice.speed[nearest]) ++nearest;
  choice.split_dim = choice.sizes[nearest];
}

void check(const SplitOptions& options) {
  const auto& sizes = options.sizes;
  if (sizes.empty() || sizes.front() < 1 ||
      std::adjacent_find(sizes.begin(), sizes.end(),
                         std::greater_equal<std::int64_t>()) != sizes.end())
    throw ValueError(
        "[choose_split_dim] expected sizes from 1 on, ascending, at least one");
  if (!(options.tolerance > 0.0 && options.tolerance <= 1.0))
    throw ValueError("[choose_split_dim] expected tolerance in (0, 1], got " +
                     detail::number(options.tolerance));
  if (options.speed.empty()) return;
  if (options.speed.size() != sizes.size())
    throw ValueError("[choose_split_dim] expected a speed for each of " +
                     std::to_string(sizes.size()) + " sizes, got " +
                     std::to_string(options.speed.size()));
  for (const double speed : options.speed) {
    if (!(speed > 0.0) || !std::isfinite(speed))
      throw ValueError(
          "[choose_split_dim] expected a speed above 0 and finite, got " +
          detail::number(speed));
  }
}

// ---- factors of a model ---------------------------------------------------

std::vector<NamedTensor> factors_of(Module& model, const BatchLoss& loss,
                                    const Batch& batch) {
  struct Watched {
    std::string name;
    CurvatureSource* source;
    std::shared_ptr<KroneckerObserver> factors;
    ObservationHandle handle;
  };
  std::vector<Watched> layers;
  for (const auto& [name, module] : model.named_modules()) {
    auto* const source = dynamic_cast<CurvatureSource*>(module);
    if (source == nullptr || !source->curvature_weight().requires_grad())
      continue;
    const auto factors = std::make_shared<KroneckerObserver>(
        Collect::Factors, false, Purpose::Curvature);
    layers.push_back({name.empty() ? "" : name + " ", source, factors,
                      source->observe(factors)});
  }
  if (layers.empty())
    throw ValueError(
        "[choose_split_dim] expected a model with trained layers that have "
        "curvature (Conv2d, Dense, Embedding), got none");
  {
    const detail::KeptBuffers kept(model);
    const EnableGrad recording;
    BackwardOptions options;
    options.curvature_only = true;
    loss(model, batch).backward(options);
  }
  const NoGrad no_grad;
  std::vector<NamedTensor> factors;
  for (const Watched& layer : layers) {
    if (layer.factors->is_empty()) continue;
    const std::int64_t groups = layer.source->curvature_geometry().groups;
    const FactorSums all =
        layer.factors->sums().in_weight_order(layer.source->curvature_weight());
    for (std::int64_t g = 0; g < groups; ++g) {
      const FactorSums sums = all.group(g);
      const std::string of =
          groups == 1 ? "" : " of group " + std::to_string(g);
      if (layer.source->curvature_kind() != CurvatureKind::Embedding)
        factors.emplace_back(layer.name + "A" + of, sums.a);
      factors.emplace_back(layer.name + "G" + of, sums.g);
    }
  }
  return factors;
}

// ---- str() ------------------------------------------------------------------

std::string padded_left(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/** " 37.5 % #######" */
std::string percent(double share) {
  const std::string number = detail::number(std::round(1000 * share) / 10);
  const auto length = static_cast<std::size_t>(std::lround(20 * share));
  return padded_left(number, 5) + " %" + (length > 0 ? " " : "") +
         std::string(length, '#');
}

}  // namespace

SplitChoice choose_split_dim(const std::vector<NamedTensor>& factors,
                             const SplitOptions& options) {
  check(options);
  if (factors.empty())
    throw ValueError("[choose_split_dim] expected at least one factor");
  SplitChoice choice;
  choice.sizes = options.sizes;
  choice.tolerance = options.tolerance;
  for (const auto& [name, factor] : factors) {
    try {
      choice.factors.push_back({name, 0, split_losses(factor, options.sizes)});
      choice.factors.back().size = factor.size(0);
    } catch (const NumericalError& error) {
      throw NumericalError("[choose_split_dim] factor " + name + ": " +
                           error.what());
    }
  }
  choice.kept =
      share_kept(choice.factors, options.sizes.size(), options.tolerance);
  std::vector<double> raw = options.speed.empty()
                                ? measured_speed(factors, options.sizes)
                                : options.speed;
  const double fastest = *std::max_element(raw.begin(), raw.end());
  for (double& speed : raw) speed /= fastest;
  choice.speed = raw;
  for (std::size_t i = raw.size() - 1; i > 0; --i)
    choice.speed[i - 1] = std::max(choice.speed[i - 1], choice.speed[i]);
  cross(raw, choice);
  return choice;
}

SplitChoice choose_split_dim(Module& model, const BatchLoss& loss,
                             const Batch& batch, const SplitOptions& options) {
  check_batch(op, batch);
  check(options);
  return choose_split_dim(factors_of(model, loss, batch), options);
}

SplitChoice choose_split_dim(Module& model, Likelihood likelihood,
                             const Batch& batch, const SplitOptions& options) {
  return choose_split_dim(
      model,
      [&](Module& net, const Batch& whole) {
        return negative_log_likelihood(likelihood, net(whole.images),
                                       whole.labels);
      },
      batch, options);
}

std::string SplitChoice::str() const {
  constexpr std::size_t columns = 30;
  std::string text =
      "    size  loss < " + detail::number(100 * tolerance) + " %";
  text.resize(10 + columns, ' ');
  text += "speed\n";
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    std::string share = percent(kept[i]);
    share.resize(columns, ' ');
    text += padded_left(std::to_string(sizes[i]), 8) + "  " + share +
            percent(speed[i]) + "\n";
  }
  std::int64_t largest = 0;
  for (const SplitFactor& factor : factors)
    largest = std::max(largest, factor.size);
  return text + "of " + std::to_string(factors.size()) +
         " factors, the largest of " + std::to_string(largest) +
         " rows; the curves cross at " + std::to_string(std::lround(crossing)) +
         ":\nsplit_dim = " + std::to_string(split_dim) + "\n";
}

}  // namespace mjolnir

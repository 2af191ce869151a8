#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/core/random.h>
#include <mjolnir/core/threads.h>
#include <mjolnir/layers/patch_covariance.h>

#include "bench/benches.h"
#include "bench/clock.h"
#include "bench/steps.h"
#include "core/kernels/gemm.h"
#include "core/kernels/gram.h"
#include "core/kernels/patches.h"

// The factor A of a convolution, by patch_covariance(), against what everybody
// does: unfold the whole batch into a matrix of patches, then multiply.

extern "C" void cblas_ssyrk(int order, int triangle, int transpose, int n,
                            int k, float alpha, const float* a, int lda,
                            float beta, float* c, int ldc);

namespace bench {
namespace {

namespace mj = mjolnir;
using Algorithm = mj::CovarianceAlgorithm;

std::string times(std::int64_t a, std::int64_t b) {
  return std::to_string(a) + "x" + std::to_string(b);
}

std::string words_of(const mj::Shape& x, const mj::Conv2dGeometry& window) {
  return times(window.kernel_h, window.kernel_w) +
         (window.stride_h > 1 ? ", stride 2" : "") + " of " +
         times(x[0], x[1]) + "x" + times(x[2], x[3]);
}

std::string key_of(const mj::Shape& x, const mj::Conv2dGeometry& window) {
  return "a_" + times(window.kernel_h, window.kernel_w) +
         (window.stride_h > 1 ? "_stride2_" : "_") + times(x[0], x[1]) + "x" +
         times(x[2], x[3]);
}

mj::Conv2dGeometry same_padding(std::int64_t kernel) {
  mj::Conv2dGeometry window;
  window.kernel_h = window.kernel_w = kernel;
  window.pad_top = window.pad_left = (kernel - 1) / 2;
  window.pad_bottom = window.pad_right = kernel / 2;
  return window;
}

mj::PatchCovarianceOptions by(Algorithm algorithm) {
  mj::PatchCovarianceOptions options;
  options.algorithm = algorithm;
  return options;
}

// The two explicit ways, into memory that is there already.
class Explicit {
 public:
  Explicit(const mj::Tensor& x, const mj::Conv2dGeometry& window) : x_(x) {
    sizes_.batch = x.size(0);
    sizes_.in_channels = x.size(1);
    sizes_.in_h = x.size(2);
    sizes_.in_w = x.size(3);
    sizes_.out_channels = 1;
    sizes_.window = window;
    patches_ = mj::Tensor::zeros({sizes_.rows(), sizes_.patch()});
    s_ = mj::Tensor::zeros({sizes_.patch(), sizes_.patch()});
  }

  void by_gemm() {
    unfold();
    const std::int64_t d = sizes_.patch();
    const float* p = patches_.data<float>();
    // s (d,d) = p (rows,d)^T * p (rows,d)
    mj::kernels::gemm<float>(true, false, d, d, sizes_.rows(), 1.0F, p, d, p, d,
                             0.0F, s_.mutable_data<float>(), d);
  }

  void by_syrk() {
    unfold();
    const auto d = static_cast<int>(sizes_.patch());
    constexpr int row_major = 101, upper = 121, transpose = 112;
    cblas_ssyrk(row_major, upper, transpose, d, static_cast<int>(sizes_.rows()),
                1.0F, patches_.data<float>(), d, 0.0F, s_.mutable_data<float>(),
                d);
  }

  double scratch_bytes() const {
    return 4.0 * static_cast<double>(patches_.numel());
  }

 private:
  void unfold() {
    const float* x = x_.data<float>();
    float* patches = patches_.mutable_data<float>();
    mj::parallel_for(
        sizes_.rows(), 64, [&](std::int64_t begin, std::int64_t end) {
          mj::kernels::gather_patches(sizes_, 0, x, begin, end,
                                      patches + begin * sizes_.patch());
        });
  }

  mj::Tensor x_;
  mj::kernels::ConvSizes sizes_;
  mj::Tensor patches_, s_;
};

std::vector<Algorithm> algorithms_for(const mj::Conv2dGeometry& window) {
  std::vector<Algorithm> algorithms{Algorithm::Patches, Algorithm::Rows};
  if (window.kernel_h * window.kernel_w == 1)
    algorithms.push_back(Algorithm::Syrk);
  if (window.stride_h == 1 && window.stride_w == 1)
    algorithms.push_back(Algorithm::Shifts);
  return algorithms;
}

double time_of(const mj::Tensor& x, const mj::Conv2dGeometry& window,
               Algorithm algorithm, int calls) {
  const mj::Tensor s =
      mj::patch_covariance(x, window, by(Algorithm::Automatic));
  return best_of(
      calls, [&] { mj::add_patch_covariance(x, window, s, by(algorithm)); });
}

void against_patches(Report& report, const mj::Shape& shape,
                     const mj::Conv2dGeometry& window, int least_gemm,
                     int least_syrk) {
  const mj::Tensor x = random_image(shape);
  const std::string words = "A, " + words_of(shape, window) + ", ";
  const std::string key = key_of(shape, window);
  Explicit baseline(x, window);
  const double gemm = best_of(5, [&] { baseline.by_gemm(); });
  const double syrk = best_of(5, [&] { baseline.by_syrk(); });
  const Algorithm chosen =
      mj::covariance_algorithm(shape, window, mj::DType::F32);
  for (const Algorithm algorithm : algorithms_for(window)) {
    const double time = time_of(x, window, algorithm, 10);
    const std::string name = mj::name_of(algorithm);
    const bool is_chosen = algorithm == chosen;
    const auto target = [&](int least) {
      return is_chosen && least > 0
                 ? "x (chosen; wanted " + std::to_string(least) + ")"
                 : std::string(is_chosen ? "x (chosen)" : "x");
    };
    report.add(key + "_" + name + "_gemm",
               words + "patches and GEMM over " + name, gemm / time,
               target(least_gemm), 2);
    report.add(key + "_" + name + "_syrk",
               words + "patches and SYRK over " + name, syrk / time,
               target(least_syrk), 2);
    report.add(
        key + "_" + name + "_scratch",
        words + "scratch of patches over " + name,
        baseline.scratch_bytes() /
            std::max(1.0, static_cast<double>(mj::covariance_scratch(
                              shape, window, mj::DType::F32, by(algorithm)))),
        target(least_gemm > 0 ? 5 : 0), 1);
  }
}

// 120 -> 240 channels, 4x4, same padding: the patches would take 5 GB.
void against_forward(Report& report, const mj::Shape& shape,
                     std::int64_t outputs) {
  const mj::NoGrad guard;
  const mj::Conv2dGeometry window = same_padding(4);
  const mj::Tensor x = random_image(shape);
  const mj::Tensor w = random_image({outputs, shape[1], 4, 4});
  const double forward =
      best_of(2, [&] { mj::conv2d(x, w, mj::Tensor(), window); });
  const std::string words = "A, " + words_of(shape, window) + ", ";
  const std::string key = key_of(shape, window);
  const Algorithm chosen =
      mj::covariance_algorithm(shape, window, mj::DType::F32);
  for (const Algorithm algorithm : algorithms_for(window)) {
    const std::string name = mj::name_of(algorithm);
    const double over = time_of(x, window, algorithm, 1) / forward;
    const double megabytes =
        1e-6 * static_cast<double>(mj::covariance_scratch(
                   shape, window, mj::DType::F32, by(algorithm)));
    if (algorithm == chosen) {
      report.add_limited(key + "_" + name + "_forward",
                         words + name + " (chosen) over the forward pass", over,
                         2.0, 2);
      report.add_limited(key + "_" + name + "_scratch_mb",
                         words + name + " (chosen), MB of scratch", megabytes,
                         50.0, 1);
    } else {
      report.add(key + "_" + name + "_forward",
                 words + name + " over the forward pass", over, "x", 2);
      report.add(key + "_" + name + "_scratch_mb", words + name + ", scratch",
                 megabytes, "MB", 1);
    }
  }
}

}  // namespace

void curvature_figures(Report& report, const CurvatureSize& size) {
  report.section("Factor A, f32, " + std::to_string(mj::num_threads()) +
                 " threads, best of 10");
  const std::int64_t n = size.batch;
  against_patches(report, {n, 32, 32, 32}, same_padding(3), 4, 3);
  against_patches(report, {n, 64, 32, 32}, same_padding(3), 4, 3);
  against_patches(report, {n, 64, 16, 16}, same_padding(3), 4, 3);
  against_patches(report, {n, 128, 16, 16}, same_padding(3), 4, 3);
  against_patches(report, {n, 32, 16, 16}, same_padding(5), 6, 6);
  // The model's other choices: an input layer, and a stride.
  against_patches(report, {n, 3, 32, 32}, same_padding(3), 0, 0);
  mj::Conv2dGeometry strided = same_padding(3);
  strided.stride_h = strided.stride_w = 2;
  against_patches(report, {n, 64, 32, 32}, strided, 0, 0);
  if (size.documentations_example) {
    against_forward(report, {1, 120, 1024, 640}, 240);
  } else {
    against_forward(report, {1, 12, 64, 40}, 24);
  }
}

}  // namespace bench

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/thor.h>

// What the scripts tests/golden/thor_*.py and the tests that read their files
// have in common.
namespace mjolnir::optim {

/** The schedules of the scripts: the rate falls by 0.9 a step, the damping by
 * 0.95. */
inline ThorOptions trajectory_options(long frequency, double rate,
                                      double damping) {
  const auto falling = [](double initial, double factor) {
    return [initial, factor](long step) {
      return initial * std::pow(factor, static_cast<double>(step));
    };
  };
  ThorOptions options;
  options.frequency = frequency;
  options.learning_rate = falling(rate, 0.9);
  options.damping = falling(damping, 0.95);
  return options;
}

/** Every parameter is within `tolerance` of what a script wrote. */
inline void expect_parameters(const Module& net, const nlohmann::json& want,
                              double tolerance, const std::string& where) {
  for (const auto& [label, tensor] : net.named_parameters()) {
    const auto numbers = want[label].get<std::vector<double>>();
    const auto got = tensor.to(DType::F64).to_vector<double>();
    ASSERT_EQ(got.size(), numbers.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], numbers[i], tolerance)
          << where << ", " << label << " " << i;
    }
  }
}

/** A convolution of the scripts' nets: f64, without padding, with a bias. */
inline Conv2dThorOptions valid_conv(std::int64_t in, std::int64_t out,
                                    std::int64_t kernel) {
  Conv2dThorOptions o;
  o.in_channels = in;
  o.out_channels = out;
  o.kernel_size = kernel;
  o.pad_mode = PadMode::Valid;
  o.has_bias = true;
  o.dtype = DType::F64;
  return o;
}

inline DenseThorOptions dense(std::int64_t in, std::int64_t out, bool bias) {
  DenseThorOptions o;
  o.in_channels = in;
  o.out_channels = out;
  o.has_bias = bias;
  o.dtype = DType::F64;
  return o;
}

/** A file of a script whose two batches alternate. */
class GoldenFile {
 public:
  GoldenFile(const std::string& name, const Shape& images) : shape_(images) {
    std::ifstream file(MJOLNIR_SOURCE_DIR "/tests/golden/" + name);
    json_ = nlohmann::json::parse(file);
  }

  void start(const Module& net) const {
    for (const auto& [name, tensor] : net.named_parameters()) {
      tensor.copy_from(Tensor::from<double>(
          json_["start"][name].get<std::vector<double>>(), tensor.shape()));
    }
  }
  Tensor images(long step) const {
    const auto all = json_["images"].get<std::vector<double>>();
    const long n = shape_.numel(), batch = step % 2;
    return Tensor::from<double>(
        {all.begin() + batch * n, all.begin() + (batch + 1) * n}, shape_);
  }
  /** The labels of that name. */
  Tensor labels(const char* which, long step) const {
    const auto all = json_[which].get<std::vector<std::int64_t>>();
    const long n = shape_[0], batch = step % 2;
    return Tensor::from<std::int64_t>(
        {all.begin() + batch * n, all.begin() + (batch + 1) * n}, {n});
  }
  long steps() const { return json_["steps"].get<long>(); }
  /** Compares with what the script had after that step of a case. */
  void expect(const Module& net, const std::string& name, long step,
              double tolerance) const {
    expect_parameters(net, json_["cases"][name][static_cast<std::size_t>(step)],
                      tolerance, name + ", step " + std::to_string(step));
  }

 private:
  Shape shape_;
  nlohmann::json json_;
};

}  // namespace mjolnir::optim

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

}  // namespace mjolnir::optim

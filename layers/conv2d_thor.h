#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/layers/conv2d.h>
#include <mjolnir/layers/initializers.h>

namespace mjolnir {

/** How Conv2dThor pads its input. */
enum class PadMode : std::uint8_t {
  Same,   ///< Output of ceil(n / stride); zeros around, the odd one last.
  Valid,  ///< No padding.
  Pad     ///< The padding argument.
};

/** A PadMode, or its name: exactly "same", "valid" or "pad". */
class PadModeArgument {
 public:
  PadModeArgument(PadMode mode) : mode_(mode) {}
  /** Throws ValueError, naming Conv2dThor, for any other string, or none. */
  PadModeArgument(const char* name);
  PadModeArgument(const std::string& name);
  operator PadMode() const noexcept { return mode_; }

 private:
  PadMode mode_;
};

/** One number for all sides or four: top, bottom, left, right. */
class ThorPadding {
 public:
  ThorPadding(std::int64_t all = 0) : sides_(4, all) {}
  ThorPadding(std::initializer_list<std::int64_t> sides) : sides_(sides) {}
  ThorPadding(std::vector<std::int64_t> sides) : sides_(std::move(sides)) {}
  const std::vector<std::int64_t>& sides() const noexcept { return sides_; }

 private:
  std::vector<std::int64_t> sides_;
};

/** Options of Conv2dThor: MindSpore's arguments, names and defaults. */
struct Conv2dThorOptions {
  std::int64_t in_channels = 0;   ///< At least 1.
  std::int64_t out_channels = 0;  ///< At least 1.
  Pair kernel_size = 0;           ///< At least 1; must be given.
  Pair stride = 1;
  PadModeArgument pad_mode = PadMode::Same;
  ThorPadding padding = 0;  ///< Only with PadMode::Pad.
  Pair dilation = 1;
  std::int64_t group = 1;  ///< Divides both channel counts.
  bool has_bias = false;
  Initializer weight_init = "normal";
  Initializer bias_init = "zeros";
  DType dtype = DType::F32;
};

/**
 * A Conv2d with the arguments, defaults and refusals of MindSpore's
 * Conv2dThor, which from birth sums its Kronecker factors in every backward
 * pass: matrix_a(), matrix_g(), save_gradient(). They are those of KFC, A = 1/P
 * sum a a^T over patches and G = 1/P sum dout dout^T (Grosse & Martens, ICML
 * 2016, section 3), which THOR inverts (Chen et al., AAAI-21). With group > 1
 * each group has a pair of factors of its own. Throws ValueError that names
 * layer, argument and value for an argument out of its domain; a bias_init
 * without bias is a warning event (topic "initializer").
 */
class Conv2dThor : public Conv2d {
 public:
  Conv2dThor(const Conv2dThorOptions& options, Generator& rng);

  std::unique_ptr<Module> clone() const override;
  std::string describe() const override;
  Conv2dGeometry window(std::int64_t height, std::int64_t width) const override;

 private:
  explicit Conv2dThor(const Conv2dThorOptions& options);

  Conv2dThorOptions thor_options_;
};

}  // namespace mjolnir

#pragma once

#include <cstddef>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir {

/** One parameter's step in the making. */
struct Direction {
  std::size_t parameter = 0;    ///< Its index in the preconditioner's list.
  Tensor gradient;              ///< In the parameter's layout; only read,
  double gradient_scale = 1.0;  ///< times this is g.
  Tensor value;        ///< g' to be multiplied by `scale`; undefined: the
  double scale = 1.0;  ///< parameter is left alone in this step.
  bool second_order = false;  ///< Divided by its layer's Fisher block.
};

/** Where the directions of parameters are. */
class Places {
 public:
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  /** `parameters` are all there are, with a direction or without. */
  Places(const std::vector<Direction>& directions, std::size_t parameters)
      : places_(parameters, nowhere) {
    for (std::size_t i = 0; i < directions.size(); ++i) {
      places_[directions[i].parameter] = i;
    }
  }
  /** Of the parameter's direction, or `nowhere`. */
  std::size_t operator[](std::size_t parameter) const {
    return places_[parameter];
  }
  bool has(std::size_t parameter) const {
    return places_[parameter] != nowhere;
  }

 private:
  std::vector<std::size_t> places_;
};

}  // namespace mjolnir

#pragma once

#include <mjolnir/layers/sample_squares.h>

namespace mjolnir {

/**
 * The diagonal of the empirical Fisher matrix of a layer's weight, times N:
 * sum() = sum over samples of dW_n^2, elementwise, dW_n the sum over positions
 * first. It has the shape of the weight, a convolution's in ChannelsLast; any
 * number of groups. With the loss of docs/thor.md, a mean times loss_scale, the
 * diagonal itself is (N / loss_scale)^2 sum() / N.
 */
class DiagonalObserver final : public SampleSquaresObserver {
 public:
  explicit DiagonalObserver(Purpose purpose = Purpose::Training)
      : SampleSquaresObserver(purpose) {}
  void record(const CurvatureRecord& record) override;
};

}  // namespace mjolnir

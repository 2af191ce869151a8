// An event file with known values, for tensorboard.py to read back.

#include <mjolnir/mjolnir.h>

#include <limits>
#include <vector>

namespace mj = mjolnir;

int main(int, char** argv) {
  mj::io::EventFile file(argv[1]);
  for (int step = 0; step < 100; ++step) {
    file.add_scalar("curve/squares", 0.25 * step * step, step);
  }
  file.add_scalar("curve/nan", std::numeric_limits<double>::quiet_NaN(), 1);
  file.add_scalar("curve/inf", std::numeric_limits<double>::infinity(), 1);
  // 0, 1, ..., 999 in 30 buckets.
  std::vector<double> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<double>(i);
  }
  file.add_histogram("histogram/ramp", mj::Tensor::from(values, {1000}), 3);
  file.add_histogram("histogram/constant", mj::Tensor::full({10}, 0.5), 3);
  file.add_histogram("histogram/empty", mj::Tensor::zeros({0}), 3);
  // Red, then green going from 0 to 250.
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < 26; ++y) {
    for (int x = 0; x < 40; ++x) {
      pixels.push_back(x < 20 ? 255 : 0);
      pixels.push_back(static_cast<std::uint8_t>(x < 20 ? 0 : 10 * y));
      pixels.push_back(0);
    }
  }
  file.add_image("image/colours", mj::Tensor::from(pixels, {26, 40, 3}), 4);
  file.close();
}

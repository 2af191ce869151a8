// One THOR step by hand: two images of one channel, a 2x2 convolution with two
// output channels. Prints each formula beside its numbers, then lets the
// optimizer do the same step. It must end with this update, twice:
//
//      0.013917   0.024108   0.013654   0.183973
//     -0.048073  -0.048955  -0.014573   0.096233

#include <mjolnir/mjolnir.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace mj = mjolnir;
namespace linalg = mjolnir::linalg;

namespace {

void print(const char* title, const mj::Tensor& matrix) {
  std::printf("\n%s\n", title);
  const std::vector<double> values = matrix.to_vector<double>();
  const auto columns = static_cast<std::size_t>(matrix.size(1));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::printf("%11.6f%s", values[i], (i + 1) % columns == 0 ? "\n" : "");
  }
}

mj::Tensor scaled(const mj::Tensor& matrix, double factor) {
  return matrix * factor;
}

}  // namespace

int main() {
  // The layer: y = x * w, kernel 2x2, `same` padding (a zero row below and a
  // zero column to the right), so T = 4 positions per image.
  mj::Generator rng(0);
  mj::Conv2dThorOptions layer;
  layer.in_channels = 1;
  layer.out_channels = 2;
  layer.kernel_size = 2;
  layer.dtype = mj::DType::F64;
  mj::Conv2dThor conv(layer, rng);

  const double n = 2.0;           // images in the batch
  const double t = 4.0;           // positions in an image
  const double loss_scale = 2.0;  // the loss was multiplied by this
  const double damping = 0.04;    // lambda

  mj::optim::ThorOptions options;
  options.learning_rate = 1.0;
  options.momentum = 0.0;
  options.damping = damping;
  options.frequency = 1;
  options.loss_scale = loss_scale;
  mj::optim::Thor thor(conv, options);
  thor.zero_grad();

  // Forward, then backward with a gradient dout of the loss given by hand.
  const mj::Tensor x = mj::Tensor::from<double>({1, 2, 3, 4,  // image 0
                                                 0, 1, 1, 0},
                                                {2, 1, 2, 2});
  const mj::Tensor dout = mj::Tensor::from<double>(
      {1, -1, 2, 0, 0, 1, 1, -2,  // image 0: channel 0, channel 1
       3, 1, 0, 0, 2, -1, 1, 0},
      {2, 2, 2, 2});
  print("x, an image a row", mj::reshape(x, {2, 4}));
  print("dout, a row for each image and output channel",
        mj::reshape(dout, {4, 4}));
  mj::BackwardOptions backward;
  backward.gradient = dout;
  conv(x).backward(backward);

  // a: the four pixels under the kernel at one position of one image.
  const mj::Tensor a = conv.matrix_a();
  print("A = mean over images and positions of a a^T", a);

  // A mean-reduced loss gave each image's dout as N dout / loss_scale.
  const mj::Tensor g = scaled(conv.matrix_g(), std::pow(n / loss_scale, 2));
  print("G = (N / loss_scale)^2 mean of dout dout^T", g);

  // F ~ T (G kron A); each side gets its share of the damping.
  const double share = std::sqrt(damping / t);
  std::printf("\nsqrt(lambda / T) = sqrt(%.2f / %.0f) = %.1f\n", damping, t,
              share);
  const mj::Tensor a_inverse = *linalg::cholesky_inverse(a, share);
  const mj::Tensor g_inverse = *linalg::cholesky_inverse(g, share);
  print("(A + sqrt(lambda/T) I)^-1", a_inverse);
  print("(G + sqrt(lambda/T) I)^-1", g_inverse);

  // The gradient of the weight, as a matrix of output channels by patch.
  const mj::Tensor gradient =
      mj::Tensor::from<double>({1, 2, 3, 4, -1, 0, 1, 2}, {2, 4});
  print("g, the gradient (given)", gradient);
  const mj::Tensor update = scaled(
      linalg::matmul(linalg::matmul(g_inverse, gradient), a_inverse), 1.0 / t);
  print("g' = 1/T (G + sqrt(lambda/T) I)^-1 g (A + sqrt(lambda/T) I)^-1",
        update);

  // The optimizer on the same factors, with eta = 1 and no momentum.
  const mj::Tensor weight = conv.parameters()[0];
  const mj::Tensor before = weight.clone();
  weight.set_grad(mj::reshape(scaled(gradient, loss_scale), {2, 1, 2, 2})
                      .to(weight.layout()));
  thor.step();
  print("w <- w - eta g', eta = 1: w before - w after a step of optim::Thor",
        mj::reshape(before - weight.detach(), {2, 4}));
}

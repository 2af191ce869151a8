// Four methods train a network of two weights, y = w2 softplus(w1 x), on nine
// points of the one with w1 = 0.5 and w2 = 1.
//
//     natural_gradient_2d [FILE]
//
// draws their paths into natural_gradient_2d.svg, or FILE, and prints
//
//     steps to a loss of 0.001
//     gradient descent: 81
//     Newton: leaves after 12
//     K-FAC: 19
//     natural gradient: 8
//
// An ellipse is the Fisher matrix at its centre: the steps that change the
// model's predictions by one amount. The natural gradient is steepest descent
// measured with them; K-FAC's own stand upright, as it forgets that the layers
// are correlated, and gradient descent has circles. Newton's method takes the
// Hessian, which is positive definite only between the dashed lines.

#include <mjolnir/mjolnir.h>

#include <cstdio>
#include <exception>
#include <string>

#include "examples/svg.h"

namespace mj = mjolnir;

namespace {

mj::DenseThorOptions one_weight() {
  mj::DenseThorOptions options;
  options.in_channels = options.out_channels = 1;
  options.has_bias = false;
  options.dtype = mj::DType::F64;
  return options;
}

struct Net : mj::Module {
  explicit Net(mj::Generator& rng)
      : first(one_weight(), rng), second(one_weight(), rng) {
    add("first", first);
    add("second", second);
  }
  mj::Tensor operator()(const mj::Tensor& x) override {
    return second(mj::softplus(first(x)));
  }
  Net& at(svg::Point w) {
    first.weight.fill(w.x);
    second.weight.fill(w.y);
    return *this;
  }
  mj::DenseThor first, second;  // they sum A and G
};

mj::Tensor loss_of(Net& net, const mj::Batch& batch) {
  return mj::negative_log_likelihood(mj::Likelihood::Gaussian,
                                     net(batch.images), batch.labels);
}

// The matrices that the methods divide the gradient by, [[a, b], [b, c]].
mj::Tensor matrix(double a, double b, double c) {
  return mj::Tensor::from<double>({a, b, b, c}, {2, 2});
}

mj::Tensor identity(Net&, const mj::Batch&) { return matrix(1, 0, 1); }

mj::Tensor hessian(Net& net, const mj::Batch& batch) {
  const mj::Tensor loss = loss_of(net, batch);
  const mj::ParameterVector w = net.parameters();
  const mj::Tensor one = mj::Tensor::ones_like(w[0]), zero = 0.0 * one;
  const auto h1 = mj::hessian_vector_product(loss, w, {one, zero});
  const auto h2 = mj::hessian_vector_product(loss, w, {zero, one});
  return matrix(h1[0].item(), h1[1].item(), h2[1].item());
}

mj::Tensor fisher(Net& net, const mj::Batch& batch) {
  return mj::fisher_matrix(net, mj::Likelihood::Gaussian, batch);
}

// A G of each layer. Were the targets the model's own, N(output, 1), the mean
// square of dloss / doutput would be 1: as it is of this sum.
mj::Tensor kronecker(Net& net, const mj::Batch& batch) {
  net.zero_grad();
  mj::sum(net(batch.images)).backward();
  return matrix(net.first.matrix_a().item() * net.first.matrix_g().item(), 0,
                net.second.matrix_a().item() * net.second.matrix_g().item());
}

struct Method {
  std::string name;
  double rate, damping;
  mj::Tensor (*matrix_at)(Net&, const mj::Batch&);
};

}  // namespace

int main(int argc, char** argv) try {
  const Method methods[] = {{"gradient descent", 0.1, 0.0, identity},
                            {"Newton", 0.5, 0.01, hessian},
                            {"K-FAC", 0.5, 0.01, kronecker},
                            {"natural gradient", 0.5, 0.01, fisher}};
  const svg::Point start = {-0.5, 3.0}, minimum = {0.5, 1.0};
  mj::Generator rng(0);
  Net net(rng);
  const auto x =
      mj::Tensor::from<double>({-4, -3, -2, -1, 0, 1, 2, 3, 4}, {9, 1});
  const mj::Batch batch = {x, net.at(minimum)(x).detach()};

  svg::Plot plot({-1.2, 0.0}, {1.2, 3.4});
  plot.kind("loss", "loss, 0.01 to 20", "#b9d3ea", "#24486b", 1.2);
  plot.kind("flat", "Hessian singular", "#8250df", "#b083f0", 1.5, "5 6");
  plot.kind("fisher", "Fisher matrix", "#9aa4af", "#7d8590", 1);
  plot.contours("loss", {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 20},
                [&](svg::Point w) { return loss_of(net.at(w), batch).item(); });
  plot.contours("flat", {0.0}, [&](svg::Point w) {
    const auto h = hessian(net.at(w), batch).to_vector<double>();
    return h[0] * h[3] - h[1] * h[2];
  });
  plot.ellipses("fisher", 0.08, 0.35, [&](svg::Point w) {
    return fisher(net.at(w), batch).to_vector<double>();
  });

  std::printf("steps to a loss of 0.001\n");
  for (const auto& [name, rate, damping, matrix_at] : methods) {
    svg::Points path = {start};
    while (plot.shows(path.back())) {  // w <- w - rate (M + damping I)^-1 g
      const svg::Point w = path.back();
      const mj::Tensor loss = loss_of(net.at(w), batch);
      if (loss.item() < 0.001) break;
      const mj::Tensor g = mj::flattened(mj::grad({loss}, net.parameters()));
      const mj::Tensor m = matrix_at(net, batch) + matrix(damping, 0, damping);
      const auto step = mj::linalg::solve(m, rate * g)->to_vector<double>();
      path.push_back({w.x - step[0], w.y - step[1]});
    }
    const char* const end = plot.shows(path.back()) ? ": " : ": leaves after ";
    const std::string found = name + end + std::to_string(path.size() - 1);
    std::printf("%s\n", found.c_str());
    plot.walk(path, found);
  }
  plot.mark(start, "start");
  plot.mark(minimum, "minimum");
  plot.axes("w1, the first weight", "w2, the second weight", 0.5);
  plot.write(argc > 1 ? argv[1] : "natural_gradient_2d.svg",
             "Steps to the minimum of y = w2 softplus(w1 x)");
} catch (const std::exception& error) {
  std::fprintf(stderr, "natural_gradient_2d: %s\n", error.what());
  return 1;
}

// Every model as ONNX, with logits that this library computes: onnx.py
// compares. Writes into the given folder, per model, <name>.onnx and for each
// batch size N <name>-<N>-x.npy and <name>-<N>-y.npy.

#include <mjolnir/mjolnir.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace mj = mjolnir;
namespace models = mjolnir::models;

namespace {

struct Case {
  std::string name;
  mj::Shape sample;
  std::unique_ptr<mj::Module> model;
};

// Ops that the models do not use, each in its place once.
struct OtherOps : mj::Module {
  explicit OtherOps(mj::Generator& rng)
      : norm(norm_options()), dense(dense_options(), rng) {
    add("norm", norm);
    add("dense", dense);
  }

  static mj::LayerNormOptions norm_options() {
    mj::LayerNormOptions options;
    options.shape = {6};
    return options;
  }
  static mj::DenseOptions dense_options() {
    mj::DenseOptions options;
    options.in = 6;
    options.out = 5;
    return options;
  }

  mj::Tensor operator()(const mj::Tensor& image) override {  // (N,3,8,6)
    mj::Conv2dGeometry window;
    window.kernel_h = 3;
    window.kernel_w = 2;
    window.stride_w = 2;
    window.pad_top = window.pad_right = 1;
    const mj::Tensor means = mj::avg_pool2d(image, window);  // (N,3,7,3)
    window.dilation_h = 2;
    window.pad_bottom = 1;
    const mj::Tensor most = mj::max_pool2d(image, window);   // (N,3,6,3)
    const mj::Tensor joined = mj::concat({means, most}, 2);  // (N,3,13,3)
    const mj::Tensor gram =
        mj::matmul(joined, joined, transposed());  // (N,3,13,13)
    const mj::Tensor rows = mj::reshape(mj::slice(gram, 3, 1, 7), {-1, 39, 6});
    const mj::Tensor x = dense(mj::gelu(norm(rows)));  // (N,39,5)
    const mj::Tensor y = mj::silu(x) + mj::softplus(x) - mj::leaky_relu(x, 0.2);
    const mj::Tensor z = mj::clamp(2.0 - y, -1.0, 1.5) * 0.5 / mj::exp(-x);
    const mj::Tensor roots = mj::sqrt(mj::abs(x) + 0.5) / 3.0;
    const mj::Tensor logs = mj::log(mj::pow(x, 2.0) + 1.0);
    const mj::Tensor bounds =
        mj::minimum(mj::maximum(z, roots), mj::softmax(x, 1));
    const mj::Tensor all =
        mj::stack({bounds, logs, 1.0 / (roots + 1.0)}, 1);     // (N,3,39,5)
    const mj::Tensor turned = mj::permute(all, {0, 3, 1, 2});  // (N,5,3,39)
    return mj::log_softmax(mj::sum(turned, {3}) - mj::mean(turned, {-1}), -1);
  }

  static mj::MatmulOptions transposed() {
    mj::MatmulOptions options;
    options.transpose_b = true;
    return options;
  }

  mj::LayerNorm norm;
  mj::Dense dense;
};

// Running statistics as after training, and scales and shifts that matter;
// convolutions and dense layers keep their initial values.
void unsettle(mj::Module& model, mj::Generator& rng) {
  for (const auto& [name, tensor] : model.state()) {
    const auto ends = [&name = name](const std::string& end) {
      return name.size() >= end.size() &&
             name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    const auto draw = [&, &tensor = tensor](double low, double high) {
      tensor.copy_from(
          mj::uniform(tensor.shape(), low, high, rng, tensor.options()));
    };
    if (ends("running_mean")) draw(-0.5, 0.5);
    if (ends("running_var")) draw(0.5, 2.0);
    if (ends("bias")) draw(-0.2, 0.2);
    const bool scale = tensor.rank() == 1 && ends("weight");
    if (scale) draw(0.1, 0.5);  // or a hundred blocks would overflow
  }
}

std::vector<Case> cases(mj::Generator& rng) {
  std::vector<Case> all;
  const mj::Shape grey{1, 28, 28}, colour{3, 32, 32};
  const auto add = [&](const std::string& name, const mj::Shape& sample,
                       std::unique_ptr<mj::Module> model) {
    unsettle(*model, rng);
    all.push_back({name, sample, std::move(model)});
  };
  add("lenet5", grey,
      std::make_unique<models::LeNet5>(models::LeNet5Options(), rng));
  add("mlp", grey, std::make_unique<models::Mlp>(models::MlpOptions(), rng));
  for (const auto nonlinearity :
       {models::Nonlinearity::Tanh, models::Nonlinearity::Sigmoid,
        models::Nonlinearity::ReLU}) {
    models::AutoencoderOptions options;
    options.nonlinearity = nonlinearity;
    add("autoencoder-" + std::to_string(static_cast<int>(nonlinearity)), grey,
        std::make_unique<models::Autoencoder>(options, rng));
  }
  for (const std::int64_t depth : {8, 20, 32, 44, 56, 110}) {
    models::ResNetOptions options;
    options.depth = depth;
    add("resnet" + std::to_string(depth), colour,
        std::make_unique<models::ResNet>(options, rng));
  }
  for (const std::int64_t depth : {18, 34, 50}) {
    models::ResNetLargeOptions options;
    options.depth = depth;
    options.width = 32;
    options.classes = 10;
    options.stem = models::Stem::Small;
    add("resnet" + std::to_string(depth) + "-small-stem", colour,
        std::make_unique<models::ResNetLarge>(options, rng));
    options.stem = models::Stem::Large;
    add("resnet" + std::to_string(depth) + "-large-stem", {3, 64, 64},
        std::make_unique<models::ResNetLarge>(options, rng));
  }
  models::ResNetOptions options;
  options.depth = 20;
  add("resnet20-to-thor", colour,
      std::make_unique<models::ResNet>(options, rng));
  models::to_thor(*all.back().model);
  add("other-ops", {3, 8, 6}, std::make_unique<OtherOps>(rng));
  return all;
}

}  // namespace

int main(int, char** argv) {
  const std::string folder = argv[1];
  mj::Generator rng(7);
  for (const Case& c : cases(rng)) {
    const std::string stem = folder + "/" + c.name;
    mj::train::export_onnx(*c.model, stem + ".onnx", c.sample);
    c.model->eval();
    const mj::NoGrad no_grad;
    for (const std::int64_t batch : {1, 2, 7, 64}) {
      std::vector<std::int64_t> lengths = c.sample.to_vector();
      lengths.insert(lengths.begin(), batch);
      const mj::Tensor x = mj::normal(mj::Shape(lengths), 0.0, 1.0, rng);
      const std::string name = stem + "-" + std::to_string(batch);
      mj::io::write_npy(name + "-x.npy", x);
      mj::io::write_npy(name + "-y.npy", (*c.model)(x));
    }
    std::printf("%s\n", c.name.c_str());
  }
}

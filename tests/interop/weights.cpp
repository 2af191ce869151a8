// What weights.py compares with PyTorch, NumPy, safetensors and Pillow:
//
//   interop_weights logits MODEL IMAGES.npy LOGITS.npy
//   interop_weights train MODEL MOMENTUM|none BATCHES.npz MODEL MOMENTUM
//   interop_weights copy FROM TO      (.npy, .npz, .safetensors; npy <-> png)
//
// MODEL is a safetensors file of a ResNet-20, MOMENTUM one with a tensor
// "momentum.<parameter>" for each parameter. BATCHES holds images0, labels0,
// images1, ...; each is one step. Training is done in f64: in f32 two correct
// programs part as soon as one ReLU of a million takes the other side.

#include <mjolnir/mjolnir.h>

#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mj = mjolnir;
namespace io = mjolnir::io;

namespace {

// The settings of weights.py.
constexpr double learning_rate = 0.05;
constexpr double momentum = 0.9;
constexpr double weight_decay = 5e-4;

// What Sgd::state() calls a parameter's momentum, and the file.
const std::string in_state = "sgd/momentum/";
const std::string in_file = "momentum.";

mj::Tensor& momentum_in(mj::SavedState& state, const std::string& parameter) {
  for (auto& [name, tensor] : state) {
    if (name == in_state + parameter) return tensor;
  }
  throw mj::ValueError("no momentum of " + parameter);
}

io::NamedTensors in_f64(io::NamedTensors tensors) {
  for (auto& [name, tensor] : tensors) {
    if (tensor.dtype() == mj::DType::F32) tensor = tensor.to(mj::DType::F64);
  }
  return tensors;
}

std::unique_ptr<mj::models::ResNet> resnet20(const io::NamedTensors& state,
                                             mj::DType dtype) {
  mj::models::ResNetOptions options;
  options.dtype = dtype;
  for (const auto& [name, tensor] : state) {
    if (name == "conv1.weight") {
      options.width = tensor.size(0);
      options.in_channels = tensor.size(1);
    }
  }
  mj::Generator rng(1);
  return std::make_unique<mj::models::ResNet>(options, rng);
}

void logits(const std::vector<std::string>& words) {
  const auto model =
      resnet20(io::read_safetensors(words[0]).tensors, mj::DType::F32);
  mj::train::load(*model, words[0]);
  model->eval();
  const mj::NoGrad guard;
  io::write_npy(words[2], (*model)(io::read_npy(words[1])));
}

void step(mj::models::ResNet& model, mj::optim::Sgd& sgd,
          const mj::Tensor& images, const mj::Tensor& labels) {
  sgd.zero_grad();
  mj::cross_entropy(model(images), labels).backward();
  sgd.step();
}

void train(const std::vector<std::string>& words) {
  const auto start = in_f64(io::read_safetensors(words[0]).tensors);
  const auto model = resnet20(start, mj::DType::F64);
  model->load_state(start);
  std::map<std::string, mj::Tensor> batches;
  for (const auto& [name, tensor] : in_f64(io::read_npz(words[2]))) {
    batches.emplace(name, tensor);
  }
  mj::optim::SgdOptions options;
  options.learning_rate = learning_rate;
  options.momentum = momentum;
  options.weight_decay = weight_decay;
  mj::optim::Sgd sgd(*model, options);
  if (words[1] != "none") {
    // After a step that is then forgotten, momentum counts.
    step(*model, sgd, batches.at("images0"), batches.at("labels0"));
    std::map<std::string, mj::Tensor> given;
    for (const auto& [name, tensor] :
         in_f64(io::read_safetensors(words[1]).tensors)) {
      given.emplace(name, tensor);
    }
    mj::SavedState state = sgd.state();
    for (const auto& parameter : sgd.named_parameters()) {
      momentum_in(state, parameter.first) = given.at(in_file + parameter.first);
    }
    sgd.load_state(state);
    model->load_state(start);
  }
  for (std::size_t i = 0; 2 * i < batches.size(); ++i) {
    step(*model, sgd, batches.at("images" + std::to_string(i)),
         batches.at("labels" + std::to_string(i)));
  }
  mj::train::save(*model, words[3]);
  io::NamedTensors kept;
  mj::SavedState state = sgd.state();
  for (const auto& parameter : sgd.named_parameters()) {
    kept.emplace_back(in_file + parameter.first,
                      momentum_in(state, parameter.first));
  }
  io::write_safetensors(words[4], kept);
}

bool ends(const std::string& path, const std::string& end) {
  return path.size() >= end.size() &&
         path.compare(path.size() - end.size(), end.size(), end) == 0;
}

void copy(const std::vector<std::string>& words) {
  const std::string &from = words[0], &to = words[1];
  if (ends(from, ".npz")) {
    mj::io::NpzOptions options;
    options.compress = ends(to, ".packed.npz");
    io::write_npz(to, io::read_npz(from), options);
  } else if (ends(from, ".safetensors")) {
    const io::SafeTensors file = io::read_safetensors(from);
    io::write_safetensors(to, file.tensors, file.metadata);
  } else if (ends(to, ".png")) {
    io::write_file(to, io::encode_png(io::read_npy(from)));
  } else if (ends(from, ".npy")) {
    io::write_npy(to, io::read_npy(from));
  } else {
    io::write_npy(to, io::read_image(from));
  }
}

int run(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 1 ? 2 : 1), argv + argc);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "logits" && words.size() == 3) {
    logits(words);
  } else if (command == "train" && words.size() == 5) {
    train(words);
  } else if (command == "copy" && words.size() == 2) {
    copy(words);
  } else {
    std::fprintf(stderr, "see the first lines of weights.cpp\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

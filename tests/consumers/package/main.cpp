// Uses of an installed Mjolnir what each library below it is for, so that a
// static one must link them all: gzipped data (zlib), a convolution (oneDNN),
// steps of Thor (OpenBLAS), the log (spdlog), pictures (libpng, libjpeg),
// arrays for NumPy (libzip), a model file, and the checkers.

#include <mjolnir/mjolnir.h>
#include <mjolnir/testing/gradcheck.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace mj = mjolnir;

double other_half(const mj::Tensor& x);

namespace {

int failures = 0;

void expect(bool ok, const char* what) {
  std::printf("%s: %s\n", ok ? "ok" : "FAILED", what);
  if (!ok) ++failures;
}

// An IDX file of 4 images of 3x5 by Python's zlib: pixel i is 16 i mod 256.
const std::vector<unsigned char> packed = {
    31,  139, 8,   0,  0,   0,  0,  0,   2,   3,   99, 96,  224,
    96,  102, 96,  96, 96,  1,  98, 16,  205, 202, 32, 160, 96,
    224, 16,  144, 80, 208, 48, 97, 193, 134, 3,   23, 30,  124,
    32,  133, 15,  0,  68,  78, 50, 30,  76,  0,   0,  0};

mj::Tensor images_of(const std::string& folder) {
  const std::string path = folder + "/images.gz";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(packed.data()),
             static_cast<std::streamsize>(packed.size()));
  const mj::Tensor bytes = mj::data::read_idx(path);
  expect(bytes.shape() == mj::Shape({4, 3, 5}), "shape of the IDX file");
  std::vector<float> pixels;
  for (const unsigned char byte : bytes.to_vector<unsigned char>()) {
    pixels.push_back(static_cast<float>(byte) / 256.0F - 0.5F);
  }
  expect(pixels[59] == 176.0F / 256.0F - 0.5F, "the last pixel");
  return mj::Tensor::from(pixels, {4, 1, 3, 5}).to(mj::Layout::ChannelsLast);
}

struct Net : mj::Module {
  mj::Conv2d conv;
  mj::Dense fc;
  explicit Net(mj::Generator& rng)
      : conv(conv_options(), rng), fc(fc_options(), rng) {
    add("conv", conv);
    add("fc", fc);
  }
  mj::Tensor operator()(const mj::Tensor& x) override {
    return fc(mj::global_avg_pool(mj::relu(conv(x))));
  }

  static mj::Conv2dOptions conv_options() {
    mj::Conv2dOptions options;
    options.in = 1;
    options.out = 8;
    options.kernel = 3;
    return options;
  }
  static mj::DenseOptions fc_options() {
    mj::DenseOptions options;
    options.in = 8;
    options.out = 2;
    return options;
  }
};

void train(Net& net, const mj::Tensor& images) {
  const mj::Tensor labels =
      mj::Tensor::from(std::vector<std::int64_t>{0, 1, 0, 1}, {4});
  net.conv.enable_factors();
  net.fc.enable_factors();
  mj::optim::ThorOptions options;
  options.learning_rate = 0.05;
  options.frequency = 2;
  mj::optim::Thor thor(net, options);
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 40; ++step) {
    thor.zero_grad();
    const mj::Tensor loss = mj::cross_entropy(net(images), labels);
    loss.backward();
    thor.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  std::printf("loss %g -> %g\n", first, last);
  expect(last < first, "Thor lowers the loss");
}

void save_and_load(Net& net, const std::string& folder,
                   const mj::Tensor& images, mj::Generator& rng) {
  mj::train::save(net, folder + "/model.safetensors");
  Net other(rng);
  mj::train::load(other, folder + "/model.safetensors");
  expect(other(images).to_vector<float>() == net(images).to_vector<float>(),
         "a model file comes back");
}

void check_files(const std::string& folder) {
  const mj::Tensor picture =
      mj::Tensor::from(std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}, {2, 1, 3});
  const auto png = mj::io::encode_png(picture);
  expect(mj::io::decode_png(png, "png").to_vector<std::uint8_t>() ==
             picture.to_vector<std::uint8_t>(),
         "a PNG comes back");
  try {
    mj::io::decode_jpeg({0xff, 0xd8, 0xff, 0xd9}, "cut.jpg");
    expect(false, "a JPEG without a picture is refused");
  } catch (const mj::IoError&) {
  }
  mj::io::write_npz(folder + "/a.npz", {{"picture", picture}});
  expect(mj::io::read_npz(folder + "/a.npz").at(0).second.shape() ==
             picture.shape(),
         "an NPZ comes back");
}

void check_log(const std::string& folder) {
  const std::string path = folder + "/log";
  std::FILE* file = std::fopen(path.c_str(), "w");
  {
    mj::train::ConsoleOptions options;
    options.fd = fileno(file);
    mj::train::Console console(options);
    mj::train::Log log(console);
    mj::emit(mj::Severity::Warning, "consumer", "heard");
  }
  std::fclose(file);
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  expect(line == "warning: [consumer] heard", "the log");
}

void check_checkers(mj::Generator& rng) {
  mj::TensorOptions f64;
  f64.dtype = mj::DType::F64;
  const std::vector<mj::Tensor> inputs = {
      mj::uniform({2, 3}, -1.0, 1.0, rng, f64)};
  expect(mj::testing::check_gradients(
             [](const std::vector<mj::Tensor>& x) { return mj::exp(x[0]); },
             inputs)
             .ok,
         "the gradient of exp");
}

}  // namespace

int main() {
  std::string folder =
      (std::filesystem::temp_directory_path() / "consumer-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  mj::Generator rng(3);
  const mj::Tensor images = images_of(folder);
  Net net(rng);
  train(net, images);
  save_and_load(net, folder, images, rng);
  check_files(folder);
  check_log(folder);
  check_checkers(rng);
  expect(other_half(mj::Tensor::scalar(5.0)) == 2.5, "the other file");
  std::filesystem::remove_all(folder);
  return failures == 0 ? 0 : 1;
}

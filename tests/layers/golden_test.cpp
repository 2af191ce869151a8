// Every layer against PyTorch: tests/golden/layers.py wrote the numbers.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <set>

#include <nlohmann/json.hpp>

#include <mjolnir/layers/activations.h>
#include <mjolnir/layers/batch_norm.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/dense_thor.h>
#include <mjolnir/layers/dropout.h>
#include <mjolnir/layers/embedding.h>
#include <mjolnir/layers/layer_norm.h>
#include <mjolnir/layers/pool.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using nlohmann::json;
using testing::relative_error;
using testing::values_of;

using Maker = std::function<std::unique_ptr<Module>(DType, Generator&)>;

template <class Change>
Maker conv(Change change) {
  return [change](DType dtype, Generator& rng) {
    Conv2dOptions options;
    options.dtype = dtype;
    change(options);
    return std::make_unique<Conv2d>(options, rng);
  };
}

Maker dense(std::int64_t in, std::int64_t out, bool bias) {
  return [=](DType dtype, Generator& rng) {
    DenseOptions options;
    options.in = in;
    options.out = out;
    options.bias = bias;
    options.dtype = dtype;
    return std::make_unique<Dense>(options, rng);
  };
}

template <class Change>
Maker conv_thor(Change change) {
  return [change](DType dtype, Generator& rng) {
    Conv2dThorOptions options;
    options.dtype = dtype;
    change(options);
    return std::make_unique<Conv2dThor>(options, rng);
  };
}

Maker batch_norm(std::int64_t channels, double epsilon, double momentum) {
  return [=](DType dtype, Generator&) {
    BatchNorm2dOptions options;
    options.channels = channels;
    options.epsilon = epsilon;
    options.momentum = momentum;
    options.dtype = dtype;
    return std::make_unique<BatchNorm2d>(options);
  };
}

template <class M, class... Args>
Maker plain(Args... args) {
  return [=](DType, Generator&) { return std::make_unique<M>(args...); };
}

Pool2dOptions pool(Pair kernel, Pair stride, Padding padding) {
  Pool2dOptions options;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = padding;
  return options;
}

const std::map<std::string, Maker>& makers() {
  static const std::map<std::string, Maker> table{
      {"conv2d", conv([](Conv2dOptions& o) {
         o.in = 3;
         o.out = 4;
         o.kernel = Pair(3, 2);
         o.stride = Pair(1, 2);
         o.padding = Padding(1, 2);
       })},
      {"conv2d_dilated", conv([](Conv2dOptions& o) {
         o.in = 3;
         o.out = 2;
         o.dilation = Pair(2, 1);
         o.padding = 2;
         o.bias = false;
       })},
      {"conv2d_groups", conv([](Conv2dOptions& o) {
         o.in = 4;
         o.out = 6;
         o.kernel = Pair(1, 3);
         o.stride = 2;
         o.groups = 2;
       })},
      {"conv2d_pointwise", conv([](Conv2dOptions& o) {
         o.in = 3;
         o.out = 5;
         o.kernel = 1;
       })},
      {"dense", dense(5, 3, true)},
      {"dense_sequence", dense(3, 2, false)},
      {"batch_norm", batch_norm(3, 1e-5, 0.1)},
      {"batch_norm_small", batch_norm(2, 1e-3, 0.3)},
      {"layer_norm",
       [](DType dtype, Generator&) {
         LayerNormOptions options;
         options.shape = {4, 3};
         options.dtype = dtype;
         return std::make_unique<LayerNorm>(options);
       }},
      {"embedding",
       [](DType dtype, Generator& rng) {
         EmbeddingOptions options;
         options.count = 6;
         options.size = 3;
         options.dtype = dtype;
         return std::make_unique<Embedding>(options, rng);
       }},
      {"relu", plain<ReLU>()},
      {"leaky_relu", plain<LeakyReLU>(0.2)},
      {"gelu", plain<GELU>()},
      {"silu", plain<SiLU>()},
      {"sigmoid", plain<Sigmoid>()},
      {"tanh", plain<Tanh>()},
      {"softplus", plain<Softplus>()},
      {"softmax", plain<Softmax>(1)},
      {"max_pool",
       plain<MaxPool2d>(pool(Pair(3, 2), Pair(2, 1), Padding(1, 0)))},
      {"avg_pool", plain<AvgPool2d>(pool(Pair(2, 3), Pair(1, 2), 1))},
      {"flatten", plain<Flatten>()},
      {"global_avg_pool", plain<GlobalAvgPool>()},
      {"identity", plain<Identity>()},
      {"dropout",
       [](DType, Generator& rng) {
         DropoutOptions options;
         options.p = 0.4;
         return std::make_unique<Dropout>(options, rng);
       }},
      {"conv2d_thor_same", conv_thor([](Conv2dThorOptions& o) {
         o.in_channels = 3;
         o.out_channels = 4;
         o.kernel_size = Pair(3, 4);
         o.stride = Pair(2, 1);
       })},
      {"conv2d_thor_valid", conv_thor([](Conv2dThorOptions& o) {
         o.in_channels = 4;
         o.out_channels = 6;
         o.kernel_size = Pair(2, 3);
         o.dilation = Pair(1, 2);
         o.group = 2;
         o.pad_mode = PadMode::Valid;
         o.has_bias = true;
       })},
      {"conv2d_thor_pad", conv_thor([](Conv2dThorOptions& o) {
         o.in_channels = 3;
         o.out_channels = 2;
         o.kernel_size = 2;
         o.stride = 2;
         o.pad_mode = PadMode::Pad;
         o.padding = {0, 3, 1, 0};
         o.has_bias = true;
       })},
      {"dense_thor",
       [](DType dtype, Generator& rng) {
         DenseThorOptions options;
         options.in_channels = 5;
         options.out_channels = 3;
         options.dtype = dtype;
         return std::make_unique<DenseThor>(options, rng);
       }},
  };
  return table;
}

Tensor read(const json& array, DType dtype) {
  const Shape shape(array.at("shape").get<std::vector<std::int64_t>>());
  return Tensor::from(array.at("values").get<std::vector<double>>(), shape)
      .to(dtype);
}

Tensor read_input(const json& array, DType dtype, bool integer) {
  if (!integer) return read(array, dtype);
  return Tensor::from(
      array.at("values").get<std::vector<std::int64_t>>(),
      Shape(array.at("shape").get<std::vector<std::int64_t>>()));
}

const json& file() {
  static const json contents = json::parse(
      std::ifstream(MJOLNIR_SOURCE_DIR "/tests/golden/layers.json"));
  return contents;
}

class LayerGolden : public ::testing::TestWithParam<DType> {
 protected:
  // Of the largest element of each array: PyTorch's are f64.
  double tolerance() const { return GetParam() == DType::F64 ? 1e-12 : 1e-5; }

  void expect_close(const Tensor& actual, const json& expected,
                    const std::string& what) const {
    ASSERT_TRUE(actual.defined()) << what;
    EXPECT_EQ(actual.shape().to_vector(),
              expected.at("shape").get<std::vector<std::int64_t>>())
        << what;
    EXPECT_LE(relative_error(values_of(actual),
                             expected.at("values").get<std::vector<double>>()),
              tolerance())
        << what;
  }

  void check(const json& golden, Layout layout) const {
    const std::string name = golden.at("name");
    Generator rng(1);
    const std::unique_ptr<Module> layer = makers().at(name)(GetParam(), rng);
    std::vector<NamedTensor> state;
    for (const auto& entry : layer->state()) {
      const json& given = golden.at("state").at(entry.first);
      state.emplace_back(entry.first,
                         read(given, DType::F64).to(entry.second.dtype()));
    }
    ASSERT_EQ(state.size(), golden.at("state").size()) << name;
    layer->load_state(state);
    const bool integer = name == "embedding";
    for (const char* mode : {"train", "eval"}) {
      if (!golden.at("modes").contains(mode)) continue;
      const json& expected = golden.at("modes").at(mode);
      const std::string where = name + " " + mode + " ";
      layer->train(std::string(mode) == "train");
      layer->zero_grad();
      Tensor x = read_input(golden.at("x"), GetParam(), integer);
      if (x.rank() == 4) x = x.to(layout);
      if (!integer) x.set_requires_grad(true);
      const Tensor y = (*layer)(x);
      BackwardOptions options;
      options.gradient = read(golden.at("dy"), GetParam());
      y.backward(options);
      expect_close(y, expected.at("y"), where + "y");
      if (!integer) expect_close(x.grad(), expected.at("dx"), where + "dx");
      for (const auto& entry : layer->named_parameters())
        expect_close(entry.second.grad(),
                     expected.at("gradients").at(entry.first),
                     where + entry.first);
      for (const auto& entry : layer->named_buffers())
        expect_close(entry.second, expected.at("buffers").at(entry.first),
                     where + entry.first);
    }
  }
};

TEST_P(LayerGolden, EveryLayerIsPyTorchs) {
  for (const json& golden : file().at("cases"))
    for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast})
      check(golden, layout);
}

/** The layers that layers/ declares; a Sequential is what is in it. */
std::set<std::string> declared_layers() {
  const std::regex declaration(
      "class (\\w+)[^;{>]*: public (Module|Plain<|Conv2d|Dense)");
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(MJOLNIR_SOURCE_DIR "/layers")) {
    if (entry.path().extension() != ".h") continue;
    std::ifstream header(entry.path());
    const std::string text((std::istreambuf_iterator<char>(header)),
                           std::istreambuf_iterator<char>());
    for (std::sregex_iterator match(text.begin(), text.end(), declaration), end;
         match != end; ++match)
      names.insert((*match)[1]);
  }
  names.erase("Plain");
  names.erase("Sequential");
  return names;
}

TEST(LayerGoldens, EveryLayerHasACase) {
  std::set<std::string> made;
  std::set<std::string> named;
  for (const auto& [name, maker] : makers()) {
    Generator rng(1);
    const std::string text = maker(DType::F32, rng)->describe();
    made.insert(text.substr(0, text.find('(')));
    named.insert(name);
  }
  const std::set<std::string> layers = declared_layers();
  EXPECT_EQ(made, layers);
  EXPECT_GE(layers.size(), 18U);  // the search finds something
  std::set<std::string> cases;
  for (const json& golden : file().at("cases")) {
    cases.insert(golden.at("name").get<std::string>());
    const bool random = golden.at("name") == "dropout";
    EXPECT_TRUE(golden.at("modes").contains("eval")) << golden.at("name");
    EXPECT_EQ(golden.at("modes").contains("train"), !random)
        << golden.at("name");
  }
  EXPECT_EQ(cases, named);
}

INSTANTIATE_TEST_SUITE_P(, LayerGolden,
                         ::testing::Values(DType::F64, DType::F32),
                         [](const auto& info) {
                           return std::string(name_of(info.param));
                         });

}  // namespace
}  // namespace mjolnir

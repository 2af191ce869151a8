#include <mjolnir/io/onnx.h>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::bytes_of;
using mjolnir::testing::expect_error;
using mjolnir::testing::TempDirectory;
using Ints = std::vector<std::int64_t>;

OnnxModel small(Layout layout) {
  std::vector<float> weight(24);
  for (std::size_t i = 0; i < 24; ++i) {
    weight[i] = static_cast<float>(i) / 8;
  }
  OnnxModel model;
  model.name = "small";
  model.version = "0.1.0";
  model.metadata = {{"mean", "[0.25]"}, {"classes", "[\"a\",\"b\"]"}};
  model.nodes = {{"Conv",
                  {"x", "conv.weight", "conv.bias"},
                  {"a"},
                  {{"group", std::int64_t{1}},
                   {"kernel_shape", Ints{2, 2}},
                   {"pads", Ints{0, 1, 2, 3}}},
                  "conv"},
                 {"LeakyRelu", {"a"}, {"b"}, {{"alpha", 0.25F}}},
                 {"Reshape", {"b", "shape"}, {"y"}, {}, "last"}};
  model.initializers = {
      {"conv.weight", Tensor::from(weight, {2, 3, 2, 2}, layout)},
      {"conv.bias", Tensor::from<float>({1, -1}, {2})},
      {"shape", Tensor::from<std::int64_t>({-1, 84}, {2})}};
  model.inputs = {{"x", DType::F32, {"batch", 3, 5, 4}}};
  model.outputs = {{"y", DType::F32, {"batch", 84}}};
  return model;
}

// tests/io/golden/make_onnx.py wrote the same with onnx's messages.
TEST(Onnx, WritesTheBytesOfItsOwnLibrary) {
  const Bytes golden =
      read_file(MJOLNIR_SOURCE_DIR "/tests/io/golden/small.onnx");
  EXPECT_EQ(bytes_of(encode_onnx(small(Layout::RowMajor))), golden);
  EXPECT_EQ(bytes_of(encode_onnx(small(Layout::ChannelsLast))), golden);
}

TEST(Onnx, ReplacesTheFileAsAWhole) {
  const TempDirectory folder;
  const std::string path = folder / "m.onnx";
  mjolnir::testing::plant(path, Bytes(1000));
  write_onnx(path, small(Layout::RowMajor));
  EXPECT_EQ(read_file(path), bytes_of(encode_onnx(small(Layout::RowMajor))));
  expect_error<IoError>(
      [&] { write_onnx(folder / "no/m.onnx", small(Layout::RowMajor)); },
      {"no/m.onnx"});
}

TEST(Onnx, RefusesAnUndefinedTensor) {
  OnnxModel model = small(Layout::RowMajor);
  model.initializers[1].second = Tensor();
  expect_error<ValueError>([&] { encode_onnx(model); },
                           {"[onnx]", "conv.bias", "undefined"});
}

}  // namespace
}  // namespace mjolnir::io

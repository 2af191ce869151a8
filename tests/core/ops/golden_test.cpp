// Ops against PyTorch in f64: tests/golden/ops.py writes the numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops.h>

namespace mjolnir {
namespace {

using nlohmann::json;

json golden() {
  std::ifstream in(std::string(MJOLNIR_SOURCE_DIR) + "/tests/golden/ops.json");
  return json::parse(in);
}

Tensor unpack(const json& packed) {
  const Shape shape(packed.at("shape").get<std::vector<std::int64_t>>());
  if (packed.at("dtype") == "i64") {
    return Tensor::from(packed.at("values").get<std::vector<std::int64_t>>(),
                        shape);
  }
  return Tensor::from(packed.at("values").get<std::vector<double>>(), shape);
}

Reduction reduction_of(const json& options) {
  const std::string name = options.at("reduction");
  return name == "mean"  ? Reduction::Mean
         : name == "sum" ? Reduction::Sum
                         : Reduction::None;
}

Tensor run_loss(const std::string& op, const std::vector<Tensor>& x,
                const json& options) {
  const Reduction reduction = reduction_of(options);
  if (op == "mse") return mse(x[0], x[1], reduction);
  if (op == "binary_cross_entropy_with_logits") {
    return binary_cross_entropy_with_logits(x[0], x[1], reduction);
  }
  CrossEntropyOptions how;
  how.reduction = reduction;
  how.label_smoothing = options.at("smoothing");
  return cross_entropy(x[0], x[1], how);
}

Tensor run(const std::string& op, const std::vector<Tensor>& x,
           const json& options) {
  if (op == "gelu") return gelu(x[0]);
  if (op == "silu") return silu(x[0]);
  if (op == "softplus") return softplus(x[0]);
  if (op == "sigmoid") return sigmoid(x[0]);
  if (op == "tanh") return tanh(x[0]);
  if (op == "leaky_relu") return leaky_relu(x[0]);
  if (op == "clamp") return clamp(x[0], -1.5, 2.0);
  if (op == "var") {
    VarOptions how;
    how.correction = options.at("correction");
    return var(x[0], options.at("axes").get<Axes>(), how);
  }
  if (op == "max") return max(x[0], options.at("axes").get<Axes>());
  if (op == "argmax") return argmax(x[0], options.at("axis"));
  if (op == "gather") return gather(x[0], options.at("axis"), x[1]);
  if (op == "scatter_add") {
    return scatter_add(x[0], options.at("axis"), x[1], x[2]);
  }
  if (op == "embedding") return embedding(x[0], x[1]);
  if (op == "softmax") return softmax(x[0], options.at("axis"));
  if (op == "log_softmax") return log_softmax(x[0], options.at("axis"));
  if (op == "pow") return pow(x[0], x[1]);
  if (op == "linear") return linear(x[0], x[1], x[2]);
  if (op == "matmul") return matmul(x[0], x[1]);
  return run_loss(op, x, options);
}

// Equal to 1e-12 of the size of the numbers.
void expect_equal(const Tensor& got, const json& packed) {
  const Tensor truth = unpack(packed);
  ASSERT_EQ(got.shape(), truth.shape());
  ASSERT_EQ(got.dtype(), truth.dtype());
  const std::vector<double> a = got.to(DType::F64).to_vector<double>();
  const std::vector<double> b = truth.to(DType::F64).to_vector<double>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], 1e-12 * (1.0 + std::abs(b[i]))) << "element " << i;
  }
}

TEST(GoldenOps, AgreeWithPyTorch) {
  const json file = golden();
  EXPECT_GE(file.at("cases").size(), 40u);
  for (const json& c : file.at("cases")) {
    const std::string op = c.at("op");
    SCOPED_TRACE(op + " " + c.at("options").dump());
    std::vector<Tensor> inputs, wanted;
    for (const json& packed : c.at("inputs")) {
      inputs.push_back(unpack(packed));
      if (!is_floating(inputs.back().dtype())) continue;
      inputs.back().set_requires_grad(true);
      wanted.push_back(inputs.back());
    }
    const Tensor y = run(op, inputs, c.at("options"));
    expect_equal(y, c.at("y"));
    const json& gradients = c.at("gradients");
    if (gradients.empty()) continue;
    GradOptions how;
    how.grad_outputs = {unpack(c.at("w"))};
    const std::vector<Tensor> got = grad({y}, wanted, how);
    for (std::size_t i = 0; i < got.size(); ++i) {
      SCOPED_TRACE("gradient " + std::to_string(i));
      expect_equal(got[i], gradients[i]);
    }
  }
}

}  // namespace
}  // namespace mjolnir

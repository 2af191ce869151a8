#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mjolnir/core/allocator.h>
#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/trace.h>

#include <cmath>

namespace mjolnir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

BatchNormOptions mode(bool training) {
  BatchNormOptions options;
  options.training = training;
  return options;
}

TensorOptions of(DType dtype) {
  TensorOptions options;
  options.dtype = dtype;
  return options;
}

struct Net {
  Tensor x, weight, bias, mean, var, addend;
  Net(const Shape& shape, DType dtype) {
    Generator rng(3);
    x = normal(shape, 0.5, 2, rng, of(dtype));
    weight = uniform({shape[1]}, -1.5, 1.5, rng, of(dtype));
    bias = normal({shape[1]}, 0, 1, rng, of(dtype));
    mean = normal({shape[1]}, 0, 1, rng, of(dtype));
    var = uniform({shape[1]}, 0.5, 2, rng, of(dtype));
    addend = normal(shape, 0, 1, rng, of(dtype));
    for (const Tensor& t : {x, weight, bias, addend}) {
      t.set_requires_grad(true);
    }
  }
};

// y, running moments and gradients, in f64.
std::vector<std::vector<double>> results(const Net& net, bool fused,
                                         bool training, bool with_addend) {
  const Tensor mean = net.mean.clone(), var = net.var.clone();
  const Tensor addend = with_addend ? net.addend : Tensor();
  Tensor y;
  if (fused) {
    y = batch_norm_relu(net.x, net.weight, net.bias, mean, var, mode(training),
                        addend);
  } else {
    y = batch_norm(net.x, net.weight, net.bias, mean, var, mode(training));
    y = relu(with_addend ? y + addend : y);
  }
  Generator rng(4);
  GradOptions options;
  options.grad_outputs = {normal(y.shape(), 0, 1, rng, y.options())};
  std::vector<Tensor> inputs{net.x, net.weight, net.bias};
  if (with_addend) inputs.push_back(net.addend);
  std::vector<Tensor> all{y.detach(), mean, var};
  for (const Tensor& g : grad({y}, inputs, options)) all.push_back(g);
  std::vector<std::vector<double>> values;
  for (const Tensor& t : all) {
    values.push_back(t.to(DType::F64).to_vector<double>());
  }
  return values;
}

// Same sums in another order: a share of the largest number of each result.
TEST(BatchNormRelu, EqualsTheOpsItIsMadeOf) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    const double tolerance = dtype == DType::F32 ? 1e-6 : 1e-12;
    for (const Shape& shape : {Shape{4, 16, 9, 7}, Shape{3, 5, 4, 3},
                               Shape{40, 24}, Shape{2, 64, 8, 8}}) {
      const Net net(shape, dtype);
      for (const bool training : {true, false}) {
        for (const bool addend : {true, false}) {
          const auto got = results(net, true, training, addend);
          const auto truth = results(net, false, training, addend);
          for (std::size_t k = 0; k < truth.size(); ++k) {
            double largest = 0;
            for (const double v : truth[k]) {
              largest = std::max(largest, std::abs(v));
            }
            EXPECT_THAT(got[k], ::testing::Pointwise(
                                    ::testing::DoubleNear(tolerance * largest),
                                    truth[k]))
                << "result " << k << " of " << shape.str();
          }
        }
      }
    }
  }
}

TEST(BatchNormRelu, GivesTheFirstLayoutAndTakesAnAddendInAny) {
  const Net net({2, 3, 4, 5}, DType::F64);
  const auto y = [&](Layout x, Layout addend) {
    return batch_norm_relu(net.x.to(x), net.weight, net.bias, net.mean, net.var,
                           {}, net.addend.to(addend));
  };
  const Tensor first = y(Layout::RowMajor, Layout::RowMajor);
  EXPECT_EQ(first.layout(), Layout::ChannelsLast);
  for (const Layout a : {Layout::RowMajor, Layout::ChannelsLast}) {
    for (const Layout b : {Layout::RowMajor, Layout::ChannelsLast}) {
      EXPECT_EQ(y(a, b).to_vector<double>(), first.to_vector<double>());
    }
  }
}

TEST(BatchNormRelu, KeepsNanAndIsZeroAtZero) {
  const double nan = std::nan("");
  const Tensor x = Tensor::from<double>({-1, 0, 2, nan}, {4, 1});
  x.set_requires_grad(true);
  const Tensor zero = Tensor::zeros({1}, of(DType::F64));
  const Tensor one = Tensor::ones({1}, of(DType::F64));
  BatchNormOptions options;
  options.epsilon = 0;
  for (const Tensor& addend : {Tensor(), Tensor::zeros_like(x)}) {
    const Tensor y =
        batch_norm_relu(x, Tensor(), Tensor(), zero, one, options, addend);
    const auto values = y.to_vector<double>();
    EXPECT_THAT(std::vector<double>(values.begin(), values.begin() + 3),
                ElementsAre(0, 0, 2));
    EXPECT_TRUE(std::isnan(values[3]));
    const auto g = grad({sum(y)}, {x})[0].to_vector<double>();
    EXPECT_THAT(g, ElementsAre(0, 0, 1, 1));
  }
}

// Without an addend x says where y is positive.
TEST(BatchNormRelu, KeepsNoBufferOfItsOwnForBackward) {
  const Net net({8, 16, 8, 8}, DType::F32);
  const auto bytes = [] { return allocator_statistics().in_use; };
  const std::size_t image = 8 * 16 * 8 * 8 * sizeof(float);
  const auto x = net.x.detach().to(Layout::ChannelsLast);
  const std::size_t before = bytes();
  Tensor y =
      batch_norm_relu(x, net.weight, net.bias, Tensor(), Tensor(), mode(true));
  EXPECT_LT(bytes() - before, image + 4096);
  // y itself goes with its handle
  Tensor loss = sum(y);
  y = Tensor();
  EXPECT_LT(bytes() - before, 8192u);
}

TEST(BatchNormRelu, IsTracedAsTheOpsItIsMadeOf) {
  const Net net({2, 3, 4, 5}, DType::F32);
  const Trace trace;
  batch_norm_relu(net.x, net.weight, net.bias, net.mean, net.var, {},
                  net.addend);
  batch_norm_relu(net.x, net.weight, net.bias, net.mean, net.var);
  std::vector<std::string> names;
  for (const TracedOp& op : trace.ops()) {
    if (op.name != "to_layout") names.push_back(op.name);
  }
  EXPECT_THAT(names,
              ElementsAre("batch_norm", "add", "relu", "batch_norm", "relu"));
}

TEST(BatchNormRelu, RefusesWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({4, 3, 2, 2});
  const Tensor none, one = Tensor::ones({3}), two = Tensor::ones({2});
  const auto refuses = [](auto f, const char* text) {
    EXPECT_THAT(f, ThrowsMessage<Error>(HasSubstr(text)));
  };
  refuses([&] { batch_norm_relu(x, two, none, one, one); },
          "[batch_norm_relu] expected weight of shape (3)");
  refuses([&] { batch_norm_relu(x, none, none, none, none); },
          "[batch_norm_relu] evaluation needs running_mean and running_var");
  refuses(
      [&] {
        batch_norm_relu(Tensor::zeros({3, 3, 3}), none, none, one, one);
      },
      "[batch_norm_relu] expected x (N,C,H,W) or (N,C)");
  refuses(
      [&] {
        batch_norm_relu(x, none, none, one, one, {}, Tensor::zeros({4, 3}));
      },
      "[batch_norm_relu] expected addend of shape (4,3,2,2), got (4,3)");
  refuses(
      [&] {
        batch_norm_relu(x, none, none, one, one, {},
                        Tensor::zeros({4, 3, 2, 2}, of(DType::F64)));
      },
      "[batch_norm_relu] expected one dtype");
}

}  // namespace
}  // namespace mjolnir

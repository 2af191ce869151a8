#include <mjolnir/core/adopt.h>
#include <mjolnir/core/xtensor.h>

#include <numeric>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xio.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include "tests/support/files.h"

namespace mjolnir {
namespace {

using testing::expect_error;

std::vector<float> counted(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

xt::xarray<float> counted_array() {
  xt::xarray<float> a = xt::arange<float>(1, 31);
  a.reshape({2, 3, 5});
  return a;
}

TEST(FromXtensor, AMovedArrayBecomesTheTensor) {
  xt::xarray<float> a = counted_array();
  const float* memory = a.data();
  const Tensor x = from_xtensor(std::move(a));
  EXPECT_EQ(x.data<float>(), memory);
  EXPECT_EQ(x.shape(), Shape({2, 3, 5}));
  EXPECT_EQ(x.to_vector<float>(), counted(30));

  xt::xtensor<double, 2> b = {{1, 2, 3}, {4, 5, 6}};
  const double* doubles = b.data();
  const Tensor y = from_xtensor(std::move(b));
  EXPECT_EQ(y.data<double>(), doubles);
  EXPECT_EQ(y.to_vector<double>(), std::vector<double>({1, 2, 3, 4, 5, 6}));
}

TEST(FromXtensor, ASharedArrayIsSeenByBoth) {
  auto a = std::make_shared<xt::xarray<float>>(counted_array());
  Tensor x = from_xtensor(a);
  EXPECT_EQ(x.data<float>(), a->data());
  (*a)(1, 0, 2) = -4;
  EXPECT_EQ(x.to_vector<float>()[17], -4);
  x.mutable_data<float>()[0] = 99;
  EXPECT_EQ((*a)(0, 0, 0), 99);
  const std::weak_ptr<xt::xarray<float>> alive = a;
  a.reset();
  EXPECT_FALSE(alive.expired());
  x = Tensor();
  EXPECT_TRUE(alive.expired());
}

TEST(FromXtensor, RefusesANullArray) {
  expect_error<ValueError>(
      [] { from_xtensor(std::shared_ptr<xt::xarray<float>>()); },
      {"[from_xtensor]"});
}

TEST(FromXtensor, AnLvalueIsCopied) {
  xt::xarray<float> a = counted_array();
  const Tensor x = from_xtensor(a);
  EXPECT_NE(x.data<float>(), a.data());
  a.fill(0);
  EXPECT_EQ(x.to_vector<float>(), counted(30));
  const xt::xarray<float> constant = counted_array();
  EXPECT_EQ(from_xtensor(std::move(constant)).to_vector<float>(), counted(30));
}

TEST(FromXtensor, ExpressionsAndOtherOrdersAreEvaluated) {
  const xt::xarray<float> a = counted_array();
  EXPECT_EQ(from_xtensor(2.0f * a).to_vector<float>()[29], 60);
  // (5,3,2): element (4,1,0) is a(0,1,4) = 10.
  const Tensor t = from_xtensor(xt::transpose(a));
  EXPECT_EQ(t.shape(), Shape({5, 3, 2}));
  EXPECT_EQ(t.to_vector<float>()[4 * 6 + 1 * 2 + 0], 10);
  const Tensor v =
      from_xtensor(xt::view(a, xt::all(), xt::range(1, 3), xt::range(0, 5, 2)));
  EXPECT_EQ(v.to_vector<float>(),
            std::vector<float>({6, 8, 10, 11, 13, 15, 21, 23, 25, 26, 28, 30}));
  xt::xarray<float, xt::layout_type::column_major> columns = a;
  EXPECT_EQ(from_xtensor(std::move(columns)).to_vector<float>(), counted(30));
}

TEST(FromXtensor, TakesEveryDtypeAndEmptyAndScalarArrays) {
  xt::xtensor<std::int64_t, 1> integers = {-7, 8};
  EXPECT_EQ(from_xtensor(std::move(integers)).to_vector<std::int64_t>(),
            std::vector<std::int64_t>({-7, 8}));
  xt::xtensor<std::uint8_t, 1> bytes = {7, 255};
  EXPECT_EQ(from_xtensor(std::move(bytes)).dtype(), DType::U8);
  xt::xarray<float> scalar = 3.5f;
  const Tensor s = from_xtensor(std::move(scalar));
  EXPECT_EQ(s.shape(), Shape());
  EXPECT_EQ(s.item(), 3.5);
  xt::xarray<float> none = xt::zeros<float>({0, 4});
  EXPECT_EQ(from_xtensor(none).shape(), Shape({0, 4}));
  EXPECT_EQ(from_xtensor(std::move(none)).shape(), Shape({0, 4}));
}

TEST(FromXtensor, TheTensorTakesGradients) {
  const Tensor x = from_xtensor(counted_array());
  x.set_requires_grad(true);
  EXPECT_TRUE(x.requires_grad());
  x.set_grad(Tensor::ones({2, 3, 5}));
  EXPECT_EQ(x.grad().to_vector<float>(), std::vector<float>(30, 1));
}

TEST(AsXtensor, ReadsInPlace) {
  const Tensor x = Tensor::from(counted(30), {2, 3, 5});
  const std::uint64_t version = x.version();
  const auto a = as_xtensor<float>(x);
  EXPECT_EQ(a.data(), x.data<float>());
  ASSERT_EQ(a.dimension(), 3u);
  EXPECT_EQ(a(1, 2, 3), 29);
  EXPECT_EQ(xt::sum(xt::view(a, 0))(), 120);
  EXPECT_EQ(x.version(), version);
  EXPECT_EQ(as_xtensor<float>(Tensor::scalar(2))(), 2);
}

TEST(AsXtensor, KeepsTheElementsAlive) {
  Tensor x = Tensor::from(counted(30), {2, 3, 5});
  const auto a = as_xtensor<float>(x);
  x = Tensor();
  const Tensor other = Tensor::zeros({2, 3, 5});  // would take the memory
  EXPECT_EQ(a(1, 2, 4), 30);
}

TEST(AsXtensor, WritesInPlaceAndCountAsAChange) {
  const Tensor x = Tensor::from(counted(6), {2, 3});
  const std::uint64_t version = x.version();
  auto a = as_mutable_xtensor<float>(x);
  xt::view(a, 1) = xt::view(a, 0) * 10.0f;
  EXPECT_GT(x.version(), version);
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>({1, 2, 3, 10, 20, 30}));
}

TEST(AsXtensor, RefusesAnotherTypeOrOrder) {
  const Tensor x = Tensor::from(counted(30), {2, 3, 5});
  expect_error<ValueError>([&] { as_xtensor<double>(x); }, {"f32"});
  const Tensor last = Tensor::zeros({2, 3, 4, 5}).to(Layout::ChannelsLast);
  expect_error<ValueError>([&] { as_xtensor<float>(last); },
                           {"[as_xtensor]", "to(Layout::RowMajor)"});
  expect_error<ValueError>([&] { as_mutable_xtensor<float>(last); },
                           {"[as_xtensor]", "to(Layout::RowMajor)"});
}

TEST(Adopt, ChecksWhatItIsGiven) {
  const auto owner = std::make_shared<std::vector<float>>(6);
  EXPECT_EQ(adopt(owner->data(), {2, 3}, DType::F32, owner).numel(), 6);
  expect_error<ValueError>(
      [&] {
        adopt(owner->data(), {2, 3}, DType::F32, nullptr);
      },
      {"owner"});
  expect_error<ValueError>([&] { adopt(nullptr, {1}, DType::F32, owner); },
                           {"no memory", "(1)"});
  expect_error<ValueError>(
      [&] {
        adopt(reinterpret_cast<char*>(owner->data()) + 2, {1}, DType::F32,
              owner);
      },
      {"aligned", "f32"});
}

}  // namespace
}  // namespace mjolnir

// What the golden file does not cover: options, clones, second order, size.
#include <gmock/gmock.h>

#include <limits>
#include <memory>

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/loss.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/layers/conv2d_thor.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/models/autoencoder.h>
#include <mjolnir/models/lenet5.h>
#include <mjolnir/models/mlp.h>
#include <mjolnir/models/resnet.h>
#include <mjolnir/models/to_thor.h>

#include "tests/layers/support.h"

namespace mjolnir {
namespace {

using testing::bit_equal;
using ::testing::HasSubstr;
using testing::message_of;

models::ResNetOptions small_resnet() {
  models::ResNetOptions options;
  options.depth = 8;
  options.width = 4;
  options.in_channels = 2;
  options.classes = 5;
  return options;
}

template <class M, class Options>
std::unique_ptr<Module> make(const Options& options) {
  Generator rng(1);
  return std::make_unique<M>(options, rng);
}

/** One of each, with the shape of an image batch it takes. */
std::vector<std::pair<std::unique_ptr<Module>, Shape>> all(bool second_order) {
  std::vector<std::pair<std::unique_ptr<Module>, Shape>> models;
  models::ResNetOptions resnet = small_resnet();
  resnet.second_order = second_order;
  models.emplace_back(make<models::ResNet>(resnet), Shape{3, 2, 11, 10});
  models::ResNetLargeOptions large;
  large.depth = 50;
  large.width = 2;
  large.classes = 4;
  large.stem = models::Stem::Small;
  large.second_order = second_order;
  models.emplace_back(make<models::ResNetLarge>(large), Shape{4, 3, 16, 18});
  models::LeNet5Options lenet;
  lenet.second_order = second_order;
  models.emplace_back(make<models::LeNet5>(lenet), Shape{2, 1, 28, 28});
  models::MlpOptions mlp;
  mlp.image = Pair(3, 5);
  mlp.width = 7;
  mlp.second_order = second_order;
  models.emplace_back(make<models::Mlp>(mlp), Shape{3, 1, 3, 5});
  models::AutoencoderOptions autoencoder;
  autoencoder.image = Pair(4, 5);
  autoencoder.width = 16;
  autoencoder.code = 3;
  autoencoder.second_order = second_order;
  models.emplace_back(make<models::Autoencoder>(autoencoder),
                      Shape{3, 1, 4, 5});
  return models;
}

Tensor input(const Shape& shape) {
  Generator rng(2);
  return normal(shape, 0, 1, rng);
}

std::int64_t sources(Module& model) {
  std::int64_t count = 0;
  for (const auto& [name, module] : model.named_modules())
    if (dynamic_cast<CurvatureSource*>(module)) ++count;
  return count;
}

TEST(Models, SecondOrderChangesNoNameAndNoNumber) {
  const auto plain = all(false);
  const auto thor = all(true);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    Module& a = *plain[i].first;
    Module& b = *thor[i].first;
    for (const auto& [name, module] : b.named_modules())
      if (auto* source = dynamic_cast<CurvatureSource*>(module))
        source->collect(Collect::Factors);
    const Tensor x = input(plain[i].second);
    const Tensor ya = a(x);
    const Tensor yb = b(x);
    EXPECT_TRUE(bit_equal(ya, yb));
    sum(ya * ya).backward();
    sum(yb * yb).backward();
    const auto pa = a.named_parameters();
    const auto pb = b.named_parameters();
    ASSERT_EQ(pa.size(), pb.size());
    for (std::size_t k = 0; k < pa.size(); ++k) {
      EXPECT_EQ(pa[k].first, pb[k].first);
      EXPECT_TRUE(bit_equal(pa[k].second.grad(), pb[k].second.grad()))
          << pa[k].first;
    }
    for (const auto& [name, module] : b.named_modules())
      if (auto* source = dynamic_cast<CurvatureSource*>(module)) {
        EXPECT_EQ(source->factors()->sums().samples, x.size(0)) << name;
        EXPECT_TRUE(source->factors()->sums().a.defined()) << name;
      }
    EXPECT_GT(sources(b), 0);
  }
}

TEST(Models, SecondOrderModelsGatherNothingUntilTold) {
  for (const auto& [model, shape] : all(true)) {
    const Tensor y = (*model)(input(shape));
    sum(y).backward();
    for (const auto& [name, module] : model->named_modules()) {
      const auto* source = dynamic_cast<CurvatureSource*>(module);
      if (!source) continue;
      EXPECT_EQ(source->factors()->sums().positions_a, 0) << name;
    }
  }
}

TEST(Models, ToThorCountsLayersAndKeepsWhatIsThere) {
  const auto model = make<models::ResNet>(small_resnet());
  // A stem, three blocks of two, two shortcuts, the head.
  EXPECT_EQ(models::to_thor(*model).with_factors(), 1 + 6 + 2 + 1);
  auto* conv = dynamic_cast<CurvatureSource*>(model->children()[0].second);
  const auto before = conv->factors();
  EXPECT_EQ(models::to_thor(*model).with_factors(), 10);
  EXPECT_EQ(conv->factors(), before);
  Generator rng(1);
  Conv2dOptions grouped;
  grouped.in = 2;
  grouped.out = 2;
  grouped.groups = 2;
  Conv2d depthwise(grouped, rng);
  EXPECT_EQ(models::to_thor(depthwise).with_factors(), 1);
}

TEST(ToThor, TellsWhatItLeftAloneAndWhy) {
  models::ResNetOptions options = small_resnet();
  options.second_order = false;
  const auto model = make<models::ResNet>(options);
  const auto before = model->named_parameters();
  const models::ToThorReport report = models::to_thor(
      *model, [](const std::string& name, const CurvatureSource& layer) {
        return layer.curvature_weight().size(-1) > 1 || name == "fc";
      });
  // The stem, six convolutions and the head; the two shortcuts are 1x1.
  EXPECT_EQ(report.with_factors(), 8);
  std::set<std::string> reasons;
  for (const models::ToThorLayer& layer : report.layers) {
    EXPECT_EQ(layer.has_factors, layer.why.empty()) << layer.name;
    reasons.insert(layer.type + ": " + layer.why);
  }
  EXPECT_EQ(reasons.count("Conv2d: the filter declined it"), 1U);
  EXPECT_EQ(reasons.count("BatchNorm2d: this type has no Kronecker factors; "
                          "see the optimizer's option scale_shift"),
            1U);
  EXPECT_THAT(report.str(), ::testing::HasSubstr("bn1 (BatchNorm2d): this"));
  const auto after = model->named_parameters();
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].first, before[i].first);
    EXPECT_EQ(after[i].second.impl(), before[i].second.impl());
  }
}

TEST(ToThor, KeepsStrideDilationGroupsAndBias) {
  Generator rng(1);
  Conv2dOptions options;
  options.in = 4;
  options.out = 6;
  options.kernel = Pair(3, 2);
  options.stride = Pair(2, 1);
  options.padding = Padding(1, 0, 2, 1);
  options.dilation = Pair(1, 2);
  options.groups = 2;
  Conv2d conv(options, rng);
  const Tensor x = normal({2, 4, 7, 8}, 0, 1, rng);
  const Tensor before = conv(x).detach();
  const std::string text = conv.describe();
  models::to_thor(conv);
  EXPECT_EQ(conv.describe(), text);
  EXPECT_TRUE(bit_equal(conv(x), before));
  curvature(conv).collect(Collect::Factors);
  sum(conv(x)).backward();
  EXPECT_EQ(curvature(conv).matrix_a().shape(), (Shape{2, 12, 12}));
  EXPECT_EQ(curvature(conv).matrix_g().shape(), (Shape{2, 3, 3}));
  BatchNorm2dOptions norm;
  norm.channels = 2;
  BatchNorm2d bn(norm);
  EXPECT_THROW(curvature(bn), ValueError);
}

TEST(Models, ClonesAreEqualAndIndependent) {
  for (const auto& [model, shape] : all(true)) {
    const Tensor x = input(shape);
    (*model)(x);  // moves the running statistics
    model->parameters()[0].set_requires_grad(false);
    const std::unique_ptr<Module> copy = model->clone();
    EXPECT_EQ(copy->str(), model->str());
    for (const auto& [name, module] : copy->named_modules())
      if (const auto* source = dynamic_cast<CurvatureSource*>(module)) {
        EXPECT_TRUE(source->factors()) << name;
      }
    model->eval();
    copy->eval();
    EXPECT_TRUE(bit_equal((*copy)(x), (*model)(x)));
    copy->parameters().back().fill(100);
    EXPECT_FALSE(bit_equal((*copy)(x), (*model)(x)));
  }
}

TEST(Models, OneSeedOneModel) {
  const auto first = all(false);
  const auto second = all(false);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto a = first[i].first->state();
    const auto b = second[i].first->state();
    for (std::size_t k = 0; k < a.size(); ++k)
      EXPECT_TRUE(bit_equal(a[k].second, b[k].second)) << a[k].first;
  }
}

TEST(Models, HaveThePublishedNumbersOfParameters) {
  // torchvision's and, for 32x32 images with option B, the usual counts.
  models::ResNetLargeOptions large;
  EXPECT_EQ(make<models::ResNetLarge>(large)->parameter_count(), 11689512);
  models::ResNetOptions small;
  EXPECT_EQ(make<models::ResNet>(small)->parameter_count(), 272474);
  small.depth = 110;
  EXPECT_EQ(make<models::ResNet>(small)->parameter_count(), 1730714);
  EXPECT_EQ(make<models::LeNet5>(models::LeNet5Options())->parameter_count(),
            61706);
  // 784-1000-500-250-30 and back, weights and biases.
  EXPECT_EQ(make<models::Autoencoder>(models::AutoencoderOptions())
                ->parameter_count(),
            2 * (784 * 1000 + 1000 * 500 + 500 * 250 + 250 * 30) +
                (1000 + 500 + 250 + 30) + (250 + 500 + 1000 + 784));
}

TEST(Models, EveryDepthOfTheIssueBuilds) {
  for (const std::int64_t depth : {8, 20, 32, 44, 56, 110}) {
    models::ResNetOptions options = small_resnet();
    options.depth = depth;
    std::int64_t convolutions = 0;
    const auto model = make<models::ResNet>(options);
    for (const auto& [name, module] : model->named_modules())
      if (dynamic_cast<Conv2d*>(module)) ++convolutions;
    EXPECT_EQ(convolutions, depth - 1 + 2);  // and two shortcuts
  }
}

TEST(Models, EncodeGivesTheCode) {
  models::AutoencoderOptions options;
  Generator rng(3);
  models::Autoencoder model(options, rng);
  const Tensor x = input({2, 1, 28, 28});
  EXPECT_EQ(model.encode(x).shape(), (Shape{2, 30}));
  EXPECT_EQ(model(x).shape(), (Shape{2, 784}));
}

TEST(Models, Refusals) {
  const auto resnet = [](auto change) {
    models::ResNetOptions options = small_resnet();
    change(options);
    return message_of<ValueError>([&] { make<models::ResNet>(options); });
  };
  EXPECT_THAT(resnet([](auto& o) { o.depth = 18; }), HasSubstr("got 18"));
  EXPECT_THAT(resnet([](auto& o) { o.depth = 2; }), HasSubstr("6n+2"));
  EXPECT_THAT(resnet([](auto& o) { o.width = 0; }), HasSubstr("width"));
  EXPECT_THAT(resnet([](auto& o) { o.classes = 0; }), HasSubstr("classes"));
  EXPECT_THAT(resnet([](auto& o) { o.in_channels = -1; }),
              HasSubstr("in_channels"));
  models::ResNetLargeOptions large;
  large.depth = 20;
  EXPECT_THROW(make<models::ResNetLarge>(large), ValueError);
  models::LeNet5Options lenet;
  lenet.image = 30;
  EXPECT_THROW(make<models::LeNet5>(lenet), ValueError);
  models::MlpOptions mlp;
  mlp.depth = -1;
  EXPECT_THROW(make<models::Mlp>(mlp), ValueError);
  models::AutoencoderOptions autoencoder;
  autoencoder.width = 3;
  EXPECT_THROW(make<models::Autoencoder>(autoencoder), ValueError);
}

TEST(Models, PrintATree) {
  const std::string text = make<models::ResNet>(small_resnet())->str();
  EXPECT_THAT(text, HasSubstr("ResNet(depth=8, width=4, in_channels=2, "
                              "classes=5)"));
  EXPECT_THAT(text, HasSubstr("\n  (conv1) Conv2d(in=2, out=4, kernel=3, "
                              "padding=1)  weight (4,2,3,3)  72\n"));
}

// Widths whose tensors overflow: an error of ours, not a crash.
TEST(Models, SizesThatOverflowAreErrors) {
  const std::int64_t top = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t size :
       {std::int64_t{1} << 56, std::int64_t{1} << 62, top}) {
    const auto refused = [&](auto options, auto make_one, auto change) {
      change(options);
      EXPECT_THROW(make_one(options), Error) << size;
    };
    using namespace models;
    const auto resnet = [](const auto& o) { make<ResNet>(o); };
    refused(small_resnet(), resnet, [&](auto& o) { o.width = size; });
    refused(small_resnet(), resnet, [&](auto& o) { o.in_channels = size; });
    refused(small_resnet(), resnet, [&](auto& o) { o.classes = size; });
    for (const std::int64_t depth : {18, 50}) {
      ResNetLargeOptions options;
      options.depth = depth;
      refused(
          options, [](const auto& o) { make<ResNetLarge>(o); },
          [&](auto& o) { o.width = size; });
    }
    const auto lenet = [](const auto& o) { make<LeNet5>(o); };
    refused(LeNet5Options(), lenet, [&](auto& o) { o.width = size; });
    refused(LeNet5Options(), lenet, [&](auto& o) { o.classes = size; });
    const auto mlp = [](const auto& o) { make<Mlp>(o); };
    refused(MlpOptions(), mlp, [&](auto& o) { o.width = size; });
    refused(MlpOptions(), mlp, [&](auto& o) { o.image = Pair(size, size); });
    const auto autoencoder = [](const auto& o) { make<Autoencoder>(o); };
    refused(AutoencoderOptions(), autoencoder,
            [&](auto& o) { o.width = size; });
    refused(AutoencoderOptions(), autoencoder, [&](auto& o) { o.code = size; });
    refused(AutoencoderOptions(), autoencoder,
            [&](auto& o) { o.in_channels = size; });
  }
}

}  // namespace
}  // namespace mjolnir

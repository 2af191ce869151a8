#include <mjolnir/train/model_file.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/events.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/io/safetensors.h>
#include <mjolnir/optim/sgd.h>
#include <mjolnir/train/job.h>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

TrainOptions synthetic() {
  TrainOptions o;
  o.data = "synthetic";
  o.model = "mlp";
  o.width = 8;
  return o;
}

TEST(ModelFile, ComesBackIntoAnotherModel) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  TrainOptions o = synthetic();
  o.model = "resnet8";
  o.width = 3;
  Generator rng(1);
  const auto saved = make_model(resolved(o), data, rng);
  const auto loaded = make_model(resolved(o), data, rng);
  (*saved)(Tensor::ones({2, 1, 28, 28}));  // moves the running statistics
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  save(*saved, path);
  load(*loaded, path);
  const auto a = saved->state();
  const auto b = loaded->state();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    if (a[i].second.dtype() == DType::F32) {
      EXPECT_EQ(a[i].second.to_vector<float>(), b[i].second.to_vector<float>())
          << a[i].first;
    }
  }
}

TEST(ModelFile, AnotherModelIsRefusedWithAllDifferences) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  Generator rng(1);
  TrainOptions o = synthetic();
  const auto mlp = make_model(resolved(o), data, rng);
  o.width = 9;
  const auto wider = make_model(resolved(o), data, rng);
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  save(*mlp, path);
  const auto before = wider->parameters()[0].to_vector<float>();
  try {
    load(*wider, path);
    FAIL() << "must refuse";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr("fc1.weight"));
    EXPECT_THAT(error.what(), HasSubstr("fc3.weight"));
  }
  EXPECT_EQ(wider->parameters()[0].to_vector<float>(), before);
  EXPECT_THROW(load(*wider, folder.path() + "/none"), IoError);
}

// A file that lacks its last tensor's last byte, one of another model, and one
// that lacks a name: after each the model is what it was, and goes on.
TEST(ModelFile, AModelIsUsableAfterAFailedLoad) {
  const data::Dataset data = load_data(resolved(synthetic())).train;
  Generator rng(1);
  TrainOptions o = synthetic();
  o.model = "resnet8";
  o.width = 3;
  const auto model = make_model(resolved(o), data, rng);
  const TemporaryFolder folder;
  const std::string cut = folder.path() + "/cut";
  save(*make_model(resolved(o), data, rng), cut);
  std::filesystem::resize_file(cut, std::filesystem::file_size(cut) - 1);
  const std::string other = folder.path() + "/other";
  save(*make_model(resolved(synthetic()), data, rng), other);

  const Tensor x = normal({4, 1, 28, 28}, 0.0, 1.0, rng);
  const Tensor labels =
      Tensor::from(std::vector<std::int64_t>{0, 1, 2, 3}, {4});
  model->eval();
  const auto before = (*model)(x).to_vector<float>();
  auto fewer = model->state();
  for (auto& [name, tensor] : fewer) tensor = Tensor::zeros_like(tensor);
  fewer.pop_back();
  for (const std::function<void()>& attempt :
       std::vector<std::function<void()>>{[&] { load(*model, cut); },
                                          [&] { load(*model, other); },
                                          [&] { model->load_state(fewer); }}) {
    EXPECT_THROW(attempt(), Error);
    EXPECT_EQ((*model)(x).to_vector<float>(), before);
  }

  optim::SgdOptions options;
  options.learning_rate = 0.05;
  options.momentum = 0.0;
  optim::Sgd sgd(*model, options);
  model->train();
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 10; ++step) {
    sgd.zero_grad();
    const Tensor loss = cross_entropy((*model)(x), labels);
    loss.backward();
    sgd.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  EXPECT_LT(last, first);
}

// Two tensors and a buffer.
struct Small : Module {
  Tensor weight = Tensor::full({2, 3, 2, 2}, 1);
  Tensor bias = Tensor::full({3}, 2);
  Tensor count = Tensor::scalar(5, DType::I64);
  Small() {
    add("weight", weight);
    add("bias", bias);
    add_buffer("count", count);
  }
};

std::vector<double> values_of(const Small& model) {
  std::vector<double> all;
  for (const float v : model.weight.to_vector<float>()) all.push_back(v);
  for (const float v : model.bias.to_vector<float>()) all.push_back(v);
  all.push_back(static_cast<double>(model.count.to_vector<std::int64_t>()[0]));
  return all;
}

// One of each kind of difference, bias renamed among them.
io::NamedTensors misfits() {
  return {{"weight", Tensor::zeros({2, 3, 2, 1})},
          {"offset", Tensor::zeros({3})},
          {"count", Tensor::scalar(7, DType::F64)}};
}

TEST(ModelFile, StrictListsEveryDifferenceAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  io::write_safetensors(path, misfits());
  Small model;
  const std::vector<double> before = values_of(model);
  try {
    load(model, path);
    FAIL() << "must refuse";
  } catch (const ValueError& error) {
    for (const std::string& text :
         {"[load] '" + path + "'",
          std::string("weight: expected shape (2,3,2,2), got (2,3,2,1)"),
          std::string("bias: missing"),
          std::string("count: expected dtype i64, got f64"),
          std::string("offset: not in this module")}) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }
  EXPECT_EQ(values_of(model), before);
}

TEST(ModelFile, LenientLoadsWhatFitsAndReturnsTheRest) {
  using Kind = StateDifference::Kind;
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  io::NamedTensors tensors = misfits();
  tensors.emplace_back("bias", Tensor::full({3}, -4));
  io::write_safetensors(path, tensors, {{"from", "elsewhere"}});
  Small model;
  LoadOptions lenient;
  lenient.strict = false;
  const LoadResult result = load(model, path, lenient);
  ASSERT_EQ(result.differences.size(), 3u);
  const auto expect = [&](std::size_t i, const char* name, Kind kind,
                          const char* expected, const char* got) {
    EXPECT_EQ(result.differences[i].name, name);
    EXPECT_EQ(result.differences[i].kind, kind);
    EXPECT_EQ(result.differences[i].expected, expected);
    EXPECT_EQ(result.differences[i].got, got);
  };
  expect(0, "weight", Kind::Shape, "(2,3,2,2)", "(2,3,2,1)");
  expect(1, "count", Kind::DType, "i64", "f64");
  expect(2, "offset", Kind::Extra, "", "");
  EXPECT_EQ(result.metadata.at("from"), "elsewhere");
  EXPECT_EQ(model.weight.to_vector<float>(), std::vector<float>(24, 1.0f));
  EXPECT_EQ(model.bias.to_vector<float>(), std::vector<float>(3, -4.0f));
  EXPECT_EQ(model.count.to_vector<std::int64_t>()[0], 5);
}

TEST(ModelFile, AFileThatFitsHasNoDifferences) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  Small saved;
  saved.weight.fill(9);
  save(saved, path, {{"mine", "note"}, {"format_version", "9"}});
  Small model;
  LoadOptions lenient;
  lenient.strict = false;
  const LoadResult result = load(model, path, lenient);
  EXPECT_TRUE(result.differences.empty());
  EXPECT_EQ(result.not_finite, 0);
  EXPECT_EQ(result.metadata.at("mine"), "note");
  EXPECT_EQ(result.metadata.at("format"), "pt");
  EXPECT_EQ(result.metadata.at("format_version"),
            "1");  // notes do not change it
  EXPECT_EQ(result.metadata.count("not_finite"), 0u);
  EXPECT_EQ(values_of(model), values_of(saved));
}

// Collects the events of one topic while it lives.
class Heard {
 public:
  Heard() {
    before_ = set_event_sink([this](const Event& event) {
      if (event.topic == "weights") messages.push_back(event.message);
    });
  }
  ~Heard() { set_event_sink(before_); }
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;

  std::vector<std::string> messages;

 private:
  EventSink before_;
};

TEST(ModelFile, WeightsThatAreNotFiniteAreCountedAndReported) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  Small model;
  float* weight = model.weight.mutable_data<float>();
  weight[3] = std::numeric_limits<float>::quiet_NaN();
  weight[5] = -std::numeric_limits<float>::infinity();
  model.bias.mutable_data<float>()[0] = std::numeric_limits<float>::infinity();
  Heard heard;
  save(model, path);
  ASSERT_EQ(heard.messages.size(), 1u);
  EXPECT_THAT(heard.messages[0], HasSubstr("3 elements"));
  EXPECT_THAT(heard.messages[0], HasSubstr("saved in '" + path));
  Small other;
  const LoadResult result = load(other, path);
  EXPECT_EQ(result.not_finite, 3);
  EXPECT_EQ(result.metadata.at("not_finite"), "3");
  ASSERT_EQ(heard.messages.size(), 2u);
  EXPECT_THAT(heard.messages[1], HasSubstr("3 elements"));
  EXPECT_THAT(heard.messages[1], HasSubstr("loaded from '" + path));
}

TEST(ModelFile, ALaterFormatVersionIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/m.safetensors";
  Small model;
  const std::vector<double> before = values_of(model);
  io::NamedTensors state = Small().state();
  io::write_safetensors(path, state,
                        {{"format_version", "2"}, {"mjolnir", "7.5"}});
  try {
    load(model, path);
    FAIL() << "must refuse";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("format version 2"));
    EXPECT_THAT(error.what(), HasSubstr("this build reads 1"));
    EXPECT_THAT(error.what(), HasSubstr("mjolnir 7.5"));
  }
  EXPECT_EQ(values_of(model), before);
  // Another program's key of that name is its own affair.
  io::write_safetensors(path, state, {{"format_version", "2"}});
  EXPECT_NO_THROW(load(model, path));
}

}  // namespace
}  // namespace mjolnir::train

#include <mjolnir/train/classifier.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/io/safetensors.h>
#include <mjolnir/train/model_file.h>
#include <mjolnir/train/program/predict_options.h>

#include "tests/train/files.h"

namespace mjolnir::train {
namespace {

using testing::HasSubstr;

using Metadata = std::map<std::string, std::string>;

Metadata notes() {
  return {{"model", "mlp"},
          {"width", "8"},
          {"data", "letters"},
          {"image", "[3,4,5]"},
          {"classes", "[\"a\",\"Ä \\\"b\\\"\",\"c\"]"},
          {"mean", "[0.5,0.25,-0.125]"},
          {"stddev", "[0.25,0.5,0]"}};
}

TEST(ClassifierInfo, IsReadFromMetadata) {
  const ClassifierInfo info = read_classifier_notes(notes(), "x");
  EXPECT_EQ(info.model, "mlp");
  EXPECT_EQ(info.width, 8);
  EXPECT_EQ(info.data, "letters");
  EXPECT_EQ(info.images.channels, 3);
  EXPECT_EQ(info.images.height, 4);
  EXPECT_EQ(info.images.width, 5);
  EXPECT_EQ(info.images.classes, 3);
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"a", "Ä \"b\"", "c"}));
  EXPECT_EQ(info.mean, (std::vector<double>{0.5, 0.25, -0.125}));
  EXPECT_EQ(info.stddev, (std::vector<double>{0.25, 0.5, 0.0}));
}

TEST(ClassifierInfo, IsWrittenAsItIsRead) {
  Metadata given = notes();
  given["stddev"] = "[0.25,0.5,0.0]";
  EXPECT_EQ(classifier_notes(read_classifier_notes(given, "x")), given);
}

TEST(ClassifierInfo, ADecimalCommaChangesNothing) {
  const TemporaryFolder folder;
  const Metadata written = classifier_notes(read_classifier_notes(notes(), ""));
  const TemporaryLocale comma(folder.path());
  if (!comma.active()) {
    GTEST_SKIP() << "no locale with a decimal comma can be made here";
  }
  const ClassifierInfo info = read_classifier_notes(notes(), "");
  EXPECT_EQ(info.mean, (std::vector<double>{0.5, 0.25, -0.125}));
  EXPECT_EQ(classifier_notes(info), written);
}

TEST(ClassifierInfo, IsThatOfTheDataSet) {
  TrainOptions o;
  o.data = "synthetic";
  o.model = "resnet8";
  o.width = 3;
  const data::Dataset training = load_data(resolved(o)).train;
  const ClassifierInfo info = classifier_info(resolved(o), training);
  EXPECT_EQ(info.model, "resnet8");
  EXPECT_EQ(info.width, 3);
  EXPECT_EQ(info.data, "synthetic");
  EXPECT_EQ(info.images.height, 28);
  EXPECT_EQ(info.class_names, training.class_names());
  EXPECT_EQ(info.mean, training.mean());
  EXPECT_EQ(info.stddev, training.stddev());
}

void expect_refused(const std::string& key, const char* value,
                    const std::string& word) {
  SCOPED_TRACE(key);
  Metadata metadata = notes();
  metadata.erase(key);
  if (value != nullptr) metadata[key] = value;
  try {
    read_classifier_notes(metadata, "some.file");
    ADD_FAILURE() << "accepted " << (value != nullptr ? value : "nothing");
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'some.file'"));
    EXPECT_THAT(error.what(), HasSubstr("\"" + key + "\""));
    EXPECT_THAT(error.what(), HasSubstr(word));
  }
}

TEST(ClassifierInfo, WhatIsMissingIsNamed) {
  for (const auto& [key, value] : notes()) {
    expect_refused(key, nullptr, "does not say");
  }
}

TEST(ClassifierInfo, WhatIsWrongIsNamed) {
  expect_refused("model", "vgg16", "one of resnet8, resnet20");
  expect_refused("width", "0", "an integer from 1 to 4096");
  expect_refused("width", "8.5", "got '8.5'");
  for (const char* image :
       {"", "28", "[3,4]", "[3,4,5,6]", "[2,4,5]", "[3,0,5]", "[3,4,5000]",
        "[3,4,-5]", "[3,4,5.5]", "[3,4,\"5\"]", "[3,4,1e400]", "[3,4,5",
        "{\"a\":1}", "[3,4,18446744073709551615]"}) {
    expect_refused("image", image, "[channels,height,width]");
  }
  for (const char* classes :
       {"[]", "[1]", "[\"a\",2]", "\"a\"", "[\"\xff\"]"}) {
    expect_refused("classes", classes, "at least one name");
  }
  for (const char* list : {"[0.5]", "[0.5,0.5,0.5,0.5]", "[0.5,0.5,null]",
                           "[0.5,0.5,NaN]", "[0.5,0.5,1e400]", "0.5"}) {
    expect_refused("mean", list, "a list of 3 numbers");
    expect_refused("stddev", list, "a list of 3 numbers");
  }
  expect_refused("stddev", "[0.5,0.5,-0.5]", "a list of 3 numbers");
  const std::string deep(100000, '[');
  expect_refused("classes", deep.c_str(), "at least one name");
}

// A run's model, its training images, and its file in a folder.
struct Trained {
  TrainOptions options;
  data::Dataset training;
  std::unique_ptr<Module> model;
  TemporaryFolder folder;
  std::string path = folder.path() + "/model.safetensors";

  static TrainOptions small() {
    TrainOptions o;
    o.data = "synthetic";
    o.model = "lenet5";
    o.width = 2;
    return resolved(o);
  }

  Trained() : options(small()), training(load_data(options).train) {
    Generator rng(5);
    model = make_model(options, training, rng);
    save(*model, path, classifier_notes(classifier_info(options, training)));
  }
};

// Image i of the training set as a picture (H,W,1).
Tensor picture(const Trained& run, std::int64_t i) {
  return reshape(run.training.image(i), {28, 28, 1});
}

// The shares that the network itself gives, through the loader of training.
TEST(Classifier, AnswersAsTheNetworkInTraining) {
  Trained run;
  run.model->eval();
  data::LoaderOptions batches;
  batches.batch = 3;
  data::Loader loader(run.training, batches);
  std::vector<float> shares;
  for (const auto& batch : loader) {
    shares = softmax((*run.model)(batch.images), 1).to_vector<float>();
    break;
  }
  for (const std::string& path : {run.path, run.folder.path()}) {
    Classifier classifier(path);
    EXPECT_EQ(classifier.info().model, "lenet5");
    for (std::int64_t i = 0; i < 3; ++i) {
      const auto all = classifier.predict(picture(run, i), 10);
      ASSERT_EQ(all.size(), 10u);
      for (std::size_t k = 0; k < all.size(); ++k) {
        EXPECT_EQ(all[k].name, "class " + std::to_string(all[k].label));
        // A batch of one may add up in another order.
        EXPECT_NEAR(all[k].probability,
                    shares[static_cast<std::size_t>(10 * i + all[k].label)],
                    1e-6);
        if (k > 0) {
          EXPECT_LE(all[k].probability, all[k - 1].probability);
        }
      }
    }
  }
}

TEST(Classifier, TellsAsManyClassesAsAreAsked) {
  Trained run;
  Classifier classifier(run.path);
  EXPECT_EQ(classifier.predict(picture(run, 0)).size(), 1u);
  EXPECT_EQ(classifier.predict(picture(run, 0), 3).size(), 3u);
  EXPECT_EQ(classifier.predict(picture(run, 0), 1000).size(), 10u);
}

TEST(Classifier, RefusesAFileOfAnotherNetwork) {
  Trained run;
  Metadata other = classifier_notes(classifier_info(run.options, run.training));
  other["width"] = "3";
  save(*run.model, run.path, other);
  try {
    Classifier classifier(run.path);
    FAIL() << "must refuse";
  } catch (const ValueError& error) {
    EXPECT_THAT(error.what(), HasSubstr(run.path));
    EXPECT_THAT(error.what(), HasSubstr("expected shape"));
  }
  save(*run.model, run.path);
  EXPECT_THROW(Classifier{run.path}, IoError);
  EXPECT_THROW(Classifier{run.folder.path() + "/none"}, IoError);
}

TEST(Classifier, AnAnswerThatIsNotFiniteIsAnError) {
  Trained run;
  run.model->parameters()[0].mutable_data<float>()[0] =
      std::numeric_limits<float>::quiet_NaN();
  save(*run.model, run.path,
       classifier_notes(classifier_info(run.options, run.training)));
  Classifier classifier(run.path);
  EXPECT_THROW(classifier.predict(picture(run, 0)), NumericalError);
}

PredictCommandLine parse(std::vector<const char*> words) {
  words.insert(words.begin(), "predict");
  return parse_predict_command_line(static_cast<int>(words.size()),
                                    words.data());
}

TEST(PredictOptions, FlagsAndImagesInAnyOrder) {
  const PredictOptions o = parse({"a.png", "--model", "m", "b.png", "--top",
                                  "3", "--threads=2", "c d.jpg"})
                               .options;
  EXPECT_EQ(o.model, "m");
  EXPECT_EQ(o.images, (std::vector<std::string>{"a.png", "b.png", "c d.jpg"}));
  EXPECT_EQ(o.top, 3);
  EXPECT_EQ(o.threads, 2);
  EXPECT_EQ(parse({"--model", "m", "a.png"}).options.top, 1);
  EXPECT_THAT(parse({"--help"}).message, HasSubstr("--top"));
  EXPECT_THAT(parse({"--help"}).message, HasSubstr("IMAGE"));
}

TEST(PredictOptions, MistakesAreNamed) {
  const auto refused = [](const std::vector<const char*>& words,
                          const char* text) {
    try {
      parse(words);
      ADD_FAILURE() << "accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  };
  refused({"a.png"}, "--model");
  refused({"--model", "m"}, "no image");
  refused({"--model", "m", "a.png", "--top", "0"}, "--top: expected");
  refused({"--model", "m", "a.png", "--tpo", "1"}, "did you mean '--top'");
  refused({"a.png", "--model"}, "--model: needs a value");
}

}  // namespace
}  // namespace mjolnir::train

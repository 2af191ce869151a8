#include "train/classifier.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops.h>
#include <mjolnir/data/loader.h>
#include <mjolnir/data/picture.h>
#include <mjolnir/io/safetensors.h>
#include <mjolnir/train/model_file.h>

#include "train/detail/text.h"

namespace mjolnir::train {

namespace {

using Json = nlohmann::json;
using Metadata = std::map<std::string, std::string>;

// Reads the notes of one file, one by one.
class Notes {
 public:
  Notes(const Metadata& metadata, const std::string& path)
      : metadata_(metadata), path_(path) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      throw IoError("[predict] '" + path_ + "' does not say its \"" + key +
                    "\" in its metadata: only files that ./mjolnir train "
                    "wrote say what network they are of");
    }
    return found->second;
  }

  [[noreturn]] void fail(const std::string& key,
                         const std::string& wanted) const {
    std::string value = text(key);
    if (value.size() > 60) value = value.substr(0, 60) + "...";
    throw IoError("[predict] '" + path_ + "' has metadata with \"" + key +
                  "\": expected " + wanted + ", got '" + value + "'");
  }

  std::int64_t integer(const std::string& key, std::int64_t low,
                       std::int64_t high) const {
    const auto value = detail::to_integer(text(key));
    if (!value || *value < low || *value > high) {
      fail(key, "an integer from " + std::to_string(low) + " to " +
                    std::to_string(high));
    }
    return *value;
  }

  template <class T>
  std::vector<T> array(const std::string& key,
                       const std::string& wanted) const {
    const Json json = Json::parse(text(key), nullptr, false);
    if (!json.is_array()) fail(key, wanted);
    std::vector<T> list;
    for (const Json& item : json) {
      const bool right = std::is_same_v<T, std::string> ? item.is_string()
                         : std::is_same_v<T, std::int64_t>
                             ? item.is_number_integer()
                             : item.is_number();
      if (!right) fail(key, wanted);
      list.push_back(item.get<T>());
    }
    return list;
  }

  std::vector<double> per_channel(const std::string& key, std::int64_t channels,
                                  bool negative) const {
    const std::string wanted =
        "a list of " + std::to_string(channels) + " numbers";
    const std::vector<double> list = array<double>(key, wanted);
    for (const double value : list) {
      if (!std::isfinite(value) || (value < 0 && !negative)) fail(key, wanted);
    }
    if (static_cast<std::int64_t>(list.size()) != channels) fail(key, wanted);
    return list;
  }

 private:
  const Metadata& metadata_;
  const std::string& path_;
};

// A folder stands for the model file in it.
std::string file_of(const std::string& path) {
  std::error_code none;
  return std::filesystem::is_directory(path, none) ? path + "/model.safetensors"
                                                   : path;
}

std::unique_ptr<Module> network(const ClassifierInfo& info) {
  TrainOptions options;
  options.model = info.model;
  options.width = info.width;
  options.optimizer = "sgd";
  Generator rng(1);
  return make_model(options, info.images, rng);
}

}  // namespace

ClassifierInfo classifier_info(const TrainOptions& options,
                               const data::Dataset& training) {
  ClassifierInfo info;
  info.model = options.model;
  info.width = *options.width;
  info.data = options.data;
  info.images = image_kind(training);
  info.class_names = training.class_names();
  info.mean = training.mean();
  info.stddev = training.stddev();
  return info;
}

Metadata classifier_notes(const ClassifierInfo& info) {
  const ImageKind& images = info.images;
  return {{"model", info.model},
          {"width", std::to_string(info.width)},
          {"data", info.data},
          {"image", Json{images.channels, images.height, images.width}.dump()},
          {"classes", Json(info.class_names).dump()},
          {"mean", Json(info.mean).dump()},
          {"stddev", Json(info.stddev).dump()}};
}

ClassifierInfo read_classifier_notes(const Metadata& metadata,
                                     const std::string& path) {
  const Notes notes(metadata, path);
  ClassifierInfo info;
  info.model = notes.text("model");
  const auto& names = model_names();
  if (std::find(names.begin(), names.end(), info.model) == names.end()) {
    notes.fail("model", "one of " + detail::join(names));
  }
  info.width = notes.integer("width", 1, 4096);
  info.data = notes.text("data");
  const std::string wanted = "[channels,height,width] of 1 or 3 channels";
  const auto image = notes.array<std::int64_t>("image", wanted);
  if (image.size() != 3 || (image[0] != 1 && image[0] != 3) || image[1] < 1 ||
      image[1] > 4096 || image[2] < 1 || image[2] > 4096) {
    notes.fail("image", wanted);
  }
  info.class_names =
      notes.array<std::string>("classes", "a list of at least one name");
  if (info.class_names.empty()) {
    notes.fail("classes", "a list of at least one name");
  }
  info.images = {image[0], image[1], image[2],
                 static_cast<std::int64_t>(info.class_names.size())};
  info.mean = notes.per_channel("mean", image[0], true);
  info.stddev = notes.per_channel("stddev", image[0], false);
  return info;
}

Classifier::Classifier(const std::string& path) {
  const std::string file = file_of(path);
  info_ = read_classifier_notes(io::read_safetensors_metadata(file), file);
  model_ = network(info_);
  load(*model_, file);
  model_->eval();
}

std::vector<Prediction> Classifier::predict(const Tensor& picture,
                                            std::int64_t top) {
  const ImageKind& images = info_.images;
  const Tensor pixels = data::fit_picture(
      picture, {images.channels, images.height, images.width});
  // A data set of one image, so that the loader normalises as in training.
  data::DatasetParts parts;
  parts.name = info_.data;
  parts.images =
      reshape(pixels, {1, images.channels, images.height, images.width});
  parts.labels = Tensor::from(std::vector<std::int64_t>{0}, {1});
  parts.class_names = info_.class_names;
  parts.mean = info_.mean;
  parts.stddev = info_.stddev;
  data::LoaderOptions one;
  one.batch = 1;
  one.workers = 0;
  data::Loader loader(data::Dataset(parts), one);
  const NoGrad guard;
  std::vector<Prediction> all;
  for (const auto& batch : loader) {
    const std::vector<float> shares =
        softmax((*model_)(batch.images), 1).to_vector<float>();
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (!std::isfinite(shares[i])) {
        throw NumericalError(
            "[predict] the network's answer is not finite; its parameters may "
            "be those of a run that diverged");
      }
      all.push_back({info_.class_names[i], static_cast<std::int64_t>(i),
                     static_cast<double>(shares[i])});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Prediction& a, const Prediction& b) {
                     return a.probability > b.probability;
                   });
  if (top < static_cast<std::int64_t>(all.size())) {
    all.resize(static_cast<std::size_t>(std::max<std::int64_t>(top, 0)));
  }
  return all;
}

}  // namespace mjolnir::train

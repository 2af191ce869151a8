#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <mjolnir/data/dataset.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/job.h>
#include <mjolnir/train/options.h>

namespace mjolnir::train {

/** What one must know to use the parameters of a classifier of images. */
struct ClassifierInfo {
  std::string model = {};  ///< As of --model.
  std::int64_t width = 0;  ///< As of --width.
  std::string data = {};   ///< Name of what it was trained on.
  ImageKind images = {};   ///< What it takes; as many classes as names.
  std::vector<std::string> class_names = {};
  /** Per channel, of pixels in [0,1]: how images are normalised. */
  std::vector<double> mean = {};
  std::vector<double> stddev = {};
};

/** The classifier of a run: options as resolved() gives them, and its training
 * images. */
ClassifierInfo classifier_info(const TrainOptions& options,
                               const data::Dataset& training);

/** The information as notes of save(): "model", "width", "data", "image" (the
 * JSON array [channels,height,width]), "classes", "mean" and "stddev" (JSON
 * arrays). */
std::map<std::string, std::string> classifier_notes(const ClassifierInfo& info);

/** Back from the metadata of a file, whose path is for the message. Throws
 * IoError that names what is missing or wrong. */
ClassifierInfo read_classifier_notes(
    const std::map<std::string, std::string>& metadata,
    const std::string& path);

/** A class and how likely it is. */
struct Prediction {
  std::string name = {};
  std::int64_t label = 0;
  double probability = 0.0;
};

/** A trained network with all that it takes to use it. */
class Classifier {
 public:
  /** Reads a model.safetensors of a run, or that of the run's folder. Throws
   * IoError for a file that is none, or does not say which network it is of,
   * ValueError if its tensors are not that network's. */
  explicit Classifier(const std::string& path);

  /** What the file says about itself. */
  const ClassifierInfo& info() const noexcept { return info_; }

  /** The network, in evaluation mode. */
  Module& model() noexcept { return *model_; }

  /** The `top` likeliest classes of a picture, U8 (H,W,C) of any size as
   * io::read_image() gives it, likeliest first. The picture is made to fit by
   * data::fit_picture() and normalised as in training. */
  std::vector<Prediction> predict(const Tensor& picture, std::int64_t top = 1);

 private:
  ClassifierInfo info_;
  std::unique_ptr<Module> model_;
};

}  // namespace mjolnir::train

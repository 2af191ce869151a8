#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mjolnir/data/dataset.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/train/report/predictions.h>

namespace mjolnir::train::detail {

/** The filters of the first layer, a tile each: of a convolution of 1 or 3
 * channels, or of a dense layer on such images; of another number of channels
 * a tile per channel. 0 is middle grey and the largest magnitude black or
 * white. "" for a model with neither. */
std::string filters_figure(const Module& model, const data::Dataset& images);

/** What was taken for what: a table of up to 20 classes, else a picture, and
 * the pairs that were mixed up most often. `of` names the images. */
std::string confusion_figure(const Predictions& predictions,
                             const std::vector<std::string>& classes,
                             const std::string& of);

/** The images of the worst mistakes, with what the model took them for. */
std::string mistakes_figure(const Predictions& predictions,
                            const data::Dataset& images, const std::string& of);

}  // namespace mjolnir::train::detail

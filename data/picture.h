#pragma once

#include <cstdint>

#include <mjolnir/core/tensor.h>

namespace mjolnir::data {

/** What the images of a data set look like. */
struct PictureSize {
  std::int64_t channels = 3;  ///< 1 grey, 3 RGB.
  std::int64_t height = 32;
  std::int64_t width = 32;
};

/**
 * Makes a picture, U8 (H,W,C) as io::read_image() gives it, look like the
 * images of a data set: U8 (channels,height,width). Transparency is blended
 * with white; colours become grey by 0.299 R + 0.587 G + 0.114 B, grey becomes
 * three equal channels; the largest centred part with the right proportions is
 * cut out and resized by a triangle filter, which averages where it shrinks and
 * interpolates where it enlarges. A picture of that size and kind keeps every
 * pixel. Throws ShapeError or ValueError for another tensor or size.
 */
Tensor fit_picture(const Tensor& picture, const PictureSize& size);

}  // namespace mjolnir::data

#pragma once

#include <optional>
#include <string>
#include <utility>

#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/module.h>

namespace mjolnir::train {

/** Weights of the first layer of a model, with their name, as (O,C,kh,kw): a
 * convolution's, or those of a dense layer on images of shape `sample`
 * (C,H,W). Nothing for a model with neither. */
std::optional<std::pair<std::string, Tensor>> first_filters(
    const Module& model, const Shape& sample);

/**
 * Filters (O,C,kh,kw) as a picture, U8 (H,W,3) for C = 3 and (H,W,1) else:
 * for C = 1 or 3 a tile per filter, in rows of about as many as there are
 * rows; for another C a row of C tiles per filter. 256 tiles at most are
 * shown, the first. 0 is middle grey, and the
 * largest magnitude of all black or white; pixels are enlarged to tiles of
 * about 24, with 2 white ones between. NaN is black. Throws ShapeError for
 * another rank or no element, ValueError for integers.
 */
Tensor filter_picture(const Tensor& filters);

}  // namespace mjolnir::train

#pragma once

#include <cstdint>
#include <functional>

#include <mjolnir/core/random.h>

namespace mjolnir::data {

/** The pixels of one image, in memory order (height, width, channels). */
struct ImageView {
  std::uint8_t* pixels = nullptr;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;
};

/** Random changes of training images, on bytes, in this order. */
struct AugmentOptions {
  /** Pads every side by so many black pixels, then crops at random to the
   * size before; 0 switches it off. */
  std::int64_t crop_padding = 0;
  /** Mirrors left and right with probability one half. */
  bool flip = false;
  /** Paints a square of this side, centred on a random pixel and cut at the
   * borders, in the mean colour (DeVries, Taylor, arXiv:1708.04552). */
  std::int64_t cutout = 0;
  /** Your own, last; called by several threads at a time. Use `rng` alone for
   * randomness, and batches are the same for any number of workers. */
  std::function<void(const ImageView& image, Generator& rng)> custom = {};
};

/** What was drawn for one image. */
struct Placement {
  std::int64_t shift_y = 0;  ///< out(y, x) = in(y + shift_y, x + shift_x).
  std::int64_t shift_x = 0;
  bool flip = false;          ///< Of the shifted image.
  std::int64_t cutout = 0;    ///< Side of the square; 0 for none.
  std::int64_t cutout_y = 0;  ///< Its centre: it covers rows
  std::int64_t cutout_x = 0;  ///< [y - side/2, y - side/2 + side).
};

/** Draws a placement for an image of that size. */
Placement draw_placement(const AugmentOptions& options, std::int64_t height,
                         std::int64_t width, Generator& rng);

/**
 * Writes the placed image: out (out.height,out.width,C) from the pixels `in`
 * (height,width,C), which lie at row `top` and column `left` of a black frame
 * of out's size before they are shifted. `fill` is the colour of the cutout,
 * one byte a channel.
 */
void place_image(const std::uint8_t* in, std::int64_t height,
                 std::int64_t width, std::int64_t top, std::int64_t left,
                 const Placement& placement, const std::uint8_t* fill,
                 const ImageView& out);

}  // namespace mjolnir::data

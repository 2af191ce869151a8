#pragma once

#include <cstdint>

#include <mjolnir/data/dataset.h>

namespace mjolnir::data {

/** A made-up classification task; see synthetic(). */
struct SyntheticOptions {
  std::int64_t samples = 1024;
  std::int64_t channels = 3;
  std::int64_t height = 32;
  std::int64_t width = 32;
  std::int64_t classes = 10;
  /** Standard deviation of the noise, in bytes; the pictures of the classes
   * span about 64 to 192. */
  double noise = 32;
  /** Each image is shifted by up to so many pixels each way, cyclically. */
  std::int64_t shift = 2;
  /** What the classes look like. */
  std::uint64_t seed = 0;
  /** Which samples are drawn of them: 0 to train, another number to test. */
  std::uint64_t part = 0;
};

/**
 * Images that can be learnt, from nothing: each class is a smooth random
 * pattern, each sample that pattern shifted, plus noise. The classes come in
 * turn. The same options give the same images in every run. Throws
 * ValueError or ShapeError for an option out of range.
 */
Dataset synthetic(const SyntheticOptions& options = {});

}  // namespace mjolnir::data

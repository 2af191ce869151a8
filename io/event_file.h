#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <mjolnir/core/tensor.h>
#include <mjolnir/io/file.h>
#include <mjolnir/io/histogram.h>

namespace mjolnir::io {

/** A picture as an event file holds it. */
struct EventImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;  ///< 1 grey, 3 RGB, 4 RGB and opacity.
  Bytes png;                  ///< A whole PNG file.
};

/** Options of EventFile. */
struct EventFileOptions {
  /** Where a run goes on, the first step of it: TensorBoard then forgets what
   * older files of the folder say of this step and later ones. Below 0: it
   * begins. */
  std::int64_t first_step = -1;
  /** Seconds since 1970, of each record; empty: the system's clock. */
  std::function<double()> clock = {};
};

/**
 * A file of curves, histograms and pictures for TensorBoard
 * (https://github.com/tensorflow/tensorboard): records, each with two
 * checksums. Every call appends one record with one system call, so that a
 * killed process leaves whole records, or at worst a torn one at the end,
 * which readers expect. Tags group by slashes, as in "train/loss".
 */
class EventFile {
 public:
  /** Makes events.out.tfevents.<seconds>.<host>.<process>.<number> in a folder,
   * which is made too. Throws IoError. */
  explicit EventFile(const std::string& folder,
                     const EventFileOptions& options = {});
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /** A point of a curve, rounded to a float; NaN and infinities stay. The
   * five throw IoError if the record cannot be written; after that, and after
   * close(), nothing more is. */
  void add_scalar(const std::string& tag, double value, std::int64_t step);
  /** Where values lie. */
  void add_histogram(const std::string& tag, const Histogram& histogram,
                     std::int64_t step);
  /** histogram_of() the elements. */
  void add_histogram(const std::string& tag, const Tensor& values,
                     std::int64_t step);
  /** A picture that is a PNG file already. Throws ValueError unless height,
   * width and channels are above 0 and `png` is not empty. */
  void add_image(const std::string& tag, const EventImage& image,
                 std::int64_t step);

  /** The same of pixels, as encode_png() takes them: U8 (H,W,C). */
  void add_image(const std::string& tag, const Tensor& pixels,
                 std::int64_t step);

  /** Closes the file; throws IoError. The destructor closes silently. */
  void close();

  /** Path of the file. */
  const std::string& path() const noexcept { return path_; }

 private:
  void append(const std::string& record);

  std::string path_;
  std::function<double()> clock_;
  int descriptor_ = -1;
};

}  // namespace mjolnir::io

#include <mjolnir/io/image.h>

#include <mjolnir/io/jpeg.h>
#include <mjolnir/io/png.h>

namespace mjolnir::io {

Tensor read_image(const std::string& path) {
  const Bytes bytes = read_file(path);
  if (is_png(bytes)) return decode_png(bytes, path);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, path);
  throw IoError("[image] '" + path + "' is neither a PNG nor a JPEG file");
}

}  // namespace mjolnir::io

#include <mjolnir/io/jpeg.h>

#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h wants FILE

#include <jpeglib.h>

namespace mjolnir::io {
namespace {

constexpr int most_scans = 500;  // a few kilobytes can ask for many more

// libjpeg leaves an error by longjmp: no object with a destructor may live
// between a call of it and the setjmp of that function.
class Reader {
 public:
  Reader() = default;
  ~Reader() {
    if (created_) jpeg_destroy_decompress(&info_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /** Reads the header; false on an error. */
  bool start(const std::uint8_t* bytes, std::size_t size) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = leave;
    errors_.emit_message = note;
    info_.client_data = this;
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);
    created_ = true;
    progress_.progress_monitor = count_scans;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes, static_cast<unsigned long>(size));
    jpeg_read_header(&info_, TRUE);
    info_.out_color_space =
        info_.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    return true;
  }

  /** Unpacks everything into (H,W,C); false on an error. */
  bool finish(std::uint8_t* out) {
    if (setjmp(jump_) != 0) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = out + std::size_t{info_.output_scanline} *
                               info_.output_width * channels();
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return message_[0] == '\0';
  }

  std::size_t height() const { return info_.image_height; }
  std::size_t width() const { return info_.image_width; }
  std::size_t channels() const {
    return info_.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  }
  bool cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK ||
           info_.jpeg_color_space == JCS_YCCK;
  }
  const char* message() const { return message_; }

 private:
  static Reader& of(j_common_ptr info) {
    return *static_cast<Reader*>(info->client_data);
  }

  static void leave(j_common_ptr info) {
    info->err->format_message(info, of(info).message_);
    std::longjmp(of(info).jump_, 1);
  }

  // A negative level is a warning: the file is damaged, and libjpeg goes on
  // with what it makes of it. The first one is kept.
  static void note(j_common_ptr info, int level) {
    if (level < 0 && of(info).message_[0] == '\0') {
      info->err->format_message(info, of(info).message_);
    }
  }

  static void count_scans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number >
        most_scans) {
      std::snprintf(of(info).message_, sizeof of(info).message_,
                    "it has more than %d scans", most_scans);
      std::longjmp(of(info).jump_, 1);
    }
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = {};
  bool created_ = false;
};

}  // namespace

bool is_jpeg(const Bytes& bytes) noexcept {
  return bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 &&
         bytes[2] == 0xff;
}

Tensor decode_jpeg(const Bytes& bytes, const std::string& name,
                   std::size_t limit) {
  const auto fail = [&name](const std::string& reason) {
    throw IoError("[jpeg] '" + name + "' " + reason);
  };
  if (!is_jpeg(bytes)) fail("is not a JPEG file");
  Reader reader;
  if (!reader.start(bytes.data(), bytes.size())) {
    fail("cannot be read: " + std::string(reader.message()));
  }
  if (reader.cmyk()) fail("holds CMYK colours, which are not read");
  const std::size_t size = reader.height() * reader.width() * reader.channels();
  if (size > limit) {
    fail("would unpack to " + std::to_string(size) + " bytes, more than " +
         std::to_string(limit));
  }
  TensorOptions options;
  options.dtype = DType::U8;
  const Tensor out =
      Tensor::empty({static_cast<std::int64_t>(reader.height()),
                     static_cast<std::int64_t>(reader.width()),
                     static_cast<std::int64_t>(reader.channels())},
                    options);
  if (!reader.finish(out.mutable_data<std::uint8_t>())) {
    fail("is damaged: " + std::string(reader.message()));
  }
  return out;
}

}  // namespace mjolnir::io

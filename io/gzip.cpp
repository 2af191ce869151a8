#include <mjolnir/io/gzip.h>

#include <zlib.h>

#include <algorithm>
#include <new>

namespace mjolnir::io {
namespace {

struct Inflater {
  z_stream stream{};
  Inflater() {
    // 15 bits of window, +16: gzip and nothing else.
    if (inflateInit2(&stream, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

}  // namespace

bool is_gzip(const Bytes& bytes) noexcept {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

Bytes gunzip(const Bytes& packed, const std::string& name, std::size_t limit) {
  const auto fail = [&](const std::string& reason) {
    throw IoError("[gzip] '" + name + "' " + reason);
  };
  if (!is_gzip(packed)) fail("is not a gzip file");
  Inflater inflater;
  z_stream& z = inflater.stream;
  Bytes out(std::min(limit, 4 * packed.size()) + 1);
  std::size_t used = 0;    // of packed
  std::size_t filled = 0;  // of out
  // zlib counts in unsigned int, so both sides go in pieces.
  constexpr std::size_t piece = std::size_t{1} << 30;
  while (true) {
    if (filled == out.size()) out.resize(2 * out.size());
    z.next_in = const_cast<Bytef*>(packed.data() + used);
    z.avail_in = static_cast<uInt>(std::min(piece, packed.size() - used));
    z.next_out = out.data() + filled;
    z.avail_out = static_cast<uInt>(std::min(piece, out.size() - filled));
    const uInt in = z.avail_in;
    const uInt room = z.avail_out;
    const int status = inflate(&z, Z_NO_FLUSH);
    used += in - z.avail_in;
    filled += room - z.avail_out;
    if (filled > limit) {
      fail("unpacks to more than " + std::to_string(limit) + " bytes");
    }
    if (status == Z_STREAM_END) {
      if (used == packed.size()) break;
      inflateReset(&z);
    } else if (status == Z_BUF_ERROR && used == packed.size()) {
      fail("is truncated");
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      const std::string detail = z.msg != nullptr ? z.msg : "unknown";
      fail("is damaged after " + std::to_string(used) + " bytes: " + detail);
    }
  }
  out.resize(filled);
  return out;
}

}  // namespace mjolnir::io

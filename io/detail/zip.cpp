#include "io/detail/zip.h"

#include <zip.h>

#include <cstdint>
#include <new>

#include <mjolnir/core/error.h>

namespace mjolnir::io::detail {
namespace {

// A byte of deflate gives at most this many (RFC 1951: two bits for a match of
// 258 bytes).
constexpr std::uint64_t best_ratio = 1032;
constexpr std::uint16_t first_date = (1 << 5) | 1;  // 1 January 1980

struct Error {
  zip_error_t value{};
  Error() { zip_error_init(&value); }
  ~Error() { zip_error_fini(&value); }
  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;
  std::string text() { return zip_error_strerror(&value); }
};

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct Free {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

struct ZipReader::Archive {
  std::unique_ptr<zip_t, Discard> zip;
};

void ZipReader::fail(const std::string& reason) const {
  throw IoError("[npz] '" + file_ + "' " + reason);
}

ZipReader::ZipReader(const Bytes& bytes, const std::string& file)
    : archive_(std::make_unique<Archive>()), file_(file) {
  if (bytes.empty()) fail("is not a ZIP archive: it is empty");
  Error error;
  std::unique_ptr<zip_source_t, Free> source(
      zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error.value));
  if (!source) throw std::bad_alloc();
  archive_->zip.reset(
      zip_open_from_source(source.get(), ZIP_RDONLY, &error.value));
  if (!archive_->zip) fail("is not a ZIP archive: " + error.text());
  source.release();  // now the archive's
  zip_t* zip = archive_->zip.get();
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(zip, 0));
  for (std::uint64_t i = 0; i < count; ++i) {
    zip_stat_t info;
    zip_stat_init(&info);
    constexpr std::uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE |
                                     ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD |
                                     ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(zip, i, ZIP_FL_ENC_GUESS, &info) != 0 ||
        (info.valid & wanted) != wanted) {
      fail("is damaged: " + std::string(zip_strerror(zip)));
    }
    const std::string what = "'" + std::string(info.name) + "'";
    if (info.encryption_method != ZIP_EM_NONE)
      fail("has " + what + " encrypted");
    const bool stored = info.comp_method == ZIP_CM_STORE;
    if (!stored && info.comp_method != ZIP_CM_DEFLATE) {
      fail("has " + what + " packed by method " +
           std::to_string(info.comp_method) + "; stored and deflate are read");
    }
    if (info.comp_size > bytes.size() ||
        info.size > info.comp_size * (stored ? 1 : best_ratio)) {
      fail("claims " + std::to_string(info.size) + " bytes for " + what +
           ", which cannot come from " + std::to_string(info.comp_size) +
           " packed ones");
    }
    members_.push_back({info.name, info.size, info.comp_size});
  }
}

ZipReader::~ZipReader() = default;

Bytes ZipReader::read(std::size_t index) const {
  const Member& member = members_.at(index);
  zip_t* zip = archive_->zip.get();
  const auto damaged = [&](const char* reason) {
    fail("has '" + member.name + "' damaged: " + reason);
  };
  const std::unique_ptr<zip_file_t, CloseFile> file(
      zip_fopen_index(zip, index, 0));
  if (!file) damaged(zip_strerror(zip));
  Bytes bytes(static_cast<std::size_t>(member.size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const zip_int64_t got =
        zip_fread(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0) damaged(zip_file_strerror(file.get()));
    if (got == 0) damaged("it is too short");
    filled += static_cast<std::size_t>(got);
  }
  // The read that finds the end also compares the checksum.
  char beyond = 0;
  const zip_int64_t more = zip_fread(file.get(), &beyond, 1);
  if (more < 0) damaged(zip_file_strerror(file.get()));
  if (more > 0) damaged("it is longer than it claims");
  return bytes;
}

Bytes zip(const std::vector<std::pair<std::string, Bytes>>& members,
          bool compress) {
  if (members.empty()) {
    // What an archive without members is: the end of its directory alone.
    Bytes end = {'P', 'K', 5, 6};
    end.resize(22);
    return end;
  }
  Error error;
  const auto check = [](bool fine, const std::string& reason) {
    if (!fine) throw IoError("[npz] cannot pack: " + reason);
  };
  const std::unique_ptr<zip_source_t, Free> out(
      zip_source_buffer_create(nullptr, 0, 0, &error.value));
  check(out != nullptr, error.text());
  std::unique_ptr<zip_t, Discard> archive(
      zip_open_from_source(out.get(), ZIP_CREATE | ZIP_TRUNCATE, &error.value));
  check(archive != nullptr, error.text());
  zip_source_keep(out.get());  // once for the archive, once for us
  for (const auto& [name, content] : members) {
    zip_source_t* source =
        zip_source_buffer(archive.get(), content.data(), content.size(), 0);
    check(source != nullptr, zip_strerror(archive.get()));
    const zip_int64_t index =
        zip_file_add(archive.get(), name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) zip_source_free(source);
    check(index >= 0, "'" + name + "': " + zip_strerror(archive.get()));
    const auto at = static_cast<zip_uint64_t>(index);
    check(zip_set_file_compression(archive.get(), at,
                                   compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE,
                                   0) == 0 &&
              zip_file_set_dostime(archive.get(), at, 0, first_date, 0) == 0,
          zip_strerror(archive.get()));
  }
  check(zip_close(archive.get()) == 0, zip_strerror(archive.get()));
  archive.release();
  zip_stat_t info;
  zip_stat_init(&info);
  check(
      zip_source_stat(out.get(), &info) == 0 && zip_source_open(out.get()) == 0,
      zip_error_strerror(zip_source_error(out.get())));
  Bytes bytes(static_cast<std::size_t>(info.size));
  const zip_int64_t got =
      zip_source_read(out.get(), bytes.data(), bytes.size());
  zip_source_close(out.get());
  check(got == static_cast<zip_int64_t>(bytes.size()),
        "the archive is cut off");
  return bytes;
}

}  // namespace mjolnir::io::detail

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/io/file.h>

namespace mjolnir::io::detail {

/** A ZIP archive in memory, read member by member. Every call throws IoError
 * with the file's name. */
class ZipReader {
 public:
  struct Member {
    std::string name;
    std::uint64_t size = 0;    // unpacked
    std::uint64_t packed = 0;  // bytes in the archive
  };

  /** Lists the members; unpacks nothing. `bytes` and `file` must outlive it.
   * Refuses members that are encrypted, packed by something else than deflate,
   * or larger than what their packed bytes can hold. */
  ZipReader(const Bytes& bytes, const std::string& file);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::vector<Member>& members() const noexcept { return members_; }
  /** The content of a member, whose checksum is verified. */
  Bytes read(std::size_t index) const;

 private:
  [[noreturn]] void fail(const std::string& reason) const;

  struct Archive;
  std::unique_ptr<Archive> archive_;
  const std::string& file_;
  std::vector<Member> members_;
};

/** A ZIP archive of these members, dated 1980 so that equal content gives equal
 * bytes. */
Bytes zip(const std::vector<std::pair<std::string, Bytes>>& members,
          bool compress);

}  // namespace mjolnir::io::detail

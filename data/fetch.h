#pragma once

#include <functional>
#include <string>
#include <vector>

#include <mjolnir/data/sources.h>

namespace mjolnir::data {

/** How fetch() reaches the world; the library itself opens no connection. */
struct FetchTools {
  /** Downloads `url` to the file `path`; false if it cannot. */
  std::function<bool(const std::string& url, const std::string& path)>
      download = {};
  /** Unpacks an archive, .tar.gz or .tar.xz, into `folder`, without the folder
   * in it; false if it cannot. */
  std::function<bool(const std::string& archive, const std::string& folder)>
      unpack = {};
};

/**
 * Addresses for fetch() of a folder that somebody filled by hand: with the
 * archive, as it is downloaded or packed by xz, with the files themselves, or
 * with the data set's folder.
 */
std::vector<std::string> local_addresses(const Source& source,
                                         const std::string& folder);

/**
 * Downloads a data set into `folder`: tries `urls` (as in Source::urls) one
 * after the other, checks every file by SHA-256, and only then moves them to
 * `folder`; on failure no folder is left behind. Throws ValueError for a
 * source we do not download, IoError for a file that differs, or if no address
 * answers: it then says what to do by hand.
 */
void fetch(const Source& source, const std::string& folder,
           const std::vector<std::string>& urls, const FetchTools& tools);

}  // namespace mjolnir::data

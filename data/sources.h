#pragma once

#include <string>
#include <vector>

#include <mjolnir/core/error.h>

namespace mjolnir::data {

/** One file of a data set as it is downloaded. */
struct SourceFile {
  std::string name;
  std::string sha256;
};

/** Where the files of a known data set come from and what they are called. */
struct Source {
  std::string name;                  ///< As in `--data`, e.g. "cifar10".
  std::vector<std::string> folders;  ///< Names of its folder under a root.
  std::vector<SourceFile> files;     ///< Empty: not downloaded by us.
  /** An archive (ends in .tar.gz or .tar.xz), or folders (end in /) that hold
   * `files`; each is tried until one answers. */
  std::vector<std::string> urls;
  std::string advice;  ///< How to get it, for the message "not found".
};

/** Every known data set. */
const std::vector<Source>& sources();

/** The one of that name; throws ValueError that lists the names. */
const Source& source(const std::string& name);

/**
 * Every folder that is looked in for a data set, in order. With `directory`:
 * it and the data set's folder in it, nothing else. Without: the same under
 * the environment variable MJOLNIR_DATA_DIR; then `mjolnir/<folder>` under
 * XDG_DATA_HOME (or ~/.local/share); then /usr/local/share/datasets and
 * /usr/share/datasets.
 */
std::vector<std::string> places(const Source& source,
                                const std::string& directory = {});

/**
 * Paths of `files`, each as it is or with ".gz", in the first of these
 * places that has any of them. Throws
 * IoError that lists every place and how to get the files, or, if that place
 * has only some, names the missing ones.
 */
std::vector<std::string> locate(const Source& source,
                                const std::vector<std::string>& files,
                                const std::string& directory = {});

/** Where `./mjolnir data` puts a data set: the XDG place above. Throws IoError
 * if neither XDG_DATA_HOME nor HOME is set. */
std::string install_folder(const Source& source);

/** Checks every file of the source in `folder` against its SHA-256; throws
 * IoError that names the first one that is missing or differs. */
void verify(const Source& source, const std::string& folder);

}  // namespace mjolnir::data

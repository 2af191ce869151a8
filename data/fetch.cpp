#include <mjolnir/data/fetch.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <mjolnir/io/file.h>

namespace mjolnir::data {
namespace {

namespace fs = std::filesystem;

bool is_archive(const std::string& url) {
  for (const std::string ending : {".tar.gz", ".tar.xz"}) {
    if (url.size() > ending.size() &&
        url.compare(url.size() - ending.size(), ending.size(), ending) == 0) {
      return true;
    }
  }
  return false;
}

// A folder beside the target that goes away again, whatever happens, and with
// it the folders above it that were made for it and are empty.
class Workplace {
 public:
  explicit Workplace(std::string path) : path_(std::move(path)) {
    clear();
    std::error_code ignored;
    for (fs::path above = fs::path(path_).parent_path();
         !above.empty() && !fs::exists(above, ignored);
         above = above.parent_path()) {
      made_.push_back(above);
    }
    io::make_directories(path_);
  }
  ~Workplace() {
    clear();
    std::error_code ignored;
    for (const fs::path& above : made_) fs::remove(above, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const std::string& path() const { return path_; }

 private:
  void clear() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string path_;
  std::vector<fs::path> made_;  // the deepest first
};

bool download_from(const Source& source, const std::string& url,
                   const std::string& folder, const FetchTools& tools) {
  if (is_archive(url)) {
    const std::string archive = folder + "/archive";
    return tools.download(url, archive) && tools.unpack(archive, folder);
  }
  for (const SourceFile& file : source.files) {
    if (!tools.download(url + file.name, folder + "/" + file.name)) {
      return false;
    }
  }
  return true;
}

std::string by_hand(const Source& source) {
  const std::string& url = source.urls.front();
  std::string text = "By hand: on a machine with a network, download";
  if (is_archive(url)) {
    text += "\n  " + url;
  } else {
    for (const SourceFile& file : source.files) {
      text += "\n  " + url + file.name;
    }
  }
  return text + "\nto a folder, and give it here: ./mjolnir data " +
         source.name + " --from FOLDER";
}

}  // namespace

std::vector<std::string> local_addresses(const Source& source,
                                         const std::string& folder) {
  std::vector<std::string> addresses;
  for (const std::string& url : source.urls) {
    const std::string archive = folder + url.substr(url.rfind('/'));
    const std::size_t ending = archive.rfind(".gz");
    if (url.back() == '/' || ending == std::string::npos) continue;
    addresses.push_back(archive);
    addresses.push_back(archive.substr(0, ending) + ".xz");
  }
  addresses.push_back(folder + "/");
  for (const std::string& name : source.folders) {
    addresses.push_back(folder + "/" + name + "/");
  }
  return addresses;
}

void fetch(const Source& source, const std::string& folder,
           const std::vector<std::string>& urls, const FetchTools& tools) {
  if (source.urls.empty()) {
    throw ValueError("[data] '" + source.name +
                     "' is not downloaded by us: " + source.advice);
  }
  const Workplace workplace(folder + ".partial");
  std::string tried;
  bool done = false;
  for (const std::string& url : urls) {
    tried += "\n  " + url;
    done = download_from(source, url, workplace.path(), tools);
    if (done) break;
  }
  if (!done) {
    throw IoError("[data] cannot download '" + source.name +
                  "'; tried:" + tried + "\n" + by_hand(source));
  }
  verify(source, workplace.path());
  io::make_directories(folder);
  for (const SourceFile& file : source.files) {
    std::error_code error;
    fs::rename(workplace.path() + "/" + file.name, folder + "/" + file.name,
               error);
    if (error) {
      throw IoError("[data] cannot move '" + file.name + "' to '" + folder +
                    "': " + error.message());
    }
  }
}

}  // namespace mjolnir::data

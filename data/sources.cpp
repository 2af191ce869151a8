#include <mjolnir/data/sources.h>

#include <cstdlib>
#include <utility>

#include <mjolnir/io/file.h>
#include <mjolnir/io/sha256.h>

namespace mjolnir::data {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// "" if there is no home.
std::string user_root() {
  std::string root = environment("XDG_DATA_HOME");
  if (root.empty()) {
    root = environment("HOME");
    if (root.empty()) return "";
    root += "/.local/share";
  }
  return root + "/mjolnir";
}

// `path`, or `path`.gz, or "" if neither is there.
std::string present(const std::string& path) {
  if (io::file_exists(path)) return path;
  return io::file_exists(path + ".gz") ? path + ".gz" : "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

Source mnist() {
  Source s;
  s.name = "mnist";
  s.folders = {"mnist"};
  s.files = {
      {"train-images-idx3-ubyte.gz",
       "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
      {"train-labels-idx1-ubyte.gz",
       "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
      {"t10k-images-idx3-ubyte.gz",
       "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
      {"t10k-labels-idx1-ubyte.gz",
       "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}};
  s.urls = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/"};
  s.advice = "./mjolnir data mnist downloads it";
  return s;
}

Source fashion_mnist() {
  Source s;
  s.name = "fashion-mnist";
  s.folders = {"fashion-mnist"};
  s.advice =
      "apt-get install dataset-fashion-mnist installs it on Debian; elsewhere "
      "take the four files from "
      "https://github.com/zalandoresearch/fashion-mnist";
  return s;
}

Source cifar10() {
  Source s;
  s.name = "cifar10";
  s.folders = {"cifar-10-batches-bin", "cifar10"};
  s.files = {
      {"data_batch_1.bin",
       "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
      {"data_batch_2.bin",
       "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
      {"data_batch_3.bin",
       "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
      {"data_batch_4.bin",
       "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
      {"data_batch_5.bin",
       "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
      {"test_batch.bin",
       "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
      {"batches.meta.txt",
       "558e74b5e208382e186da55784b4bac2cd52e558448e1b5800990fdb28ed8033"}};
  s.urls = {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"};
  s.advice = "./mjolnir data cifar10 downloads it";
  return s;
}

Source cifar100() {
  Source s;
  s.name = "cifar100";
  s.folders = {"cifar-100-binary", "cifar100"};
  s.advice =
      "unpack https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz in one "
      "of them";
  return s;
}

}  // namespace

const std::vector<Source>& sources() {
  static const std::vector<Source> all = {fashion_mnist(), mnist(), cifar10(),
                                          cifar100()};
  return all;
}

const Source& source(const std::string& name) {
  std::vector<std::string> names;
  for (const Source& s : sources()) {
    if (s.name == name) return s;
    names.push_back(s.name);
  }
  throw ValueError("[data] unknown data set '" + name +
                   "', expected one of: " + joined(names));
}

std::vector<std::string> places(const Source& source,
                                const std::string& directory) {
  std::vector<std::string> out;
  const auto add_under = [&](const std::string& root, bool and_root) {
    for (const std::string& folder : source.folders) {
      out.push_back(root + "/" + folder);
    }
    if (and_root) out.push_back(root);
  };
  if (!directory.empty()) {
    add_under(directory, true);
    return out;
  }
  const std::string own = environment("MJOLNIR_DATA_DIR");
  if (!own.empty()) add_under(own, true);
  const std::string user = user_root();
  if (!user.empty()) add_under(user, false);
  add_under("/usr/local/share/datasets", false);
  add_under("/usr/share/datasets", false);
  return out;
}

std::vector<std::string> locate(const Source& source,
                                const std::vector<std::string>& files,
                                const std::string& directory) {
  const std::vector<std::string> folders = places(source, directory);
  for (const std::string& folder : folders) {
    std::vector<std::string> found, missing;
    for (const std::string& file : files) {
      std::string path = present(folder + "/" + file);
      if (path.empty()) {
        missing.push_back(file);
      } else {
        found.push_back(std::move(path));
      }
    }
    if (missing.empty()) return found;
    if (!found.empty()) {
      throw IoError("[" + source.name + "] '" + folder + "' lacks " +
                    joined(missing));
    }
  }
  std::string message = "[" + source.name + "] cannot find " + joined(files) +
                        " (or with .gz) in any of:";
  for (const std::string& folder : folders) message += "\n  " + folder;
  message += "\nTo get it: " + source.advice +
             ". A folder of your own: --data-dir, or the environment variable "
             "MJOLNIR_DATA_DIR.";
  throw IoError(message);
}

std::string install_folder(const Source& source) {
  const std::string root = user_root();
  if (root.empty()) {
    throw IoError("[data] no place for '" + source.name +
                  "': neither XDG_DATA_HOME nor HOME is set");
  }
  return root + "/" + source.folders.front();
}

void verify(const Source& source, const std::string& folder) {
  for (const SourceFile& file : source.files) {
    const std::string path = folder + "/" + file.name;
    const io::Bytes bytes = io::read_file(path);
    const std::string sum = io::sha256(bytes.data(), bytes.size());
    if (sum != file.sha256) {
      throw IoError("[" + source.name + "] '" + path + "' has SHA-256 " + sum +
                    ", expected " + file.sha256 +
                    ": it is damaged or another version; delete it and "
                    "download it again");
    }
  }
}

}  // namespace mjolnir::data

#pragma once

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace mjolnir::train {

/** A folder that is removed with all it holds. */
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "mjolnir-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

inline std::vector<std::string> lines_of(const std::string& path) {
  return split_lines(content_of(path));
}

/** Sets a locale whose decimal sign is a comma; compiles one into `folder`
 * where the system has none but can. */
class TemporaryLocale {
 public:
  explicit TemporaryLocale(const std::string& folder) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE"}) {
      active_ = active_ || std::setlocale(LC_ALL, name) != nullptr;
    }
    if (!active_) {
      const std::string target = folder + "/de_DE.UTF-8";
      const std::string command =
          "localedef -i de_DE -f UTF-8 '" + target + "' > /dev/null 2>&1";
      if (std::system(command.c_str()) == 0) {
        setenv("LOCPATH", folder.c_str(), 1);
        active_ = std::setlocale(LC_ALL, "de_DE.UTF-8") != nullptr;
      }
    }
    active_ = active_ && *std::localeconv()->decimal_point == ',';
  }
  ~TemporaryLocale() {
    std::setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
  }
  TemporaryLocale(const TemporaryLocale&) = delete;
  TemporaryLocale& operator=(const TemporaryLocale&) = delete;
  bool active() const { return active_; }

 private:
  bool active_ = false;
};

}  // namespace mjolnir::train

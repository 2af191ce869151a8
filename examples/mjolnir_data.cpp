// Downloads a data set and checks it: the program behind `./mjolnir data`.
//
//     mjolnir_data mnist [--to FOLDER] [--from FOLDER]
//
// prints `mnist is in /home/you/.local/share/mjolnir/mnist`, where the other
// programs look for it. With --to FOLDER it goes to FOLDER/mnist (train it
// with --data-dir FOLDER). Without a network, --from takes the files from a
// folder that was filled by hand. Returns 0; 1 if it failed; 2 for bad usage.

#include <mjolnir/mjolnir.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace data = mjolnir::data;

namespace {

const char* const usage =
    "usage: mjolnir_data mnist|cifar10 [--to FOLDER] [--from FOLDER]";

mjolnir::ValueError usage_error(const std::string& what) {
  return mjolnir::ValueError("[data] " + what + "\n" + usage);
}

struct Arguments {
  std::string name, to, from;
  bool help = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      arguments.help = true;
    } else if (word == "--to" || word == "--from") {
      if (++i == argc) throw usage_error(word + " needs a folder");
      (word == "--to" ? arguments.to : arguments.from) = argv[i];
    } else if (word[0] == '-' || !arguments.name.empty()) {
      throw usage_error("there is no argument '" + word + "'");
    } else {
      arguments.name = word;
    }
  }
  if (arguments.name.empty() && !arguments.help) {
    throw usage_error("expected the name of a data set");
  }
  return arguments;
}

// Runs a program of the PATH and waits; true if it returned 0.
bool run(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  int status =
      ::posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (status != 0) {
    std::fprintf(stderr, "cannot run %s: %s\n", argv[0], std::strerror(status));
    return false;
  }
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool download(const std::string& url, const std::string& path) {
  if (url.find("://") == std::string::npos) {  // a file here
    std::error_code error;
    return std::filesystem::copy_file(
        url, path, std::filesystem::copy_options::overwrite_existing, error);
  }
  std::fprintf(stderr, "getting %s\n", url.c_str());
  const char* term = std::getenv("TERM");
  const bool live = ::isatty(2) != 0 && term && std::string(term) != "dumb";
  const char* shown = live ? "--progress-bar" : "--no-progress-meter";
  return run({"curl", "--fail", "--location", "--connect-timeout", "20",
              "--retry", "2", shown, "--output", path, url});
}

bool unpack(const std::string& archive, const std::string& folder) {
  return run({"tar", "-xf", archive, "-C", folder, "--strip-components=1"});
}

bool complete(const data::Source& source, const std::string& folder) {
  try {
    data::verify(source, folder);
    return !source.files.empty();
  } catch (const mjolnir::IoError&) {
    return false;
  }
}

void get(const Arguments& arguments) {
  const data::Source& source = data::source(arguments.name);
  const std::string folder = arguments.to.empty()
                                 ? data::install_folder(source)
                                 : arguments.to + "/" + source.folders.front();
  if (!complete(source, folder)) {
    data::fetch(source, folder,
                arguments.from.empty()
                    ? source.urls
                    : data::local_addresses(source, arguments.from),
                {download, unpack});
  }
  std::printf("%s is in %s\n", source.name.c_str(), folder.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    if (arguments.help) {
      std::puts(usage);
    } else {
      get(arguments);
    }
    return 0;
  } catch (const mjolnir::ValueError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

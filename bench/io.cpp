// Loading the weights of a model, against a plain read of the same file. The
// file is in the page cache, as after writing it; memory is fresh each time.

#include <malloc.h>
#include <mjolnir/mjolnir.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/benches.h"
#include "bench/clock.h"

namespace bench {
namespace {

namespace mj = mjolnir;

constexpr double most = 1.5;  // what loading may cost, in plain reads

// Bytes that fread() puts into a new buffer.
std::size_t plain_read(const std::string& path, std::size_t size) {
  const std::unique_ptr<char[]> buffer(new char[size]);
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot read " + path);
  const std::size_t got = std::fread(buffer.get(), 1, size, file);
  std::fclose(file);
  return got;
}

// Seconds of the best of some calls of `f`, each in memory that the system has
// to give anew: what was freed before is given back to it.
template <class F>
double best_in_new_memory(int calls, const F& f) {
  double best = 0.0;
  for (int i = 0; i <= calls; ++i) {
    mj::empty_cache();
    ::malloc_trim(0);
    const double spent = seconds(f);
    if (i == 1 || (i > 1 && spent < best)) best = spent;  // 0 is not counted
  }
  return best;
}

struct TemporaryFile {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("mjolnir-bench-" + std::to_string(::getpid())))
                         .string();
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

}  // namespace

void io_figures(Report& report, std::int64_t width, int rounds) {
  mj::Generator rng(1);
  mj::models::ResNetLargeOptions options;
  options.width = width;
  mj::models::ResNetLarge model(options, rng);
  const TemporaryFile file;
  mj::train::save(model, file.path);
  const auto size =
      static_cast<std::size_t>(std::filesystem::file_size(file.path));
  const double megabytes = static_cast<double>(size) / 1e6;
  report.section("Loading a ResNet-18 of width " + std::to_string(width));
  report.add("io_megabytes", "the file", megabytes, "MB");

  const double plain = best_in_new_memory(rounds, [&] {
    if (plain_read(file.path, size) != size) {
      throw std::runtime_error("the file is cut off");
    }
  });
  const double read =
      best_in_new_memory(rounds, [&] { mj::io::read_safetensors(file.path); });
  const double load =
      best_in_new_memory(rounds, [&] { mj::train::load(model, file.path); });
  report.add("io_plain_ms", "plain read", 1e3 * plain, "ms", 2);
  report.add("io_read_ms", "read_safetensors", 1e3 * read, "ms", 2);
  report.add("io_load_ms", "load into the model", 1e3 * load, "ms", 2);
  report.add_limited("io_read_ratio", "read_safetensors / plain read",
                     read / plain, most, 2);
  report.add_limited("io_load_ratio", "load into the model / plain read",
                     load / plain, most, 2);
}

}  // namespace bench

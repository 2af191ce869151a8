#include <mjolnir/io/event_file.h>
#include <mjolnir/io/png.h>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>
#include <utility>

#include "io/detail/event_record.h"

namespace mjolnir::io {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path,
                       int error) {
  throw IoError("[events] cannot " + what + " '" + path +
                "': " + std::generic_category().message(error));
}

double system_seconds() {
  const std::chrono::duration<double> since =
      std::chrono::system_clock::now().time_since_epoch();
  return since.count();
}

// The name of this machine, of letters that are harmless in a path.
std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') {
    return "localhost";
  }
  std::string host = name;
  for (char& letter : host) {
    const bool plain =
        (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
        (letter >= '0' && letter <= '9') || letter == '-' || letter == '.';
    if (!plain) letter = '_';
  }
  return host;
}

std::string file_name(double seconds, unsigned number) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%010lld",
                static_cast<long long>(seconds));
  return std::string("events.out.tfevents.") + digits + "." + host_name() +
         "." + std::to_string(::getpid()) + "." + std::to_string(number);
}

}  // namespace

EventFile::EventFile(const std::string& folder, const EventFileOptions& options)
    : clock_(options.clock ? options.clock : system_seconds) {
  static std::atomic<unsigned> count{0};
  make_directories(folder);
  const double now = clock_();
  do {  // a process of an earlier boot may have had our name
    path_ = folder + "/" + file_name(now, count.fetch_add(1));
    descriptor_ =
        ::open(path_.c_str(),
               O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail("write", path_, errno);
  try {
    append(detail::version_event(now));
    if (options.first_step >= 0) {
      append(detail::start_event(clock_(), options.first_step));
    }
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw;
  }
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void EventFile::append(const std::string& event) {
  if (descriptor_ < 0) throw IoError("[events] '" + path_ + "' is closed");
  const std::string record = detail::framed(event);
  ssize_t put = 0;
  do {
    put = ::write(descriptor_, record.data(), record.size());
  } while (put < 0 && errno == EINTR);
  if (put == static_cast<ssize_t>(record.size())) return;
  // What comes after a torn record could not be read.
  const int error = put < 0 ? errno : ENOSPC;
  ::close(std::exchange(descriptor_, -1));
  fail("write", path_, error);
}

void EventFile::add_scalar(const std::string& tag, double value,
                           std::int64_t step) {
  append(
      detail::summary_event(clock_(), step, detail::scalar_value(tag, value)));
}

void EventFile::add_histogram(const std::string& tag,
                              const Histogram& histogram, std::int64_t step) {
  append(detail::summary_event(clock_(), step,
                               detail::histogram_value(tag, histogram)));
}

void EventFile::add_histogram(const std::string& tag, const Tensor& values,
                              std::int64_t step) {
  add_histogram(tag, histogram_of(values), step);
}

void EventFile::add_image(const std::string& tag, const EventImage& image,
                          std::int64_t step) {
  if (image.height < 1 || image.width < 1 || image.channels < 1 ||
      image.png.empty()) {
    throw ValueError("[events] expected an image, got an empty one for '" +
                     tag + "'");
  }
  append(
      detail::summary_event(clock_(), step, detail::image_value(tag, image)));
}

void EventFile::add_image(const std::string& tag, const Tensor& pixels,
                          std::int64_t step) {
  EventImage image;
  image.png = encode_png(pixels);
  image.height = pixels.size(0);
  image.width = pixels.size(1);
  image.channels = pixels.size(2);
  add_image(tag, image, step);
}

void EventFile::close() {
  if (descriptor_ < 0) return;
  const int closing = std::exchange(descriptor_, -1);
  if (::close(closing) != 0) fail("close", path_, errno);
}

}  // namespace mjolnir::io

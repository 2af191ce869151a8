// Any metadata, a value a line, either describe a classifier or throw IoError;
// what was read is written, and then read, the same.

#include <mjolnir/train/classifier.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace mjolnir::train;
  std::string text(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string> metadata;
  for (const char* key :
       {"model", "width", "data", "image", "classes", "mean", "stddev"}) {
    const std::size_t end = text.find('\n');
    metadata[key] = text.substr(0, end);
    text.erase(0, end == std::string::npos ? end : end + 1);
  }
  try {
    const ClassifierInfo info = read_classifier_notes(metadata, "fuzz");
    const auto written = classifier_notes(info);
    if (classifier_notes(read_classifier_notes(written, "fuzz")) != written) {
      std::abort();
    }
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}

#include "bench/report.h"

#include <cstdio>
#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace bench {

void Report::section(const std::string& title) {
  std::printf("\n%s\n", title.c_str());
}

void Report::add(const std::string& key, const std::string& words, double value,
                 const std::string& unit, int decimals) {
  std::printf("  %-52s %12.*f %s\n", words.c_str(), decimals, value,
              unit.c_str());
  std::fflush(stdout);
  figures_.emplace_back(key, value);
}

void Report::note(const std::string& sentence) {
  std::printf("  %s\n", sentence.c_str());
  std::fflush(stdout);
}

void Report::write_json(const std::string& path) const {
  nlohmann::ordered_json json;
  for (const auto& [key, value] : figures_) json[key] = value;
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace bench

#include "bench/report.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace bench {

void Report::section(const std::string& title) {
  std::printf("\n%s\n", title.c_str());
}

void Report::add(const std::string& key, const std::string& words, double value,
                 const std::string& unit, int decimals) {
  print(words, value, decimals, unit);
  figures_.push_back({key, value, std::nullopt});
}

void Report::add_limited(const std::string& key, const std::string& words,
                         double value, double at_most, int decimals) {
  std::ostringstream limit;
  limit << (value <= at_most ? "PASS" : "over") << " (at most " << at_most
        << ")";
  print(words, value, decimals, limit.str());
  figures_.push_back({key, value, at_most});
}

void Report::print(const std::string& words, double value, int decimals,
                   const std::string& rest) {
  std::printf("  %-52s %12.*f %s\n", words.c_str(), decimals, value,
              rest.c_str());
  std::fflush(stdout);
}

void Report::note(const std::string& sentence) {
  std::printf("  %s\n", sentence.c_str());
  std::fflush(stdout);
}

void Report::write_json(const std::string& path) const {
  nlohmann::ordered_json json;
  auto limits = nlohmann::ordered_json::object();
  for (const Figure& figure : figures_) {
    json[figure.key] = figure.value;
    if (!figure.at_most) continue;
    limits[figure.key] = {{"at_most", *figure.at_most},
                          {"pass", figure.value <= *figure.at_most}};
  }
  json["limits"] = limits;
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace bench

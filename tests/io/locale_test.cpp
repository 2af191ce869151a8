#include <clocale>
#include <locale>
#include <sstream>
#include <string>

#include <mjolnir/io/npy.h>
#include <mjolnir/io/safetensors.h>

#include "tests/support/files.h"

namespace mjolnir::io {
namespace {

using mjolnir::testing::TempDirectory;

// German numbers, 12.345,5, without the locale being installed.
class German : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

class GermanScope {
 public:
  GermanScope()
      : before_(std::locale::global(std::locale(std::locale(), new German))),
        c_before_(std::setlocale(LC_ALL, nullptr)) {
    std::setlocale(LC_ALL, "de_DE.UTF-8");  // where it is installed
  }
  ~GermanScope() {
    std::locale::global(before_);
    std::setlocale(LC_ALL, c_before_.c_str());
  }

 private:
  std::locale before_;
  std::string c_before_;
};

TEST(Locale, FilesAreTheSameBytesInAGermanOne) {
  const TempDirectory folder;
  const Tensor x = Tensor::full({1, 12345}, 0.5);
  write_npy(folder / "plain.npy", x);
  write_safetensors(folder / "plain", {{"x", x}}, {{"step", "1234567"}});
  const GermanScope german;
  std::ostringstream shown;
  shown << 12345;
  ASSERT_EQ(shown.str(), "12.345");  // the scope does something

  write_npy(folder / "german.npy", x);
  write_safetensors(folder / "german", {{"x", x}}, {{"step", "1234567"}});
  EXPECT_EQ(read_file(folder / "german.npy"), read_file(folder / "plain.npy"));
  EXPECT_EQ(read_file(folder / "german"), read_file(folder / "plain"));
  EXPECT_EQ(read_npy(folder / "plain.npy").shape(), x.shape());
  EXPECT_EQ(read_safetensors(folder / "plain").tensors.at(0).second.shape(),
            x.shape());
}

}  // namespace
}  // namespace mjolnir::io

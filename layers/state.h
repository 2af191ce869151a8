#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mjolnir {

/** One way in which a list of named tensors does not fit a module. */
struct StateDifference {
  enum class Kind : std::uint8_t {
    Missing,    ///< The module has the name, the list does not.
    Extra,      ///< The list has the name, the module does not.
    Shape,      ///< The shapes differ.
    DType,      ///< The shapes agree, the types of the elements differ.
    Undefined,  ///< The list has a tensor without elements to copy.
    Twice       ///< The list has the name more than once.
  };

  std::string name = {};
  Kind kind = Kind::Missing;
  std::string expected =
      {};                ///< The module's shape or dtype where they differ.
  std::string got = {};  ///< The list's.

  /** E.g. "fc.bias: missing", "fc.weight: expected shape (10,64), got (5,64)".
   */
  std::string str() const;
};

/** The differences, each on a line of its own that begins with "\n  ". */
std::string str(const std::vector<StateDifference>& differences);

}  // namespace mjolnir

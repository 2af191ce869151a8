#include <mjolnir/layers/state.h>

namespace mjolnir {

std::string StateDifference::str() const {
  const std::string both = expected + ", got " + got;
  switch (kind) {
    case Kind::Missing:
      return name + ": missing";
    case Kind::Extra:
      return name + ": not in this module";
    case Kind::Shape:
      return name + ": expected shape " + both;
    case Kind::DType:
      return name + ": expected dtype " + both;
    case Kind::Undefined:
      return name + ": undefined";
    case Kind::Twice:
      break;
  }
  return name + ": given twice";
}

std::string str(const std::vector<StateDifference>& differences) {
  std::string text;
  for (const StateDifference& difference : differences) {
    text += "\n  " + difference.str();
  }
  return text;
}

}  // namespace mjolnir

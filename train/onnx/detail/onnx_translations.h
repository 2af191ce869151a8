#pragma once

#include <map>
#include <string>

#include <mjolnir/train/onnx/onnx_export.h>

namespace mjolnir::train::detail {

/** Those that are built in, by the name of the op. */
const std::map<std::string, OnnxTranslation>& onnx_translations();

/** "expected ..., got ..." of an op that has no counterpart as it was called;
 * export_onnx() adds which op and layer it is. */
class Untranslatable : public ValueError {
 public:
  using ValueError::ValueError;
};

}  // namespace mjolnir::train::detail

// Any bytes either are a file of a run or throw IoError; what was read makes a
// report. The first byte says which file they are.

#include <mjolnir/train/run_data.h>

#include "train/report/detail/page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const mjolnir::io::Bytes bytes(data + 1, data + size);
  mjolnir::train::RunData run;
  try {
    switch (data[0] % 4) {
      case 0:
        mjolnir::train::parse_config(bytes, "fuzz", run);
        break;
      case 1:
        run.metrics = mjolnir::train::parse_metrics(bytes, "fuzz");
        run.steps_per_epoch = 10;
        break;
      case 2:
        run.decisions = mjolnir::train::parse_decisions(bytes, "fuzz");
        break;
      default:
        run.result = mjolnir::train::parse_result(bytes, "fuzz");
    }
    mjolnir::train::detail::report_page(run);
  } catch (const mjolnir::IoError&) {
  }
  return 0;
}

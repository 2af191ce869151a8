#include <mjolnir/layers/sample_squares.h>

#include <string>

#include <mjolnir/core/error.h>

namespace mjolnir {

void SampleSquaresObserver::clear() {
  sum_ = Tensor();
  samples_ = 0;
  pass_ = 0;
}

bool SampleSquaresObserver::begin(const char* name,
                                  const CurvatureRecord& record) {
  if (pass_ == record.pass) {
    clear();
    pass_ = record.pass;
    throw ValueError("[" + std::string(name) +
                     "] the layer is used twice in one backward pass, so that "
                     "no use has the whole gradient of a sample; observe "
                     "layers that are used once, each with an observer of its "
                     "own");
  }
  pass_ = record.pass;
  if (record.samples == 0 || record.dout.numel() == 0) return false;
  const std::int64_t positions =
      record.kind == CurvatureKind::Conv2d
          ? record.dout.size(0)
          : record.dout.numel() / record.dout.size(-1);
  if (positions % record.samples != 0)
    throw ValueError("[" + std::string(name) + "] expected each of " +
                     std::to_string(record.samples) +
                     " samples to have as many positions, got " +
                     std::to_string(positions) + " in all");
  samples_ += record.samples;
  return true;
}

}  // namespace mjolnir

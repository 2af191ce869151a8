#include <mjolnir/curvature/sample_counter.h>

#include <mjolnir/core/error.h>

namespace mjolnir {

class SampleCounter::Observer final : public CurvatureObserver {
 public:
  void record(const CurvatureRecord& record) override {
    if (record.pass != pass_) in_pass_ = 0;
    pass_ = record.pass;
    if (record.samples <= in_pass_) return;
    samples_ += record.samples - in_pass_;
    in_pass_ = record.samples;
  }
  void clear() override { samples_ = in_pass_ = 0; }
  std::int64_t samples() const noexcept { return samples_; }

 private:
  std::uint64_t pass_ = 0;
  std::int64_t in_pass_ = 0;
  std::int64_t samples_ = 0;
};

SampleCounter::SampleCounter(Module& module)
    : observer_(std::make_shared<Observer>()) {
  for (const auto& [name, child] : module.named_modules()) {
    auto* source = dynamic_cast<CurvatureSource*>(child);
    if (source != nullptr) handles_.push_back(source->observe(observer_));
  }
}

std::int64_t SampleCounter::samples() const noexcept {
  return observer_ ? observer_->samples() : 0;
}

double SampleCounter::divisor(const std::string& why) const {
  if (samples() > 0) return static_cast<double>(samples());
  throw ValueError(why +
                   ", but no layer with curvature saw any; call zero_grad() "
                   "before backward()");
}

}  // namespace mjolnir

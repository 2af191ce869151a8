#include "bench/flops.h"

#include <memory>
#include <vector>

namespace bench {

namespace mj = mjolnir;

namespace {

// Adds up the multiplications and additions of the layers with weights.
class FlopCounter : public mj::CurvatureObserver {
 public:
  FlopCounter(double& flops, bool reads_images)
      : flops_(flops), products_(reads_images ? 2.0 : 3.0) {}

  // Forward, weight gradient and, but for the layer that reads the images,
  // input gradient: three products of the same size.
  void record(const mj::CurvatureRecord& record) override {
    const auto& geometry = record.geometry;
    const bool conv = record.kind == mj::CurvatureKind::Conv2d;
    const double inputs =
        conv ? static_cast<double>(record.x.size(1) / geometry.groups *
                                   geometry.kernel_h * geometry.kernel_w)
             : static_cast<double>(record.x.size(-1));
    flops_ +=
        products_ * 2.0 * static_cast<double>(record.dout.numel()) * inputs;
  }
  void clear() override {}

 private:
  double& flops_;
  double products_;
};

}  // namespace

double flops_of_step(mj::Module& net, const mj::Batch& batch) {
  double flops = 0.0;
  std::vector<mj::ObservationHandle> handles;
  for (auto& [name, module] : net.named_modules()) {
    if (auto* source = dynamic_cast<mj::CurvatureSource*>(module)) {
      handles.push_back(source->observe(
          std::make_shared<FlopCounter>(flops, handles.empty())));
    }
  }
  mj::cross_entropy(net(batch.images), batch.labels).backward();
  net.zero_grad();
  return flops;
}

}  // namespace bench

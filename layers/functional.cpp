#include <map>
#include <string>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/shape.h>
#include <mjolnir/layers/functional.h>

namespace mjolnir {
namespace {

/** Puts tensors back where they were. */
class Places {
 public:
  void replace(Tensor& place, const Tensor& by) {
    before_.emplace_back(&place, place);
    place = by;
  }
  ~Places() {
    for (auto entry = before_.rbegin(); entry != before_.rend(); ++entry)
      *entry->first = entry->second;
  }

 private:
  std::vector<std::pair<Tensor*, Tensor>> before_;
};

void check_fits(const std::string& name, const Tensor& own,
                const Tensor& given) {
  if (!given.defined())
    throw ValueError("[functional_call] \"" + name + "\" is undefined");
  if (given.shape() != own.shape())
    throw ShapeError("[functional_call] expected \"" + name + "\" of shape " +
                     own.shape().str() + ", got " + given.shape().str());
  if (given.dtype() != own.dtype())
    throw ValueError("[functional_call] expected \"" + name + "\" of dtype " +
                     name_of(own.dtype()) + ", got " + name_of(given.dtype()));
}

}  // namespace

Tensor functional_call(Module& module,
                       const std::vector<NamedTensor>& parameters,
                       const Tensor& x) {
  std::map<std::string, Tensor> given;
  for (const auto& [name, tensor] : parameters)
    if (!given.emplace(name, tensor).second)
      throw ValueError("[functional_call] \"" + name + "\" is given twice");
  // By tensor: one that has several names is replaced under all of them.
  std::map<const void*, Tensor> by_tensor;
  for (const auto& [name, own] : module.state()) {
    const auto found = given.find(name);
    if (found == given.end()) continue;
    check_fits(name, own, found->second);
    by_tensor.emplace(own.impl().get(), found->second);
    given.erase(found);
  }
  if (!given.empty())
    throw ValueError("[functional_call] the module has no \"" +
                     given.begin()->first + "\"");
  Places places;
  module.visit_tensors([&](const std::string&, Tensor& place) {
    const auto found = by_tensor.find(place.impl().get());
    if (found != by_tensor.end()) places.replace(place, found->second);
  });
  return module(x);
}

namespace {

// The loss of one sample, recorded, with copies in the places of the buffers:
// what a module notes in them (running statistics) leaves with the copies.
Tensor loss_of_one(Module& model, const BatchLoss& loss, const Batch& one) {
  std::map<const void*, Tensor> copies;
  for (const auto& [name, buffer] : model.named_buffers())
    copies.emplace(buffer.impl().get(), buffer.clone());
  Places places;
  model.visit_tensors([&](const std::string&, Tensor& place) {
    const auto found = copies.find(place.impl().get());
    if (found != copies.end()) places.replace(place, found->second);
  });
  Tensor value = loss(model, one);
  if (!value.defined() || value.numel() != 1)
    throw ShapeError(
        "[per_sample_gradients] expected a loss of one element, got " +
        (value.defined() ? "shape " + value.shape().str()
                         : std::string("an undefined tensor")));
  return value;
}

}  // namespace

std::vector<NamedTensor> per_sample_gradients(Module& model,
                                              const BatchLoss& loss,
                                              const Batch& batch) {
  if (!batch.images.defined())
    throw ValueError("[per_sample_gradients] the images are undefined");
  const std::int64_t count = batch.images.size(0);
  if (count == 0) throw ValueError("[per_sample_gradients] the batch is empty");
  if (batch.labels.defined() && batch.labels.size(0) != count)
    throw ShapeError("[per_sample_gradients] expected " +
                     std::to_string(count) + " labels, got shape " +
                     batch.labels.shape().str());
  std::vector<NamedTensor> named;
  std::vector<Tensor> parameters;
  for (const NamedTensor& parameter : model.named_parameters()) {
    if (!parameter.second.requires_grad()) continue;
    named.push_back(parameter);
    parameters.push_back(parameter.second);
  }
  std::vector<std::vector<Tensor>> samples(named.size());
  for (std::int64_t n = 0; n < count; ++n) {
    Batch one;
    one.images = slice(batch.images, 0, n, n + 1);
    if (batch.labels.defined()) one.labels = slice(batch.labels, 0, n, n + 1);
    const EnableGrad recording;
    const Tensor value = loss_of_one(model, loss, one);
    GradOptions options;
    options.allow_unused = true;
    std::vector<Tensor> gradients(parameters.size());
    if (value.requires_grad()) gradients = grad({value}, parameters, options);
    for (std::size_t i = 0; i < gradients.size(); ++i)
      samples[i].push_back(
          gradients[i].defined()
              ? gradients[i].to(Layout::RowMajor)
              : Tensor::zeros(parameters[i].shape(), {parameters[i].dtype()}));
  }
  const NoGrad no_grad;
  for (std::size_t i = 0; i < named.size(); ++i)
    named[i].second = stack(samples[i], 0);
  return named;
}

}  // namespace mjolnir

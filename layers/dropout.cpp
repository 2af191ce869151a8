#include <mjolnir/core/error.h>
#include <mjolnir/core/ops/norm.h>
#include <mjolnir/layers/dropout.h>

#include "core/detail/number.h"

namespace mjolnir {

Dropout::Dropout(const DropoutOptions& options, Generator& rng)
    : options_(options) {
  if (!(options.p >= 0 && options.p < 1))
    throw ValueError("[Dropout] expected p in [0,1), got " +
                     detail::number(options.p));
  rng_ = rng.split();
}

Tensor Dropout::operator()(const Tensor& x) {
  return dropout(x, options_.p, rng_, training());
}

std::unique_ptr<Module> Dropout::clone() const {
  Generator unused;
  auto copy = std::make_unique<Dropout>(options_, unused);
  copy->rng_ = rng_;
  copy->copy_from(*this);
  return copy;
}

std::string Dropout::describe() const {
  return "Dropout(p=" + detail::number(options_.p) + ")";
}

}  // namespace mjolnir

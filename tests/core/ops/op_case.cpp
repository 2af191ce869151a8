#include "tests/core/ops/op_case.h"

#include <cmath>

#include <mjolnir/core/random.h>

namespace mjolnir::testing {

std::vector<OpCase>& op_cases() {
  static std::vector<OpCase> cases;
  return cases;
}

OpCase& OpCase::input(const Shape& shape, double low, double high) {
  OpInput in;
  in.shape = shape;
  in.low = low;
  in.high = high;
  inputs.push_back(in);
  return *this;
}
OpCase& OpCase::kinks(const std::vector<double>& values) {
  inputs.back().kinks = values;
  return *this;
}
OpCase& OpCase::constant(const Tensor& value) {
  OpInput in;
  in.shape = value.shape();
  in.fixed = value;
  inputs.push_back(in);
  return *this;
}
OpCase& OpCase::covers(const std::vector<std::string>& names) {
  ops.insert(ops.end(), names.begin(), names.end());
  return *this;
}
OpCase& OpCase::equals(std::function<std::vector<double>(const Tensors&)> f) {
  expected = std::move(f);
  return *this;
}
OpCase& OpCase::sums(double count, OpFunction absolute_terms) {
  terms_count = count;
  terms = std::move(absolute_terms);
  return *this;
}
OpCase& OpCase::refuses(const std::string& text, OpFunction call) {
  errors.push_back({std::move(call), text});
  return *this;
}
OpCase& OpCase::not_differentiable() {
  differentiable = false;
  return *this;
}
OpCase& OpCase::any_dtype() {
  refuses_dtypes = false;
  return *this;
}

OpCase& OpCase::batch(const std::vector<std::size_t>& indices) {
  batched = indices;
  return *this;
}
OpCase& OpCase::refuses_empty(const std::string& text) {
  empty_text = text;
  return *this;
}
OpCase& OpCase::ranked() {
  one_rank = true;
  return *this;
}

namespace {

double off_kinks(double value, const std::vector<double>& kinks) {
  for (const double kink : kinks) {
    if (std::abs(value - kink) < 0.05) {
      return kink + (value < kink ? -0.05 : 0.05);
    }
  }
  return value;
}

}  // namespace

Tensors case_inputs(const OpCase& c) {
  Generator rng(20240229);
  Tensors result;
  for (const OpInput& in : c.inputs) {
    if (in.fixed.defined()) {
      result.push_back(in.fixed);
      continue;
    }
    std::vector<double> values(static_cast<std::size_t>(in.shape.numel()));
    for (double& value : values) {
      value = in.low + (in.high - in.low) * rng.uniform();
      value = static_cast<float>(off_kinks(value, in.kinks));
    }
    result.push_back(Tensor::from(values, in.shape));
  }
  return result;
}

Tensors in_f32(const OpCase& c, const Tensors& inputs) {
  Tensors result = inputs;
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (!c.inputs[i].fixed.defined()) result[i] = result[i].to(DType::F32);
  }
  return result;
}

}  // namespace mjolnir::testing

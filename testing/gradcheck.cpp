#include <mjolnir/testing/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/reduce.h>
#include <mjolnir/core/random.h>

namespace mjolnir::testing {
namespace {

bool checked(const Tensor& x, std::size_t i, const GradcheckOptions& options) {
  return x.defined() && x.dtype() == DType::F64 &&
         std::find(options.fixed.begin(), options.fixed.end(), i) ==
             options.fixed.end();
}

Tensor random_like(const Tensor& x, Generator& rng) {
  return uniform(x.shape(), -1.0, 1.0, rng, x.options());
}

// Sum of all products, in double.
double dot(const Tensor& a, const Tensor& b) {
  const std::vector<double> left = a.to_vector<double>();
  const std::vector<double> right = b.to_vector<double>();
  double total = 0.0;
  for (std::size_t i = 0; i < left.size(); ++i) total += left[i] * right[i];
  return total;
}

// "(0,2,1)" of an element given in memory order.
std::string logical_index(const Tensor& x, std::int64_t element) {
  std::vector<std::size_t> order(x.rank());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (x.layout() == Layout::ChannelsLast) order = {0, 2, 3, 1};
  std::vector<std::int64_t> index(x.rank());
  for (std::size_t i = order.size(); i-- > 0;) {
    index[order[i]] = element % x.shape()[order[i]];
    element /= x.shape()[order[i]];
  }
  return Shape(index).str();
}

std::vector<std::int64_t> elements_to_try(std::int64_t count,
                                          const GradcheckOptions& options,
                                          Generator& rng) {
  std::vector<std::int64_t> elements = rng.permutation(count);
  if (options.max_elements > 0 && count > options.max_elements) {
    elements.resize(static_cast<std::size_t>(options.max_elements));
  }
  std::sort(elements.begin(), elements.end());
  return elements;
}

void note(GradcheckResult& result, const GradcheckOptions& options,
          const Tensor& x, std::size_t input, std::int64_t element,
          double analytic, double numeric) {
  ++result.checked;
  const double error =
      std::abs(analytic - numeric) / std::max(1.0, std::abs(numeric));
  const bool fails = !(error <= options.tolerance);
  const bool worse = !(error <= result.worst_error);
  if (!worse && result.checked > 1) return;
  if (std::isnan(result.worst_error)) return;
  result.ok = result.ok && !fails;
  result.worst_error = error;
  result.input = input;
  result.element = element;
  result.index = logical_index(x, element);
  result.analytic = analytic;
  result.numeric = numeric;
}

void write_message(GradcheckResult& result, const GradcheckOptions& options) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(12);
  text << "[gradcheck] " << options.name << ": "
       << (result.ok ? "ok" : "wrong gradient") << ", worst at input "
       << result.input << ", index " << result.index << ": backward gives "
       << result.analytic << ", central differences " << result.numeric
       << " (error " << result.worst_error << ", tolerance "
       << options.tolerance << ", " << result.checked << " elements)";
  result.message = text.str();
}

}  // namespace

GradcheckResult check_gradients(const CheckedFunction& f,
                                const std::vector<Tensor>& inputs,
                                const GradcheckOptions& options) {
  Generator rng(options.seed);
  const EnableGrad recording;
  std::vector<Tensor> leaves(inputs), wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) continue;
    leaves[i] = inputs[i].clone();
    if (!checked(inputs[i], i, options)) continue;
    leaves[i].set_requires_grad(true);
    wanted.push_back(leaves[i]);
  }
  if (wanted.empty()) {
    throw ValueError("[gradcheck] " + options.name +
                     ": no f64 input to differentiate");
  }
  const Tensor y = f(leaves);
  if (y.dtype() != DType::F64) {
    throw ValueError("[gradcheck] " + options.name +
                     ": expected a result of f64, got " + name_of(y.dtype()));
  }
  const Tensor projection = random_like(y, rng);
  std::vector<Tensor> gradients(wanted.size());
  if (y.requires_grad()) {
    GradOptions how;
    how.allow_unused = true;
    how.grad_outputs = {projection};
    gradients = grad({y}, wanted, how);
  }
  GradcheckResult result;
  std::size_t next = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!checked(inputs[i], i, options)) continue;
    const Tensor& x = leaves[i];
    Tensor gradient = gradients[next++];
    gradient = gradient.defined() ? gradient.detach().to(x.layout())
                                  : Tensor::zeros_like(x);
    const std::vector<std::int64_t> elements =
        elements_to_try(x.numel(), options, rng);
    const NoGrad guard;
    for (const std::int64_t element : elements) {
      const double value = x.data<double>()[element];
      const double step = options.step * std::max(1.0, std::abs(value));
      x.mutable_data<double>()[element] = value + step;
      const double above = dot(f(leaves), projection);
      x.mutable_data<double>()[element] = value - step;
      const double below = dot(f(leaves), projection);
      x.mutable_data<double>()[element] = value;
      note(result, options, x, i, element, gradient.data<double>()[element],
           (above - below) / (2.0 * step));
    }
  }
  write_message(result, options);
  return result;
}

GradcheckResult check_gradients_of_gradients(const CheckedFunction& f,
                                             const std::vector<Tensor>& inputs,
                                             const GradcheckOptions& options) {
  Generator rng(options.seed + 1);
  std::vector<Tensor> extended = inputs;
  {
    const NoGrad guard;
    extended.push_back(random_like(f(inputs), rng));
  }
  std::vector<Tensor> weights;
  for (const Tensor& x : inputs) {
    weights.push_back(x.defined() && x.dtype() == DType::F64
                          ? random_like(x, rng)
                          : Tensor());
  }
  // sum_i <weights_i, d<dy, f(x)> / dx_i>, a function of x and dy
  const auto projected = [&](const std::vector<Tensor>& all) {
    const bool differentiate = grad_enabled();
    const EnableGrad recording;
    std::vector<Tensor> own(all.begin(), all.end() - 1), wanted;
    std::vector<Tensor> used;
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (!checked(own[i], i, options)) continue;
      if (!own[i].requires_grad()) {
        own[i] = own[i].detach();
        own[i].set_requires_grad(true);
      }
      wanted.push_back(own[i]);
      used.push_back(weights[i]);
    }
    GradOptions how;
    how.create_graph = differentiate;
    how.allow_unused = true;
    how.grad_outputs = {all.back()};
    const Tensor y = f(own);
    Tensor total = Tensor::scalar(0.0, DType::F64);
    if (!y.requires_grad()) return total;
    const std::vector<Tensor> gradients = grad({y}, wanted, how);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      total = add(total, sum(mul(gradients[i], used[i])));
    }
    return total;
  };
  GradcheckOptions second = options;
  second.name = "gradient of " + options.name;
  return check_gradients(projected, extended, second);
}

}  // namespace mjolnir::testing

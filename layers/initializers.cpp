#include <cctype>
#include <cmath>
#include <map>
#include <vector>

#include <mjolnir/core/error.h>
#include <mjolnir/layers/initializers.h>

#include "core/detail/dispatch.h"
#include "core/detail/number.h"

namespace mjolnir {
namespace {

/** Values in logical order from a number drawn per element. */
template <class Draw>
void fill_with(const Tensor& parameter, Draw&& draw) {
  dispatch_float("initializer", parameter.dtype(), [&](auto tag) {
    using T = decltype(tag);
    std::vector<T> values(static_cast<std::size_t>(parameter.numel()));
    for (T& value : values) value = static_cast<T>(draw());
    parameter.copy_from(Tensor::from(values, parameter.shape()));
  });
}

void fill_uniform(const Tensor& parameter, double bound, Generator& rng) {
  parameter.copy_from(
      uniform(parameter.shape(), -bound, bound, rng, parameter.options()));
}

void fill_normal(const Tensor& parameter, double deviation, Generator& rng) {
  parameter.copy_from(
      normal(parameter.shape(), 0, deviation, rng, parameter.options()));
}

/** Normal, redrawn until within two standard deviations. */
void fill_truncated(const Tensor& parameter, double deviation, Generator& rng) {
  fill_with(parameter, [&] {
    double value = rng.normal();
    while (std::abs(value) > 2) value = rng.normal();
    return value * deviation;
  });
}

/** Standard deviation of N(0,1) cut at +-2. */
double truncated_deviation() {
  const double density = std::exp(-2.0) / std::sqrt(2 * std::acos(-1.0));
  const double inside = std::erf(std::sqrt(2.0));
  return std::sqrt(1 - 4 * density / inside);
}

void fill_identity(const Tensor& parameter) {
  const std::int64_t columns = parameter.size(1);
  std::int64_t at = 0;
  fill_with(parameter, [&] {
    const bool diagonal = at / columns == at % columns;
    ++at;
    return diagonal ? 1.0 : 0.0;
  });
}

/** w[i, i, centre] = 1 for the channels that are both in and out. */
void fill_dirac(const Tensor& parameter) {
  std::int64_t inner = 1;
  std::int64_t centre = 0;
  for (std::size_t axis = 2; axis < parameter.rank(); ++axis) {
    const std::int64_t length = parameter.shape()[axis];
    centre = centre * length + length / 2;
    inner *= length;
  }
  const std::int64_t in = parameter.size(1);
  std::int64_t at = 0;
  fill_with(parameter, [&] {
    const std::int64_t cell = at % inner;
    const std::int64_t row = at / inner / in;
    const std::int64_t column = at / inner % in;
    ++at;
    return cell == centre && row == column ? 1.0 : 0.0;
  });
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/** `count` orthonormal vectors: Gram-Schmidt, twice, on normal vectors. */
std::vector<std::vector<double>> orthonormal(std::size_t count,
                                             std::size_t length,
                                             Generator& rng) {
  std::vector<std::vector<double>> basis;
  while (basis.size() < count) {
    std::vector<double> v(length);
    for (double& element : v) element = rng.normal();
    for (int pass = 0; pass < 2; ++pass)
      for (const std::vector<double>& b : basis) {
        const double along = dot(v, b);
        for (std::size_t i = 0; i < length; ++i) v[i] -= along * b[i];
      }
    const double norm = std::sqrt(dot(v, v));
    if (norm < 1e-8) continue;  // drawn inside the span so far
    for (double& element : v) element /= norm;
    basis.push_back(std::move(v));
  }
  return basis;
}

void fill_orthogonal(const Tensor& parameter, Generator& rng) {
  const auto rows = static_cast<std::size_t>(parameter.size(0));
  const std::size_t columns =
      static_cast<std::size_t>(parameter.numel()) / rows;
  const bool wide = rows <= columns;
  const auto basis =
      orthonormal(wide ? rows : columns, wide ? columns : rows, rng);
  std::size_t at = 0;
  fill_with(parameter, [&] {
    const std::size_t row = at / columns;
    const std::size_t column = at % columns;
    ++at;
    return wide ? basis[row][column] : basis[column][row];
  });
}

/** A named initializer: the ranks it is made for, and what it does. */
struct Rule {
  std::size_t least_rank;
  std::size_t most_rank;
  void (*fill)(const Tensor& parameter, Generator& rng);
};

constexpr std::size_t any = Shape::max_rank;

const std::map<std::string, Rule>& rules() {
  using P = const Tensor&;
  using R = Generator&;
  static const Rule zero{0, any, [](P p, R) { p.fill(0); }};
  static const Rule one{0, any, [](P p, R) { p.fill(1); }};
  static const Rule truncated{0, any,
                              [](P p, R rng) { fill_truncated(p, 0.01, rng); }};
  static const Rule xavier_uniform{
      2, any, [](P p, R rng) {
        const Fans fans = fans_of(p.shape());
        fill_uniform(p, std::sqrt(6 / (fans.in + fans.out)), rng);
      }};
  static const Rule xavier_normal{
      2, any, [](P p, R rng) {
        const Fans fans = fans_of(p.shape());
        fill_normal(p, std::sqrt(2 / (fans.in + fans.out)), rng);
      }};
  static const Rule he_uniform{
      2, any, [](P p, R rng) {
        fill_uniform(p, std::sqrt(6 / fans_of(p.shape()).in), rng);
      }};
  static const Rule he_normal{
      2, any, [](P p, R rng) {
        fill_normal(p, std::sqrt(2 / fans_of(p.shape()).in), rng);
      }};
  static const std::map<std::string, Rule> table{
      {"zero", zero},
      {"zeros", zero},
      {"one", one},
      {"ones", one},
      {"normal", {0, any, [](P p, R rng) { fill_normal(p, 0.01, rng); }}},
      {"truncatednormal", truncated},
      {"truncated_normal", truncated},
      {"uniform", {0, any, [](P p, R rng) { fill_uniform(p, 0.07, rng); }}},
      {"xavieruniform", xavier_uniform},
      {"xavier_uniform", xavier_uniform},
      {"xaviernormal", xavier_normal},
      {"xavier_normal", xavier_normal},
      {"heuniform", he_uniform},
      {"he_uniform", he_uniform},
      {"henormal", he_normal},
      {"he_normal", he_normal},
      {"identity", {2, 2, [](P p, R) { fill_identity(p); }}},
      {"dirac", {3, 5, [](P p, R) { fill_dirac(p); }}},
      {"orthogonal", {2, any, fill_orthogonal}},
      {"variancescaling",
       {2, any, [](P p, R rng) {
          const double deviation = std::sqrt(1 / fans_of(p.shape()).in);
          fill_truncated(p, deviation / truncated_deviation(), rng);
        }}}};
  return table;
}

std::string lower(std::string text) {
  for (char& c : text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

Fans fans_of(const Shape& shape) {
  if (shape.rank() < 2)
    throw ValueError(
        "[initializer] expected a shape of rank 2 or more to "
        "have fans, got " +
        shape.str());
  double inner = 1;
  for (std::size_t axis = 2; axis < shape.rank(); ++axis)
    inner *= static_cast<double>(shape[axis]);
  return {static_cast<double>(shape[1]) * inner,
          static_cast<double>(shape[0]) * inner};
}

Initializer::Initializer(const char* name) : kind_(Kind::Name) {
  if (name == nullptr)
    throw ValueError("[initializer] expected a name, got a null pointer");
  name_ = name;
}

bool Initializer::is_zeros() const {
  if (kind_ == Kind::Constant) return constant_ == 0;
  const std::string name = lower(name_);
  return kind_ == Kind::Name && (name == "zero" || name == "zeros");
}

std::string Initializer::str() const {
  if (kind_ == Kind::Name) return "\"" + name_ + "\"";
  if (kind_ == Kind::Tensor)
    return values_.defined() ? "a tensor of shape " + values_.shape().str()
                             : "an undefined tensor";
  return detail::number(constant_);
}

void Initializer::apply(const Tensor& parameter, Generator& rng,
                        const std::string& argument) const {
  if (kind_ == Kind::Constant) return parameter.fill(constant_);
  if (kind_ == Kind::Tensor) {
    if (!values_.defined() || values_.shape() != parameter.shape())
      throw ValueError(argument + ": expected a tensor of shape " +
                       parameter.shape().str() + ", got " + str());
    return parameter.copy_from(values_.to(parameter.dtype()));
  }
  const auto found = rules().find(lower(name_));
  if (found == rules().end()) {
    std::string names;
    for (const auto& rule : rules()) names += " " + rule.first;
    throw ValueError(argument + ": expected the name of an initializer, got " +
                     str() + "; there are" + names);
  }
  const Rule& rule = found->second;
  if (parameter.rank() < rule.least_rank || parameter.rank() > rule.most_rank)
    throw ValueError(
        argument + ": " + str() + " is made for tensors of rank " +
        (rule.least_rank == rule.most_rank
             ? std::to_string(rule.least_rank)
             : std::to_string(rule.least_rank) +
                   (rule.most_rank == any
                        ? " or more"
                        : " to " + std::to_string(rule.most_rank))) +
        ", got shape " + parameter.shape().str());
  rule.fill(parameter, rng);
}

}  // namespace mjolnir

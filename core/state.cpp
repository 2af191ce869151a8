#include <mjolnir/core/state.h>

#include <cstring>

#include <mjolnir/core/error.h>

namespace mjolnir {
namespace {

std::int64_t bits_of(std::uint64_t value) {
  std::int64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

std::string kind_of(const Tensor& x) {
  return std::string(name_of(x.dtype())) + " " + x.shape().str();
}

constexpr const char* integers_name = "integers";
constexpr const char* numbers_name = "numbers";

}  // namespace

SavedState save_state(const VisitState& visit) {
  StateVisitor visitor(StateVisitor::Mode::Save, nullptr);
  visitor.run([&] { visit(visitor); });
  return std::move(visitor.saved_);
}

void load_state(const SavedState& state, const VisitState& visit) {
  StateVisitor check(StateVisitor::Mode::Check, &state);
  check.run([&] { visit(check); });
  check.unused();
  if (!check.problems_.empty()) {
    std::string text = "[load_state] the state does not fit:";
    for (const std::string& problem : check.problems_) {
      text += "\n  " + problem;
    }
    throw ValueError(text);
  }
  StateVisitor load(StateVisitor::Mode::Load, &state);
  load.run([&] { visit(load); });
}

StateVisitor::StateVisitor(Mode mode, const SavedState* from)
    : mode_(mode), from_(from) {
  if (from == nullptr) return;
  used_.assign(from->size(), 0);
  for (std::size_t i = 0; i < from->size(); ++i) {
    if (index_.emplace((*from)[i].first, i).second) continue;
    problem((*from)[i].first, "is there twice");
  }
}

void StateVisitor::run(const std::function<void()>& visit) {
  open_numbers();
  visit();
  close_numbers();
}

void StateVisitor::scope(const std::string& name,
                         const std::function<void()>& visit) {
  const std::size_t length = prefix_.size();
  Numbers outer = std::move(numbers_);
  prefix_ += name + "/";
  run(visit);
  prefix_.resize(length);
  numbers_ = std::move(outer);
}

void StateVisitor::problem(const std::string& name, const std::string& what) {
  problems_.push_back(prefix_ + name + " " + what);
}

void StateVisitor::require(bool condition, const std::string& name,
                           const std::string& what) {
  if (!condition && mode_ == Mode::Check) problem(name, what);
}

const Tensor* StateVisitor::find(const std::string& name) {
  const auto found = index_.find(prefix_ + name);
  if (found == index_.end()) return nullptr;
  used_[found->second] = 1;
  return &(*from_)[found->second].second;
}

void StateVisitor::unused() {
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (used_[i] == 0) problems_.push_back((*from_)[i].first + " is extra");
  }
}

// ---- numbers ---------------------------------------------------------------

void StateVisitor::open_numbers() {
  numbers_ = {};
  if (mode_ == Mode::Save) return;
  if (const Tensor* x = find(integers_name)) {
    if (x->dtype() == DType::I64) {
      numbers_.integers = x->to_vector<std::int64_t>();
    } else {
      require(false, integers_name, "should be i64");
    }
  }
  if (const Tensor* x = find(numbers_name)) {
    if (x->dtype() == DType::F64) {
      numbers_.numbers = x->to_vector<double>();
    } else {
      require(false, numbers_name, "should be f64");
    }
  }
}

void StateVisitor::close_numbers() {
  const auto length = [](std::size_t n) {
    return Shape{static_cast<std::int64_t>(n)};
  };
  if (mode_ == Mode::Save) {
    const std::size_t integers = numbers_.integers.size();
    const std::size_t numbers = numbers_.numbers.size();
    if (integers > 0) {
      saved_.emplace_back(
          prefix_ + integers_name,
          Tensor::from<std::int64_t>(numbers_.integers, length(integers)));
    }
    if (numbers > 0) {
      saved_.emplace_back(
          prefix_ + numbers_name,
          Tensor::from<double>(numbers_.numbers, length(numbers)));
    }
    return;
  }
  const auto compare = [this](const char* name, std::size_t wanted,
                              std::size_t there) {
    require(wanted == there, name,
            there == 0 ? "is missing"
                       : "has " + std::to_string(there) + " values, expected " +
                             std::to_string(wanted));
  };
  compare(integers_name, numbers_.integer, numbers_.integers.size());
  compare(numbers_name, numbers_.number, numbers_.numbers.size());
}

std::int64_t StateVisitor::next_integer(std::int64_t own, std::int64_t low,
                                        std::int64_t high) {
  if (mode_ == Mode::Save) {
    numbers_.integers.push_back(own);
    return own;
  }
  const std::size_t at = numbers_.integer++;
  if (at >= numbers_.integers.size()) return own;
  const std::int64_t saved = numbers_.integers[at];
  if (saved >= low && saved <= high) return saved;
  require(false, integers_name,
          "has " + std::to_string(saved) + " at " + std::to_string(at) +
              ", expected " + std::to_string(low) + " to " +
              std::to_string(high));
  return own;
}

double StateVisitor::number(double& value) {
  if (mode_ == Mode::Save) {
    numbers_.numbers.push_back(value);
    return value;
  }
  const std::size_t at = numbers_.number++;
  if (at >= numbers_.numbers.size()) return value;
  const double saved = numbers_.numbers[at];
  if (loading()) value = saved;
  return saved;
}

void StateVisitor::generator(Generator& rng) {
  Generator::State state = rng.state();
  for (std::uint64_t* word : {&state.seed, &state.stream, &state.counter}) {
    std::int64_t bits = bits_of(*word);
    integer(bits);
    std::memcpy(word, &bits, sizeof bits);
  }
  integer(state.lane, 0, 2);
  integer(state.has_spare);
  number(state.spare);
  if (loading()) rng.set_state(state);
}

// ---- tensors ---------------------------------------------------------------

void StateVisitor::tensor(const std::string& name, const Tensor& value) {
  if (mode_ == Mode::Save) {
    saved_.emplace_back(prefix_ + name, value.clone());
    return;
  }
  const Tensor* saved = find(name);
  if (saved == nullptr) return require(false, name, "is missing");
  if (saved->shape() != value.shape() || saved->dtype() != value.dtype()) {
    return require(false, name,
                   "is " + kind_of(*saved) + ", expected " + kind_of(value));
  }
  if (loading()) value.copy_from(*saved);
}

void StateVisitor::optional_tensor(const std::string& name, Tensor& value,
                                   const Tensor& like) {
  bool defined = value.defined();
  if (!integer(defined)) {
    if (loading()) value = Tensor();
    return;
  }
  if (loading() && !value.defined()) value = Tensor::empty_like(like);
  tensor(name, value.defined() ? value : like);
}

Tensor StateVisitor::any_tensor(const std::string& name, const Tensor& value,
                                DType dtype, std::size_t rank) {
  if (mode_ == Mode::Save) {
    saved_.emplace_back(
        prefix_ + name,
        value.defined()
            ? value.clone()
            : Tensor::empty(Shape(std::vector<std::int64_t>(rank, 0)),
                            {dtype}));
    return value;
  }
  const Tensor* saved = find(name);
  if (saved == nullptr) {
    require(false, name, "is missing");
    return value;
  }
  if (saved->dtype() != dtype || saved->rank() != rank) {
    require(false, name,
            "is " + kind_of(*saved) + ", expected rank " +
                std::to_string(rank) + " of " + name_of(dtype));
    return value;
  }
  return saved->numel() == 0 ? Tensor() : saved->clone();
}

}  // namespace mjolnir

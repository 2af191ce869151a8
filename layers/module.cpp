#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <set>
#include <typeinfo>

#include <mjolnir/core/error.h>
#include <mjolnir/layers/curvature.h>
#include <mjolnir/layers/factors.h>
#include <mjolnir/layers/module.h>

namespace mjolnir {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/** Last part of the class's name: "Net" for app::Net. */
std::string class_name(const Module& module) {
  int status = 0;
  char* text =
      abi::__cxa_demangle(typeid(module).name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : typeid(module).name();
  std::free(text);
  const std::size_t colon = name.rfind("::");
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

void collect_modules(Module& module, const std::string& name,
                     std::set<const Module*>& seen,
                     std::vector<std::pair<std::string, Module*>>& modules) {
  if (!seen.insert(&module).second) return;
  modules.emplace_back(name, &module);
  for (const auto& [child_name, child] : module.children())
    collect_modules(*child, join(name, child_name), seen, modules);
}

/** Keeps the first of several names of one tensor. */
class Unique {
 public:
  bool first(const Tensor& tensor) {
    return seen_.insert(tensor.impl().get()).second;
  }

 private:
  std::set<const void*> seen_;
};

std::string with_commas(std::int64_t count) {
  std::string text = std::to_string(count);
  for (std::int64_t at = static_cast<std::int64_t>(text.size()) - 3; at > 0;
       at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

/** "weight (8,3,3,3), bias (8)" of one module's own tensors. */
std::string list_shapes(
    const std::vector<std::pair<std::string, Tensor*>>& tensors) {
  std::string text;
  for (const auto& [name, tensor] : tensors) {
    if (!text.empty()) text += ", ";
    text += name + " " + tensor->shape().str();
    if (is_floating(tensor->dtype()) && !tensor->requires_grad())
      text += " frozen";
  }
  return text;
}

}  // namespace

Tensor Module::operator()(const Tensor&) {
  throw ValueError("[" + class_name(*this) +
                   "] has no forward pass of one tensor; override operator()");
}

std::unique_ptr<Module> Module::clone() const {
  throw ValueError("[" + class_name(*this) +
                   "] cannot be cloned; override clone()");
}

std::string Module::describe() const { return class_name(*this); }

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::set<const Module*> seen;
  std::vector<std::pair<std::string, Module*>> modules;
  collect_modules(*this, "", seen, modules);
  return modules;
}

std::vector<std::pair<std::string, const Module*>> Module::named_modules()
    const {
  std::vector<std::pair<std::string, const Module*>> modules;
  for (const auto& [name, module] : const_cast<Module*>(this)->named_modules())
    modules.emplace_back(name, module);
  return modules;
}

std::vector<NamedTensor> Module::named_parameters() const {
  Unique unique;
  std::vector<NamedTensor> tensors;
  for (const auto& [path, module] : named_modules())
    for (const auto& [name, tensor] : module->parameters_)
      if (unique.first(*tensor))
        tensors.emplace_back(join(path, name), *tensor);
  return tensors;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> tensors;
  for (const NamedTensor& parameter : named_parameters())
    tensors.push_back(parameter.second);
  return tensors;
}

std::vector<NamedTensor> Module::named_buffers() const {
  Unique unique;
  std::vector<NamedTensor> tensors;
  for (const auto& [path, module] : named_modules())
    for (const auto& [name, tensor] : module->buffers_)
      if (unique.first(*tensor))
        tensors.emplace_back(join(path, name), *tensor);
  return tensors;
}

std::vector<NamedTensor> Module::state() const {
  Unique unique;
  std::vector<NamedTensor> tensors;
  for (const auto& [path, module] : named_modules())
    for (const auto* own : {&module->parameters_, &module->buffers_})
      for (const auto& [name, tensor] : *own)
        if (unique.first(*tensor))
          tensors.emplace_back(join(path, name), *tensor);
  return tensors;
}

void Module::visit_tensors(
    const std::function<void(const std::string&, Tensor&)>& visit) {
  for (const auto& [path, module] : named_modules())
    for (auto* own : {&module->parameters_, &module->buffers_})
      for (auto& [name, tensor] : *own) visit(join(path, name), *tensor);
}

std::vector<StateDifference> Module::state_differences(
    const std::vector<NamedTensor>& state) const {
  using Kind = StateDifference::Kind;
  std::vector<StateDifference> differences;
  const auto differ = [&differences](const std::string& name, Kind kind,
                                     const std::string& expected = "",
                                     const std::string& got = "") {
    differences.push_back({name, kind, expected, got});
  };
  std::map<std::string, Tensor> given;
  for (const auto& [name, tensor] : state)
    if (!given.emplace(name, tensor).second) differ(name, Kind::Twice);
  for (const auto& [name, tensor] : this->state()) {
    const auto found = given.find(name);
    if (found == given.end()) {
      differ(name, Kind::Missing);
      continue;
    }
    const Tensor value = found->second;
    given.erase(found);
    if (!value.defined())
      differ(name, Kind::Undefined);
    else if (value.shape() != tensor.shape())
      differ(name, Kind::Shape, tensor.shape().str(), value.shape().str());
    else if (value.dtype() != tensor.dtype())
      differ(name, Kind::DType, name_of(tensor.dtype()),
             name_of(value.dtype()));
  }
  for (const auto& left : given) differ(left.first, Kind::Extra);
  return differences;
}

void Module::load_state(const std::vector<NamedTensor>& state) const {
  const std::vector<StateDifference> differences = state_differences(state);
  if (!differences.empty())
    throw ValueError("[" + class_name(*this) +
                     "] load_state: nothing was changed, the state does not "
                     "fit:" +
                     mjolnir::str(differences));
  load_matching_state(state);
}

std::vector<StateDifference> Module::load_matching_state(
    const std::vector<NamedTensor>& state) const {
  std::vector<StateDifference> differences = state_differences(state);
  std::set<std::string> left_alone;
  for (const StateDifference& difference : differences)
    left_alone.insert(difference.name);
  const std::map<std::string, Tensor> given(state.begin(), state.end());
  const std::vector<NamedTensor> own = this->state();
  // From here on nothing takes memory, so nothing can fail half-way.
  for (const auto& [name, tensor] : own)
    if (left_alone.count(name) == 0) tensor.copy_from(given.at(name));
  return differences;
}

void Module::visit_state(StateVisitor& /*visitor*/) {}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters())
    if (parameter.requires_grad()) count += parameter.numel();
  return count;
}

void Module::train(bool on) {
  for (const auto& [name, module] : named_modules()) {
    module->training_ = on;
    module->on_mode_change();
  }
}

void Module::freeze(bool frozen) {
  for (const Tensor& parameter : parameters())
    parameter.set_requires_grad(!frozen);
}

void Module::zero_grad() const {
  for (const Tensor& parameter : parameters()) parameter.zero_grad();
  for (const auto& [name, module] : named_modules())
    if (const auto* layer = dynamic_cast<const ObservedLayer*>(module))
      layer->clear_observations();
}

void Module::check_name(const std::string& name) const {
  const auto refuse = [&](const std::string& why) {
    throw ValueError("[" + class_name(*this) + "] cannot add \"" + name +
                     "\": " + why);
  };
  if (name.empty()) refuse("the name is empty");
  if (name.find('.') != std::string::npos) refuse("the name has a dot");
  for (const auto& entry : children_)
    if (entry.first == name) refuse("the name is used");
  for (const auto* own : {&parameters_, &buffers_})
    for (const auto& entry : *own)
      if (entry.first == name) refuse("the name is used");
}

void Module::add(std::string name, Module& child) {
  check_name(name);
  for (const auto& below : child.named_modules())
    if (below.second == this)
      throw ValueError("[" + class_name(*this) + "] cannot add \"" + name +
                       "\": it would contain itself");
  children_.emplace_back(std::move(name), &child);
}

void Module::add(std::string name, Tensor& parameter) {
  check_name(name);
  if (!parameter.defined())
    throw ValueError("[" + class_name(*this) + "] cannot add \"" + name +
                     "\": the tensor is undefined");
  parameter.set_requires_grad(true);
  parameters_.emplace_back(std::move(name), &parameter);
}

void Module::add_buffer(std::string name, Tensor& buffer) {
  check_name(name);
  if (!buffer.defined())
    throw ValueError("[" + class_name(*this) + "] cannot add \"" + name +
                     "\": the tensor is undefined");
  buffers_.emplace_back(std::move(name), &buffer);
}

void Module::check_same_tree(const Module& other,
                             const std::string& path) const {
  if (typeid(*this) != typeid(other))
    throw ValueError(
        "[" + class_name(other) +
        "] copy_from: " + (path.empty() ? "it" : "\"" + path + "\"") +
        " became a plain " + class_name(*this) + "; override clone()");
  const auto names = [](const auto& entries) {
    std::vector<std::string> list;
    for (const auto& entry : entries) list.push_back(entry.first);
    return list;
  };
  if (names(children_) != names(other.children_) ||
      names(parameters_) != names(other.parameters_) ||
      names(buffers_) != names(other.buffers_))
    throw ValueError("[" + class_name(*this) +
                     "] copy_from: the modules at \"" + path +
                     "\" differ in what they registered");
  for (std::size_t i = 0; i < children_.size(); ++i)
    children_[i].second->check_same_tree(*other.children_[i].second,
                                         join(path, children_[i].first));
}

void Module::copy_from(const Module& source) {
  check_same_tree(source, "");
  std::map<const void*, Tensor> copied;
  std::set<const Module*> done;
  std::vector<std::pair<Module*, const Module*>> pending{{this, &source}};
  while (!pending.empty()) {
    const auto [to, from] = pending.back();
    pending.pop_back();
    if (!done.insert(to).second) continue;
    to->training_ = from->training_;
    const auto copy = [&](auto& targets, const auto& sources) {
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const Tensor& value = *sources[i].second;
        Tensor& slot = *targets[i].second;
        const auto [known, fresh] = copied.emplace(value.impl().get(), slot);
        if (!fresh) {
          slot = known->second;
          continue;
        }
        slot.copy_from(value);
        if (is_floating(value.dtype()))
          slot.set_requires_grad(value.requires_grad());
      }
    };
    copy(to->parameters_, from->parameters_);
    copy(to->buffers_, from->buffers_);
    const auto* source = dynamic_cast<const CurvatureSource*>(from);
    auto* target = dynamic_cast<CurvatureSource*>(to);
    if (source && source->factors() && !target->factors())
      target->enable_factors(std::make_shared<KroneckerObserver>(
          Collect::Nothing, source->factors()->joint_bias()));
    for (std::size_t i = 0; i < from->children_.size(); ++i)
      pending.emplace_back(to->children_[i].second, from->children_[i].second);
  }
  for (const auto& [name, module] : named_modules()) module->on_mode_change();
}

void Module::print(const std::string& name, const std::string& indent,
                   std::string& out) const {
  out += indent;
  if (!name.empty()) out += "(" + name + ") ";
  out += describe();
  const std::string shapes = list_shapes(parameters_);
  if (!shapes.empty()) out += "  " + shapes;
  const std::int64_t count = parameter_count();
  if (count > 0) out += "  " + with_commas(count);
  out += "\n";
  for (const auto& [child_name, child] : children_)
    child->print(child_name, indent + "  ", out);
}

std::string Module::str() const {
  std::string out;
  print("", "", out);
  return out;
}

}  // namespace mjolnir

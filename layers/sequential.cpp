#include <map>

#include <mjolnir/core/error.h>
#include <mjolnir/layers/sequential.h>

namespace mjolnir {

Module& Sequential::push(std::unique_ptr<Module> module) {
  return push(std::to_string(size()), std::move(module));
}

Module& Sequential::push(std::string name, std::unique_ptr<Module> module) {
  if (!module)
    throw ValueError("[Sequential] expected a module for \"" + name +
                     "\", got none");
  owned_.reserve(owned_.size() + 1);
  add(std::move(name), *module);
  owned_.push_back(std::move(module));
  return *owned_.back();
}

Module& Sequential::push(Module& module) {
  return push(std::to_string(size()), module);
}

Module& Sequential::push(std::string name, Module& module) {
  add(std::move(name), module);
  return module;
}

Module& Sequential::operator[](std::size_t i) const {
  if (i >= size())
    throw ValueError("[Sequential] expected an index below " +
                     std::to_string(size()) + ", got " + std::to_string(i));
  return *children()[i].second;
}

Tensor Sequential::operator()(const Tensor& x) {
  Tensor y = x;
  for (const auto& child : children()) y = (*child.second)(y);
  return y;
}

std::unique_ptr<Module> Sequential::clone() const {
  auto copy = std::make_unique<Sequential>();
  std::map<const Module*, Module*> cloned;
  for (const auto& [name, child] : children()) {
    const auto known = cloned.find(child);
    if (known != cloned.end())
      copy->push(name, *known->second);
    else
      cloned[child] = &copy->push(name, child->clone());
  }
  copy->copy_from(*this);
  return copy;
}

}  // namespace mjolnir

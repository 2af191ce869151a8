#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/layers/module.h>

namespace mjolnir {

/**
 * Modules applied one after the other. A child is owned (emplace, push of a
 * unique_ptr) or referred to (push of a reference, which must live as long as
 * this module). Children are named "0", "1", ... unless named, as in PyTorch.
 *
 *     Sequential net;
 *     net.emplace<Dense>(dense_options, rng);  // "0.weight", "0.bias"
 *     net.emplace<ReLU>();
 */
class Sequential final : public Module {
 public:
  Sequential() = default;

  /** Makes a module of type M in place and gives it back. */
  template <class M, class... Args>
  M& emplace(Args&&... args) {
    auto module = std::make_unique<M>(std::forward<Args>(args)...);
    M& made = *module;
    push(std::move(module));
    return made;
  }
  /** Appends an owned module. Throws ValueError for none. */
  Module& push(std::unique_ptr<Module> module);
  Module& push(std::string name, std::unique_ptr<Module> module);
  /** Appends a reference; the same module may occur more than once and then
   * shares its parameters. */
  Module& push(Module& module);
  Module& push(std::string name, Module& module);

  std::size_t size() const noexcept { return children().size(); }
  bool empty() const noexcept { return children().empty(); }
  /** Child by position. Throws ValueError out of range. */
  Module& operator[](std::size_t i) const;

  Tensor operator()(const Tensor& x) override;
  /** Owns clones of all children; one that occurs twice is cloned once. */
  std::unique_ptr<Module> clone() const override;
  std::string describe() const override { return "Sequential"; }

 private:
  std::vector<std::unique_ptr<Module>> owned_;
};

}  // namespace mjolnir

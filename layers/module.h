#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/state.h>

namespace mjolnir {

/** A tensor and its dotted name, e.g. "layer1.0.conv1.weight". */
using NamedTensor = std::pair<std::string, Tensor>;

/**
 * A function with parameters. Children and parameters are ordinary members
 * of the derived class, registered by reference in its constructor; modules
 * are neither copied nor moved. A member used under two names is one
 * parameter: listings give it once, under its first name.
 */
class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /** The forward pass. Throws ValueError unless overridden. */
  virtual Tensor operator()(const Tensor& x);

  /** An independent module with equal parameters, buffers and mode. Throws
   * ValueError unless overridden. */
  virtual std::unique_ptr<Module> clone() const;

  /** One line for print(): type and options, e.g. "Dense(in=8, out=10)". */
  virtual std::string describe() const;

  /** Calls `visit` with the dotted name and the place of every registered
   * parameter and buffer, in state() order; a tensor under several names is
   * visited under each. */
  void visit_tensors(
      const std::function<void(const std::string&, Tensor&)>& visit);

  /** Every parameter, own ones first, then the children's, in order. */
  std::vector<Tensor> parameters() const;
  std::vector<NamedTensor> named_parameters() const;
  /** State that is not trained, e.g. running statistics. */
  std::vector<NamedTensor> named_buffers() const;
  /** Parameters and buffers in PyTorch's state_dict order: each module's
   * parameters, its buffers, then its children's. */
  std::vector<NamedTensor> state() const;
  /** Children by name, in order of registration. */
  const std::vector<std::pair<std::string, Module*>>& children()
      const noexcept {
    return children_;
  }
  /** This module and all below it, each once, with dotted names ("" for
   * itself). */
  std::vector<std::pair<std::string, Module*>> named_modules();
  std::vector<std::pair<std::string, const Module*>> named_modules() const;
  /** Every way in which another module's state does not fit this one: what is
   * given twice, then missing or different in state() order, then extra. */
  std::vector<StateDifference> state_differences(
      const std::vector<NamedTensor>& state) const;
  /** Copies values by name from another module's state. Throws ValueError
   * that lists all state_differences(), and has changed nothing then. */
  void load_state(const std::vector<NamedTensor>& state) const;
  /** The same for every name that is there once, with this module's shape and
   * dtype; the others stay as they are. Returns state_differences(). */
  std::vector<StateDifference> load_matching_state(
      const std::vector<NamedTensor>& state) const;

  /** Shows what this module (not its children) must keep to go on with a run
   * beside parameters and buffers, such as where its random numbers stand.
   * Nothing unless overridden. */
  virtual void visit_state(StateVisitor& visitor);

  /** Number of trainable elements (frozen ones not counted). */
  std::int64_t parameter_count() const;

  /** Switches this module and its children to training mode. */
  void train(bool on = true);
  /** Switches to evaluation mode. */
  void eval() { train(false); }
  bool training() const noexcept { return training_; }

  /** Turns gradients of all parameters off (or on again). */
  void freeze(bool frozen = true);
  /** Forgets the gradients of all parameters and what the observers of its
   * layers gathered. */
  void zero_grad() const;

  /** The module as a tree with shapes and counts, a line each. */
  std::string str() const;

 protected:
  /** Registers a child; throws ValueError for an empty or used name or one
   * with a dot. */
  void add(std::string name, Module& child);
  /** Registers a parameter: a member that wants a gradient. */
  void add(std::string name, Tensor& parameter);
  /** Registers a buffer: state that is saved but not trained. */
  void add_buffer(std::string name, Tensor& buffer);
  /**
   * Makes this module equal to `source`, a module with the same tree of names:
   * values, which tensors want a gradient, the mode of every module, and which
   * names share one tensor, and which layers have factors (the sums stay
   * behind). What clone() ends with. Throws ValueError if the trees differ in
   * a name or in the type of a module, such as a class that inherits clone().
   */
  void copy_from(const Module& source);
  /** Called on every module of the tree after train(), eval() or copy_from().
   */
  virtual void on_mode_change() {}

 private:
  void check_name(const std::string& name) const;
  void check_same_tree(const Module& other, const std::string& path) const;
  void print(const std::string& name, const std::string& indent,
             std::string& out) const;

  std::vector<std::pair<std::string, Module*>> children_;
  std::vector<std::pair<std::string, Tensor*>> parameters_;
  std::vector<std::pair<std::string, Tensor*>> buffers_;
  bool training_ = true;
};

}  // namespace mjolnir

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <mjolnir/core/state.h>
#include <mjolnir/core/tensor.h>
#include <mjolnir/layers/module.h>
#include <mjolnir/optim/schedule.h>

namespace mjolnir::optim {

/** Parameters that share settings; what is unset comes from the options. */
struct ParameterGroup {
  std::vector<NamedTensor> parameters = {};
  std::optional<Schedule> learning_rate = {};
  std::optional<double> weight_decay = {};
};

/** Whether weight decay applies to a parameter. */
using DecayFilter =
    std::function<bool(const std::string& name, const Tensor& parameter)>;

/** How the loss adds up the samples' losses. */
enum class LossReduction : std::uint8_t { Mean, Sum };

/** How gradients are bounded before an optimizer uses them. */
struct GradientClip {
  enum class Kind : std::uint8_t { None, Norm, Value };

  Kind kind = Kind::None;
  double limit = 0.0;

  /** All gradients together scaled by min(1, limit / (norm + 1e-6)). */
  static GradientClip norm(double limit) { return {Kind::Norm, limit}; }
  /** Each element clamped to [-limit, limit]. */
  static GradientClip value(double limit) { return {Kind::Value, limit}; }
};

/** What one parameter needs in one step. */
struct Update {
  std::size_t index = 0;  ///< Of the parameter.
  Tensor parameter;
  Tensor gradient;              ///< In the parameter's layout; read only.
  double gradient_scale = 1.0;  ///< Clipping included.
  double learning_rate = 0.0;
  double weight_decay = 0.0;  ///< 0 where the filter declines.
};

/**
 * What every optimizer shares: the parameters and their groups, the step
 * counter, and the checks. It reads gradients and never writes them; state is
 * kept by parameter index. A parameter without a gradient is skipped in that
 * step. Frozen parameters may be in the list.
 */
class Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /** Forgets every gradient: a new step begins. Made from a module, it also
   * opens a new window for the observers of its layers; made from a list of
   * parameters it knows no layers, and Module::zero_grad() does that. */
  virtual void zero_grad();

  /**
   * Moves the parameters by their gradients and counts one step. Throws
   * ValueError if no parameter has a gradient, a schedule gives a value that
   * is negative or not finite, or the module's parameters were replaced, and
   * NumericalError for a NaN or infinite gradient, naming the parameter; all
   * before any parameter or state is touched. No parameter is ever written with
   * a NaN or an infinity.
   */
  virtual void step() = 0;

  /** Shows all that the steps to come depend on, besides the options: step
   * counters, momentum, inverses, running averages, decisions. An optimizer
   * with state of its own overrides it and calls the one it overrides. */
  virtual void visit_state(StateVisitor& visitor);
  /** A copy of that state; see save_state(). */
  SavedState state() const;
  /** Goes on from state() of an optimizer with the same options and parameters:
   * the same steps follow, bit for bit. Throws what load_state() throws. */
  void load_state(const SavedState& state);

  /** Multiplies every learning rate from the next step on, schedules and those
   * of groups included; part of the state. Throws ValueError unless the factor
   * is finite and at least 0. */
  void scale_learning_rate(double factor);

  /** Steps taken so far. */
  long steps() const noexcept { return steps_; }
  /** The options' learning rate at the step to come. */
  double learning_rate() const;
  /** Parameters by name, in the order of their indices. */
  std::vector<NamedTensor> named_parameters() const;

 protected:
  using Update = optim::Update;

  /** What the constructor of an optimizer hands down. */
  struct Common {
    const char* name = "optimizer";  ///< Prefix of error texts.
    Schedule learning_rate = 0.0;
    double weight_decay = 0.0;
    DecayFilter decay_filter = {};
    GradientClip clip = {};
  };

  /** All parameters of a module, which must outlive the optimizer. */
  Optimizer(const Module& module, Common common);
  /** Throws ValueError for no parameter at all, one given twice, one that is
   * undefined, not floating or not a leaf. */
  Optimizer(const std::vector<ParameterGroup>& groups, Common common);
  /** The same for some parameters of a module, which must outlive the
   * optimizer. */
  Optimizer(const Module& module, const std::vector<ParameterGroup>& groups,
            Common common);

  struct Parameter {
    std::string name;
    Tensor tensor;
    std::size_t group = 0;
    bool decays = true;
    std::optional<std::size_t> place = {};  ///< Among those of the module.
  };

  /** Checks everything step() promises and lists what has a gradient, which
   * counts `scale` times, before it is clipped. */
  std::vector<Update> begin_step(double scale = 1.0) const;
  void end_step() noexcept { ++steps_; }

  const std::vector<Parameter>& list() const noexcept { return parameters_; }
  /** Zeros for every parameter that wants a gradient now, undefined for the
   * others: state that is there before the first step, so that no later step
   * finds less memory than the first. */
  std::vector<Tensor> zero_state() const;
  /** The parameters, in the order of their indices. */
  std::vector<Tensor> tensors() const;
  /** The same under names that are unique, for visit_state(). */
  std::vector<NamedTensor> state_names() const;
  const char* name() const noexcept { return common_.name; }
  /** Emits a warning, under the optimizer's name: the parameter was left alone
   * where its step is not finite. */
  void report_not_finite(const Update& update) const;
  /** The same of a parameter that was left alone as a whole. */
  void report_left_alone(const Update& update) const;

  /** A schedule's value at this step; throws ValueError unless it is finite and
   * at least 0. */
  double value_of(const Schedule& schedule, const char* what) const;

 private:
  struct Group {
    std::optional<Schedule> learning_rate;
    std::optional<double> weight_decay;
  };

  void add(const ParameterGroup& group);
  void check_common() const;
  void check_module() const;
  void find_places();
  void clip(std::vector<Update>& updates, double scale) const;

  Common common_;
  const Module* module_ = nullptr;
  std::size_t module_parameters_ = 0;  ///< How many it had.
  std::vector<Group> groups_;
  std::vector<Parameter> parameters_;
  long steps_ = 0;
  double rate_factor_ = 1.0;
};

}  // namespace mjolnir::optim

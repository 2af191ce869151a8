#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <mjolnir/core/random.h>
#include <mjolnir/core/tensor.h>

namespace mjolnir {

class StateVisitor;

/** Shows a visitor all that an object must keep to go on later. */
using VisitState = std::function<void(StateVisitor&)>;

/** State as it is kept: copies, by names that are unique. */
using SavedState = std::vector<std::pair<std::string, Tensor>>;

/** Copies what `visit` shows. */
SavedState save_state(const VisitState& visit);

/**
 * Puts back what save_state() copied from an object that `visit` shows in the
 * same way. Throws ValueError that lists every missing, extra or differing
 * entry; nothing was changed then.
 */
void load_state(const SavedState& state, const VisitState& visit);

/**
 * One description of an object's state that serves both directions. The object
 * shows its tensors and numbers one after the other:
 *
 *   visitor.scope("sgd", [&] {
 *     visitor.tensor("velocity", velocity_);
 *     visitor.integer(steps_);
 *   });
 *
 * Saving copies them. Loading calls the description twice: first to compare
 * alone, when nothing is written, then to write. A description that depends on
 * a value (a count, a flag) uses what the call returns, which is the saved
 * value in both.
 *
 * Numbers have no names of their own: those of a scope are kept in the order of
 * the calls, integers as "<scope>/integers" (I64), the others as
 * "<scope>/numbers" (F64).
 */
class StateVisitor {
 public:
  StateVisitor(const StateVisitor&) = delete;
  StateVisitor& operator=(const StateVisitor&) = delete;

  /** Calls `visit` with "<name>/" before every name. */
  void scope(const std::string& name, const std::function<void()>& visit);

  /** True while saved values are written to where they belong. */
  bool loading() const noexcept { return mode_ == Mode::Load; }
  /** Notes a saved value that cannot be, while comparing. */
  void require(bool condition, const std::string& name,
               const std::string& what);

  /** A tensor that is always there, with this shape and dtype. */
  void tensor(const std::string& name, const Tensor& value);
  /** One that may be undefined. If it was saved and is undefined now, it is
   * made like `like`. */
  void optional_tensor(const std::string& name, Tensor& value,
                       const Tensor& like);
  /** One of any shape of that rank, or undefined: kept as an empty one.
   * Returns the saved one when loading, else `value`. */
  Tensor any_tensor(const std::string& name, const Tensor& value, DType dtype,
                    std::size_t rank);

  /** An integer, bool or enumeration that lies in [low, high]. */
  template <class T>
  T integer(T& value, std::int64_t low, std::int64_t high) {
    const auto got = static_cast<T>(
        next_integer(static_cast<std::int64_t>(value), low, high));
    if (loading()) value = got;
    return got;
  }
  /** Any integer, or a bool; an enumeration needs its bounds. */
  template <class T>
  T integer(T& value) {
    static_assert(std::is_integral<T>::value, "give the bounds");
    return std::is_same<T, bool>::value ? integer(value, 0, 1)
                                        : integer(value, INT64_MIN, INT64_MAX);
  }
  /** A number, bit for bit, NaN included. */
  double number(double& value);
  /** Where a generator stands. */
  void generator(Generator& rng);

 private:
  enum class Mode : std::uint8_t { Save, Check, Load };
  struct Numbers {
    std::vector<std::int64_t> integers;
    std::vector<double> numbers;
    std::size_t integer = 0;  // taken so far
    std::size_t number = 0;
  };

  StateVisitor(Mode mode, const SavedState* from);
  friend SavedState save_state(const VisitState& visit);
  friend void load_state(const SavedState& state, const VisitState& visit);

  void run(const std::function<void()>& visit);
  void problem(const std::string& name, const std::string& what);
  const Tensor* find(const std::string& name);
  void open_numbers();
  void close_numbers();
  void unused();
  std::int64_t next_integer(std::int64_t own, std::int64_t low,
                            std::int64_t high);

  Mode mode_;
  const SavedState* from_;  // null when saving
  SavedState saved_;
  std::vector<std::string> problems_;
  std::string prefix_;
  Numbers numbers_;                           // of the innermost scope
  std::map<std::string, std::size_t> index_;  // into *from_
  std::vector<char> used_;
};

}  // namespace mjolnir

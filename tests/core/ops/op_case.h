#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mjolnir/core/tensor.h>

namespace mjolnir::testing {

using Tensors = std::vector<Tensor>;
using OpFunction = std::function<Tensor(const Tensors&)>;

/** An argument of the op under test. */
struct OpInput {
  Shape shape;
  double low = -1.0;  ///< Random elements are drawn from [low, high),
  double high = 1.0;
  std::vector<double> kinks;  ///< and moved 0.05 away from these.
  Tensor fixed;               ///< Or this one, e.g. labels; never
                              ///< differentiated.
};

/** A call that must throw. */
struct OpError {
  OpFunction run;    ///< Gets the case's inputs in f32.
  std::string text;  ///< What the message must contain.
};

/**
 * One case drives every check of an op (see check_op_case): value of the fast
 * and the reference kernels, both layouts, gradient, gradient of gradient,
 * refusals, an empty batch, and ranks that are not its own.
 */
struct OpCase {
  OpCase(std::string case_name, OpFunction function)
      : name(std::move(case_name)), ops{name}, run(std::move(function)) {}

  std::string name;
  /** Names given to make_op that this case covers; the case's own to begin
   * with. */
  std::vector<std::string> ops;
  std::vector<OpInput> inputs;
  OpFunction run;

  /** The definition, element by element in logical order, from inputs in
   * f64; optional, in code that shares nothing with the op. */
  std::function<std::vector<double>(const Tensors&)> expected;
  /** Sum of the |terms| that each output element adds up, on f64 inputs;
   * without it, the output's own size. */
  OpFunction terms;
  /** How many terms that are (K of the tolerance). */
  double terms_count = 1.0;

  bool differentiable = true;
  /** Whether an integer input or two float dtypes must be refused. */
  bool refuses_dtypes = true;
  std::vector<OpError> errors;
  /** Inputs whose first axis is a batch that may be empty ... */
  std::vector<std::size_t> batched{0};
  /** ... unless it is refused with this text. */
  std::string empty_text;
  /** Whether the first input must be refused with another rank. */
  bool one_rank = false;
  /** Step of the central differences, 0 for the checker's own; a linear op
   * through f32 needs a large one. */
  double step = 0.0;

  // The same as a sentence: OpCase("relu", f).input({2,3}).kinks({0}) ...
  OpCase& input(const Shape& shape, double low = -1.0, double high = 1.0);
  OpCase& kinks(const std::vector<double>& values);  ///< of the last input
  OpCase& constant(const Tensor& value);
  OpCase& covers(const std::vector<std::string>& names);
  OpCase& equals(std::function<std::vector<double>(const Tensors&)> f);
  OpCase& sums(double count, OpFunction absolute_terms);
  OpCase& refuses(const std::string& text, OpFunction call);
  OpCase& not_differentiable();
  OpCase& any_dtype();
  OpCase& batch(const std::vector<std::size_t>& indices);
  OpCase& refuses_empty(const std::string& text);
  OpCase& ranked();
};

/** All cases, in the order in which they were added. */
std::vector<OpCase>& op_cases();

/** Adds cases before main(): `const AddOpCases added([](auto& cases) {...});`
 */
struct AddOpCases {
  explicit AddOpCases(const std::function<void(std::vector<OpCase>&)>& add) {
    add(op_cases());
  }
};

/** A case's inputs in f64, drawn from its ranges; f32 holds them exactly, so
 * that both dtypes see one problem. */
Tensors case_inputs(const OpCase& c);

/** The same in f32. */
Tensors in_f32(const OpCase& c, const Tensors& inputs);

/** Runs every check of a case; failures are reported to GoogleTest. */
void check_op_case(const OpCase& c);

/** Runs it with an empty batch, and with other ranks. */
void check_op_case_edges(const OpCase& c);

/** Expects an Error whose text starts with "[" and contains `text`. */
void expect_refusal(const std::function<void()>& call, const std::string& text);

}  // namespace mjolnir::testing

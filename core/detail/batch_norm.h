#pragma once

#include <cstdint>
#include <vector>

#include <mjolnir/core/autograd.h>
#include <mjolnir/core/ops/norm.h>

/** What batch_norm and batch_norm_relu share. */
namespace mjolnir::detail {

/** x as the kernels see it: a matrix (rows, columns) in this layout. */
struct NormRows {
  std::int64_t rows = 0, columns = 0;
  Layout layout = Layout::RowMajor;
};

NormRows norm_rows_of(const Tensor& x);

/** The arguments of the ops. */
struct BatchNormArguments {
  Tensor x, weight, bias, running_mean, running_var;
  BatchNormOptions options;
};

/** Throws what batch_norm says, in the name of `op`. */
void check_batch_norm(const char* op, const BatchNormArguments& of);

/** What x is normalised by: (C), f64. */
struct BatchMoments {
  Tensor mean, inverse_std;
};

/** The batch's moments in training, which move the running ones, else the
 * running ones. x in the layout of its rows. */
BatchMoments batch_moments(const BatchNormArguments& of);

/** An empty (length) tensor. */
Tensor make_vector(std::int64_t length, DType dtype);

/** What the gradients of batch norm are made of. */
struct BatchNormSaved {
  Saved x, weight;
  BatchMoments moments;
  bool has_weight = false, training = false;
  double epsilon = 0;
};

/** The gradients of x, weight and bias as differentiable ops:
 * dx = w s (dy - mean(dy) - xhat mean(dy xhat)), w s dy with constant moments.
 */
std::vector<Tensor> batch_norm_composed(const Tensor& dy,
                                        const BatchNormSaved& saved,
                                        const BackwardContext& context);

}  // namespace mjolnir::detail

// Exercises what an installed Mjolnir links: tensors, the tape, BLAS.

#include <mjolnir/mjolnir.h>

#include <cstdio>

double other_half(const mjolnir::Tensor& x);

namespace {

// y = 3 x, so that dy/dx = 3.
mjolnir::Tensor triple(const mjolnir::Tensor& x) {
  mjolnir::Tensor y = mjolnir::Tensor::full(x.shape(), 3.0 * x.item());
  return mjolnir::make_op(
      "triple", {x}, y,
      [](const mjolnir::Tensor& dy, const mjolnir::BackwardContext&) {
        return std::vector<mjolnir::Tensor>{
            mjolnir::Tensor::full(dy.shape(), 3.0 * dy.item())};
      });
}

}  // namespace

int main() {
  mjolnir::Tensor x = mjolnir::Tensor::scalar(5.0);
  x.set_requires_grad(true);
  triple(x).backward();
  std::printf("dy/dx = %g, elsewhere %g\n", x.grad().item(), other_half(x));
  return x.grad().item() == 3.0 && other_half(x) == 2.5 ? 0 : 1;
}

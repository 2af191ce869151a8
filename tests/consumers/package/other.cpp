// A second file that includes everything.

#include <mjolnir/mjolnir.h>

double other_half(const mjolnir::Tensor& x);

double other_half(const mjolnir::Tensor& x) { return x.item() / 2.0; }

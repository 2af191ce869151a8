// Mjolnir as a subfolder of a project compiles and links.

#include <mjolnir/mjolnir.h>

int main() { return mjolnir::Tensor::ones({2, 3}).numel() == 6 ? 0 : 1; }

#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/embedding.h>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

using Ids = std::vector<std::int64_t>;

const AddOpCases lookups([](std::vector<OpCase>& cases) {
  // Row 1 is used three times, row 3 never.
  const Tensor ids = Tensor::from<std::int64_t>({1, 0, 1, 4, 2, 1}, {2, 3});
  OpCase c("embedding", [](const Tensors& x) { return embedding(x[0], x[1]); });
  c.input({5, 7}).constant(ids).covers({"embedding_gradient"});
  c.batch({1}).ranked();
  cases.push_back(
      c.equals([](const Tensors& x) {
         const std::vector<double> w = x[0].to_vector<double>();
         std::vector<double> y;
         for (const std::size_t id : {1, 0, 1, 4, 2, 1}) {
           for (std::size_t e = 0; e < 7; ++e) y.push_back(w[id * 7 + e]);
         }
         return y;
       })
          .refuses("[embedding] ids[1] = 5 is outside [0, 5)",
                   [](const Tensors& x) {
                     return embedding(x[0], Tensor::from(Ids{0, 5}, {2}));
                   })
          .refuses("[embedding] ids[0] = -1 is outside [0, 5)",
                   [](const Tensors& x) {
                     return embedding(x[0], Tensor::from(Ids{-1}, {1}));
                   })
          .refuses("[embedding] expected ids of i64, got f32",
                   [](const Tensors& x) { return embedding(x[0], x[0]); })
          .refuses("[embedding] expected weight of rank 2",
                   [](const Tensors& x) {
                     return embedding(Tensor::ones({3}), x[1]);
                   }));
});

const AddOpCases gathers([](std::vector<OpCase>& cases) {
  // Shorter than x along the other axes, longer along the axis.
  const Tensor index =
      Tensor::from<std::int64_t>({2, 0, 0, 1, 2, 2, 1, 0, 0, 0}, {1, 5, 2});
  OpCase c("gather", [](const Tensors& x) { return gather(x[0], 1, x[1]); });
  c.input({2, 3, 4}).constant(index).batch({0, 1}).ranked();
  cases.push_back(
      c.equals([](const Tensors& x) {
         const std::vector<double> in = x[0].to_vector<double>();
         const Ids at = x[1].to_vector<std::int64_t>();
         std::vector<double> y;
         for (std::size_t j = 0; j < 5; ++j) {
           for (std::size_t k = 0; k < 2; ++k) {
             const auto row = static_cast<std::size_t>(at[j * 2 + k]);
             y.push_back(in[row * 4 + k]);
           }
         }
         return y;
       })
          .refuses("[gather] index[0] = 3 is outside [0, 3)",
                   [](const Tensors& x) {
                     return gather(x[0], 1, Tensor::from(Ids{3}, {1, 1, 1}));
                   })
          .refuses(
              "[gather] index of shape (3,1,1) does not fit in (2,3,4)",
              [](const Tensors& x) {
                return gather(x[0], 1, Tensor::from(Ids{0, 0, 0}, {3, 1, 1}));
              })
          .refuses("[gather] axis 5 does not exist",
                   [](const Tensors& x) { return gather(x[0], 5, x[1]); })
          .refuses("[gather] index of shape (1) does not fit",
                   [](const Tensors& x) {
                     return gather(x[0], 1, Tensor::from(Ids{0}, {1}));
                   }));
  OpCase last("gather_image",
              [](const Tensors& x) { return gather(x[0], -1, x[1]); });
  last.ops = {"gather"};
  last.batch({0, 1}).ranked();
  cases.push_back(last.input({2, 3, 2, 4})
                      .constant(Tensor::from<std::int64_t>({3, 3, 0, 1, 2, 2},
                                                           {1, 3, 2, 1})));
  OpCase scatter("scatter_add", [](const Tensors& x) {
    return scatter_add(x[0], 1, x[1], x[2]);
  });
  scatter.input({2, 3, 4}).constant(index).input({1, 5, 2});
  scatter.batch({0, 1, 2}).ranked();
  cases.push_back(
      scatter
          .equals([](const Tensors& x) {
            std::vector<double> y = x[0].to_vector<double>();
            const Ids at = x[1].to_vector<std::int64_t>();
            const std::vector<double> from = x[2].to_vector<double>();
            for (std::size_t j = 0; j < 5; ++j) {
              for (std::size_t k = 0; k < 2; ++k) {
                const auto row = static_cast<std::size_t>(at[j * 2 + k]);
                y[row * 4 + k] += from[j * 2 + k];
              }
            }
            return y;
          })
          .sums(4, [](const Tensors& x) { return add(abs(x[0]), 4.0); })
          .refuses("[scatter_add] index[1] = -2 is outside [0, 3)",
                   [](const Tensors& x) {
                     return scatter_add(x[0], 1,
                                        Tensor::from(Ids{0, -2}, {1, 1, 2}),
                                        Tensor::ones({1, 1, 2}));
                   })
          .refuses("[scatter_add] axis -4 does not exist",
                   [](const Tensors& x) {
                     return scatter_add(x[0], -4, x[1], x[2]);
                   })
          .refuses("[scatter_add] expected source of shape (1,1,2), got (2)",
                   [](const Tensors& x) {
                     return scatter_add(x[0], 1,
                                        Tensor::from(Ids{0, 1}, {1, 1, 2}),
                                        Tensor::ones({2}));
                   }));
});

}  // namespace
}  // namespace mjolnir::testing

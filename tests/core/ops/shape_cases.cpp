#include <mjolnir/core/ops/elementwise.h>
#include <mjolnir/core/ops/shape.h>

#include <limits>

#include "tests/core/ops/op_case.h"

namespace mjolnir::testing {
namespace {

std::vector<double> unchanged(const Tensors& x) {
  return x[0].to_vector<double>();
}

// A case of an op that only moves elements: exact in every dtype.
OpCase moves(const std::string& name, const Shape& shape, OpFunction run) {
  OpCase c(name, std::move(run));
  return c.input(shape).any_dtype();
}

const AddOpCases same_order([](std::vector<OpCase>& cases) {
  cases.push_back(
      moves("reshape", {2, 3, 5, 4},
            [](const Tensors& x) {
              return reshape(x[0], {6, -1});
            })
          .equals(unchanged)
          .refuses("[reshape] expected a shape of 120 elements for (2,3,5,4), "
                   "got (7,17)",
                   [](const Tensors& x) {
                     return reshape(x[0], Shape{7, 17});
                   })
          .refuses("[reshape] expected a whole length for -1, got 120 elements",
                   [](const Tensors& x) {
                     return reshape(x[0], {7, -1});
                   })
          .refuses("[reshape] expected lengths below 2^63",
                   [](const Tensors& x) {
                     const std::int64_t many = std::int64_t{1} << 33;
                     return reshape(x[0], {many, many, -1});
                   })
          .refuses("[reshape] expected lengths of 0 or more and at most one -1",
                   [](const Tensors& x) {
                     return reshape(x[0], {-1, 2, -1});
                   }));
  cases.push_back(moves("flatten", {2, 3, 5, 4},
                        [](const Tensors& x) { return flatten(x[0]); })
                      .equals(unchanged)
                      .refuses("[flatten]", [](const Tensors& x) {
                        return flatten(x[0], 4);
                      }));
});

// Element of (2,3,5,4) at a logical index.
double at(const std::vector<double>& x, std::size_t n, std::size_t c,
          std::size_t h, std::size_t w) {
  return x[((n * 3 + c) * 5 + h) * 4 + w];
}

const AddOpCases orders([](std::vector<OpCase>& cases) {
  cases.push_back(
      moves("permute", {2, 3, 5, 4},
            [](const Tensors& x) {
              return permute(x[0], {2, 0, -1, 1});
            })
          .ranked()
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            std::vector<double> y;
            for (std::size_t h = 0; h < 5; ++h) {
              for (std::size_t n = 0; n < 2; ++n) {
                for (std::size_t w = 0; w < 4; ++w) {
                  for (std::size_t c = 0; c < 3; ++c) {
                    y.push_back(at(in, n, c, h, w));
                  }
                }
              }
            }
            return y;
          })
          .refuses("[permute] expected 4 axes for shape (2,3,5,4), got 3",
                   [](const Tensors& x) {
                     return permute(x[0], {0, 1, 2});
                   })
          .refuses("[permute] axis -1 is given twice", [](const Tensors& x) {
            return permute(x[0], {0, 1, 3, -1});
          }));
  cases.push_back(moves("transpose", {3, 5},
                        [](const Tensors& x) { return transpose(x[0], 0, 1); })
                      .equals([](const Tensors& x) {
                        const std::vector<double> in = x[0].to_vector<double>();
                        std::vector<double> y;
                        for (std::size_t j = 0; j < 5; ++j) {
                          for (std::size_t i = 0; i < 3; ++i)
                            y.push_back(in[i * 5 + j]);
                        }
                        return y;
                      })
                      .refuses("[transpose]", [](const Tensors& x) {
                        return transpose(x[0], 0, 2);
                      }));
  // Larger than the tiles of the transposing copy, and ragged.
  cases.push_back(moves("transpose_tiles", {2, 35, 67}, [](const Tensors& x) {
    return transpose(x[0], 1, 2);
  }));
});

const AddOpCases parts([](std::vector<OpCase>& cases) {
  cases.push_back(
      moves("slice", {2, 3, 5, 4},
            [](const Tensors& x) { return slice(x[0], 2, 1, -1); })
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            std::vector<double> y;
            for (std::size_t nc = 0; nc < 6; ++nc) {
              for (std::size_t h = 1; h < 4; ++h) {
                for (std::size_t w = 0; w < 4; ++w) {
                  y.push_back(in[(nc * 5 + h) * 4 + w]);
                }
              }
            }
            return y;
          })
          .refuses("[slice] expected [begin, end) within axis 2 of shape "
                   "(2,3,5,4), got [1, 6)",
                   [](const Tensors& x) { return slice(x[0], 2, 1, 6); })
          .refuses("(2,3,5,4), got [3, 2)",
                   [](const Tensors& x) { return slice(x[0], 2, 3, 2); }));
  cases.push_back(moves("slice_outer", {5, 3}, [](const Tensors& x) {
                    return slice(x[0], 0, 1, 3);
                  }).refuses_empty("[slice] expected [begin, end) within"));
  cases.push_back(moves("slice_channels", {2, 3, 5, 4}, [](const Tensors& x) {
    return slice(x[0], -3, 1, 3);
  }));
  cases.push_back(
      moves("pad", {2, 2, 3},
            [](const Tensors& x) {
              return pad(x[0], {{0, 1}, {0, 0}, {2, 1}}, 7.0);
            })
          .ranked()
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            std::vector<double> y(3 * 2 * 6, 7.0);
            for (std::size_t i = 0; i < 4; ++i) {
              for (std::size_t j = 0; j < 3; ++j) {
                y[i * 6 + 2 + j] = in[i * 3 + j];
              }
            }
            return y;
          })
          .refuses("[pad] expected 3 pairs of widths for shape (2,2,3), got 1",
                   [](const Tensors& x) {
                     return pad(x[0], {{0, 1}});
                   })
          .refuses("[pad] expected lengths below 2^63",
                   [](const Tensors& x) {
                     const std::int64_t most =
                         std::numeric_limits<std::int64_t>::max();
                     return pad(x[0], {{0, 0}, {most, most}, {0, 0}});
                   })
          .refuses("[pad] expected lengths below 2^63",
                   [](const Tensors& x) {
                     const std::int64_t most =
                         std::numeric_limits<std::int64_t>::max();
                     return pad(x[0], {{0, 0}, {most, 5}, {0, 0}});
                   })
          .refuses("[pad] expected widths of 0 or more, got (-1, 0)",
                   [](const Tensors& x) {
                     return pad(x[0], {{0, 0}, {-1, 0}, {0, 0}});
                   }));
  cases.push_back(moves("pad_image", {2, 3, 5, 4}, [](const Tensors& x) {
    return pad(x[0], {{0, 0}, {1, 0}, {2, 1}, {0, 3}});
  }));
});

const AddOpCases joints([](std::vector<OpCase>& cases) {
  OpCase c("concat", [](const Tensors& x) { return concat(x, 1); });
  c.input({2, 3, 5}).input({2, 1, 5}).input({2, 2, 5}).batch({0, 1, 2});
  cases.push_back(
      c.equals([](const Tensors& x) {
         std::vector<double> y;
         for (std::size_t n = 0; n < 2; ++n) {
           for (const Tensor& part : x) {
             const std::vector<double> in = part.to_vector<double>();
             const std::size_t size = in.size() / 2;
             for (std::size_t i = 0; i < size; ++i) {
               y.push_back(in[n * size + i]);
             }
           }
         }
         return y;
       })
          .any_dtype()
          .refuses(
              "[concat] expected shapes that differ along axis 1 alone, got "
              "(2,3,5) and (2,2,4)",
              [](const Tensors& x) {
                return concat({x[0], Tensor::ones({2, 2, 4})}, 1);
              })
          .refuses("[concat] expected one dtype, got f32 and f64",
                   [](const Tensors& x) {
                     return concat({x[0], x[1].to(DType::F64)}, 1);
                   })
          .refuses("[concat] expected tensors, got none",
                   [](const Tensors&) { return concat({}, 0); }));
  OpCase images("concat_images",
                [](const Tensors& x) { return concat(x, -3); });
  images.ops = {"concat"};
  images.batch({0, 1});
  cases.push_back(images.input({2, 3, 4, 5}).input({2, 2, 4, 5}).any_dtype());
  OpCase stacked("stack", [](const Tensors& x) { return stack(x, 1); });
  stacked.input({2, 3}).input({2, 3}).any_dtype().batch({0, 1});
  cases.push_back(stacked
                      .equals([](const Tensors& x) {
                        const std::vector<double> a = x[0].to_vector<double>();
                        const std::vector<double> b = x[1].to_vector<double>();
                        return std::vector<double>{a[0], a[1], a[2], b[0],
                                                   b[1], b[2], a[3], a[4],
                                                   a[5], b[3], b[4], b[5]};
                      })
                      .refuses("[stack] expected one shape, got (2,3) and (3)",
                               [](const Tensors& x) {
                                 return stack({x[0], Tensor::ones({3})}, 0);
                               })
                      .refuses("[stack] expected tensors, got none",
                               [](const Tensors&) { return stack({}, 0); }));
});

const AddOpCases choices([](std::vector<OpCase>& cases) {
  const Tensor condition = Tensor::from<std::uint8_t>({1, 0, 2}, {3, 1});
  OpCase c("where", [](const Tensors& x) { return where(x[0], x[1], x[2]); });
  c.constant(condition).input({2, 3, 4}).input({4}).batch({1});
  cases.push_back(
      c.equals([](const Tensors& x) {
         const std::vector<double> a = x[1].to_vector<double>();
         const std::vector<double> b = x[2].to_vector<double>();
         std::vector<double> y;
         for (std::size_t i = 0; i < 24; ++i) {
           y.push_back(i / 4 % 3 == 1 ? b[i % 4] : a[i]);
         }
         return y;
       })
          .refuses("[where] expected a condition of u8, got f32",
                   [](const Tensors& x) { return where(x[1], x[1], x[2]); })
          .refuses("[where] expected shapes that broadcast",
                   [](const Tensors& x) {
                     return where(x[0], x[1], Tensor::ones({5}));
                   }));
  OpCase images("where_images",
                [](const Tensors& x) { return where(x[0], x[1], x[2]); });
  images.ops = {"where"};
  cases.push_back(images.constant(Tensor::from<std::uint8_t>({1, 0}, {2, 1, 1}))
                      .input({3, 2, 4, 5})
                      .input({3, 2, 4, 5})
                      .batch({1, 2}));
});

const AddOpCases repeats([](std::vector<OpCase>& cases) {
  cases.push_back(
      moves("broadcast_to", {3, 1},
            [](const Tensors& x) {
              return broadcast_to(x[0], {2, 3, 4});
            })
          .refuses_empty("[broadcast_to] expected shapes that broadcast")
          .equals([](const Tensors& x) {
            const std::vector<double> in = x[0].to_vector<double>();
            std::vector<double> y;
            for (std::size_t i = 0; i < 24; ++i) y.push_back(in[i / 4 % 3]);
            return y;
          })
          .refuses(
              "[broadcast_to] expected a shape that (3,1) repeats to, got (3)",
              [](const Tensors& x) { return broadcast_to(x[0], {3}); })
          .refuses(
              "[broadcast_to] expected shapes that broadcast, got (3,1) and "
              "(2,4)",
              [](const Tensors& x) {
                return broadcast_to(x[0], {2, 4});
              }));
  cases.push_back(
      moves("broadcast_to_image", {2, 3, 1, 4}, [](const Tensors& x) {
        return broadcast_to(x[0], {2, 3, 5, 4});
      }).refuses_empty("[broadcast_to] expected shapes that broadcast"));
  for (const Shape& shape :
       {Shape{3, 1, 1}, Shape{1, 3, 1, 4}, Shape{3, 5, 4}, Shape{}}) {
    const auto run = [shape](const Tensors& x) { return sum_to(x[0], shape); };
    OpCase c("sum_to_" + std::to_string(shape.rank()) + "_" +
                 std::to_string(shape.numel()),
             run);
    cases.push_back(c.input({2, 3, 5, 4}).sums(120, [run](const Tensors& x) {
      return run({abs(x[0])});
    }));
  }
  cases.back()
      .refuses("[sum_to] expected a shape that repeats to (1), got (2)",
               [](const Tensors&) { return sum_to(Tensor::ones({1}), {2}); })
      .refuses("[sum_to] expected shapes that broadcast",
               [](const Tensors& x) { return sum_to(x[0], {7}); });
});

// The ops of Tensor itself.
const AddOpCases conversions([](std::vector<OpCase>& cases) {
  cases.push_back(moves("to_layout", {2, 3, 5, 4}, [](const Tensors& x) {
                    return x[0].to(x[0].layout() == Layout::RowMajor
                                       ? Layout::ChannelsLast
                                       : Layout::RowMajor);
                  }).equals(unchanged));
  OpCase cast = moves("cast", {3, 5}, [](const Tensors& x) {
    return x[0].to(DType::F32).to(x[0].dtype());
  });
  // Linear: a step that f32 resolves makes the differences exact to 1e-7.
  cast.step = 0.25;
  cases.push_back(cast);
  // x is used twice, so the gradients of its gradient are added.
  OpCase twice("accumulate",
               [](const Tensors& x) { return mul(mul(x[0], x[0]), x[0]); });
  cases.push_back(twice.input({2, 3, 5, 4}));
});

}  // namespace
}  // namespace mjolnir::testing

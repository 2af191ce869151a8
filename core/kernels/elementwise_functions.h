// The formulas of the elementwise ops, once for a number and for a vector of
// numbers (V is float, double or an xsimd batch). No include guard: each file
// of loops includes this in a namespace of its own, because the same template
// compiled for two instruction sets must not share a name.

template <class V>
V choose(bool condition, V a, V b) {
  return condition ? a : b;
}
template <class M, class V>
auto choose(const M& mask, const V& a, const V& b)
    -> decltype(xsimd::select(mask, a, b)) {
  return xsimd::select(mask, a, b);
}

using xsimd::abs;
using xsimd::erfc;
using xsimd::exp;
using xsimd::log;
using xsimd::log1p;
using xsimd::pow;
using xsimd::sqrt;
using xsimd::tanh;

// 1 / (1 + exp(-x)); exp overflows to inf for x < -88.72, which gives 0.
template <class V>
V logistic(V x) {
  return V(1) / (V(1) + exp(-x));
}

// Each unary function: y = forward(x), dx = gradient(saved, dy), where saved is
// called y if it is the result, x if it is the argument. p and q are the
// function's constants.

struct Neg {
  template <class V>
  static V forward(V x, V, V) {
    return -x;
  }
  template <class V>
  static V gradient(V, V dy, V, V) {
    return -dy;
  }
};

// y = p x + q
struct Affine {
  template <class V>
  static V forward(V x, V p, V q) {
    return p * x + q;
  }
  template <class V>
  static V gradient(V, V dy, V p, V) {
    return p * dy;
  }
};

// y = x / p
struct DivideBy {
  template <class V>
  static V forward(V x, V p, V) {
    return x / p;
  }
  template <class V>
  static V gradient(V, V dy, V p, V) {
    return dy / p;
  }
};

// y = p / x, dx = -p dy / x^2
struct Reciprocal {
  template <class V>
  static V forward(V x, V p, V) {
    return p / x;
  }
  template <class V>
  static V gradient(V x, V dy, V p, V) {
    return -(p / x) * (dy / x);
  }
};

struct Exp {
  template <class V>
  static V forward(V x, V, V) {
    return exp(x);
  }
  template <class V>
  static V gradient(V y, V dy, V, V) {
    return y * dy;
  }
};

struct Log {
  template <class V>
  static V forward(V x, V, V) {
    return log(x);
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    return dy / x;
  }
};

// dx = dy / (2 y): infinite at 0
struct Sqrt {
  template <class V>
  static V forward(V x, V, V) {
    return sqrt(x);
  }
  template <class V>
  static V gradient(V y, V dy, V, V) {
    return dy / (y + y);
  }
};

// abs'(0) = 0; x - x is 0, or NaN where x is
struct Abs {
  template <class V>
  static V forward(V x, V, V) {
    return abs(x);
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    return choose(x > V(0), dy, choose(x < V(0), V(-dy), V(x - x)));
  }
};

// y = max(x, 0), NaN stays NaN; relu'(0) = 0
struct Relu {
  template <class V>
  static V forward(V x, V, V) {
    return choose(x <= V(0), V(0), x);
  }
  template <class V>
  static V gradient(V y, V dy, V, V) {
    return choose(y <= V(0), V(0), dy);
  }
};

// y = x where x > 0, else p x
struct LeakyRelu {
  template <class V>
  static V forward(V x, V p, V) {
    return choose(x > V(0), x, V(p * x));
  }
  template <class V>
  static V gradient(V x, V dy, V p, V) {
    return choose(x > V(0), dy, V(p * dy));
  }
};

struct Sigmoid {
  template <class V>
  static V forward(V x, V, V) {
    return logistic(x);
  }
  template <class V>
  static V gradient(V y, V dy, V, V) {
    return dy * y * (V(1) - y);
  }
};

struct Tanh {
  template <class V>
  static V forward(V x, V, V) {
    return tanh(x);
  }
  template <class V>
  static V gradient(V y, V dy, V, V) {
    return dy * (V(1) - y * y);
  }
};

// y = log(1 + e^x) = max(x, 0) + log1p(e^-|x|)
struct Softplus {
  template <class V>
  static V forward(V x, V, V) {
    return choose(x > V(0), x, V(0)) + log1p(exp(-abs(x)));
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    return dy * logistic(x);
  }
};

// y = x s(x), dx = dy s (1 + x (1 - s)), s the logistic function
struct Silu {
  template <class V>
  static V forward(V x, V, V) {
    return x / (V(1) + exp(-x));
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    const V s = logistic(x);
    return dy * s * (V(1) + x * (V(1) - s));
  }
};

// y = Phi(x) = erfc(-x / sqrt 2) / 2, dx = dy phi(x),
// phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
struct NormalDistribution {
  template <class V>
  static V forward(V x, V, V) {
    return V(0.5) * erfc(x * V(-0.70710678118654752440));
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    return dy * V(0.39894228040143267794) * exp(V(-0.5) * x * x);
  }
};

// y = x Phi(x), dx = dy (Phi(x) + x phi(x))
struct Gelu {
  template <class V>
  static V forward(V x, V p, V q) {
    return x * NormalDistribution::forward(x, p, q);
  }
  template <class V>
  static V gradient(V x, V dy, V p, V q) {
    return dy * (NormalDistribution::forward(x, p, q) +
                 NormalDistribution::gradient(x, x, p, q));
  }
};

// y = min(max(x, p), q), NaN stays NaN; the gradient is 0 at both edges
struct Clamp {
  template <class V>
  static V forward(V x, V p, V q) {
    return choose(x < p, p, choose(x > q, q, x));
  }
  template <class V>
  static V gradient(V x, V dy, V p, V q) {
    return choose(x <= p, V(0), choose(x >= q, V(0), dy));
  }
};

// y = x^p, dx = p x^(p-1) dy, which is 0 for p = 0
struct Power {
  template <class V>
  static V forward(V x, V p, V) {
    return pow(x, p);
  }
  template <class V>
  static V gradient(V x, V dy, V p, V) {
    return choose(p == V(0), V(0), V(p * pow(x, V(p - V(1))) * dy));
  }
};

// y = x^2, exactly x x
struct Square {
  template <class V>
  static V forward(V x, V, V) {
    return x * x;
  }
  template <class V>
  static V gradient(V x, V dy, V, V) {
    return (x + x) * dy;
  }
};

// Each binary function: y = forward(a, b).

struct Add {
  template <class V>
  static V forward(V a, V b) {
    return a + b;
  }
};

struct Sub {
  template <class V>
  static V forward(V a, V b) {
    return a - b;
  }
};

struct Mul {
  template <class V>
  static V forward(V a, V b) {
    return a * b;
  }
};

struct Div {
  template <class V>
  static V forward(V a, V b) {
    return a / b;
  }
};

// NaN if either is; a + b carries it
struct Maximum {
  template <class V>
  static V forward(V a, V b) {
    return choose(a >= b, a, choose(a < b, b, V(a + b)));
  }
};

struct Minimum {
  template <class V>
  static V forward(V a, V b) {
    return choose(a <= b, a, choose(a > b, b, V(a + b)));
  }
};

struct Pow {
  template <class V>
  static V forward(V a, V b) {
    return pow(a, b);
  }
};

// y = max(x, 0) - x t + log(1 + e^-|x|): the negative log-likelihood of the
// target t when log p / (1 - p) = x
struct LogisticLoss {
  template <class V>
  static V forward(V x, V t) {
    return choose(x > V(0), x, V(0)) - x * t + log1p(exp(-abs(x)));
  }
};

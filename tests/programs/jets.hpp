// The reference of random_programs_test.cpp: numbers with infinitesimals e_0, e_1, ..., each of
// square zero. Coefficient s of a Jet is that of the product of the e_i for the bits i of s; every
// derivative of a program adds one infinitesimal, an inner one after those around it.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "trees.hpp"

namespace programs {

using Jet = std::vector<double>;  // 2^n coefficients

inline Jet widened(Jet v, std::size_t size) {
  v.resize(std::max(size, v.size()));
  return v;
}
// v = low + high e_last
inline Jet low(const Jet& v) { return Jet(v.begin(), v.begin() + v.size() / 2); }
inline Jet high(const Jet& v) { return Jet(v.begin() + v.size() / 2, v.end()); }
inline Jet joined(Jet low, const Jet& high) {
  low.insert(low.end(), high.begin(), high.end());
  return low;
}

inline Jet operator+(const Jet& a, const Jet& b) {
  Jet sum = widened(a, b.size());
  for (std::size_t i = 0; i < b.size(); i++) sum[i] += b[i];
  return sum;
}
inline Jet operator*(double k, Jet v) {
  for (double& coefficient : v) coefficient *= k;
  return v;
}
inline Jet operator*(const Jet& a, const Jet& b) {
  Jet product(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < a.size(); i++) {
    if (a[i] == 0) continue;  // as most are
    for (std::size_t j = 0; j < b.size(); j++)
      if (!(i & j)) product[i | j] += a[i] * b[j];
  }
  return product;
}

// f(low + high e) = f(low) + f'(low) high e
template <class Slope>
Jet chain(const Jet& v, double (*f)(double), Slope slope) {
  if (v.size() == 1) return {f(v[0])};
  return joined(chain(low(v), f, slope), slope(low(v)) * high(v));
}
inline Jet sine(const Jet& v);
inline Jet cosine(const Jet& v) {
  return chain(v, std::cos, [](const Jet& v) { return -1 * sine(v); });
}
inline Jet sine(const Jet& v) { return chain(v, std::sin, cosine); }
inline Jet exponential(const Jet& v) { return chain(v, std::exp, exponential); }
inline Jet tangens(const Jet& v) {  // hyperbolic
  return chain(v, std::tanh, [](const Jet& v) {
    const Jet t = tangens(v);
    return Jet{1} + -1 * (t * t);
  });
}
inline Jet reciprocal(const Jet& v) {
  return chain(
      v, [](double x) { return 1 / x; },
      [](const Jet& v) {
        const Jet r = reciprocal(v);
        return -1 * (r * r);
      });
}
inline Jet sigmoid(const Jet& v) { return reciprocal(Jet{1} + exponential(-1 * v)); }

class Reference {
 public:
  using Scope = std::vector<Jet>;

  double at(const Tree& program, double x) { return value(*program, Scope{Jet{x}}, 1)[0]; }
  // The largest coefficient on the way: what rounding errors are relative to.
  double largest() const { return largest_; }

 private:
  Jet value(const Node& node, const Scope& scope, std::size_t size) {
    Jet v = computed(node, scope, size);
    for (double coefficient : v)
      largest_ = std::isfinite(coefficient) ? std::max(largest_, std::abs(coefficient)) : HUGE_VAL;
    return v;
  }

  // `size` is 2^n for n infinitesimals so far.
  Jet computed(const Node& node, const Scope& scope, std::size_t size) {
    if (node.kind == Kind::variable) return scope[node.index];
    if (node.kind == Kind::constant) return {node.number};
    Scope args;
    for (const Tree& arg : node.args) args.push_back(value(*arg, scope, size));
    switch (node.kind) {
      case Kind::add: return args[0] + args[1];
      case Kind::mul: return args[0] * args[1];
      case Kind::quotient: return args[0] * reciprocal(Jet{1} + args[1] * args[1]);
      case Kind::sin: return sine(args[0]);
      case Kind::tanh: return tangens(args[0]);
      case Kind::logistic: return sigmoid(args[0]);
      case Kind::exp: return exponential(sine(args[0]));
      case Kind::stop_gradient: return {args[0][0]};
      case Kind::named: return args[0];
      default: break;
    }
    if (is_rule(node.kind)) return ruled(node, args);
    const Scope around = node.closed ? Scope{} : scope;
    return controlled(node, args, around, size);
  }

  Jet body(const Node& node, std::size_t i, Scope around, const Scope& given, std::size_t size) {
    around.insert(around.end(), given.begin(), given.end());
    return value(*node.bodies[i], around, size);
  }

  Jet controlled(const Node& node, const Scope& args, const Scope& around, std::size_t size) {
    const auto f = [&](const Scope& given, std::size_t i = 0) {
      return body(node, i, around, given, size);
    };
    switch (node.kind) {
      case Kind::vmap:
      case Kind::map: {
        Jet total = {0};
        for (std::size_t i = 0; i < std::size(rows); i++)
          total = total + weights[i] * f({args[0] + Jet{rows[i]}});
        return total;
      }
      case Kind::grad:
      case Kind::jacfwd: return derivative(node, 0, around, args, size);
      case Kind::scan: return scan(node, f, args[0]);
      case Kind::fori_loop: {
        Jet carry = args[0];
        for (int i = 0; i < steps; i++) carry = sine(f({carry, {static_cast<double>(i)}}));
        return carry;
      }
      case Kind::cond: return f({args[0]}, args[1][0] > node.number ? 0 : 1);
      case Kind::select:
        return f({args[0]},
                 static_cast<std::size_t>(std::clamp(std::trunc(2 * args[1][0]), 0., 2.)));
      default: return f({args[0]});
    }
  }

  template <class Body>
  Jet scan(const Node& node, Body f, Jet carry) {
    Jet total = {0};
    for (std::size_t i = 0; i < std::size(scanned); i++) {
      const double x = scanned[node.index ? std::size(scanned) - 1 - i : i];
      const Jet out = f(Scope{carry, {x}});
      total = total + x * out;
      carry = tangens(out);
    }
    return carry + total;
  }

  // By argument i: the part with a new infinitesimal.
  Jet derivative(const Node& node, std::size_t i, const Scope& around, Scope args,
                 std::size_t size) {
    Jet step(2 * size);
    step[size] = 1;
    args[i] = args[i] + step;
    return high(widened(body(node, 0, around, args, 2 * size), 2 * size));
  }

  // The innermost infinitesimal meets the rule first.
  Jet ruled(const Node& node, Scope args) {
    std::size_t size = 1;
    for (const Jet& arg : args) size = std::max(size, arg.size());
    if (size == 1) return body(node, 0, {}, args, 1);
    Scope primals, tangents;
    for (const Jet& arg : args) {
      primals.push_back(low(widened(arg, size)));
      tangents.push_back(high(widened(arg, size)));
    }
    Jet tangent(size / 2);
    for (std::size_t i = 0; i < args.size(); i++)
      tangent =
          tangent + factor(node, i) * (derivative(node, i, {}, primals, size / 2) * tangents[i]);
    return joined(widened(ruled(node, primals), size / 2), tangent);
  }

  double largest_ = 0;
};

}  // namespace programs

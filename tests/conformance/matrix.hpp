// What group W is made of: the table of rules, and a test of one of them, as it is or compiled.
#pragma once

#include "host.hpp"
#include "loops.hpp"

namespace conformance {

using Numbers = std::vector<double>;

// A rule, and what follows from it at the point `at`. Its order 2 is the derivative of the rule as
// it is traced, so neither symmetric nor the second derivative of the value.
struct RuleRow {
  const char* name;
  Rule (*make)();
  Numbers at;
  double value;
  Numbers rule;                  // the rule's gradient
  std::vector<Numbers> order2;   // of rule[i] with respect to argument j
  Numbers of_value;              // the gradient of fwd's value: the rule where fwd calls f
  HostRule (*host)() = nullptr;  // an opaque rule in place of `make`; its order 2 is NO_RULE
};
constexpr double unknown = 0;  // a second derivative that nobody knows

inline Rule tenfold() { return tenfold_square(); }
inline Rule tenfold_again() {
  Rule rule = tenfold_square();
  rule.fwd = self_fwd;
  return rule;
}
inline Rule sine() {
  Rule rule = doubled_sine();
  rule.fwd = [](auto cx, auto args) -> Fwd {
    return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), jaxvjp_cos(cx, args[0])};
  };
  rule.bwd = [](auto cx, auto cos_x, auto ct, auto slots) {
    slots[0] = jaxvjp_mul(cx, times(cx, 2, cos_x), ct);
  };
  return rule;
}
// x^2 y with the rule (3 x y ct, 5 x ct), residuals in a dict of a tuple and an array
inline Rule two_arguments() {
  return {.fwd = [](auto cx, auto args) -> Fwd {
            jaxvjp_value* xy = tuple(cx, {args[0], jaxvjp_mul(cx, args[0], args[1])});
            jaxvjp_value* out = jaxvjp_mul(cx, jaxvjp_square(cx, args[0]), args[1]);
            return {out, dict(cx, {{"pair", xy}, {"five", jaxvjp_number(cx, 5)}})};
          },
          .bwd =
              [](auto cx, auto residuals, auto ct, auto slots) {
                jaxvjp_value* pair = jaxvjp_lookup(cx, residuals, "pair");
                jaxvjp_value* five_x =
                    jaxvjp_mul(cx, jaxvjp_lookup(cx, residuals, "five"), jaxvjp_get(cx, pair, 0));
                slots[0] = jaxvjp_mul(cx, times(cx, 3, jaxvjp_get(cx, pair, 1)), ct);
                slots[1] = jaxvjp_mul(cx, five_x, ct);
              },
          .primal = [](auto cx,
                       auto args) { return jaxvjp_mul(cx, jaxvjp_square(cx, args[0]), args[1]); }};
}

inline const RuleRow rules[] = {
    {"tenfold", tenfold, {3}, 9, {30}, {{10}}, {6}},
    {"tenfold_by_self", tenfold_again, {3}, 9, {30}, {{10}}, {30}},
    {"sine",
     sine,
     {3},
     std::sin(3.),
     {2 * std::cos(3.)},
     {{-2 * std::sin(3.)}},
     {2 * std::cos(3.)}},
    {"two_arguments", two_arguments, {3, 2}, 18, {18, 15}, {{6, 9}, {5, 0}}, {12, 9}},
    {"opaque", nullptr, {3}, 9, {30}, {{unknown}}, {unknown}, opaque_square},
    {"opaque_two",
     nullptr,
     {3, 2},
     18,
     {18, 15},
     {{unknown, unknown}, {unknown, unknown}},
     {unknown, unknown},
     opaque_product},
};

enum How { eager, jitted };

class ConformanceW : public testing::TestWithParam<std::tuple<RuleRow, How>> {
 protected:
  const RuleRow& row() const { return std::get<0>(GetParam()); }
  size_t n() const { return row().at.size(); }

  jaxvjp_function* make() {
    return row().host ? host_function(cx, row().name, row().host())
                      : custom_vjp(cx, row().name, row().make());
  }
  // A second derivative is this, or refused where the rule is opaque.
  AssertionResult second(jaxvjp_value* got, jaxvjp_value* expected) {
    if (row().host) return fails(cx, got, JAXVJP_NO_RULE, {row().name, "order 2"});
    return same(cx, got, expected);
  }
  AssertionResult second(jaxvjp_value* got, double expected) {
    return second(got, jaxvjp_f64(cx, expected));
  }
  // The program under test: as it is, or compiled.
  jaxvjp_function* made(jaxvjp_function* f) {
    return std::get<1>(GetParam()) == jitted ? jit(cx, f) : f;
  }
  // `derivative` with respect to every argument: bare for one, a tuple for several.
  jaxvjp_function* all(Derivative derivative, jaxvjp_function* f, int32_t flags = 0) {
    if (n() == 1) return with(derivative, cx, f, {}, flags);
    return with(derivative, cx, f, {0, 1}, flags);
  }
  // The gradient with respect to argument i, bare.
  jaxvjp_function* partial(jaxvjp_function* f, size_t i) {
    auto* g = with(jaxvjp_grad, cx, f, {static_cast<int64_t>(i)});
    return item_of(cx, g, 0);
  }

  jaxvjp_value* call_at(jaxvjp_function* f, const std::vector<jaxvjp_value*>& args) {
    return jaxvjp_call(cx, f, args.data(), args.size());
  }
  std::vector<jaxvjp_value*> point() {
    std::vector<jaxvjp_value*> args;
    for (double x : row().at) args.push_back(jaxvjp_f64(cx, x));
    return args;
  }
  // The same point `count` times, along a mapped axis for every size in `shape`.
  std::vector<jaxvjp_value*> points(const std::vector<int64_t>& shape) {
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    std::vector<jaxvjp_value*> args;
    for (double x : row().at) args.push_back(array(cx, shape, Numbers(count, x)));
    return args;
  }

  // One leaf for one argument, a tuple for several: what all() gives.
  jaxvjp_value* bare_or_tuple(const std::vector<jaxvjp_value*>& items) {
    return n() == 1 ? items[0] : jaxvjp_tuple(cx, items.data(), items.size());
  }
  jaxvjp_value* gradient(const std::vector<int64_t>& shape, double factor = 1) {
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    std::vector<jaxvjp_value*> items;
    for (double r : row().rule) items.push_back(array(cx, shape, Numbers(count, factor * r)));
    return bare_or_tuple(items);
  }
  jaxvjp_value* hessian() {
    std::vector<jaxvjp_value*> rows;
    for (const Numbers& order2 : row().order2) {
      std::vector<jaxvjp_value*> items;
      for (double h : order2) items.push_back(jaxvjp_f64(cx, h));
      rows.push_back(bare_or_tuple(items));
    }
    return bare_or_tuple(rows);
  }

  // g is a scalar function of f's arguments: its value, its gradient, and the gradient of each of
  // its partial derivatives.
  void expect_orders(jaxvjp_function* g, double value, const Numbers& first,
                     const std::vector<Numbers>& second) {
    EXPECT_TRUE(near(cx, call_at(made(g), point()), value));
    for (size_t i = 0; i < n(); i++) {
      EXPECT_TRUE(near(cx, call_at(made(partial(g, i)), point()), first[i])) << "argument " << i;
      for (size_t j = 0; j < n(); j++) {
        auto* twice = made(partial(partial(g, i), j));
        EXPECT_TRUE(this->second(call_at(twice, point()), second[i][j])) << i << ", then " << j;
      }
    }
  }
  void expect_orders_of_f(jaxvjp_function* g) {
    expect_orders(g, row().value, row().rule, row().order2);
  }

  Context cx;
};

}  // namespace conformance

// Loops and branches against the same computation written out, under every transformation: what
// rules give inside them, too. Rules here differ from the true derivative.
#include "written_out.hpp"

namespace conformance {
namespace {

std::vector<Case> cases() {
  std::vector<Case> all;
  struct Row {
    const char* name;
    std::function<Fold(jaxvjp_context*)> make;
    bool forward;
  };
  const std::vector<Row> folds = {
      {"scan",
       [](auto) -> Fold {
         return [](auto cx, auto c, auto v, auto x) { return add(cx, mul(cx, sine(cx, c), x), v); };
       },
       true},
      {"scan_of_a_product",
       [](auto) -> Fold {
         return [](auto cx, auto c, auto v, auto x) {
           return mul(cx, mul(cx, c, add(cx, v, x)), sine(cx, c));
         };
       },
       true},
      {"scan_of_a_constant",
       [](auto) -> Fold {
         return [](auto cx, auto c, auto v, auto x) {
           return add(cx, mul(cx, sine(cx, sine(cx, x)), c), v);
         };
       },
       true},
      {"rule_of_the_carry",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           return mul(cx, f(cx, sine(cx, c)), add(cx, v, x));
         };
       },
       false},
      {"rule_of_a_constant",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           return add(cx, mul(cx, f(cx, x), sine(cx, c)), v);
         };
       },
       false},
      {"rule_of_carry_and_constant",
       [](auto cx) -> Fold {
         return [f = crooked(cx)](auto cx, auto c, auto v, auto x) {
           return add(cx, f(cx, sine(cx, c), x), v);
         };
       },
       false},
      {"rule_of_carry_and_element",
       [](auto cx) -> Fold {
         return [f = crooked(cx)](auto cx, auto c, auto v, auto x) {
           return mul(cx, f(cx, sine(cx, c), v), x);
         };
       },
       false},
      {"rule_under_jit",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           auto* g =
               jit(cx, scalar_function(cx, [=](auto cx, auto a) { return mul(cx, f(cx, a), x); }));
           return jaxvjp_call1(cx, g, mul(cx, sine(cx, c), v));
         };
       },
       false},
      {"gradient_of_a_rule",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           auto* g =
               grad(cx, scalar_function(cx, [=](auto cx, auto a) { return mul(cx, f(cx, a), x); }));
           return mul(cx, v, jaxvjp_call1(cx, g, sine(cx, c)));
         };
       },
       false},
      {"scan_in_scan",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           return folded(
               [=](auto cx, auto b, auto u, auto) {
                 return add(cx, mul(cx, f(cx, sine(cx, b)), u), mul(cx, x, v));
               },
               true)(cx, c);
         };
       },
       false},
      {"cond_in_scan",
       [](auto cx) -> Fold {
         return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
           return cond(
               cx, jaxvjp_gt(cx, v, num(cx, 0)),
               [=](auto cx, auto a) { return mul(cx, f(cx, sine(cx, a)), x); },
               [=](auto cx, auto a) { return sine(cx, mul(cx, a, v)); }, c);
         };
       },
       false},
  };
  for (const Row& row : folds)
    for (bool from_x : {true, false})
      all.push_back({row.name + std::string(from_x ? "_from_x" : "_from_a_number"),
                     [=](auto cx) { return folded(row.make(cx), from_x); },
                     [=](auto cx) { return unrolled(row.make(cx), from_x); }, true, row.forward});

  for (double limit : {-5.0, 5.0}) {
    auto both = [&](const std::string& name, std::function<Binary(jaxvjp_context*)> f,
                    std::function<Binary(jaxvjp_context*)> g, bool forward) {
      auto less = [limit](jaxvjp_context* cx, jaxvjp_value* x) {
        return jaxvjp_lt(cx, x, num(cx, limit));
      };
      all.push_back({name + (limit > 0 ? "_true" : "_false"),
                     [=](auto cx) -> Scalar {
                       return [=, f = f(cx), g = g(cx)](auto cx, auto x) {
                         return cond(
                             cx, less(cx, x), [=](auto cx, auto a) { return f(cx, a, x); },
                             [=](auto cx, auto a) { return g(cx, a, x); }, sine(cx, x));
                       };
                     },
                     [=](auto cx) -> Scalar {
                       return [=, h = limit > 0 ? f(cx) : g(cx)](auto cx, auto x) {
                         return h(cx, sine(cx, x), x);
                       };
                     },
                     true, forward});
    };
    auto product = [](auto) -> Binary {
      return [](auto cx, auto a, auto x) { return mul(cx, a, mul(cx, a, x)); };
    };
    auto curved = [](auto) -> Binary {
      return [](auto cx, auto a, auto x) { return mul(cx, sine(cx, a), x); };
    };
    auto four = [](auto) -> Binary { return [](auto cx, auto, auto) { return num(cx, 4); }; };
    auto ruled = [](auto cx) -> Binary {
      return [f = tenfold(cx)](auto cx, auto a, auto x) { return mul(cx, f(cx, a), x); };
    };
    auto looped = [](auto cx) -> Binary {
      return [f = tenfold(cx)](auto cx, auto a, auto x) {
        return folded([=](auto cx, auto c, auto v,
                          auto) { return mul(cx, f(cx, sine(cx, c)), add(cx, v, x)); },
                      true)(cx, a);
      };
    };
    both("cond", curved, product, true);
    both("cond_with_a_constant_branch", four, product, true);
    both(
        "cond_of_rules", ruled, [](auto cx) { return crooked(cx); }, false);
    both("scan_of_a_rule_in_cond", looped, product, false);
  }

  const Scalar below_four = [](auto cx, auto c) {
    return jaxvjp_lt(cx, jaxvjp_get(cx, c, 0), num(cx, 4));
  };
  auto doubled = [=](jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* w) {
    return jaxvjp_get(cx,
                      while_loop(
                          cx, below_four,
                          [=](auto cx, auto c) {
                            jaxvjp_value* next = add(cx, jaxvjp_get(cx, c, 0), num(cx, 0.9));
                            return tuple(cx, {next, mul(cx, sine(cx, jaxvjp_get(cx, c, 1)), w)});
                          },
                          tuple(cx, {x, w})),
                      1);
  };
  auto written = [](jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* w) {
    jaxvjp_value *c = x, *r = w;
    for (int i = 0; i < 12; i++) {
      jaxvjp_value* go = jaxvjp_lt(cx, c, num(cx, 4));
      r = jaxvjp_where(cx, go, mul(cx, sine(cx, r), w), r);
      c = jaxvjp_where(cx, go, add(cx, c, num(cx, 0.9)), c);
    }
    return r;
  };
  all.push_back({"while",
                 [=](auto) -> Scalar { return [=](auto cx, auto x) { return doubled(cx, x, x); }; },
                 [=](auto) -> Scalar { return [=](auto cx, auto x) { return written(cx, x, x); }; },
                 false, true});
  all.push_back(
      {"while_with_one_condition",
       [=](auto) -> Scalar { return [=](auto cx, auto x) { return doubled(cx, num(cx, 1), x); }; },
       [=](auto) -> Scalar { return [=](auto cx, auto x) { return written(cx, num(cx, 1), x); }; },
       false, true});
  all.push_back({"while_of_constants",
                 [=](auto) -> Scalar {
                   return [=](auto cx, auto x) {
                     return mul(cx, sine(cx, x), doubled(cx, num(cx, 1), num(cx, 2)));
                   };
                 },
                 [=](auto) -> Scalar {
                   return [=](auto cx, auto x) {
                     return mul(cx, sine(cx, x), written(cx, num(cx, 1), num(cx, 2)));
                   };
                 }});
  return all;
}

class ControlFlow : public testing::TestWithParam<Case> {};
TEST_P(ControlFlow, is_as_if_written_out) { expect_as_written_out(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Laws, ControlFlow, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace conformance

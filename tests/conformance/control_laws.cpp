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

// x -> sum over the offsets 0, 1/4, -1/2 of f(x + offset), row by row or batch by batch.
jaxvjp_value* mapped(jaxvjp_context* cx, Scalar f, jaxvjp_value* x, int64_t batch) {
  jaxvjp_value* points = add(cx, x, vec(cx, {0, 0.25, -0.5}));
  return sum(cx, jaxvjp_map(cx, scalar_function(cx, f), points, batch));
}

// Equations of outer values alone, met while an inner body is being recorded, keep to the outer
// traces: nothing of what they compute belongs to the body.
TEST(ControlFlowClosures, outer_values_inside_bodies) {
  Context cx;
  const auto nested = [](int64_t first, int64_t second) -> Scalar {
    return [=](auto cx, auto x0) {
      return mapped(
          cx,
          [=](auto cx, auto) {
            return mapped(
                cx,
                [=](auto cx, auto x2) {
                  return cond(
                      cx, jaxvjp_gt(cx, x0, num(cx, 0.1995)), [](auto, auto x) { return x; },
                      [](auto cx, auto) { return num(cx, 2); }, x2);
                },
                x0, second);
          },
          x0, first);
    };
  };
  for (int64_t first : {0, 2})
    for (int64_t second : {0, 2}) {
      SCOPED_TRACE(std::to_string(first) + " " + std::to_string(second));
      auto* slope = forward(cx, scalar_function(cx, nested(first, second)));
      for (auto [g, how] : eager_and_jit(cx, vmap(cx, slope, {}))) {
        SCOPED_TRACE(how);
        EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {0.7, -0.4, 0.1})), {9, 0, 0}));
      }
    }
}

// The same where a rule's bwd is transposed for forward mode.
TEST(ControlFlowClosures, branches_inside_a_transposed_rule) {
  Context cx;
  const Scalar branches = [](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0.1995)), [](auto, auto x) { return x; },
        [](auto cx, auto x) {
          return cond(
              cx, jaxvjp_gt(cx, num(cx, 0.5), num(cx, 0.1995)), [](auto, auto x) { return x; },
              [](auto cx, auto) { return num(cx, 0); }, x);
        },
        x);
  };
  auto* rule = custom_vjp(cx, "rule",
                          {.fwd = self_fwd,
                           .bwd =
                               [=](auto cx, auto x, auto ct, auto slots) {
                                 jaxvjp_function* pullback = nullptr;
                                 vjp(cx, scalar_function(cx, branches), {x}, &pullback);
                                 jaxvjp_value* back = jaxvjp_call1(cx, pullback, ct);
                                 slots[0] = times(cx, 3, jaxvjp_get(cx, back, 0));
                               },
                           .primal = [=](auto cx, auto args) { return branches(cx, args[0]); },
                           .forward = JAXVJP_FORWARD_TRANSPOSE_BWD});
  jaxvjp_value* points = vec(cx, {0.7, -0.4});
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, forward(cx, rule), {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, points), {3, 3}));
  }
  auto* jacobian = forward(cx, vmap(cx, rule, {}));
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, jacobian, points), array(cx, {2, 2}, {3, 0, 0, 3})));
}

// Elements that take another branch get no derivative from it, not even 0 times infinity.
TEST(ControlFlowClosures, branches_that_are_not_taken) {
  Context cx;
  const Scalar f = [](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0)), [](auto cx, auto x) { return jaxvjp_log(cx, x); },
        [](auto cx, auto x) { return jaxvjp_square(cx, x); }, x);
  };
  auto* g = jaxvjp_jacrev(cx, vmap(cx, scalar_function(cx, f), {}), nullptr);
  jaxvjp_value* x = vec(cx, {-1.5, 0, 0.5});
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), array(cx, {3, 3}, {-3, 0, 0, 0, 0, 0, 0, 0, 2})));
}

// Nor do the residuals of that branch, which are zeros: dividing by them is nobody's business.
TEST(ControlFlowClosures, second_derivatives_of_branches_that_are_not_taken) {
  Context cx;
  const Scalar inner = [](auto cx, auto x) {
    jaxvjp_value* c = cond(
        cx, jaxvjp_gt(cx, x, num(cx, -0.2)), [](auto, auto x) { return x; },
        [](auto cx, auto x) {
          return jaxvjp_div(cx, x, add(cx, num(cx, 1), jaxvjp_square(cx, x)));
        },
        x);
    return sine(cx, jaxvjp_square(cx, c));
  };
  auto* f = over_three(cx, grad(cx, scalar_function(cx, inner)));
  const auto at = [&](double x) { return jaxvjp_item(cx, jaxvjp_call1(cx, f, num(cx, x))); };
  for (double x : {0.71, -0.71}) {
    const double h = 1e-5, slope = (at(x + h) - at(x - h)) / (2 * h);
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
      SCOPED_TRACE(how);
      EXPECT_NEAR(jaxvjp_item(cx, jaxvjp_call1(cx, g, num(cx, x))), slope, 1e-6);
    }
  }
}

}  // namespace
}  // namespace conformance

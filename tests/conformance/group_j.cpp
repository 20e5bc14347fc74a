// J. Rules inside control flow, and control flow inside rules.
#include <set>

#include "loops.hpp"

using namespace conformance;

namespace {

void expect_at(jaxvjp_context* cx, jaxvjp_function* f, double x, double expected,
               double tolerance = 0) {
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, x)), expected, tolerance));
  }
}

}  // namespace

TEST(ConformanceJ, J1_scan_body) {
  Context cx;
  auto* g = iterated(cx, sin_rule(cx), 1);
  expect_at(cx, g, 3, std::sin(3));
  expect_at(cx, grad(cx, g), 3, 2 * std::cos(3));
  expect_at(cx, grad(cx, grad(cx, g)), 3, -2 * std::sin(3));
}

// f(f(x)) at 2: the numbers of K2, where fwd calls f and where it is written with sin.
TEST(ConformanceJ, J1_higher_orders_of_a_loop_of_two) {
  Context cx;
  auto* again = grad(cx, iterated(cx, custom_vjp(cx, "f", doubled_sine()), 2));
  expect_at(cx, again, 2, -1.02255648, 1e-7);
  expect_at(cx, grad(cx, again), 2, -3.32752762, 1e-7);
  expect_at(cx, grad(cx, grad(cx, again)), 2, -5.43516863, 1e-7);
  auto* plain = grad(cx, iterated(cx, sin_rule(cx), 2));
  expect_at(cx, plain, 2, -1.02255648, 1e-7);
  expect_at(cx, grad(cx, plain), 2, -2.78092714, 1e-7);
}

// 3x with the rule 2 cos(x) ct.
TEST(ConformanceJ, J2_vmap_of_a_scan) {
  Context cx;
  auto* f = custom_vjp(
      cx, "f",
      {.fwd = self_fwd,
       .bwd = [](auto cx, auto x, auto ct,
                 auto slots) { slots[0] = times(cx, 2, jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct)); },
       .primal = [](auto cx, auto args) { return times(cx, 3, args[0]); }});
  auto* mapped = vmap(cx, iterated(cx, f, 1), {});
  jaxvjp_value* x = vec(cx, {0, 1, 2});
  for (auto [g, how] : eager_and_jit(cx, mapped)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {0, 3, 6}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, sum_of(cx, g)), x),
                     {2, 2 * std::cos(1.0), 2 * std::cos(2.0)}));
  }
}

// The sum over x in xs of g'(x), where g = f(f(x)) is a loop and the sum is one.
TEST(ConformanceJ, J3_scan_of_a_gradient_of_a_scan) {
  Context cx;
  auto* slope = grad(cx, iterated(cx, custom_vjp(cx, "f", doubled_sine()), 2));
  auto* total = function(cx, "total", [slope](auto cx, auto args) {
    jaxvjp_value* r = scan(
        cx,
        [slope](auto cx, auto c, auto x) -> Step {
          return {jaxvjp_add(cx, c, jaxvjp_call1(cx, slope, x)), jaxvjp_none(cx)};
        },
        num(cx, 0), args[0]);
    return jaxvjp_get(cx, r, 0);
  });
  const std::vector<double> at = {2, 0.3, -1};
  double expected = 0;
  std::vector<double> slopes;
  for (double x : at) {
    const double u = std::sin(x), s = std::sin(x), c = std::cos(x);
    expected += 4 * std::cos(u) * c;
    slopes.push_back(-8 * std::sin(u) * c * c - 4 * std::cos(u) * s);
  }
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, total, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* both = jaxvjp_call1(cx, g, vec(cx, at));
    EXPECT_TRUE(same(cx, both, tuple(cx, {num(cx, expected), vec(cx, slopes)})));
  }
}

namespace {

// (sin x, exp x) with the rule 2 cos(x) ct0 + 3 exp(x) ct1.
jaxvjp_function* pair_rule(jaxvjp_context* cx) {
  return custom_vjp(
      cx, "pair",
      {.fwd = self_fwd,
       .bwd =
           [](auto cx, auto x, auto ct, auto slots) {
             jaxvjp_value *a = jaxvjp_mul(cx, jaxvjp_cos(cx, x), jaxvjp_get(cx, ct, 0)),
                          *b = jaxvjp_mul(cx, jaxvjp_exp(cx, x), jaxvjp_get(cx, ct, 1));
             slots[0] = jaxvjp_add(cx, times(cx, 2, a), times(cx, 3, b));
           },
       .primal =
           [](auto cx, auto args) {
             return tuple(cx, {jaxvjp_sin(cx, args[0]), jaxvjp_exp(cx, args[0])});
           }});
}

// The first result of a cond whose branches give two: pair(x), or (tanh x, log1p x).
jaxvjp_function* first_of_a_cond(jaxvjp_context* cx) {
  return scalar_function(cx, [f = pair_rule(cx)](auto cx, auto x) {
    jaxvjp_value* r = cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0)), [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
        [](auto cx, auto x) {
          return tuple(cx, {jaxvjp_tanh(cx, x), jaxvjp_log1p(cx, x)});
        },
        x);
    return jaxvjp_get(cx, r, 0);
  });
}

}  // namespace

TEST(ConformanceJ, J4_dead_results_go_inside_branches) {
  Context cx;
  jaxvjp_jaxpr* whole = make_jaxpr(cx, first_of_a_cond(cx), {spec(cx, {})});
  jaxvjp_jaxpr* part = jaxvjp_simplify(cx, whole);
  ASSERT_TRUE(no_error(cx));
  const struct {
    const char* primitive;
    size_t before, after;
  } rows[] = {{"cond", 1, 1}, {"custom_vjp_call", 1, 1},
              {"sin", 1, 1},  {"tanh", 1, 1},
              {"exp", 1, 0},  {"log1p", 1, 0}};
  for (const auto& row : rows) {
    EXPECT_EQ(jaxvjp_jaxpr_count(whole, row.primitive), row.before) << row.primitive;
    EXPECT_EQ(jaxvjp_jaxpr_count(part, row.primitive), row.after)
        << row.primitive << " in " << jaxvjp_jaxpr_text(cx, part);
  }
  auto* slope = item_of(cx, with(jaxvjp_grad, cx, jaxvjp_function_of(cx, part), {0}), 0);
  expect_at(cx, slope, 0.1, 2 * std::cos(0.1));
  expect_at(cx, slope, -0.1, 1 - std::pow(std::tanh(-0.1), 2));
}

// A program of which nothing is used is gone, its branches and its rules with it.
TEST(ConformanceJ, J4_a_dead_cond_goes) {
  Context cx;
  auto* f = scalar_function(cx, [g = first_of_a_cond(cx)](auto cx, auto x) {
    jaxvjp_call1(cx, g, x);
    return jaxvjp_cos(cx, x);
  });
  jaxvjp_jaxpr* part = jaxvjp_simplify(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  EXPECT_EQ(jaxvjp_jaxpr_count(part, nullptr), 1u) << jaxvjp_jaxpr_text(cx, part);
}

// x, whose fwd gives 2 x^2 and whose rule is 10 x ct, in one branch: fwd's value is the value where
// the cond is differentiated, the primal's where it is not.
TEST(ConformanceJ, J4_primal_or_fwd_in_a_branch) {
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {times(cx, 2, jaxvjp_square(cx, args[0])), args[0]};
                        },
                        .bwd = [](auto cx, auto x, auto ct,
                                  auto slots) { slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct)); },
                        .primal = [](auto, auto args) { return args[0]; }});
  auto* g = scalar_function(cx, [f](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0)), [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
        [](auto cx, auto x) { return jaxvjp_neg(cx, x); }, x);
  });
  expect_at(cx, g, 3, 3);
  expect_at(cx, g, -3, 3);
  for (auto [both, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, g, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        same(cx, jaxvjp_call1(cx, both, num(cx, 3)), tuple(cx, {num(cx, 18), num(cx, 30)})));
    EXPECT_TRUE(
        same(cx, jaxvjp_call1(cx, both, num(cx, -3)), tuple(cx, {num(cx, 3), num(cx, -1)})));
  }
}

namespace {

// x -> step(parameters, x), and the point that it leaves where it is.
using StepOf =
    std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value* parameters, jaxvjp_value* x)>;

jaxvjp_value* iterate(jaxvjp_context* cx, const StepOf& step, jaxvjp_value* parameters,
                      jaxvjp_value* guess) {
  const Scalar moves = [](auto cx, auto c) {
    jaxvjp_value* change = jaxvjp_sub(cx, jaxvjp_get(cx, c, 0), jaxvjp_get(cx, c, 1));
    return jaxvjp_gt(cx, jaxvjp_abs(cx, change), num(cx, 1e-9));
  };
  const Scalar next = [=](auto cx, auto c) {
    jaxvjp_value* x = jaxvjp_get(cx, c, 1);
    return tuple(cx, {x, step(cx, parameters, x)});
  };
  jaxvjp_value* start = tuple(cx, {guess, step(cx, parameters, guess)});
  return jaxvjp_get(cx, while_loop(cx, moves, next, start), 1);
}

jaxvjp_value* pulled(jaxvjp_context* cx, Scalar f, jaxvjp_value* at, jaxvjp_value* ct) {
  jaxvjp_function* pullback = nullptr;
  vjp(cx, scalar_function(cx, f), {at}, &pullback);
  return jaxvjp_get(cx, jaxvjp_call1(cx, pullback, ct), 0);
}

// The fixed point as a function of the parameters: where x = step(p, x), its cotangent w solves
// w = ct + (dstep/dx)^T w, a fixed point again, and that of p is (dstep/dp)^T w.
jaxvjp_function* fixed_point(jaxvjp_context* cx, StepOf step) {
  const StepOf adjoint = [step](auto cx, auto p, auto w) {
    jaxvjp_value *parameters = jaxvjp_get(cx, p, 0), *x = jaxvjp_get(cx, p, 1);
    const Scalar of_x = [=](auto cx, auto x) { return step(cx, parameters, x); };
    return jaxvjp_add(cx, jaxvjp_get(cx, p, 2), pulled(cx, of_x, x, w));
  };
  return custom_vjp(
      cx, "fixed_point",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* x = call(cx, jaxvjp_self(cx), args);
         return {x, tuple(cx, {args[0], x})};
       },
       .bwd =
           [=](auto cx, auto saved, auto ct, auto slots) {
             jaxvjp_value *p = jaxvjp_get(cx, saved, 0), *x = jaxvjp_get(cx, saved, 1);
             jaxvjp_value* w = call(cx, fixed_point(cx, adjoint), {tuple(cx, {p, x, ct}), ct});
             slots[0] = pulled(
                 cx, [=](auto cx, auto p) { return step(cx, p, x); }, p, w);
             slots[1] = jaxvjp_zero(cx);
           },
       .primal = [step](auto cx, auto args) { return iterate(cx, step, args[0], args[1]); }});
}

const StepOf newton = [](auto cx, auto a, auto x) {
  return times(cx, 0.5, jaxvjp_add(cx, x, jaxvjp_div(cx, a, x)));
};
jaxvjp_function* newton_sqrt(jaxvjp_context* cx, bool with_rule) {
  return scalar_function(cx, [with_rule](auto cx, auto a) {
    return with_rule ? call(cx, fixed_point(cx, newton), {a, a}) : iterate(cx, newton, a, a);
  });
}

}  // namespace

TEST(ConformanceJ, J5_a_while_loop_with_a_rule) {
  Context cx;
  auto* f = newton_sqrt(cx, true);
  const double root = std::sqrt(2.0);
  expect_at(cx, f, 2, root);
  expect_at(cx, grad(cx, f), 2, 1 / (2 * root), 1e-8);
  expect_at(cx, grad(cx, grad(cx, f)), 2, -1 / (8 * root), 1e-8);
  auto* many = vmap(cx, jit(cx, f), {});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, many, vec(cx, {1, 2, 3, 4})), {1, root, std::sqrt(3.), 2}));
  auto* slopes = grad(cx, sum_of(cx, many));
  EXPECT_TRUE(
      near(cx, jaxvjp_call1(cx, slopes, vec(cx, {1, 2, 4})), {0.5, 0.5 / root, 0.25}, 1e-8));
}

TEST(ConformanceJ, J5_without_a_rule_reverse_mode_is_refused) {
  Context cx;
  auto* f = newton_sqrt(cx, false);
  jaxvjp_value* a = num(cx, 2);
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, a), JAXVJP_NO_TRANSPOSE, {"while"}));
  }
  jaxvjp_function* pullback = nullptr;
  EXPECT_TRUE(fails(cx, vjp(cx, f, {a}, &pullback), JAXVJP_NO_TRANSPOSE, {"while"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, jit(cx, f)), a), JAXVJP_NO_TRANSPOSE, {"while"}));
}

TEST(ConformanceJ, J5_without_a_rule_forward_mode_works) {
  Context cx;
  auto* f = newton_sqrt(cx, false);
  const double root = std::sqrt(2.0), slope = 1 / (2 * root);
  jaxvjp_value *a = num(cx, 2), *tangent = nullptr;
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jvp(cx, g, {a}, {num(cx, 3)}, &tangent), root));
    EXPECT_TRUE(near(cx, tangent, 3 * slope, 1e-8));
    jaxvjp_function* linear = nullptr;
    EXPECT_TRUE(near(cx, linearize(cx, g, {a}, &linear), root));
    for (double t : {3, -1})
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, num(cx, t)), t * slope, 1e-8));
  }
  auto* forward = jaxvjp_jacfwd(cx, f, nullptr);
  expect_at(cx, forward, 2, slope, 1e-8);
  expect_at(cx, jaxvjp_jacfwd(cx, forward, nullptr), 2, -1 / (8 * root), 1e-8);
}

// (x, y, i) -> (f(x, y), y, i + 1) where f = x + y has the rule (10 ct, 100 ct): y and i are never
// differentiated, and f's rule knows it at every step.
TEST(ConformanceJ, J6_a_carry_that_is_never_differentiated) {
  std::set<int> perturbed, needed;
  Context cx;
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = [&](auto cx, auto args) -> Fwd {
                    perturbed.insert(jaxvjp_is_perturbed(cx, args[1]));
                    return {call(cx, jaxvjp_self(cx), args), jaxvjp_none(cx)};
                  },
                  .bwd =
                      [&](auto cx, auto, auto ct, auto slots) {
                        needed.insert(jaxvjp_is_needed(cx, 1));
                        slots[0] = times(cx, 10, ct);
                        slots[1] = times(cx, 100, ct);
                      },
                  .primal = [](auto cx, auto args) { return jaxvjp_add(cx, args[0], args[1]); }});
  const Body body = [f](auto cx, auto c, auto) -> Step {
    jaxvjp_value *y = jaxvjp_get(cx, c, 1), *i = jaxvjp_get(cx, c, 2);
    jaxvjp_value* x = jaxvjp_call2(cx, f, jaxvjp_get(cx, c, 0), y);
    return {tuple(cx, {x, y, jaxvjp_add(cx, i, jaxvjp_number(cx, 1))}), jaxvjp_none(cx)};
  };
  auto* g = scalar_function(cx, [body](auto cx, auto x) {
    jaxvjp_value* init = tuple(cx, {x, num(cx, 0.5), jaxvjp_i64(cx, 0)});
    return jaxvjp_get(cx, jaxvjp_get(cx, scan(cx, body, init, jaxvjp_none(cx), 3), 0), 0);
  });
  expect_at(cx, g, 2, 3.5);
  expect_at(cx, grad(cx, g), 2, 1000);
  EXPECT_EQ(perturbed, std::set<int>{0});
  EXPECT_EQ(needed, std::set<int>{0});
}

// sqrt by a while loop, checkpointed, inside the primal and fwd of a rule; the rule's derivative is
// 10 ct / y, so reverse mode does not meet the loop.
TEST(ConformanceJ, J7_a_checkpointed_while_within_a_rule) {
  Context cx;
  auto* root = scalar_function(cx, [](auto cx, auto a) {
    const Scalar more = [](auto cx, auto c) {
      return jaxvjp_lt(cx, jaxvjp_get(cx, c, 0), num(cx, 30));
    };
    const Scalar newton = [a](auto cx, auto c) {
      jaxvjp_value *i = jaxvjp_get(cx, c, 0), *y = jaxvjp_get(cx, c, 1);
      jaxvjp_value* next = jaxvjp_add(cx, y, jaxvjp_div(cx, a, y));
      return tuple(cx, {jaxvjp_add(cx, i, num(cx, 1)), times(cx, 0.5, next)});
    };
    return jaxvjp_get(cx, while_loop(cx, more, newton, tuple(cx, {num(cx, 0), num(cx, 1)})), 1);
  });
  auto* kept = jaxvjp_checkpoint(cx, root, JAXVJP_CHECKPOINT_NOTHING);
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = [kept](auto cx, auto args) -> Fwd {
                    jaxvjp_value* y = jaxvjp_call1(cx, kept, args[0]);
                    return {y, y};
                  },
                  .bwd = [](auto cx, auto y, auto ct,
                            auto slots) { slots[0] = times(cx, 10, jaxvjp_div(cx, ct, y)); },
                  .primal = [kept](auto cx, auto args) { return jaxvjp_call1(cx, kept, args[0]); },
                  .jvp = [kept](auto cx, auto x, auto dx) -> Jvp {
                    jaxvjp_value* y = jaxvjp_call1(cx, kept, x[0]);
                    return {y, times(cx, 7, jaxvjp_div(cx, dx[0], y))};
                  }});
  const double y = std::sqrt(2.0);
  expect_at(cx, f, 2, y);
  expect_at(cx, grad(cx, f), 2, 10 / y);
  expect_at(cx, jaxvjp_jacfwd(cx, f, nullptr), 2, 7 / y);
  jaxvjp_function* linear = nullptr;
  EXPECT_TRUE(near(cx, linearize(cx, f, {num(cx, 2)}, &linear), y));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, num(cx, 3)), 21 / y));
  // The loop itself has a forward mode, and no reverse mode, checkpointed or not.
  expect_at(cx, jaxvjp_jacfwd(cx, kept, nullptr), 2, 0.5 / y);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, kept), num(cx, 2)), JAXVJP_NO_TRANSPOSE));
  auto* twice = jaxvjp_checkpoint(
      cx,
      scalar_function(cx,
                      [f](auto cx, auto x) { return jaxvjp_call1(cx, f, jaxvjp_call1(cx, f, x)); }),
      JAXVJP_CHECKPOINT_NOTHING);
  expect_at(cx, grad(cx, twice), 2, 10 / std::sqrt(y) * 10 / y);
}

// G. Rules that close over traced values of their surroundings.
#include "loops.hpp"

using namespace conformance;

namespace {

// x -> x's derivative at 1 of a rule that closes over x: what each row makes of it.
using Outer = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*)>;

jaxvjp_function* outer(jaxvjp_context* cx, Outer body) {
  return function(cx, "outer", [body](auto cx, auto args) { return body(cx, args[0]); });
}

jaxvjp_value* slope_at_1(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), jaxvjp_f64(cx, 1));
}

// h(y) = 2 cos y, however it comes about: the five numbers of rows G4 and G5.
void expect_two_cos(jaxvjp_context* cx, jaxvjp_function* h) {
  jaxvjp_value *y = jaxvjp_f64(cx, 2), *ys = vec(cx, {0, 1, 2});
  const std::initializer_list<double> expected = {2, 2 * std::cos(1.0), 2 * std::cos(2.0)};
  jaxvjp_function *compiled = jaxvjp_jit(cx, h, nullptr), *mapped = jaxvjp_vmap(cx, h, nullptr);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, y), 2 * std::cos(2.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, compiled, y), 2 * std::cos(2.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mapped, ys), expected));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jit(cx, mapped, nullptr), ys), expected));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, compiled, nullptr), ys), expected));
  for (auto [slope, how] : eager_and_jit(cx, jaxvjp_grad(cx, h, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, jaxvjp_f64(cx, 4)), -2 * std::sin(4.0)));
  }
}

}  // namespace

TEST(ConformanceG, G1_primal_closes_over_a_mapped_value) {
  Context cx;
  jaxvjp_function* h = outer(cx, [](auto cx, auto x) {
    jaxvjp_function* f =
        custom_vjp(cx, "f",
                   {.fwd = self_fwd,
                    .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); },
                    .primal = [x](auto cx, auto args) { return jaxvjp_mul(cx, x, args[0]); }});
    return jaxvjp_call1(cx, f, jaxvjp_f64(cx, 3));
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, h, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {0, 1, 2})), {0, 3, 6}));
  }
}

// ... and the argument is mapped by the same vmap, or by another around it: x (x + x).
TEST(ConformanceG, G1_the_argument_is_mapped_too) {
  Context cx;
  const auto product_with = [](jaxvjp_context* cx, jaxvjp_value* x) {
    return custom_vjp(
        cx, "f",
        {.fwd = [](auto cx, auto args) -> Fwd {
           return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), args[0]};
         },
         .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); },
         .primal = [x](auto cx, auto args) { return jaxvjp_mul(cx, x, args[0]); }});
  };
  auto* value = outer(cx, [=](auto cx, auto x) {
    return jaxvjp_call1(cx, product_with(cx, x), jaxvjp_add(cx, x, x));
  });
  auto* slope = outer(cx, [=](auto cx, auto x) {
    auto* f = product_with(cx, x);
    return jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), jaxvjp_add(cx, x, x));
  });
  auto* mapped = vmap(cx, value, {});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mapped, vec(cx, {1, 2})), {2, 8}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, slope, {}), vec(cx, {1, 2})), {5, 5}));
  jaxvjp_value* rows[] = {vec(cx, {1, 2}), vec(cx, {3, 4})};
  EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, vmap(cx, mapped, {}), jaxvjp_stack(cx, rows, 2, 0)),
                          {2, 2}, {2, 8, 18, 32}));
}

// x y with the residual (x, cos y) and the rule x cos(y) ct, differentiated inside the vmap over x.
TEST(ConformanceG, G2_fwd_closes_over_a_mapped_value) {
  Context cx;
  jaxvjp_function* h = outer(cx, [](auto cx, auto x) {
    jaxvjp_function* f =
        custom_vjp(cx, "f",
                   {.fwd = [x](auto cx, auto args) -> Fwd {
                      jaxvjp_value* cos_y = jaxvjp_cos(cx, args[0]);
                      return {call(cx, jaxvjp_self(cx), args), tuple(cx, {x, cos_y})};
                    },
                    .bwd =
                        [](auto cx, auto residuals, auto ct, auto slots) {
                          jaxvjp_value *x = jaxvjp_get(cx, residuals, 0),
                                       *cos_y = jaxvjp_get(cx, residuals, 1);
                          slots[0] = jaxvjp_mul(cx, jaxvjp_mul(cx, cos_y, x), ct);
                        },
                    .primal = [x](auto cx, auto args) { return jaxvjp_mul(cx, x, args[0]); }});
    return jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), jaxvjp_f64(cx, 3));
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, h, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        near(cx, jaxvjp_call1(cx, g, vec(cx, {0, 1, 2})), {0, std::cos(3.0), 2 * std::cos(3.0)}));
  }
}

namespace {

// z -> sum over x in 0, 1, 2 of f_x(z), where f_x(y) = x y closes over the mapped x and has the
// rule k x ct.
jaxvjp_function* sum_over_mapped(jaxvjp_context* cx, double k) {
  return outer(cx, [k](auto cx, auto z) {
    jaxvjp_function* at_x = outer(cx, [k, z](auto cx, auto x) {
      jaxvjp_function* f =
          custom_vjp(cx, "f",
                     {.fwd = [x](auto cx, auto args) -> Fwd {
                        return {jaxvjp_mul(cx, x, args[0]), x};
                      },
                      .bwd = [k](auto cx, auto x, auto ct,
                                 auto slots) { slots[0] = times(cx, k, jaxvjp_mul(cx, x, ct)); }});
      return jaxvjp_call1(cx, f, z);
    });
    jaxvjp_value* xs = vec(cx, {0, 1, 2});
    return sum(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, at_x, nullptr), xs));
  });
}

}  // namespace

TEST(ConformanceG, G3_grad_outside_the_vmap) {
  Context cx;
  jaxvjp_value* z = jaxvjp_f64(cx, 3.14);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, sum_over_mapped(cx, 10), nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, z), 30.0));
  }
  EXPECT_EQ(jaxvjp_check_vjp(cx, sum_over_mapped(cx, 1), &z, 1, nullptr), 0);
  EXPECT_TRUE(no_error(cx));
}

TEST(ConformanceG, G4_only_bwd_closes_over_the_value) {
  Context cx;
  expect_two_cos(cx, outer(cx, [](auto cx, auto y) {
                   return slope_at_1(
                       cx, custom_vjp(cx, "f",
                                      {.fwd = [](auto cx, auto args) -> Fwd {
                                         return {jaxvjp_sin(cx, args[0]), jaxvjp_none(cx)};
                                       },
                                       .bwd =
                                           [y](auto cx, auto, auto ct, auto slots) {
                                             jaxvjp_value* c = jaxvjp_cos(cx, y);
                                             slots[0] = times(cx, 2, jaxvjp_mul(cx, c, ct));
                                           }}));
                 }));
}

TEST(ConformanceG, G5_fwd_returns_the_value_as_residual) {
  Context cx;
  expect_two_cos(cx, outer(cx, [](auto cx, auto y) {
                   return slope_at_1(cx, custom_vjp(cx, "f",
                                                    {.fwd = [y](auto cx, auto args) -> Fwd {
                                                       return {jaxvjp_sin(cx, args[0]), y};
                                                     },
                                                     .bwd =
                                                         [](auto cx, auto y, auto ct, auto slots) {
                                                           jaxvjp_value* c = jaxvjp_cos(cx, y);
                                                           slots[0] =
                                                               times(cx, 2, jaxvjp_mul(cx, c, ct));
                                                         }}));
                 }));
}

namespace {

enum class Where { primal, fwd, bwd };

// x v, with the rule 5 ct, where one callback uses the captured v; `captured` is what it is given.
jaxvjp_function* capturing(jaxvjp_context* cx, Where where, jaxvjp_value* v) {
  const auto use = [where, v](Where here, jaxvjp_context* cx, jaxvjp_value* x) {
    return here == where ? jaxvjp_mul(cx, v, x) : x;
  };
  return custom_vjp(
      cx, "capturing",
      {.fwd = [use](auto cx, auto args) -> Fwd {
         return {use(Where::fwd, cx, args[0]), jaxvjp_none(cx)};
       },
       .bwd = [use](auto cx, auto, auto ct,
                    auto slots) { slots[0] = times(cx, 5, use(Where::bwd, cx, ct)); },
       .primal = [use](auto cx, auto args) { return use(Where::primal, cx, args[0]); }});
}

// y -> f(y or a constant) for a function f that captures sin y, made at model.c:12.
jaxvjp_function* differentiated_capture(jaxvjp_context* cx, Where where, bool of_y, bool staged) {
  struct Held {  // bwd runs when the scope of `outer` is closed
    jaxvjp_value* v = nullptr;
    ~Held() { jaxvjp_release(v); }
  };
  return outer(cx, [=, held = std::make_shared<Held>()](auto cx, auto y) {
    jaxvjp_set_location(cx, "model.c", 12);
    jaxvjp_update(&held->v, jaxvjp_sin(cx, y));
    jaxvjp_set_location(cx, "model.c", 20);
    jaxvjp_function* f = capturing(cx, where, held->v);
    if (staged) f = jaxvjp_jit(cx, f, nullptr);
    return jaxvjp_call1(cx, f, of_y ? y : jaxvjp_f64(cx, 1));
  });
}

void expect_closure_diff(jaxvjp_context* cx, Where where, bool of_y, bool staged) {
  jaxvjp_function* h = differentiated_capture(cx, where, of_y, staged);
  jaxvjp_value* y = jaxvjp_f64(cx, 2);
  jaxvjp_call1(cx, h, y);
  EXPECT_TRUE(no_error(cx)) << "nothing is differentiated";
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, h, nullptr))) {
    SCOPED_TRACE(std::string(how) + (of_y ? ", of y" : ", of a constant"));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, y), JAXVJP_CLOSURE_DIFF,
                      {"capturing", "f64[]", "model.c:12", "argument"}));
  }
}

}  // namespace

// 3 x times the sum of an array that the primal closes over, with the rule 2 cos(x) ct.
TEST(ConformanceG, G6_a_closed_over_array_in_a_mapped_loop) {
  Context cx;
  jaxvjp_value* array = vec(cx, {1, 2, 3});
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = self_fwd,
       .bwd = [](auto cx, auto x, auto ct,
                 auto slots) { slots[0] = times(cx, 2, jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct)); },
       .primal = [array](
                     auto cx,
                     auto args) { return sum(cx, times(cx, 3, jaxvjp_mul(cx, args[0], array))); }});
  jaxvjp_function* looped = outer(cx, [f](auto cx, auto x) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 1), 0);
  });
  jaxvjp_value* xs = vec(cx, {0, 1, 2});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, looped, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, xs), {0, 18, 36}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, sum_of(cx, g)), xs),
                     {2, 2 * std::cos(1.0), 2 * std::cos(2.0)}));
  }
}

TEST(ConformanceG, G7_differentiating_what_a_staged_rule_captured) {
  Context cx;
  expect_closure_diff(cx, Where::fwd, true, true);
  expect_closure_diff(cx, Where::bwd, true, true);
  expect_closure_diff(cx, Where::primal, false, true);
}

TEST(ConformanceG, G8_differentiating_what_an_eager_rule_captured) {
  Context cx;
  expect_closure_diff(cx, Where::fwd, true, false);
  expect_closure_diff(cx, Where::bwd, true, false);
  expect_closure_diff(cx, Where::primal, false, false);
}

// However deep the rule stands in programs, and whatever it gives: no derivative is lost silently.
TEST(ConformanceG, G7_behind_several_programs) {
  enum What { product, residual, itself };
  for (What what : {product, residual, itself})
    for (int jits = 0; jits < 4; jits++) {
      SCOPED_TRACE(std::to_string(what) + " behind " + std::to_string(jits) + " programs");
      Context cx;
      jaxvjp_function* h = outer(cx, [=](auto cx, auto y) {
        jaxvjp_value* w = jaxvjp_sin(cx, y);
        jaxvjp_function* f =
            custom_vjp(cx, "capturing",
                       {.fwd = [=](auto cx, auto args) -> Fwd {
                          jaxvjp_value* x = args[0];
                          return {what == product  ? jaxvjp_mul(cx, x, w)
                                  : what == itself ? w
                                                   : x,
                                  what == residual ? w : x};
                        },
                        .bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; },
                        .primal = [](auto, auto args) { return args[0]; }});
        for (int i = 0; i < jits; i++) f = jaxvjp_jit(cx, f, nullptr);
        return jaxvjp_call1(cx, f, y);
      });
      for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, h, nullptr))) {
        SCOPED_TRACE(how);
        EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), JAXVJP_CLOSURE_DIFF,
                          {"capturing", "fwd", "argument"}));
      }
    }
}

// A value that has no derivative may be captured, also one of the caller's trace.
TEST(ConformanceG, G8_capturing_what_is_not_differentiated) {
  Context cx;
  jaxvjp_function* h = outer(cx, [](auto cx, auto y) {
    jaxvjp_value* w = jaxvjp_stop_gradient(cx, jaxvjp_sin(cx, y));
    return jaxvjp_call1(cx, capturing(cx, Where::fwd, w), y);
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, h, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 5.0));
  }
}

// The captured value belongs to a trace that is over.
TEST(ConformanceG, G9_a_rule_that_captured_a_finished_tracer) {
  Context cx;
  jaxvjp_value* leaked = nullptr;
  jaxvjp_function* leak = function(cx, "leak", [&leaked](auto, auto args) {
    jaxvjp_update(&leaked, args[0]);
    return args[0];
  });
  jaxvjp_function* leaks[] = {jaxvjp_jit(cx, leak, nullptr), jaxvjp_grad(cx, leak, nullptr)};
  for (jaxvjp_function* leaking : leaks) {
    jaxvjp_call1(cx, leaking, jaxvjp_f64(cx, 2));
    for (Where where : {Where::primal, Where::fwd, Where::bwd}) {
      jaxvjp_function* f = capturing(cx, where, leaked);
      if (where != Where::primal) f = jaxvjp_grad(cx, f, nullptr);
      for (auto [g, how] : eager_and_jit(cx, f)) {
        SCOPED_TRACE(how);
        jaxvjp_value* result = jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1));
        EXPECT_TRUE(fails(cx, result, JAXVJP_STALE_TRACER, {"capturing"}));
      }
    }
  }
  jaxvjp_release(leaked);
}

// x^3, whose residual is the pullback of x^2 at x: 2 at 1, where autodiff gives 3.
TEST(ConformanceG, G10_a_pullback_as_residual) {
  Context cx;
  const auto square = [](jaxvjp_context* cx) {
    return function(cx, "square", [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); });
  };
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [square](auto cx, auto args) -> Fwd {
                    jaxvjp_function* pullback = nullptr;
                    jaxvjp_value* squared = vjp(cx, square(cx), {args[0]}, &pullback);
                    return {jaxvjp_mul(cx, args[0], squared), jaxvjp_from_function(cx, pullback)};
                  },
                  .bwd =
                      [](auto cx, auto residual, auto ct, auto slots) {
                        jaxvjp_function* pullback = jaxvjp_as_function(cx, residual);
                        slots[0] = jaxvjp_get(cx, jaxvjp_call1(cx, pullback, ct), 0);
                      }});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), expected));
  }
  jaxvjp_function* mapped = jaxvjp_vmap(cx, jaxvjp_grad(cx, f, nullptr), nullptr);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mapped, vec(cx, {1, 2, 3})), {2, 4, 6}));
}

// jit of a function that returns its pullback at 3, called with 1: the rule 2x ct of x^3.
TEST(ConformanceG, G10_jit_may_return_a_pullback) {
  Context cx;
  jaxvjp_function* cube =
      custom_vjp(cx, "cube",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    jaxvjp_value* squared = jaxvjp_square(cx, args[0]);
                    return {jaxvjp_mul(cx, squared, args[0]), args[0]};
                  },
                  .bwd = [](auto cx, auto x, auto ct,
                            auto slots) { slots[0] = times(cx, 2, jaxvjp_mul(cx, x, ct)); }});
  jaxvjp_function* g = function(cx, "g", [cube](auto cx, auto args) {
    jaxvjp_function* pullback = nullptr;
    vjp(cx, cube, {args[0]}, &pullback);
    return jaxvjp_from_function(cx, pullback);
  });
  for (auto [h, how] : eager_and_jit(cx, g)) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = jaxvjp_as_function(cx, jaxvjp_call1(cx, h, jaxvjp_f64(cx, 3)));
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
    EXPECT_TRUE(same(cx, cts, tuple(cx, {jaxvjp_f64(cx, 6)})));
  }
}

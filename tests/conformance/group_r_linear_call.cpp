// Group R: linear_call. A transpose that is not the function's own tells which of the two was
// asked.
#include "loops.hpp"

namespace conformance {
namespace {

void expect_at(jaxvjp_context* cx, jaxvjp_function* f, double x, double expected) {
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, x)), expected));
  }
}

using Two = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*, jaxvjp_value*)>;
jaxvjp_function* of_two(jaxvjp_context* cx, const char* name, Two f) {
  return function(cx, name, [f](auto cx, auto args) { return f(cx, args[0], args[1]); });
}
jaxvjp_value* linear_call(jaxvjp_context* cx, Two f, Two t, jaxvjp_value* residual,
                          jaxvjp_value* linear) {
  return jaxvjp_linear_call(cx, of_two(cx, "f", f), of_two(cx, "t", t), residual, linear);
}
// ct -> the cotangent of f's one argument, which is as `like`.
jaxvjp_function* transposed(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* like) {
  return item_of(cx, jaxvjp_linear_transpose(cx, f, &like, 1), 0);
}

const Two quotient = [](auto cx, auto r, auto x) { return jaxvjp_div(cx, x, r); };
const Two five_quotients = [](auto cx, auto r, auto ct) {
  return times(cx, 5, jaxvjp_div(cx, ct, r));
};
// x -> x + x / 3, whose transpose is `t`'s.
jaxvjp_function* div_add(jaxvjp_context* cx, Two t) {
  return scalar_function(cx, [t](auto cx, auto x) {
    return jaxvjp_add(cx, x, linear_call(cx, quotient, t, num(cx, 3), x));
  });
}

TEST(ConformanceR, R9_transposition_exchanges_the_two) {
  Context cx;
  jaxvjp_value* like = spec(cx, {});
  auto *f = div_add(cx, quotient), *g = div_add(cx, five_quotients);
  expect_at(cx, f, 9, 12);
  expect_at(cx, transposed(cx, f, like), 18, 24);
  expect_at(cx, g, 9, 12);
  expect_at(cx, transposed(cx, g, like), 18, 18 + 30);
  expect_at(cx, transposed(cx, transposed(cx, g, like), like), 9, 12);
  // Each transposition gives the other one.
  auto* id = scalar_function(cx, [](auto cx, auto x) {
    return linear_call(
        cx, [](auto, auto, auto x) { return x; }, [](auto cx, auto, auto) { return num(cx, 7); },
        jaxvjp_none(cx), x);
  });
  for (int i = 0; i < 4; ++i, id = transposed(cx, id, like)) expect_at(cx, id, 1, i % 2 ? 7 : 1);
}

TEST(ConformanceR, R9_in_derivatives) {
  Context cx;
  auto* f = div_add(cx, five_quotients);
  expect_at(cx, grad(cx, f), 9, 1 + 5.0 / 3);
  expect_at(cx, jaxvjp_jacfwd(cx, f, nullptr), 9, 1 + 1.0 / 3);
  expect_at(cx, grad(cx, grad(cx, f)), 9, 0);
  jaxvjp_value* xs = vec(cx, {1, 2});
  for (auto* g :
       {jaxvjp_vmap(cx, grad(cx, f), nullptr), grad(cx, sum_of(cx, jaxvjp_vmap(cx, f, nullptr)))}) {
    for (auto [h, how] : eager_and_jit(cx, g)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, xs), {1 + 5.0 / 3, 1 + 5.0 / 3}));
    }
  }
  auto* loop = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 2), 0);
  });
  expect_at(cx, grad(cx, loop), 9, std::pow(1 + 5.0 / 3, 2));
  expect_at(cx, jaxvjp_jacfwd(cx, loop, nullptr), 9, std::pow(1 + 1.0 / 3, 2));
}

// x / r in r: what f computes is differentiated, and in the backward pass what t does.
TEST(ConformanceR, R9_residuals_are_differentiated_as_they_stand) {
  Context cx;
  for (bool captured : {false, true}) {
    SCOPED_TRACE(captured ? "captured" : "residual");
    auto* f = of_two(cx, "quotient", [captured](auto cx, auto r, auto x) {
      if (!captured) return linear_call(cx, quotient, five_quotients, r, x);
      return linear_call(
          cx, [r](auto cx, auto, auto x) { return quotient(cx, r, x); },
          [r](auto cx, auto, auto ct) { return five_quotients(cx, r, ct); }, jaxvjp_none(cx), x);
    });
    jaxvjp_value *r = num(cx, 2), *x = num(cx, 3);
    for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {0, 1}))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(
          same(cx, jaxvjp_call2(cx, g, r, x), tuple(cx, {num(cx, -3.0 / 4), num(cx, 5.0 / 2)})));
    }
    // d/dr of 5 / r, and of x's tangent through f.
    auto* slope = item_of(cx, with(jaxvjp_grad, cx, f, {1}), 0);
    for (auto [g, how] : eager_and_jit(cx, grad(cx, slope))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call2(cx, g, r, x), -5.0 / 4));
    }
    jaxvjp_value* tangent = nullptr;
    jvp(cx, f, {r, x}, {num(cx, 1), num(cx, 10)}, &tangent);
    EXPECT_TRUE(near(cx, tangent, -3.0 / 4 + 10.0 / 2));
    // Only the residual is mapped; then only what is linear.
    auto* both = with(jaxvjp_grad, cx, f, {0, 1});
    jaxvjp_value* two = vec(cx, {2, 4});
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, vmap(cx, both, {0, JAXVJP_AXIS_NONE}), two, x),
                     tuple(cx, {vec(cx, {-0.75, -3.0 / 16}), vec(cx, {2.5, 1.25})})));
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, vmap(cx, both, {JAXVJP_AXIS_NONE, 0}), r, two),
                     tuple(cx, {vec(cx, {-0.5, -1}), vec(cx, {2.5, 2.5})})));
    auto* total = sum_of(cx, vmap(cx, f, {0, JAXVJP_AXIS_NONE}));
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, with(jaxvjp_grad, cx, total, {0, 1}), two, x),
                     tuple(cx, {vec(cx, {-0.75, -3.0 / 16}), num(cx, 3.75)})));
  }
}

TEST(ConformanceR, R9_trees) {
  Context cx;
  // {a, b} -> (2 a, b, none), with the transpose {10 a, 0}.
  auto* f = scalar_function(cx, [](auto cx, auto x) {
    return linear_call(
        cx,
        [](auto cx, auto, auto x) {
          return tuple(cx, {times(cx, 2, jaxvjp_lookup(cx, x, "a")), jaxvjp_lookup(cx, x, "b"),
                            jaxvjp_none(cx)});
        },
        [](auto cx, auto, auto ct) {
          return dict(cx, {{"a", times(cx, 10, jaxvjp_get(cx, ct, 0))},
                           {"b", jaxvjp_zeros_like(cx, jaxvjp_get(cx, ct, 1))}});
        },
        jaxvjp_none(cx), x);
  });
  jaxvjp_value* x = dict(cx, {{"a", num(cx, 3)}, {"b", vec(cx, {1, 2})}});
  EXPECT_TRUE(
      same(cx, jaxvjp_call1(cx, f, x), tuple(cx, {num(cx, 6), vec(cx, {1, 2}), jaxvjp_none(cx)})));
  auto* loss = scalar_function(cx, [f](auto cx, auto x) {
    jaxvjp_value* y = jaxvjp_call1(cx, f, x);
    return jaxvjp_add(cx, jaxvjp_get(cx, y, 0), sum(cx, jaxvjp_get(cx, y, 1)));
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, loss))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        same(cx, jaxvjp_call1(cx, g, x), dict(cx, {{"a", num(cx, 10)}, {"b", vec(cx, {0, 0})}})));
  }
}

TEST(ConformanceR, R9_errors_name_what_is_wrong) {
  const Two id = [](auto, auto, auto x) { return x; };
  Context cx;
  jaxvjp_value *none = jaxvjp_none(cx), *x = vec(cx, {1, 2}), *i = jaxvjp_i64(cx, 1);
  const struct {
    const char* what;
    Two f, t;
    jaxvjp_value* linear;
    int32_t code;
    std::initializer_list<const char*> words;
  } rows[] = {
      {"structure",
       id,
       [](auto cx, auto, auto ct) { return tuple(cx, {ct}); },
       x,
       JAXVJP_TREE,
       {"transpose, t", "linear argument"}},
      {"shape",
       id,
       [](auto cx, auto, auto ct) { return sum(cx, ct); },
       x,
       JAXVJP_SHAPE,
       {"transpose, t", "f64[2]", "f64[]"}},
      {"dtype",
       id,
       [](auto cx, auto, auto ct) { return jaxvjp_convert(cx, ct, JAXVJP_F32); },
       x,
       JAXVJP_DTYPE,
       {"transpose, t", "f32[2]"}},
      {"integers", id, id, i, JAXVJP_IN_DTYPE, {"i64[]", "linear argument"}},
      {"integers out",
       [](auto cx, auto, auto x) { return jaxvjp_convert(cx, x, JAXVJP_I32); },
       id,
       x,
       JAXVJP_OUT_DTYPE,
       {"i32[2]", "output"}},
      {"f fails",
       [](auto cx, auto, auto x) { return jaxvjp_fail(cx, 4242, "stop"), x; },
       id,
       x,
       4242,
       {"stop", "linear_call of f"}},
      {"t fails",
       id,
       [](auto cx, auto, auto x) { return jaxvjp_fail(cx, 4242, "stop"), x; },
       x,
       4242,
       {"stop", "function t"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_TRUE(fails(cx, linear_call(cx, row.f, row.t, none, row.linear), row.code, row.words));
  }
  // Not linear in its residual.
  auto* square = scalar_function(
      cx, [](auto cx, auto x) { return linear_call(cx, quotient, quotient, x, x); });
  jaxvjp_value* like = spec(cx, {});
  EXPECT_TRUE(fails(cx, jaxvjp_linear_transpose(cx, square, &like, 1), JAXVJP_NO_TRANSPOSE,
                    {"linear_call", "residual"}));
}

// What f closes over is known: it may be a value that is recorded, mapped or differentiated.
TEST(ConformanceR, R9_what_a_linear_function_closes_over) {
  Context cx;
  auto* f = scalar_function(cx, [](auto cx, auto p) {  // p (p 2)
    auto* by_p = scalar_function(cx, [p](auto cx, auto t) { return jaxvjp_mul(cx, p, t); });
    auto* transpose = transposed(cx, by_p, spec(cx, {}));
    return jaxvjp_mul(cx, p, jaxvjp_call1(cx, transpose, num(cx, 2)));
  });
  expect_at(cx, f, 3, 18);
  expect_at(cx, grad(cx, f), 3, 12);
  expect_at(cx, jaxvjp_jacfwd(cx, f, nullptr), 3, 12);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, f, {}), vec(cx, {3, 4})), {18, 32}));
  EXPECT_TRUE(
      near(cx, jaxvjp_call1(cx, vmap(cx, jit(cx, grad(cx, f)), {}), vec(cx, {3, 4})), {12, 16}));
}

// The rule of `outer` keeps the pullback of another rule; forward mode is the transpose of its bwd.
// Under jit the values that it is applied to are its arguments, and nothing that it closes over.
TEST(ConformanceR, a_rule_of_a_pullback_applied_forward) {
  Context cx;
  auto* inner = custom_vjp(
      cx, "inner",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_sin(cx, args[0]), args[0]};
       },
       .bwd = [](auto cx, auto x, auto ct,
                 auto slots) { slots[0] = times(cx, 2, jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct)); }});
  auto* outer = custom_vjp(cx, "outer",
                           {.fwd = [inner](auto cx, auto args) -> Fwd {
                              jaxvjp_function* pullback = nullptr;
                              jaxvjp_value* y = jaxvjp_vjp(cx, inner, args.items, 1, &pullback);
                              return {y, jaxvjp_from_function(cx, pullback)};
                            },
                            .bwd =
                                [](auto cx, auto pullback, auto ct, auto slots) {
                                  jaxvjp_value* found =
                                      jaxvjp_call1(cx, jaxvjp_as_function(cx, pullback), ct);
                                  slots[0] = times(cx, 2, jaxvjp_get(cx, found, 0));
                                },
                            .forward = JAXVJP_FORWARD_TRANSPOSE_BWD});
  auto* f = scalar_function(cx, [outer](auto cx, auto x) {  // 4 cos^2 x
    jaxvjp_function* linear = nullptr;
    jaxvjp_linearize(cx, outer, &x, 1, &linear);
    return jaxvjp_call1(cx, linear, jaxvjp_cos(cx, x));
  });
  expect_at(cx, f, 0.5, 4 * std::cos(0.5) * std::cos(0.5));
  expect_at(cx, grad(cx, f), 0.5, -4 * std::sin(1.0));
  expect_at(cx, grad(cx, jit(cx, f)), 0.5, -4 * std::sin(1.0));
}

// Both halves are text, so a program that was read differentiates as it did.
TEST(ConformanceR, R9_printed_and_read_again) {
  Context cx;
  auto* f = div_add(cx, five_quotients);
  const char* text = jaxvjp_jaxpr_text(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  auto* again = item_of(cx, jaxvjp_function_of(cx, jaxvjp_parse(cx, text)), 0);
  expect_at(cx, again, 9, 12);
  expect_at(cx, grad(cx, again), 9, 1 + 5.0 / 3);
}

}  // namespace
}  // namespace conformance

// Group U: custom_jvp. U7 (one rule an argument, put together by defjvps) is a wrapper of other
// languages; what is left of it in C is a tangent of jaxvjp_zero. U12 in a scan waits for scan. U11
// is in group_u_shapes.cpp.

#include "higher_order.hpp"

namespace conformance {
namespace {

// sin with the tangent 2 cos x dx; the rule calls f itself.
jaxvjp_function* doubled_sine_forward(jaxvjp_context* cx, Counts* counts = nullptr) {
  return custom_jvp(
      cx, "f", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        jaxvjp_value* slope = times(cx, 2, jaxvjp_cos(cx, primals[0]));
        return {jaxvjp_call1(cx, jaxvjp_self(cx), primals[0]), jaxvjp_mul(cx, slope, tangents[0])};
      },
      counts);
}

jaxvjp_value* tangent_of(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* x,
                         jaxvjp_value* dx) {
  jaxvjp_value* tangent = nullptr;
  jvp(cx, f, {x}, {dx}, &tangent);
  return tangent;
}

TEST(ConformanceU, U1_basic) {
  Counts counts;
  Context cx;
  auto* f = doubled_sine_forward(cx, &counts);
  jaxvjp_value *x = jaxvjp_f64(cx, 3), *tangent = nullptr;
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), std::sin(3.0)));
  EXPECT_EQ(counts, (Counts{.primal = 1}));
  EXPECT_TRUE(near(cx, jvp(cx, f, {x}, {jaxvjp_f64(cx, 1)}, &tangent), std::sin(3.0)));
  EXPECT_TRUE(near(cx, tangent, 2 * std::cos(3.0)));
  EXPECT_EQ(counts, (Counts{.primal = 2, .jvp = 1}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), x), 2 * std::cos(3.0)));
  jaxvjp_function* linear = nullptr;
  EXPECT_TRUE(near(cx, linearize(cx, f, {x}, &linear), std::sin(3.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, jaxvjp_f64(cx, 5)), 10 * std::cos(3.0)));
}

// cos(2x)/2 with the tangent 3 dx: the value part of jvp of f, and of jvp of that, have it too.
TEST(ConformanceU, U2_invariance) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f",
      [](auto cx, auto args) { return times(cx, 0.5, jaxvjp_cos(cx, times(cx, 2, args[0]))); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        return {jaxvjp_call1(cx, jaxvjp_self(cx), primals[0]), times(cx, 3, tangents[0])};
      });
  for (int level = 0; level < 3; level++) {
    SCOPED_TRACE(level);
    jaxvjp_value* tangent = nullptr;
    EXPECT_TRUE(near(cx, jvp(cx, f, {jaxvjp_f64(cx, 1)}, {jaxvjp_f64(cx, 1)}, &tangent),
                     std::cos(2.0) / 2));
    EXPECT_TRUE(near(cx, tangent, 3.0));
    f = function(cx, "value_of_jvp", [f](auto cx, auto args) {
      jaxvjp_value* tangent = nullptr;
      return jvp(cx, f, {args[0]}, {args[0]}, &tangent);
    });
  }
}

TEST(ConformanceU, U3_vmap_and_jit) {
  Context cx;
  auto* f = doubled_sine_forward(cx);
  std::vector<double> values, slopes;
  for (int i = 0; i < 6; i++) {
    values.push_back(std::sin(i));
    slopes.push_back(2 * std::cos(i));
  }
  jaxvjp_value* xx = array(cx, {2, 3}, {0, 1, 2, 3, 4, 5});
  auto twice = [&](jaxvjp_function* g) { return vmap(cx, vmap(cx, g, {}), {}); };
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, twice(g), xx), {2, 3}, values));
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, twice(grad(cx, g)), xx), {2, 3}, slopes));
    auto* loss = sum_of(cx, twice(g));
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, grad(cx, loss), xx), {2, 3}, slopes));
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, jit(cx, grad(cx, loss)), xx), {2, 3}, slopes));
    jaxvjp_value* ones = jaxvjp_add(cx, jaxvjp_zeros_like(cx, xx), jaxvjp_number(cx, 1));
    EXPECT_TRUE(near_shaped(cx, tangent_of(cx, twice(g), xx, ones), {2, 3}, slopes));
  }
}

// 3x with the tangent 2 dx: the first derivative is the rule's, the second of a linear rule is 0.
TEST(ConformanceU, U3_second_order_of_a_linear_rule) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto args) { return times(cx, 3, args[0]); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        return {jaxvjp_call1(cx, jaxvjp_self(cx), primals[0]), times(cx, 2, tangents[0])};
      });
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    jaxvjp_value* x = jaxvjp_f64(cx, 3);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), 9.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, g), x), 2.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, grad(cx, g)), x), 0.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_hessian(cx, g, nullptr), x), 0.0));
  }
}

TEST(ConformanceU, U4_pytrees) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f",
      [](auto cx, auto args) {
        return dict(cx, {{"b", jaxvjp_sin(cx, jaxvjp_lookup(cx, args[0], "a"))}});
      },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        jaxvjp_value* a = jaxvjp_lookup(cx, primals[0], "a");
        jaxvjp_value* da = jaxvjp_lookup(cx, tangents[0], "a");
        jaxvjp_value* db = jaxvjp_mul(cx, times(cx, 2, jaxvjp_cos(cx, a)), da);
        return {jaxvjp_call1(cx, jaxvjp_self(cx), primals[0]), dict(cx, {{"b", db}})};
      });
  jaxvjp_value* x = dict(cx, {{"a", jaxvjp_f64(cx, 3)}});
  jaxvjp_value* tangent = tangent_of(cx, f, x, dict(cx, {{"a", jaxvjp_f64(cx, 2)}}));
  EXPECT_TRUE(same(cx, tangent, dict(cx, {{"b", jaxvjp_f64(cx, 4 * std::cos(3.0))}})));
  auto* loss = function(cx, "loss", [f](auto cx, auto args) {
    return jaxvjp_lookup(cx, jaxvjp_call1(cx, f, args[0]), "b");
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, loss))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        same(cx, jaxvjp_call1(cx, g, x), dict(cx, {{"a", jaxvjp_f64(cx, 2 * std::cos(3.0))}})));
  }
}

// A function as an argument: it comes as a leaf, in its place, and has no tangent.
TEST(ConformanceU, U4_function_arguments) {
  Context cx;
  auto apply = [](jaxvjp_context* cx, Args args) {
    return jaxvjp_call1(cx, jaxvjp_as_function(cx, args[0]), args[1]);
  };
  auto* app = custom_jvp(cx, "app", apply, [](auto cx, auto primals, auto tangents) -> Jvp {
    return {call(cx, jaxvjp_self(cx), primals), times(cx, 3, tangents[1])};
  });
  auto* cube = function(cx, "cube", [](auto cx, auto args) {
    return jaxvjp_mul(cx, args[0], jaxvjp_square(cx, args[0]));
  });
  jaxvjp_value *leaf = jaxvjp_from_function(cx, cube), *x = jaxvjp_f64(cx, 15);
  EXPECT_TRUE(near(cx, jaxvjp_call2(cx, app, leaf, x), 3375.0));
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, app, {1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, g, leaf, x), tuple(cx, {jaxvjp_f64(cx, 3)})));
  }
}

// g(y) = x + y, where x is being differentiated by the caller of g.
TEST(ConformanceU, U5_closing_over_a_differentiated_value) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    jaxvjp_value* x = args[0];
    auto* g = custom_jvp(
        cx, "closing", [x](auto cx, auto args) { return jaxvjp_add(cx, x, args[0]); },
        [](auto cx, auto primals, auto tangents) -> Jvp {
          return {jaxvjp_call1(cx, jaxvjp_self(cx), primals[0]), times(cx, 2, tangents[0])};
        });
    return jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1));
  });
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), 4.0));
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        fails(cx, tangent_of(cx, g, x, jaxvjp_f64(cx, 1)), JAXVJP_CLOSURE_DIFF, {"closing"}));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, g), x), JAXVJP_CLOSURE_DIFF, {"closing"}));
  }
}

// sin, with a rule that returns this.
jaxvjp_function* with_rule(jaxvjp_context* cx, JvpFn rule) {
  return custom_jvp(
      cx, "broken", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }, std::move(rule));
}

TEST(ConformanceU, U6_rules_that_return_the_wrong_thing) {
  Context cx;
  const struct {
    const char* what;
    JvpFn rule;
    int32_t code;
    std::initializer_list<const char*> words;
  } rows[] = {
      {"no tangent",
       [](auto, auto p, auto) -> Jvp {
         return {p[0], nullptr};
       },
       JAXVJP_CALLBACK,
       {"broken", "tangent"}},
      {"no output",
       [](auto, auto, auto t) -> Jvp {
         return {nullptr, t[0]};
       },
       JAXVJP_CALLBACK,
       {"broken", "out"}},
      {"tangent of another structure",
       [](auto cx, auto p, auto t) -> Jvp {
         return {p[0], tuple(cx, {t[0], t[0]})};
       },
       JAXVJP_TREE,
       {"broken"}},
      {"tangent of another shape",
       [](auto cx, auto p, auto) -> Jvp {
         return {p[0], vec(cx, {1})};
       },
       JAXVJP_SHAPE,
       {"broken", "f64[]", "f64[1]"}},
      {"tangent of another dtype",
       [](auto cx, auto p, auto t) -> Jvp {
         return {p[0], jaxvjp_convert(cx, t[0], JAXVJP_F32)};
       },
       JAXVJP_DTYPE,
       {"broken", "f64[]", "f32[]"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    for (auto [f, how] : eager_and_jit(cx, with_rule(cx, row.rule))) {
      SCOPED_TRACE(how);
      jaxvjp_value* x = jaxvjp_f64(cx, 3);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), std::sin(3.0)));
      EXPECT_TRUE(fails(cx, tangent_of(cx, f, x, jaxvjp_f64(cx, 1)), row.code, row.words));
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, grad(cx, f), x), row.code, row.words));
    }
  }
}

// The rule's output is not of the primal's type, where the primal's is known.
TEST(ConformanceU, U6_another_output_than_the_primal) {
  Context cx;
  auto* f = with_rule(cx, [](auto cx, auto, auto) -> Jvp {
    return {vec(cx, {1, 2}), vec(cx, {1, 2})};
  });
  jaxvjp_value* tangent = tangent_of(cx, jit(cx, f), jaxvjp_f64(cx, 3), jaxvjp_f64(cx, 1));
  EXPECT_TRUE(fails(cx, tangent, JAXVJP_SHAPE, {"broken", "f64[]", "f64[2]"}));
}

// x^2 y whose rule knows nothing of y: the derivative for it is zero, and that for x the rule's.
TEST(ConformanceU, U7_a_zero_tangent) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto a) { return jaxvjp_mul(cx, jaxvjp_square(cx, a[0]), a[1]); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        return {call(cx, jaxvjp_self(cx), primals), times(cx, 5, tangents[0])};
      });
  auto* none = with_rule(cx, [](auto cx, auto p, auto) -> Jvp { return {p[0], jaxvjp_zero(cx)}; });
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, f, {0, 1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = call(cx, g, {jaxvjp_f64(cx, 2), jaxvjp_f64(cx, 3)});
    jaxvjp_value* gradient = tuple(cx, {jaxvjp_f64(cx, 5), jaxvjp_f64(cx, 0)});
    EXPECT_TRUE(same(cx, got, tuple(cx, {jaxvjp_f64(cx, 12), gradient})));
  }
  for (auto [g, how] : eager_and_jit(cx, grad(cx, none))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 0.0));
  }
}

// The tangent of what does not vary comes as an array of zeros, of the shape of one example.
TEST(ConformanceU, U8_zero_tangents_are_arrays) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto a) { return jaxvjp_mul(cx, a[0], sum(cx, a[1])); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        EXPECT_EQ(jaxvjp_is_zero(tangents[1]), 0);
        EXPECT_EQ(jaxvjp_kind(tangents[1]), JAXVJP_ARRAY);
        EXPECT_EQ(shape(tangents[1]), (std::vector<int64_t>{2}));
        jaxvjp_value* tangent = jaxvjp_add(cx, times(cx, 7, tangents[0]), sum(cx, tangents[1]));
        return {call(cx, jaxvjp_self(cx), primals), tangent};
      });
  jaxvjp_value* y = vec(cx, {3, 4});
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call2(cx, g, jaxvjp_f64(cx, 2), y), 7.0));
    auto* many = vmap(cx, g, {0, JAXVJP_AXIS_NONE});
    EXPECT_TRUE(near(cx, jaxvjp_call2(cx, many, vec(cx, {1, 2, 3}), y), {7.0, 7.0, 7.0}));
  }
}

// (x i, i) for an integer i: its tangent comes and goes as FLOAT0, or as jaxvjp_zero.
TEST(ConformanceU, U9_integers_in_and_out) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f",
      [](auto cx, auto a) {
        return tuple(cx, {jaxvjp_mul(cx, a[0], jaxvjp_convert(cx, a[1], JAXVJP_F64)), a[1]});
      },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        EXPECT_EQ(jaxvjp_dtype(tangents[1]), JAXVJP_FLOAT0);
        jaxvjp_value* tangent = tuple(cx, {times(cx, 2, tangents[0]), jaxvjp_zero(cx)});
        return {call(cx, jaxvjp_self(cx), primals), tangent};
      });
  jaxvjp_value *x = jaxvjp_f64(cx, 2), *i = jaxvjp_i64(cx, 3), *tangent = nullptr;
  jaxvjp_value* value = jvp(cx, f, {x, i}, {jaxvjp_f64(cx, 1), jaxvjp_zero(cx)}, &tangent);
  EXPECT_TRUE(same(cx, value, tuple(cx, {jaxvjp_f64(cx, 6), i})));
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, tangent, 0), 2.0));
  EXPECT_EQ(jaxvjp_dtype(jaxvjp_get(cx, tangent, 1)), JAXVJP_FLOAT0);
  auto* loss = item_of(cx, f, 0);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, loss, {0, 1}, JAXVJP_ALLOW_INT))) {
    SCOPED_TRACE(how);
    jaxvjp_value* gradient = jaxvjp_call2(cx, g, x, i);
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, gradient, 0), 2.0));
    EXPECT_EQ(jaxvjp_dtype(jaxvjp_get(cx, gradient, 1)), JAXVJP_FLOAT0);
  }
}

// (sin x, x + cos y) with the tangents (2 cos x dx, 1.5 dx - 1/2 sin y dy), one output kept.
TEST(ConformanceU, U10_pruned_programs_follow_the_rule) {
  Context cx;
  const double x = 0.1, y = -1.3;
  auto* f = custom_jvp(
      cx, "f",
      [](auto cx, auto args) {
        jaxvjp_value* cos_y = jaxvjp_cos(cx, args[1]);
        return tuple(cx, {jaxvjp_sin(cx, args[0]), jaxvjp_add(cx, args[0], cos_y)});
      },
      [](auto cx, auto p, auto t) -> Jvp {
        jaxvjp_value* first = jaxvjp_mul(cx, times(cx, 2, jaxvjp_cos(cx, p[0])), t[0]);
        jaxvjp_value* second = jaxvjp_mul(cx, times(cx, -0.5, jaxvjp_sin(cx, p[1])), t[1]);
        second = jaxvjp_add(cx, times(cx, 1.5, t[0]), second);
        return {call(cx, jaxvjp_self(cx), p), tuple(cx, {first, second})};
      });
  const double expected[2][2] = {{2 * std::cos(x), 0}, {1.5, -0.5 * std::sin(y)}};
  for (int keep = 0; keep < 2; keep++) {
    SCOPED_TRACE(keep);
    auto* j = make_jaxpr(cx, item_of(cx, f, keep), {spec(cx, {}), spec(cx, {})});
    j = jaxvjp_simplify(cx, j);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "sin"), keep == 0 ? 1u : 0u);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "cos"), keep == 0 ? 0u : 1u);
    auto* g = jaxvjp_function_of(cx, j);
    jaxvjp_value* at[] = {jaxvjp_f64(cx, x), jaxvjp_f64(cx, y)};
    for (int direction = 0; direction < 2; direction++) {
      jaxvjp_value *dx = jaxvjp_f64(cx, direction == 0), *dy = jaxvjp_f64(cx, direction == 1);
      jaxvjp_value* tangent = nullptr;
      jvp(cx, g, {at[0], at[1]}, {dx, dy}, &tangent);
      EXPECT_TRUE(near(cx, tangent, expected[keep][direction]));
    }
  }
}

// A custom_jvp function that is linear is transposed as its primal: its rule is not asked.
TEST(ConformanceU, U12_linear_functions_transpose_as_a_call) {
  Counts counts;
  Context cx;
  auto never = [](jaxvjp_context*, Args primals, Args tangents) -> Jvp {
    return {primals[0], tangents[0]};
  };
  auto* negated = custom_jvp(
      cx, "negated", [](auto cx, auto a) { return jaxvjp_neg(cx, a[0]); }, never, &counts);
  auto* halved = custom_jvp(
      cx, "halved", [](auto cx, auto a) { return jaxvjp_div(cx, a[0], jaxvjp_f64(cx, 2)); }, never,
      &counts);
  jaxvjp_value* like = spec(cx, {});
  const struct {
    jaxvjp_function* f;
    double expected;
  } rows[] = {{negated, -1}, {halved, 0.5}};
  for (const auto& row : rows)
    for (auto [f, how] : eager_and_jit(cx, row.f)) {
      SCOPED_TRACE(how);
      auto* transposed = jaxvjp_linear_transpose(cx, f, &like, 1);
      jaxvjp_value* ct = jaxvjp_call1(cx, transposed, jaxvjp_f64(cx, 1));
      EXPECT_TRUE(same(cx, ct, tuple(cx, {jaxvjp_f64(cx, row.expected)})));
    }
  EXPECT_EQ(counts.jvp, 0);
}

// The output does not vary with the example, its tangent does.
TEST(ConformanceU, U13_output_less_batched_than_its_tangent) {
  Context cx;
  auto* f = custom_jvp(
      cx, "f", [](auto cx, auto) { return jaxvjp_f64(cx, 3); },
      [](auto cx, auto p, auto t) -> Jvp {
        return {jaxvjp_f64(cx, 3), jaxvjp_mul(cx, times(cx, 2, p[0]), t[0])};
      });
  jaxvjp_value* x = vec(cx, {0, 1, 2});
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    auto* many = vmap(cx, g, {});
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, many, x), {3.0, 3.0, 3.0}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, grad(cx, g), {}), x), {0.0, 2.0, 4.0}));
    EXPECT_TRUE(near(cx, tangent_of(cx, many, x, vec(cx, {1, 1, 1})), {0.0, 2.0, 4.0}));
  }
}

}  // namespace
}  // namespace conformance

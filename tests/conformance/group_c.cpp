// C. Pytrees at every port, empty subtrees, and "no derivative".
#include "loops.hpp"

using namespace conformance;

TEST(ConformanceC, C1_dicts_in_out_and_as_residual) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* a = jaxvjp_lookup(cx, args[0], "a");
         return {dict(cx, {{"b", jaxvjp_sin(cx, a)}}), dict(cx, {{"r", jaxvjp_cos(cx, a)}})};
       },
       .bwd =
           [](auto cx, auto residuals, auto ct, auto slots) {
             jaxvjp_value* r = jaxvjp_lookup(cx, residuals, "r");
             jaxvjp_value* ct_b = jaxvjp_lookup(cx, ct, "b");
             slots[0] = dict(cx, {{"a", times(cx, 2, jaxvjp_mul(cx, r, ct_b))}});
           }});
  jaxvjp_function* b = function(
      cx, "b", [f](auto cx, auto args) { return jaxvjp_lookup(cx, call(cx, f, args), "b"); });
  jaxvjp_value* at = dict(cx, {{"a", jaxvjp_f64(cx, 3)}});
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = dict(cx, {{"b", jaxvjp_f64(cx, std::sin(3.0))}});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, at), expected));
  }
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, b, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = dict(cx, {{"a", jaxvjp_f64(cx, 2 * std::cos(3.0))}});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, at), expected));
  }
}

// {a: x^2, b: (sin x, cos y)} of the point (x, y). The loss a + b0 does not use cos y, so autodiff
// would give +0 for y; the rule runs with an array of zeros and gives 0 * -sin y = -0.
TEST(ConformanceC, C2_a_structure_in_and_a_nested_one_out) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* x = jaxvjp_lookup(cx, args[0], "x");
         jaxvjp_value* y = jaxvjp_lookup(cx, args[0], "y");
         jaxvjp_value* b = tuple(cx, {jaxvjp_sin(cx, x), jaxvjp_cos(cx, y)});
         return {dict(cx, {{"a", jaxvjp_square(cx, x)}, {"b", b}}), args[0]};
       },
       .bwd =
           [](auto cx, auto point, auto ct, auto slots) {
             jaxvjp_value* x = jaxvjp_lookup(cx, point, "x");
             jaxvjp_value* y = jaxvjp_lookup(cx, point, "y");
             jaxvjp_value *ct_a = jaxvjp_lookup(cx, ct, "a"), *ct_b = jaxvjp_lookup(cx, ct, "b");
             jaxvjp_value* from_a = jaxvjp_mul(cx, ct_a, times(cx, 2, x));
             jaxvjp_value* from_b = jaxvjp_mul(cx, jaxvjp_get(cx, ct_b, 0), jaxvjp_cos(cx, x));
             jaxvjp_value* minus_sin_y = jaxvjp_neg(cx, jaxvjp_sin(cx, y));
             jaxvjp_value* ct_y = jaxvjp_mul(cx, jaxvjp_get(cx, ct_b, 1), minus_sin_y);
             slots[0] = dict(cx, {{"x", jaxvjp_add(cx, from_a, from_b)}, {"y", ct_y}});
           }});
  jaxvjp_value* point = dict(cx, {{"x", jaxvjp_f64(cx, 1)}, {"y", jaxvjp_f64(cx, 2)}});
  jaxvjp_value* b = tuple(cx, {jaxvjp_f64(cx, std::sin(1.0)), jaxvjp_f64(cx, std::cos(2.0))});
  jaxvjp_value* value = dict(cx, {{"a", jaxvjp_f64(cx, 1)}, {"b", b}});
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, point), value));

  jaxvjp_function* loss = function(cx, "loss", [f](auto cx, auto args) {
    jaxvjp_value* y = call(cx, f, args);
    jaxvjp_value* b0 = jaxvjp_get(cx, jaxvjp_lookup(cx, y, "b"), 0);
    return jaxvjp_add(cx, jaxvjp_lookup(cx, y, "a"), b0);
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, loss, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* slope = jaxvjp_call1(cx, g, point);
    EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, slope, "x"), 2 + std::cos(1.0)));
    const double dy = jaxvjp_item(cx, jaxvjp_lookup(cx, slope, "y"));
    EXPECT_EQ(dy, 0);
    EXPECT_TRUE(std::signbit(dy)) << "bwd did not run on an array of zeros";
  }
}

namespace {

// x sin y with the rule (none, 2 cos(y) ct); or its first slot left unset.
jaxvjp_function* zero_for_x(jaxvjp_context* cx, bool set = true) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       jaxvjp_value* sin_y = jaxvjp_sin(cx, args[1]);
                       return {jaxvjp_mul(cx, args[0], sin_y), jaxvjp_cos(cx, args[1])};
                     },
                     .bwd =
                         [set](auto cx, auto cos_y, auto ct, auto slots) {
                           if (set) slots[0] = jaxvjp_zero(cx);
                           slots[1] = times(cx, 2, jaxvjp_mul(cx, cos_y, ct));
                         },
                     .arg_names = {"amplitude", "phase"}});
}

jaxvjp_function* twice(jaxvjp_context* cx, jaxvjp_function* f) {
  return function(cx, "twice",
                  [f](auto cx, auto args) { return jaxvjp_call2(cx, f, args[0], args[0]); });
}

}  // namespace

TEST(ConformanceC, C3_zero_for_a_whole_argument) {
  Context cx;
  jaxvjp_function* slope = jaxvjp_grad(cx, twice(cx, zero_for_x(cx)), nullptr);
  for (auto [g, how] : eager_and_jit(cx, slope)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 2 * std::cos(3.0)));
  }
  jaxvjp_value *x = jaxvjp_f64(cx, 5), *y = jaxvjp_f64(cx, 3);
  EXPECT_TRUE(near(cx, call(cx, jaxvjp_grad(cx, zero_for_x(cx), nullptr), {x, y}), 0.0));
}

TEST(ConformanceC, C3_an_unset_slot_is_not_a_zero) {
  Context cx;
  jaxvjp_function* slope = jaxvjp_grad(cx, twice(cx, zero_for_x(cx, false)), nullptr);
  for (auto [g, how] : eager_and_jit(cx, slope)) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3));
    EXPECT_TRUE(fails(cx, result, JAXVJP_BWD_UNSET, {"bwd", "f", "amplitude"}));
  }
}

TEST(ConformanceC, C3_a_slot_nobody_needs_may_stay_unset) {
  Context cx;
  jaxvjp_function* slope = with(jaxvjp_grad, cx, zero_for_x(cx, false), {1});
  jaxvjp_value* result = call(cx, slope, {jaxvjp_f64(cx, 5), jaxvjp_f64(cx, 3)});
  EXPECT_TRUE(same(cx, result, tuple(cx, {jaxvjp_f64(cx, 2 * std::cos(3.0))})));
}

TEST(ConformanceC, C4_zero_for_an_argument_under_vmap) {
  Context cx;
  jaxvjp_function* slope = jaxvjp_grad(cx, twice(cx, zero_for_x(cx)), nullptr);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, slope, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {0, 1, 2})),
                     {2, 2 * std::cos(1.0), 2 * std::cos(2.0)}));
  }
}

// a b sin(y) of ((a, b), y) with the rule (none, 2 cos(y) ct).
TEST(ConformanceC, C5_zero_for_an_argument_that_is_a_tuple) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* ab = jaxvjp_mul(cx, jaxvjp_get(cx, args[0], 0), jaxvjp_get(cx, args[0], 1));
         return {jaxvjp_mul(cx, ab, jaxvjp_sin(cx, args[1])), jaxvjp_cos(cx, args[1])};
       },
       .bwd =
           [](auto cx, auto cos_y, auto ct, auto slots) {
             slots[0] = jaxvjp_zero(cx);
             slots[1] = times(cx, 2, jaxvjp_mul(cx, cos_y, ct));
           }});
  jaxvjp_function* thrice = function(cx, "thrice", [f](auto cx, auto args) {
    return call(cx, f, {tuple(cx, {args[0], args[0]}), args[0]});
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, thrice, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 2 * std::cos(3.0)));
  }
}

namespace {

// Of (x, (y, z)): x + y, with a cotangent that `write` makes. z may be none.
jaxvjp_function* of_tree(jaxvjp_context* cx,
                         std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value* ct)> write) {
  return custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* y = jaxvjp_get(cx, jaxvjp_get(cx, args[0], 1), 0);
         return {jaxvjp_add(cx, jaxvjp_get(cx, args[0], 0), y), jaxvjp_none(cx)};
       },
       .bwd = [write](auto cx, auto, auto ct, auto slots) { slots[0] = write(cx, ct); }});
}

}  // namespace

TEST(ConformanceC, C6_zero_inside_a_subtree) {
  Context cx;
  jaxvjp_value* pair = tuple(cx, {jaxvjp_f64(cx, 2), jaxvjp_f64(cx, 3)});
  jaxvjp_value* x = tuple(cx, {jaxvjp_f64(cx, 1), pair});
  jaxvjp_value* zeros = tuple(cx, {jaxvjp_f64(cx, 0), jaxvjp_f64(cx, 0)});
  jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 5), zeros});
  jaxvjp_function* each = of_tree(cx, [](auto cx, auto ct) {
    return tuple(cx, {times(cx, 5, ct), tuple(cx, {jaxvjp_zero(cx), jaxvjp_zero(cx)})});
  });
  jaxvjp_function* whole = of_tree(cx, [](auto cx, auto ct) {
    return tuple(cx, {times(cx, 5, ct), jaxvjp_zero(cx)});
  });
  for (jaxvjp_function* f : {each, whole})
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), expected));
    }
}

TEST(ConformanceC, C7_none_in_an_argument_is_empty_and_not_a_zero) {
  Context cx;
  jaxvjp_value* pair = tuple(cx, {jaxvjp_f64(cx, 2), jaxvjp_none(cx)});
  jaxvjp_value* x = tuple(cx, {jaxvjp_f64(cx, 1), pair});
  jaxvjp_value* slopes = tuple(cx, {jaxvjp_f64(cx, 3), jaxvjp_none(cx)});
  jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 5), slopes});
  jaxvjp_function* f = of_tree(cx, [](auto cx, auto ct) {
    return tuple(cx, {times(cx, 5, ct), tuple(cx, {times(cx, 3, ct), jaxvjp_none(cx)})});
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), expected));
  }
  jaxvjp_function* wrong = of_tree(cx, [](auto cx, auto ct) {
    return tuple(cx, {times(cx, 5, ct), tuple(cx, {jaxvjp_none(cx), jaxvjp_none(cx)})});
  });
  jaxvjp_value* result = jaxvjp_call1(cx, jaxvjp_grad(cx, wrong, nullptr), x);
  EXPECT_TRUE(fails(cx, result, JAXVJP_BWD_TREE, {"bwd", "f"}));
}

// A node of the user's own is an opaque leaf here: every callback sees the very pointer, never a
// placeholder for it.
TEST(ConformanceC, C8_opaque_leaves_reach_every_callback) {
  static int node;
  Counts counts;
  Context cx;
  const auto check = [](jaxvjp_context* cx, jaxvjp_value* tree) {
    EXPECT_EQ(jaxvjp_as_pointer(cx, jaxvjp_lookup(cx, tree, "node")), &node);
    return jaxvjp_lookup(cx, tree, "x");
  };
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [check](auto cx, auto args) -> Fwd {
         check(cx, args[0]);
         return self_fwd(cx, args);
       },
       .bwd =
           [check](auto cx, auto tree, auto ct, auto slots) {
             jaxvjp_value* ct_x = jaxvjp_mul(cx, times(cx, 10, check(cx, tree)), ct);
             slots[0] = dict(cx, {{"node", jaxvjp_zero(cx)}, {"x", ct_x}});
           },
       .primal = [check](auto cx, auto args) { return jaxvjp_square(cx, check(cx, args[0])); },
       .flags = JAXVJP_SYMBOLIC_ZEROS,
       .counts = &counts});
  jaxvjp_value* opaque = jaxvjp_opaque(cx, &node, nullptr);
  jaxvjp_value* at = dict(cx, {{"node", opaque}, {"x", jaxvjp_f64(cx, 3)}});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, jaxvjp_call1(cx, g, at), "x"), 30.0));
  }
  EXPECT_GE(counts.bwd, 2);
}

// x itself, its cotangent clipped to [lo, hi]; hi depends on x, but the rule says it does not.
TEST(ConformanceC, C9_gradient_clipping) {
  Context cx;
  jaxvjp_function* clipped = custom_vjp(cx, "clip_gradient",
                                        {.fwd = [](auto cx, auto args) -> Fwd {
                                           return {args[2], tuple(cx, {args[0], args[1]})};
                                         },
                                         .bwd =
                                             [](auto cx, auto bounds, auto ct, auto slots) {
                                               jaxvjp_value* lo = jaxvjp_get(cx, bounds, 0);
                                               jaxvjp_value* hi = jaxvjp_get(cx, bounds, 1);
                                               jaxvjp_value* below = jaxvjp_minimum(cx, hi, ct);
                                               slots[0] = slots[1] = jaxvjp_zero(cx);
                                               slots[2] = jaxvjp_maximum(cx, lo, below);
                                             }});
  jaxvjp_function* f = function(cx, "f", [clipped](auto cx, auto args) {
    jaxvjp_value* hi = jaxvjp_add(cx, args[0], jaxvjp_number(cx, 0.1));
    return call(cx, clipped, {jaxvjp_number(cx, -0.1), hi, args[0]});
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 0.1)), 0.2));
  }
}

TEST(ConformanceC, C10_a_function_without_outputs) {
  Counts counts;
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_none(cx), args[0]};
                  },
                  .bwd = [](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f64(cx, 99); },
                  .counts = &counts});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* y = vjp(cx, g, {vec(cx, {1, 2, 3})}, &pullback);
    EXPECT_EQ(jaxvjp_kind(y), JAXVJP_NONE);
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_none(cx));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), {0, 0, 0}));
  }
  EXPECT_EQ(counts.bwd, 0);
}

// The same in a loop that is mapped: its pullback takes the empty tree.
TEST(ConformanceC, C10_a_function_without_outputs_in_a_mapped_loop) {
  Counts counts;
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_none(cx), args[0]};
                  },
                  .bwd = [](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f64(cx, 99); },
                  .counts = &counts});
  jaxvjp_function* looped = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f, x](auto cx, auto, auto) -> Step {
      return {jaxvjp_call1(cx, f, x), jaxvjp_call1(cx, f, x)};
    };
    return scan(cx, body, jaxvjp_none(cx), jaxvjp_none(cx), 3);
  });
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, looped, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* y = vjp(cx, g, {vec(cx, {1, 2, 3})}, &pullback);
    jaxvjp_value* nothing = tuple(cx, {jaxvjp_none(cx), jaxvjp_none(cx)});
    EXPECT_TRUE(same(cx, y, nothing));
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, nothing);
    EXPECT_TRUE(same(cx, cts, tuple(cx, {vec(cx, {0, 0, 0})})));
  }
  EXPECT_EQ(counts.bwd, 0);
}

namespace {

// (x, 2x) as f64[3]s with the rule 10 ct0 + ct1; bwd reports whether ct1 was a zero without data.
jaxvjp_function* two_outputs(jaxvjp_context* cx, int32_t flags, bool* saw_zero) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       jaxvjp_value* out = tuple(cx, {args[0], times(cx, 2, args[0])});
                       return {out, jaxvjp_none(cx)};
                     },
                     .bwd =
                         [saw_zero](auto cx, auto, auto ct, auto slots) {
                           jaxvjp_value *ct0 = jaxvjp_get(cx, ct, 0), *ct1 = jaxvjp_get(cx, ct, 1);
                           *saw_zero = jaxvjp_is_zero(ct1);
                           EXPECT_EQ(jaxvjp_dtype(ct1), JAXVJP_F64);
                           EXPECT_EQ(shape(ct1), std::vector<int64_t>{3});
                           slots[0] = times(cx, 10, ct0);
                           if (!*saw_zero) slots[0] = jaxvjp_add(cx, slots[0], ct1);
                         },
                     .flags = flags});
}

}  // namespace

TEST(ConformanceC, C11_unused_outputs_get_arrays_of_zeros) {
  Context cx;
  for (int32_t flags : {0, int32_t{JAXVJP_SYMBOLIC_ZEROS}}) {
    bool saw_zero = false;
    jaxvjp_function* loss = sum_of(cx, item_of(cx, two_outputs(cx, flags, &saw_zero), 0));
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, loss, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {1, 2, 3})), {10, 10, 10}));
      EXPECT_EQ(saw_zero, flags == JAXVJP_SYMBOLIC_ZEROS);
    }
  }
}

TEST(ConformanceC, C12_cotangents_of_shared_arguments_are_summed) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     return {jaxvjp_mul(cx, args[0], args[1]), jaxvjp_none(cx)};
                                   },
                                   .bwd =
                                       [](auto cx, auto, auto ct, auto slots) {
                                         slots[0] = times(cx, 3, ct);
                                         slots[1] = times(cx, 4, ct);
                                       }});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, twice(cx, f), nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 100)), 7.0));
  }
}

// Stricter than JAX, which would copy the one array to both leaves.
TEST(ConformanceC, C13_one_array_does_not_stand_for_a_container) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    jaxvjp_value *p = jaxvjp_get(cx, args[0], 0), *q = jaxvjp_get(cx, args[0], 1);
                    return {jaxvjp_add(cx, p, q), jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 3, ct); },
                  .arg_names = {"points"}});
  jaxvjp_value* at = tuple(cx, {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = jaxvjp_call1(cx, g, at);
    EXPECT_TRUE(fails(cx, result, JAXVJP_BWD_TREE, {"bwd", "f", "points", "f64[]"}));
  }
}

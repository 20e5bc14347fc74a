// Group P: what bwd gives out beside its cotangents reaches who asks the pullback for it, and
// nobody else.

#include "written_out.hpp"

namespace conformance {
namespace {

// sin(x) y, whose bwd emits the cotangent and y.
jaxvjp_function* emitting(jaxvjp_context* cx, const char* name = "f") {
  return custom_vjp(
      cx, name,
      {.fwd = self_fwd,
       .bwd =
           [](auto cx, auto saved, auto ct, auto slots) {
             jaxvjp_value *x = jaxvjp_get(cx, saved, 0), *y = jaxvjp_get(cx, saved, 1);
             jaxvjp_emit(cx, "ct_out", ct);
             jaxvjp_emit(cx, "y", y);
             slots[0] = mul(cx, mul(cx, jaxvjp_cos(cx, x), y), ct);
             slots[1] = mul(cx, jaxvjp_sin(cx, x), ct);
           },
       .primal = [](auto cx, auto args) { return mul(cx, jaxvjp_sin(cx, args[0]), args[1]); }});
}

// x -> f(x, 2)
jaxvjp_function* with_two(jaxvjp_context* cx) {
  return scalar_function(
      cx, [f = emitting(cx)](auto cx, auto x) { return jaxvjp_call2(cx, f, x, num(cx, 2)); });
}

// (cotangents, emitted) of f at its arguments, for this cotangent.
jaxvjp_function* emitted_by(jaxvjp_context* cx, jaxvjp_function* f, double ct) {
  return function(cx, "emitted_by", [=](auto cx, auto args) -> jaxvjp_value* {
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* y = jaxvjp_vjp(cx, f, args.items, args.n, &pullback);
    if (!y) return nullptr;
    jaxvjp_value* cts = jaxvjp_add(cx, jaxvjp_zeros_like(cx, y), num(cx, ct));
    return jaxvjp_call_emitted(cx, pullback, cts);
  });
}

jaxvjp_value* emissions(jaxvjp_context* cx, jaxvjp_value* ct_out, jaxvjp_value* y) {
  return dict(cx, {{"f", dict(cx, {{"ct_out", ct_out}, {"y", y}})}});
}

TEST(ConformanceP, P1_cotangents_and_what_was_emitted) {
  Context cx;
  auto* f = emitting(cx);
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {num(cx, 1), num(cx, 2)}, &pullback);
  jaxvjp_value* cts = tuple(cx, {num(cx, 2 * std::cos(1.0)), num(cx, std::sin(1.0))});
  for (int again = 0; again < 2; ++again) {
    jaxvjp_value* both = jaxvjp_call_emitted(cx, pullback, num(cx, 1));
    EXPECT_TRUE(same(cx, both, tuple(cx, {cts, emissions(cx, num(cx, 1), num(cx, 2))})));
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, pullback, num(cx, 1)), cts));  // these are dropped
  }
  EXPECT_TRUE(near(cx, call(cx, grad(cx, f), {num(cx, 1), num(cx, 2)}), 2 * std::cos(1.0)));
}

TEST(ConformanceP, P2_through_jit) {
  Context cx;
  jaxvjp_value* expected =
      tuple(cx, {tuple(cx, {num(cx, 6 * std::cos(1.0)), num(cx, 3 * std::sin(1.0))}),
                 emissions(cx, num(cx, 3), num(cx, 2))});
  for (auto [f, inside] : eager_and_jit(cx, emitting(cx)))
    for (auto [g, outside] : eager_and_jit(cx, emitted_by(cx, f, 3))) {
      SCOPED_TRACE(std::string(inside) + " in " + outside);
      EXPECT_TRUE(same(cx, call(cx, g, {num(cx, 1), num(cx, 2)}), expected));
    }
  auto* checkpointed = jaxvjp_checkpoint(cx, emitting(cx), JAXVJP_CHECKPOINT_NOTHING);
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, checkpointed, 3))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, call(cx, g, {num(cx, 1), num(cx, 2)}), expected));
  }
}

// 3 f under checkpoint.
TEST(ConformanceP, M9_through_checkpoint) {
  Context cx;
  auto* sine = custom_vjp(cx, "f",
                          {.fwd = [](auto cx, auto args) -> Fwd {
                             return {jaxvjp_sin(cx, args[0]), args[0]};
                           },
                           .bwd =
                               [](auto cx, auto x, auto ct, auto slots) {
                                 jaxvjp_emit(cx, "ct", ct);
                                 slots[0] = mul(cx, times(cx, 2, jaxvjp_cos(cx, x)), ct);
                               }});
  auto* f = jaxvjp_checkpoint(
      cx,
      scalar_function(cx,
                      [sine](auto cx, auto x) { return times(cx, 3, jaxvjp_call1(cx, sine, x)); }),
      JAXVJP_CHECKPOINT_NOTHING);
  jaxvjp_value* expected = tuple(cx, {tuple(cx, {num(cx, 6 * std::cos(1.0))}),
                                      dict(cx, {{"f", dict(cx, {{"ct", num(cx, 3)}})}})});
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, f, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, num(cx, 1)), expected));
  }
}

// By the step of the forward pass, whichever way the loop runs.
TEST(ConformanceP, P3_stacked_by_scan) {
  for (bool reverse : {false, true}) {
    SCOPED_TRACE(reverse);
    Context cx;
    auto* f = scalar_function(cx, [f = emitting(cx), reverse](auto cx, auto xs) {
      const Body body = [f](auto cx, auto c, auto x) -> Step {
        return {times(cx, 2, c), mul(cx, c, jaxvjp_call2(cx, f, x, num(cx, 2)))};
      };
      return jaxvjp_get(cx, scan(cx, body, num(cx, 1), xs, -1, reverse), 1);
    });
    const std::vector<double> w =
        reverse ? std::vector<double>{4, 2, 1} : std::vector<double>{1, 2, 4};
    std::vector<double> cts;
    for (int i = 0; i < 3; ++i) cts.push_back(2 * w[size_t(i)] * std::cos(i + 1.0));
    jaxvjp_value* expected =
        tuple(cx, {tuple(cx, {vec(cx, cts)}), emissions(cx, vec(cx, w), vec(cx, {2, 2, 2}))});
    for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, f, 1))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, vec(cx, {1, 2, 3})), expected));
    }
  }
}

// A loop whose rule depends on a constant of it alone.
TEST(ConformanceP, P3_a_constant_of_the_loop) {
  Context cx;
  auto* f = scalar_function(cx, [f = with_two(cx)](auto cx, auto x) {
    const Body body = [f, x](auto cx, auto c, auto v) -> Step {
      return {add(cx, c, mul(cx, v, jaxvjp_call1(cx, f, x))), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, num(cx, 0), vec(cx, {1, 2, 3})), 0);
  });
  jaxvjp_value* expected = tuple(cx, {tuple(cx, {num(cx, 12 * std::cos(1.0))}),
                                      emissions(cx, vec(cx, {1, 2, 3}), vec(cx, {2, 2, 2}))});
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, f, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, num(cx, 1)), expected));
  }
}

TEST(ConformanceP, P4_mapped_by_vmap) {
  Context cx;
  std::vector<double> slopes;
  for (int i = 1; i <= 3; ++i) slopes.push_back(4 * std::cos(double(i)));
  jaxvjp_value* expected = tuple(
      cx, {tuple(cx, {vec(cx, slopes)}), emissions(cx, vec(cx, {2, 2, 2}), vec(cx, {2, 2, 2}))});
  auto* f = with_two(cx);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, emitted_by(cx, f, 2), nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, vec(cx, {1, 2, 3})), expected));
  }
  for (auto [h, inside] : eager_and_jit(cx, f))
    for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, jaxvjp_vmap(cx, h, nullptr), 2))) {
      SCOPED_TRACE(std::string(inside) + " in " + how);
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, vec(cx, {1, 2, 3})), expected));
    }
}

// Nothing emitted is an empty dict.
TEST(ConformanceP, P5_nothing_emitted) {
  Context cx;
  auto* f = scalar_function(cx, [f = tenfold(cx)](auto cx, auto x) { return f(cx, x); });
  jaxvjp_value* expected = tuple(cx, {tuple(cx, {num(cx, 20)}), dict(cx, {})});
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, f, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, num(cx, 2)), expected));
  }
}

// A tree, out of a rule with an argument that is no array.
TEST(ConformanceP, P5_static_argument) {
  Context cx;
  int n = 3;
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = self_fwd,
                  .bwd =
                      [](auto cx, auto saved, auto ct, auto slots) {
                        jaxvjp_value* n = jaxvjp_get(cx, saved, 0);
                        const int k = *static_cast<int*>(jaxvjp_as_pointer(cx, n));
                        jaxvjp_emit(cx, "both", tuple(cx, {times(cx, k, ct), jaxvjp_none(cx)}));
                        slots[0] = jaxvjp_zero(cx);
                        slots[1] = times(cx, k, ct);
                      },
                  .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[1]); }});
  auto* g = scalar_function(cx, [f, &n](auto cx, auto x) {
    return jaxvjp_call2(cx, f, jaxvjp_opaque(cx, &n, nullptr), x);
  });
  jaxvjp_value* both = tuple(cx, {num(cx, 3), jaxvjp_none(cx)});
  jaxvjp_value* expected =
      tuple(cx, {tuple(cx, {num(cx, 3)}), dict(cx, {{"f", dict(cx, {{"both", both}})}})});
  for (auto [h, how] : eager_and_jit(cx, emitted_by(cx, g, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, h, num(cx, 1)), expected));
  }
}

TEST(ConformanceP, P6_one_name_twice) {
  Context cx;
  auto* twice = scalar_function(cx, [f = with_two(cx)](auto cx, auto x) {
    return jaxvjp_call1(cx, f, jaxvjp_call1(cx, f, x));
  });
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, twice, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 1)), JAXVJP_INVALID_ARGUMENT,
                      {"'ct_out'", "f", "already"}));
  }
  EXPECT_TRUE(no_error(cx));
  jaxvjp_call1(cx, grad(cx, twice), num(cx, 1));  // nobody collects
  EXPECT_TRUE(no_error(cx));
  // Two rules are two names.
  auto* f = emitting(cx, "f");
  auto* g = emitting(cx, "g");
  auto* both = scalar_function(cx, [=](auto cx, auto x) {
    return add(cx, jaxvjp_call2(cx, f, x, num(cx, 2)), jaxvjp_call2(cx, g, x, num(cx, 3)));
  });
  jaxvjp_value* emitted = jaxvjp_get(cx, jaxvjp_call1(cx, emitted_by(cx, both, 1), num(cx, 1)), 1);
  EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, jaxvjp_lookup(cx, emitted, "f"), "y"), 2.0));
  EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, jaxvjp_lookup(cx, emitted, "g"), "y"), 3.0));
}

// The branch that runs gives the values; all must be able to.
TEST(ConformanceP, P6_in_branches) {
  Context cx;
  auto* f = emitting(cx);
  const auto times_y = [f](double y) -> Scalar {
    return [f, y](auto cx, auto x) { return jaxvjp_call2(cx, f, x, num(cx, y)); };
  };
  auto* either = scalar_function(cx, [=](auto cx, auto x) {
    return cond(cx, jaxvjp_gt(cx, x, num(cx, 1)), times_y(2), times_y(5), x);
  });
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, either, 3))) {
    SCOPED_TRACE(how);
    for (double x : {0.5, 1.5}) {
      const double y = x > 1 ? 2 : 5;
      jaxvjp_value* expected = tuple(
          cx, {tuple(cx, {num(cx, 3 * y * std::cos(x))}), emissions(cx, num(cx, 3), num(cx, y))});
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, num(cx, x)), expected));
    }
  }
  auto* one = scalar_function(cx, [=](auto cx, auto x) {
    return cond(cx, jaxvjp_gt(cx, x, num(cx, 1)), times_y(2), sine, x);
  });
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, emitted_by(cx, one, 1), num(cx, 2)), JAXVJP_EFFECT,
                    {"cond", "emit"}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, one), num(cx, 2)), 2 * std::cos(2.0)));
}

// What is emitted is a value like any other: here of a derivative, which is differentiated.
TEST(ConformanceP, P1_emitted_values_are_differentiated) {
  Context cx;
  auto* emitted = emitted_by(cx, with_two(cx), 1);
  auto* f = scalar_function(cx, [emitted](auto cx, auto x) {
    jaxvjp_value* both = jaxvjp_call1(cx, emitted, mul(cx, x, x));
    jaxvjp_value* f = jaxvjp_lookup(cx, jaxvjp_get(cx, both, 1), "f");
    return mul(cx, jaxvjp_get(cx, jaxvjp_get(cx, both, 0), 0), jaxvjp_lookup(cx, f, "y"));
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {  // of 4 cos(x²)
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 1.5)), -12 * std::sin(2.25)));
  }
}

// A pullback inside bwd keeps its own to itself.
TEST(ConformanceP, P1_inside_another_bwd) {
  Context cx;
  auto* inner = with_two(cx);
  auto* outer = custom_vjp(cx, "outer",
                           {.fwd = [](auto cx, auto args) -> Fwd {
                              return {jaxvjp_sin(cx, args[0]), args[0]};
                            },
                            .bwd =
                                [inner](auto cx, auto x, auto ct, auto slots) {
                                  jaxvjp_value* slope = jaxvjp_call1(cx, grad(cx, inner), x);
                                  jaxvjp_emit(cx, "slope", slope);
                                  slots[0] = mul(cx, slope, ct);
                                }});
  jaxvjp_value* slope = num(cx, 2 * std::cos(1.0));
  jaxvjp_value* expected =
      tuple(cx, {tuple(cx, {slope}), dict(cx, {{"outer", dict(cx, {{"slope", slope}})}})});
  for (auto [g, how] : eager_and_jit(cx, emitted_by(cx, outer, 1))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, num(cx, 1)), expected));
  }
}

TEST(ConformanceP, P6_emitted_where_it_cannot_be) {
  Context cx;
  const auto rule = [&](BwdFn bwd) {
    return custom_vjp(cx, "f",
                      {.fwd = [](auto cx, auto args) -> Fwd {
                         jaxvjp_emit(cx, "x", args[0]);
                         if (jaxvjp_failed(cx)) jaxvjp_clear_error(cx);
                         return {jaxvjp_sin(cx, args[0]), args[0]};
                       },
                       .bwd = bwd});
  };
  // In a function that is mapped within bwd.
  auto* f = rule([](auto cx, auto x, auto, auto slots) {
    auto* g = function(cx, "g", [outer = cx](auto, auto args) {
      jaxvjp_emit(outer, "x", args[0]);
      return args[0];
    });
    slots[0] = sum(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, g, nullptr),
                                    jaxvjp_reshape(cx, x, (const int64_t[]){1}, 1)));
  });
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {num(cx, 1)}, &pullback);
  ASSERT_TRUE(no_error(cx));
  jaxvjp_value* both = jaxvjp_call_emitted(cx, pullback, num(cx, 1));
  EXPECT_NE(jaxvjp_failed(cx), 0);
  EXPECT_EQ(both, nullptr);
  jaxvjp_clear_error(cx);
  // Outside of bwd, and of what is no pullback.
  EXPECT_NE(jaxvjp_emit(cx, "x", num(cx, 1)), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT, {"'x'", "outside of bwd"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call_emitted(cx, with_two(cx), num(cx, 1)), JAXVJP_INVALID_ARGUMENT,
                    {"no pullback"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call_emitted(cx, pullback, vec(cx, {1})), JAXVJP_CT_AVAL));
}

}  // namespace
}  // namespace conformance

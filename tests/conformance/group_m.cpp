// Group M: checkpoint.

#include <cstring>

#include "written_out.hpp"

namespace conformance {
namespace {

jaxvjp_function* checkpoint(jaxvjp_context* cx, Scalar f, int32_t policy) {
  return jaxvjp_checkpoint(cx, scalar_function(cx, f), policy);
}

// sin(sin x) with the rule 2 cos x ct for sin, checkpointed.
jaxvjp_function* twice(jaxvjp_context* cx, int32_t policy = JAXVJP_CHECKPOINT_NOTHING) {
  auto* f = custom_vjp(cx, "f", doubled_sine());
  return checkpoint(
      cx, [f](auto cx, auto x) { return jaxvjp_call1(cx, f, jaxvjp_call1(cx, f, x)); }, policy);
}

TEST(ConformanceM, M1_value_and_gradient) {
  Context cx;
  for (auto [f, how] : eager_and_jit(cx, twice(cx))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 2)), std::sin(std::sin(2.0))));
  }
  const double slope = 4 * std::cos(std::sin(2.0)) * std::cos(2.0);
  for (auto [g, how] : eager_and_jit(cx, grad(cx, twice(cx)))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 2)), slope));
  }
}

TEST(ConformanceM, M2_pytree_argument) {
  Context cx;
  auto* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value *a = jaxvjp_lookup(cx, args[0], "a"), *b = jaxvjp_lookup(cx, args[0], "b");
         return {jaxvjp_sin(cx, jaxvjp_mul(cx, a, b)), args[0]};
       },
       .bwd =
           [](auto cx, auto saved, auto ct, auto slots) {
             jaxvjp_value *a = jaxvjp_lookup(cx, saved, "a"), *b = jaxvjp_lookup(cx, saved, "b");
             jaxvjp_value* c = mul(cx, times(cx, 2, jaxvjp_cos(cx, mul(cx, a, b))), ct);
             slots[0] = dict(cx, {{"a", mul(cx, b, c)}, {"b", mul(cx, a, c)}});
           }});
  jaxvjp_value* x = dict(cx, {{"a", num(cx, 2)}, {"b", num(cx, 3)}});
  auto* g = jaxvjp_value_and_grad(cx, jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING), nullptr);
  jaxvjp_value* both = jaxvjp_call1(cx, g, x);
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, both, 0), std::sin(6.0)));
  jaxvjp_value* gradient = jaxvjp_get(cx, both, 1);
  EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, gradient, "a"), 6 * std::cos(6.0)));
  EXPECT_TRUE(near(cx, jaxvjp_lookup(cx, gradient, "b"), 4 * std::cos(6.0)));
}

// Orders 1 and 2, with rules and loops inside, under each policy: as if it were not there.
TEST(ConformanceM, M3_policies_and_scan) {
  for (int32_t policy :
       {JAXVJP_CHECKPOINT_NOTHING, JAXVJP_CHECKPOINT_DOTS, JAXVJP_CHECKPOINT_NAMED}) {
    SCOPED_TRACE(policy);
    const auto body = [](jaxvjp_context* cx) -> Fold {
      return [f = tenfold(cx)](auto cx, auto c, auto v, auto x) {
        jaxvjp_value* y = jaxvjp_checkpoint_name(cx, f(cx, sine(cx, c)), "y");
        jaxvjp_value* product = jaxvjp_dot(cx, mul(cx, y, vec(cx, {1, 2})), vec(cx, {0.5, 0.25}));
        return add(cx, mul(cx, product, x), v);
      };
    };
    expect_as_written_out({"checkpoint_of_scan",
                           [=](auto cx) -> Scalar {
                             auto* f = checkpoint(cx, folded(body(cx), true), policy);
                             return [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); };
                           },
                           [=](auto cx) { return unrolled(body(cx), true); }, true, false});
    expect_as_written_out({"scan_of_checkpoint",
                           [=](auto cx) -> Scalar {
                             return folded(
                                 [=, step = body(cx)](auto cx, auto c, auto v, auto x) {
                                   auto* f = checkpoint(
                                       cx, [=](auto cx, auto c) { return step(cx, c, v, x); },
                                       policy);
                                   return jaxvjp_call1(cx, f, c);
                                 },
                                 false);
                           },
                           [=](auto cx) { return unrolled(body(cx), false); }, true, false});
  }
}

// Forward mode, and forward over reverse, of operations alone.
TEST(ConformanceM, M3_forward_mode) {
  const Scalar f = [](auto cx, auto x) { return mul(cx, sine(cx, jaxvjp_exp(cx, x)), x); };
  expect_as_written_out({"checkpoint",
                         [=](auto cx) -> Scalar {
                           auto* g = checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING);
                           return [g](auto cx, auto x) { return jaxvjp_call1(cx, g, x); };
                         },
                         [=](auto) { return f; }});
}

// What is computed again has the bits of what was computed before.
TEST(ConformanceM, M4_recomputed_bits) {
  for (int32_t dtype : {JAXVJP_F64, JAXVJP_F32, JAXVJP_BF16, JAXVJP_F16}) {
    SCOPED_TRACE(dtype);
    Context cx;
    const Scalar f = [](auto cx, auto x) {
      jaxvjp_value* y = jaxvjp_exp(cx, jaxvjp_tanh(cx, x));
      return sum(cx, mul(cx, jaxvjp_logistic(cx, mul(cx, y, x)), y));
    };
    jaxvjp_value* x = vec(cx, {0.3, -1.7, 2.9, 11.1, -0.01}, dtype);
    auto* kept = grad(cx, scalar_function(cx, f));
    auto* again = grad(cx, checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING));
    for (auto [g, how] : eager_and_jit(cx, again)) {
      SCOPED_TRACE(how);
      jaxvjp_value *a = jaxvjp_call1(cx, kept, x), *b = jaxvjp_call1(cx, g, x);
      const size_t bytes = 5 * size_t(dtype & 0xff) / 8;
      EXPECT_EQ(std::memcmp(jaxvjp_data(cx, a), jaxvjp_data(cx, b), bytes), 0);
    }
  }
}

// A value that fwd names is kept where the policy says so: cos is computed once then, twice
// otherwise.
TEST(ConformanceM, M5_a_named_residual) {
  Context cx;
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_sin(cx, args[0]),
                            jaxvjp_checkpoint_name(cx, jaxvjp_cos(cx, args[0]), "cos")};
                  },
                  .bwd = [](auto cx, auto c, auto ct, auto slots) { slots[0] = mul(cx, c, ct); }});
  const struct {
    int32_t policy;
    size_t cosines;
  } rows[] = {{JAXVJP_CHECKPOINT_NOTHING, 1}, {JAXVJP_CHECKPOINT_NAMED, 1}};
  jaxvjp_value* x = spec(cx, {});
  for (const auto& row : rows) {
    SCOPED_TRACE(row.policy);
    auto* g = jaxvjp_value_and_grad(cx, jaxvjp_checkpoint(cx, f, row.policy), nullptr);
    jaxvjp_jaxpr* j = jaxvjp_simplify(cx, make_jaxpr(cx, g, {x}));
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "cos"), row.cosines);
    const std::string text = jaxvjp_jaxpr_text(cx, j);
    // The forward pass is the first equation; it computes cos only where it is kept.
    const bool in_forward = text.find("cos") < text.find("checkpoint", text.find("checkpoint") + 1);
    EXPECT_EQ(in_forward, row.policy == JAXVJP_CHECKPOINT_NAMED) << text;
  }
}

// A product of matrices is computed twice, or kept where the policy says so.
TEST(ConformanceM, M3_dots_are_kept) {
  auto products = [](int32_t policy) {
    Context cx;
    auto* f = checkpoint(
        cx,
        [](auto cx, auto x) {
          jaxvjp_value* y = jaxvjp_matmul(cx, jaxvjp_tanh(cx, x), jaxvjp_exp(cx, x));
          return sum(cx, sine(cx, y));
        },
        policy);
    auto* j = make_jaxpr(cx, jaxvjp_value_and_grad(cx, f, nullptr), {spec(cx, {4, 4})});
    return jaxvjp_jaxpr_count(jaxvjp_simplify(cx, j), "dot_general");
  };
  EXPECT_EQ(products(JAXVJP_CHECKPOINT_NOTHING), 4u);
  EXPECT_EQ(products(JAXVJP_CHECKPOINT_DOTS), 3u);
}

// Live bytes between the passes: the residuals of 100 steps of 1,000 numbers, or one carry.
TEST(ConformanceM, keeps_less) {
  Context cx;
  const auto kept = [&](bool checkpointed) {
    const size_t scope = jaxvjp_scope_open(cx);
    Scalar loop = [](auto cx, auto x) {
      jaxvjp_value* r = scan(
          cx,
          [](auto cx, auto c, auto) -> Step {
            return {sine(cx, c), jaxvjp_none(cx)};
          },
          x, jaxvjp_none(cx), 100);
      return jaxvjp_get(cx, r, 0);
    };
    auto* f = scalar_function(cx, loop);
    if (checkpointed) f = jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING);
    jaxvjp_value* x = vec(cx, std::vector<double>(1000, 0.5));
    const int64_t before = jaxvjp_stat(cx, JAXVJP_STAT_BYTES);
    jaxvjp_function* pullback = nullptr;
    vjp(cx, f, {x}, &pullback);
    const int64_t bytes = jaxvjp_stat(cx, JAXVJP_STAT_BYTES) - before;
    jaxvjp_scope_close(cx, scope, nullptr);
    return bytes;
  };
  EXPECT_GT(kept(false), 100 * 8000);
  EXPECT_LT(kept(true), 3 * 8000);
}

// x, whose fwd gives 2 x^2 and whose rule is 10 x ct.
Rule optimised(Counts* counts = nullptr) {
  return {
      .fwd = [](auto cx, auto args) -> Fwd {
        return {times(cx, 2, jaxvjp_square(cx, args[0])), args[0]};
      },
      .bwd = [](auto cx, auto x, auto ct, auto slots) { slots[0] = mul(cx, times(cx, 10, x), ct); },
      .primal = [](auto, auto args) { return args[0]; },
      .counts = counts};
}
jaxvjp_function* checkpointed(jaxvjp_context* cx, Rule rule, int32_t policy) {
  return jaxvjp_checkpoint(cx, custom_vjp(cx, "f", std::move(rule)), policy);
}
const int32_t policies[] = {JAXVJP_CHECKPOINT_NOTHING, JAXVJP_CHECKPOINT_DOTS,
                            JAXVJP_CHECKPOINT_NAMED};

void expect_value_and_slope(jaxvjp_context* cx, jaxvjp_function* f, double x, double value,
                            double slope) {
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        same(cx, jaxvjp_call1(cx, g, num(cx, x)), tuple(cx, {num(cx, value), num(cx, slope)})));
  }
}

// The forward pass of a checkpointed function is the function itself: primals run, not fwds.
TEST(ConformanceM, M6_the_forward_pass_runs_the_primal) {
  for (int32_t policy : policies) {
    SCOPED_TRACE(policy);
    Context cx;
    auto* f = checkpointed(cx, optimised(), policy);
    expect_value_and_slope(cx, f, 3, 3, 30);
    expect_value_and_slope(cx, custom_vjp(cx, "f", optimised()), 3, 18, 30);  // elsewhere
    jaxvjp_value* xs = vec(cx, {1, 2});
    auto* both = jaxvjp_vmap(cx, jaxvjp_value_and_grad(cx, f, nullptr), nullptr);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, both, xs), tuple(cx, {xs, vec(cx, {10, 20})})));
    auto* loop = scalar_function(cx, [f](auto cx, auto x) {
      const Body body = [f](auto cx, auto c, auto) -> Step {
        return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
      };
      return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 2), 0);
    });
    expect_value_and_slope(cx, loop, 3, 3, 900);
    auto* branch = checkpoint(
        cx,
        [f = custom_vjp(cx, "f", optimised())](auto cx, auto x) {
          const Scalar call = [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); };
          return cond(cx, jaxvjp_gt(cx, x, num(cx, 0)), call, call, x);
        },
        policy);
    expect_value_and_slope(cx, branch, 3, 3, 30);
  }
}

// tan, whose fwd gives sin and whose rule is 5 ct, squared.
TEST(ConformanceM, M6_tan_and_sin) {
  const double tan = std::sin(3.2) / std::cos(3.2);
  EXPECT_NEAR(tan * tan, 0.00341919, 1e-8);
  Context cx;
  auto* f =
      checkpointed(cx,
                   {.fwd = [](auto cx, auto args) -> Fwd {
                      return {jaxvjp_sin(cx, args[0]), jaxvjp_none(cx)};
                    },
                    .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); },
                    .primal =
                        [](auto cx, auto args) {
                          return jaxvjp_div(cx, jaxvjp_sin(cx, args[0]), jaxvjp_cos(cx, args[0]));
                        }},
                   JAXVJP_CHECKPOINT_NOTHING);
  auto* squared = scalar_function(
      cx, [f](auto cx, auto x) { return jaxvjp_square(cx, jaxvjp_call1(cx, f, x)); });
  expect_value_and_slope(cx, squared, 3.2, tan * tan, 2 * tan * 5);
}

// fwd does not run in the forward pass, and what it alone computes is not there: it runs in the
// backward pass.
TEST(ConformanceM, M6_fwd_is_left_to_the_backward_pass) {
  Context cx;
  auto* f =
      checkpointed(cx,
                   {.fwd = [](auto cx, auto args) -> Fwd {
                      return {jaxvjp_sin(cx, args[0]), jaxvjp_exp(cx, args[0])};
                    },
                    .bwd = [](auto cx, auto e, auto ct, auto slots) { slots[0] = mul(cx, e, ct); },
                    .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }},
                   JAXVJP_CHECKPOINT_NOTHING);
  auto* value = function(cx, "value", [f](auto cx, auto args) {
    jaxvjp_function* pullback = nullptr;
    return vjp(cx, f, {args[0]}, &pullback);
  });
  jaxvjp_jaxpr* j = jaxvjp_simplify(cx, make_jaxpr(cx, value, {spec(cx, {})}));
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "custom_vjp_call"), 1u) << jaxvjp_jaxpr_text(cx, j);
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "exp"), 0u);
}

// x^2 with a jvp rule whose value is 3 x^2 and whose tangent 5 x dx.
TEST(ConformanceM, M7_in_forward_mode) {
  Rule rule = tenfold_square();
  rule.jvp = [](auto cx, auto x, auto dx) -> Jvp {
    return {times(cx, 3, jaxvjp_square(cx, x[0])), mul(cx, times(cx, 5, x[0]), dx[0])};
  };
  for (int32_t policy : policies) {
    SCOPED_TRACE(policy);
    Context cx;
    auto* f = checkpointed(cx, rule, policy);
    auto* push = function(cx, "push", [f](auto cx, auto args) {
      jaxvjp_value* dy = nullptr;
      jaxvjp_value* y = jvp(cx, f, {args[0]}, {num(cx, 1)}, &dy);
      return tuple(cx, {y, dy});
    });
    for (auto [g, how] : eager_and_jit(cx, push)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(
          same(cx, jaxvjp_call1(cx, g, num(cx, 3.2)), tuple(cx, {num(cx, 10.24), num(cx, 16)})));
    }
  }
}

// (x, y) -> (x y, x + y): the rule asks which cotangents are symbolic zeros.
TEST(ConformanceM, M8_with_symbolic_zeros) {
  std::vector<int> zeros;
  Context cx;
  auto* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    jaxvjp_value* none = jaxvjp_none(cx);
                    return {tuple(cx, {num(cx, -1), num(cx, -2)}), args.n ? args[0] : none};
                  },
                  .bwd =
                      [&](auto cx, auto x, auto cts, auto slots) {
                        jaxvjp_value *g0 = jaxvjp_get(cx, cts, 0), *g1 = jaxvjp_get(cx, cts, 1);
                        zeros.push_back(jaxvjp_is_zero(g0) + 2 * jaxvjp_is_zero(g1));
                        slots[0] = mul(cx, times(cx, 10, x), g0);
                        slots[1] = jaxvjp_zero(cx);
                      },
                  .primal =
                      [](auto cx, auto args) {
                        return tuple(cx, {mul(cx, args[0], args[1]), add(cx, args[0], args[1])});
                      },
                  .flags = JAXVJP_SYMBOLIC_ZEROS});
  auto* first = jaxvjp_checkpoint(cx, item_of(cx, f, 0), JAXVJP_CHECKPOINT_NOTHING);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, first, {0, 1}))) {
    SCOPED_TRACE(how);
    zeros.clear();
    jaxvjp_value* got = call(cx, g, {num(cx, 3), num(cx, 4)});
    EXPECT_TRUE(same(cx, got, tuple(cx, {num(cx, 12), tuple(cx, {num(cx, 30), num(cx, 0)})})));
    EXPECT_EQ(zeros, std::vector<int>{2}) << "the second cotangent is a symbolic zero";
  }
}

}  // namespace
}  // namespace conformance

// Group N: what is not used is not computed. f = (sin x, x + cos y) with the rule (2 cos x g0 + 1.5
// g1, -1/2 sin y g1). N4 and N5 need counters and residual states that this release does not show.

#include "higher_order.hpp"

namespace conformance {
namespace {

constexpr double x = 0.1, y = -1.3;

jaxvjp_value* both(jaxvjp_context* cx, Args args) {
  jaxvjp_value* first = jaxvjp_sin(cx, args[0]);
  jaxvjp_value* cos_y = jaxvjp_cos(cx, args[1]);
  return tuple(cx, {first, jaxvjp_add(cx, args[0], cos_y)});
}

jaxvjp_function* rule_of_two(jaxvjp_context* cx) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {both(cx, args), tuple(cx, {args[0], args[1]})};
                     },
                     .bwd =
                         [](auto cx, auto xy, auto cts, auto slots) {
                           jaxvjp_value* g0 = jaxvjp_get(cx, cts, 0);
                           jaxvjp_value* g1 = jaxvjp_get(cx, cts, 1);
                           jaxvjp_value* cos_x = jaxvjp_cos(cx, jaxvjp_get(cx, xy, 0));
                           jaxvjp_value* sin_y = jaxvjp_sin(cx, jaxvjp_get(cx, xy, 1));
                           slots[0] = jaxvjp_add(cx, times(cx, 2, jaxvjp_mul(cx, cos_x, g0)),
                                                 times(cx, 1.5, g1));
                           slots[1] = times(cx, -0.5, jaxvjp_mul(cx, sin_y, g1));
                         },
                     .primal = both});
}

// The outputs of f that are kept: those whose bit is set.
jaxvjp_function* keeping(jaxvjp_context* cx, jaxvjp_function* f, int mask) {
  return function(cx, "keeping", [=](auto cx, auto args) {
    jaxvjp_value* out = call(cx, f, args);
    if (mask == 0) return jaxvjp_none(cx);
    return mask == 3 ? out : jaxvjp_get(cx, out, mask == 1 ? 0 : 1);
  });
}

jaxvjp_jaxpr* simplified(jaxvjp_context* cx, jaxvjp_function* f, Values specs) {
  return jaxvjp_simplify(cx, make_jaxpr(cx, f, specs));
}

TEST(ConformanceN, N1_unused_outputs_prune_their_operations) {
  Context cx;
  auto* f = rule_of_two(cx);
  const struct {
    int mask;
    size_t sines, cosines;
  } rows[] = {{3, 1, 1}, {1, 1, 0}, {2, 0, 1}, {0, 0, 0}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.mask);
    auto* j = simplified(cx, keeping(cx, f, row.mask), {spec(cx, {}), spec(cx, {})});
    ASSERT_TRUE(no_error(cx));
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "sin"), row.sines);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "cos"), row.cosines);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, nullptr) == 0, row.mask == 0);
  }
}

TEST(ConformanceN, N2_gradients_of_a_pruned_program_follow_the_rule) {
  Context cx;
  auto* f = rule_of_two(cx);
  EXPECT_NEAR(2 * std::cos(x), 1.99000833, 1e-8);
  EXPECT_NEAR(-0.5 * std::sin(y), 0.48177909, 1e-8);
  const struct {
    int mask;
    double value, dx, dy;
  } rows[] = {{1, std::sin(x), 2 * std::cos(x), 0}, {2, x + std::cos(y), 1.5, -0.5 * std::sin(y)}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.mask);
    auto* j = simplified(cx, keeping(cx, f, row.mask), {spec(cx, {}), spec(cx, {})});
    auto* derivative = with(jaxvjp_value_and_grad, cx, jaxvjp_function_of(cx, j), {0, 1});
    for (auto [g, how] : eager_and_jit(cx, derivative)) {
      SCOPED_TRACE(how);
      jaxvjp_value* got = call(cx, g, {jaxvjp_f64(cx, x), jaxvjp_f64(cx, y)});
      jaxvjp_value* gradient = tuple(cx, {jaxvjp_f64(cx, row.dx), jaxvjp_f64(cx, row.dy)});
      EXPECT_TRUE(same(cx, got, tuple(cx, {jaxvjp_f64(cx, row.value), gradient})));
    }
  }
}

// The primal does not use y, but the rule does.
TEST(ConformanceN, N3_inputs_of_a_rule_are_never_pruned) {
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {jaxvjp_sin(cx, args[0]), tuple(cx, {args[0], args[1]})};
                        },
                        .bwd =
                            [](auto cx, auto xy, auto ct, auto slots) {
                              jaxvjp_value *x = jaxvjp_get(cx, xy, 0), *y = jaxvjp_get(cx, xy, 1);
                              slots[0] = jaxvjp_mul(cx, times(cx, 5, y), ct);
                              slots[1] = jaxvjp_mul(cx, times(cx, 7, x), ct);
                            },
                        .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }});
  auto* g = function(cx, "g", [f](auto cx, auto args) {
    return jaxvjp_call2(cx, f, args[0], jaxvjp_exp(cx, args[1]));
  });
  auto* j = simplified(cx, g, {spec(cx, {}), spec(cx, {})});
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "exp"), 1u);
  auto* derivative = with(jaxvjp_grad, cx, jaxvjp_function_of(cx, j), {0, 1});
  for (auto [d, how] : eager_and_jit(cx, derivative)) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = call(cx, d, {jaxvjp_f64(cx, x), jaxvjp_f64(cx, y)});
    EXPECT_TRUE(
        same(cx, got,
             tuple(cx, {jaxvjp_f64(cx, 5 * std::exp(y)), jaxvjp_f64(cx, 7 * x * std::exp(y))})));
  }
}

}  // namespace
}  // namespace conformance

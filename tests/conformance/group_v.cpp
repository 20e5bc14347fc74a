// Group V: check_vjp. Here a right rule is the true derivative, and a wrong one says what it is.

#include "higher_order.hpp"

namespace conformance {
namespace {

jaxvjp_check_options options(int32_t order = 1, int32_t flags = 0, uint32_t seed = 0) {
  jaxvjp_check_options options{};
  options.struct_size = sizeof options;
  options.order = order;
  options.flags = flags;
  options.seed = seed;
  return options;
}
int32_t check(jaxvjp_context* cx, jaxvjp_function* f, Values args,
              jaxvjp_check_options how = options()) {
  return jaxvjp_check_vjp(cx, f, args.begin(), args.size(), &how);
}
AssertionResult passes(jaxvjp_context* cx, jaxvjp_function* f, Values args,
                       jaxvjp_check_options how = options()) {
  const int32_t code = check(cx, f, args, how);
  if (auto ok = no_error(cx); !ok) return ok;
  return code == 0 ? AssertionSuccess() : AssertionFailure() << "code " << code << ", no error";
}
// check_vjp reports CHECK, and the report says all of `words`.
AssertionResult reports(jaxvjp_context* cx, jaxvjp_function* f, Values args,
                        std::initializer_list<const char*> words,
                        jaxvjp_check_options how = options()) {
  const int32_t code = check(cx, f, args, how);
  if (code != JAXVJP_CHECK && !jaxvjp_failed(cx))
    return AssertionFailure() << "expected CHECK, got " << code;
  return failed_with(cx, JAXVJP_CHECK, words);
}

jaxvjp_value* one_plus_exp(jaxvjp_context* cx, jaxvjp_value* x) {
  return jaxvjp_add(cx, jaxvjp_number(cx, 1), jaxvjp_exp(cx, x));
}
jaxvjp_function* log1pexp(jaxvjp_context* cx, bool right) {
  return custom_vjp(cx, right ? "log1pexp" : "wrong",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {jaxvjp_log(cx, one_plus_exp(cx, args[0])), args[0]};
                     },
                     .bwd =
                         [right](auto cx, auto x, auto ct, auto slots) {
                           jaxvjp_value* decay = jaxvjp_exp(cx, jaxvjp_neg(cx, x));
                           jaxvjp_value* slope = right
                                                     ? jaxvjp_logistic(cx, x)
                                                     : jaxvjp_sub(cx, jaxvjp_number(cx, 1), decay);
                           slots[0] = jaxvjp_mul(cx, ct, slope);
                         }});
}

// sin with a bwd of this test's.
Rule sine(BwdFn bwd) {
  return {.fwd = [](auto cx, auto args) -> Fwd {
            return {jaxvjp_sin(cx, args[0]), args[0]};
          },
          .bwd = std::move(bwd)};
}
void true_bwd(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* ct, Slots slots) {
  slots[0] = jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct);
}

TEST(ConformanceV, V1_the_formula_found_in_the_wild) {
  Context cx;
  auto* wrong = log1pexp(cx, false);
  EXPECT_TRUE(reports(cx, wrong, {jaxvjp_f64(cx, 0)}, {"wrong", "got 0", "expected 0.5"}));
  EXPECT_TRUE(reports(cx, wrong, {jaxvjp_f64(cx, 1)}, {"wrong", "0.632121", "0.731059"}));
  EXPECT_TRUE(reports(cx, wrong, {jaxvjp_f64(cx, -1)}, {"wrong", "-1.71828", "0.268941"}));
  EXPECT_TRUE(passes(cx, wrong, {jaxvjp_f64(cx, 100)}));  // where it looks right
}

TEST(ConformanceV, V1_the_right_rule_passes) {
  Context cx;
  auto* f = log1pexp(cx, true);
  for (double x : {-100., -30., -2., -1., 0., 1., 2., 30., 100.}) {
    SCOPED_TRACE(x);
    EXPECT_TRUE(passes(cx, f, {jaxvjp_f64(cx, x)}));
  }
  std::vector<double> grid;
  for (int i = -100; i <= 100; i++) grid.push_back(i);  // more than 64: sampled
  EXPECT_TRUE(passes(cx, f, {vec(cx, grid)}));
}

TEST(ConformanceV, V1_floats_are_taken_to_f64) {
  Context cx;
  EXPECT_TRUE(passes(cx, log1pexp(cx, true), {jaxvjp_f32(cx, 1)}));
  EXPECT_TRUE(reports(cx, log1pexp(cx, false), {jaxvjp_f32(cx, 1)}, {"0.632121", "0.731059"}));
}

// A function that holds an f32 array answers DTYPE to f64, and is checked in its own dtype.
TEST(ConformanceV, V1_or_checked_in_their_own_dtype) {
  Context cx;
  for (bool right : {true, false}) {
    auto* f = custom_vjp(cx, "single",
                         {.fwd = [](auto cx, auto args) -> Fwd {
                            return {jaxvjp_mul(cx, args[0], jaxvjp_f32(cx, 3)), jaxvjp_none(cx)};
                          },
                          .bwd = [right](auto cx, auto, auto ct,
                                         auto slots) { slots[0] = times(cx, right ? 3 : 2, ct); }});
    jaxvjp_value* x = vec(cx, {1, 2}, JAXVJP_F32);
    if (right) EXPECT_TRUE(passes(cx, f, {x}));
    else EXPECT_TRUE(reports(cx, f, {x}, {"single", "got 2", "expected 3"}));
  }
}

// A function that uses rules, not a rule itself.
TEST(ConformanceV, V1_of_a_function_that_uses_rules) {
  Context cx;
  for (bool right : {true, false}) {
    auto* rule = log1pexp(cx, right);
    auto* loss = function(cx, "loss", [rule](auto cx, auto args) {
      return sum(cx, jaxvjp_mul(cx, args[1], jaxvjp_call1(cx, rule, args[0])));
    });
    jaxvjp_value *x = vec(cx, {-1, 0, 1}), *weights = vec(cx, {1, 2, 3});
    if (right) EXPECT_TRUE(passes(cx, loss, {x, weights}));
    else EXPECT_TRUE(reports(cx, loss, {x, weights}, {"loss"}));
  }
}

TEST(ConformanceV, V2_fwd_computes_another_function) {
  Context cx;
  Rule rule = sine(true_bwd);
  rule.primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); };
  EXPECT_TRUE(passes(cx, custom_vjp(cx, "agrees", rule), {vec(cx, {1, 2})}));
  rule.fwd = [](auto cx, auto args) -> Fwd {
    return {jaxvjp_add(cx, jaxvjp_sin(cx, args[0]), jaxvjp_number(cx, 0.01)), args[0]};
  };
  EXPECT_TRUE(reports(cx, custom_vjp(cx, "differs", rule), {vec(cx, {1, 2})},
                      {"differs", "fwd", "primal"}));
}

TEST(ConformanceV, V3_a_bwd_that_is_not_linear) {
  Context cx;
  auto* clip = custom_vjp(cx, "clip_gradient",
                          {.fwd = [](auto cx, auto args) -> Fwd {
                             return {args[0], jaxvjp_none(cx)};
                           },
                           .bwd =
                               [](auto cx, auto, auto ct, auto slots) {
                                 jaxvjp_value* below = jaxvjp_minimum(cx, ct, jaxvjp_number(cx, 1));
                                 slots[0] = jaxvjp_maximum(cx, below, jaxvjp_number(cx, -1));
                               }});
  EXPECT_TRUE(reports(cx, clip, {jaxvjp_f64(cx, 2)}, {"clip_gradient", "linear"}));
  EXPECT_TRUE(passes(cx, clip, {jaxvjp_f64(cx, 2)}, options(1, JAXVJP_CHECK_NONLINEAR_OK)));
}

// Right at every unit cotangent, and 1 at a zero one.
TEST(ConformanceV, V3_bwd_of_zero_is_zero) {
  Context cx;
  auto* f =
      custom_vjp(cx, "offset",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {times(cx, 2, args[0]), jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct,
                            auto slots) { slots[0] = jaxvjp_add(cx, ct, jaxvjp_number(cx, 1)); }});
  EXPECT_TRUE(reports(cx, f, {jaxvjp_f64(cx, 2)}, {"offset"}));
}

TEST(ConformanceV, V4_the_forward_rule_disagrees) {
  Context cx;
  for (double factor : {1., 2.}) {
    SCOPED_TRACE(factor);
    Rule rule = sine(true_bwd);
    rule.primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); };
    rule.jvp = [factor](auto cx, auto p, auto t) -> Jvp {
      jaxvjp_value* slope = times(cx, factor, jaxvjp_cos(cx, p[0]));
      return {jaxvjp_sin(cx, p[0]), jaxvjp_mul(cx, slope, t[0])};
    };
    auto* f = custom_vjp(cx, "both_modes", std::move(rule));
    if (factor == 1) EXPECT_TRUE(passes(cx, f, {vec(cx, {1, 2})}));
    else EXPECT_TRUE(reports(cx, f, {vec(cx, {1, 2})}, {"both_modes", "jvp"}));
  }
}

TEST(ConformanceV, V5_order_two) {
  Context cx;
  Rule calls_itself = doubled_sine();
  calls_itself.bwd = true_bwd;
  auto* right = custom_vjp(cx, "right", std::move(calls_itself));
  Rule stopped =
      sine([](auto cx, auto cos_x, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, cos_x, ct); });
  stopped.fwd = [](auto cx, auto args) -> Fwd {
    return {jaxvjp_sin(cx, args[0]), jaxvjp_stop_gradient(cx, jaxvjp_cos(cx, args[0]))};
  };
  auto* cut_off = custom_vjp(cx, "cut_off", std::move(stopped));
  for (jaxvjp_value* x : {jaxvjp_f64(cx, 1), vec(cx, {1, 2})}) {
    EXPECT_TRUE(passes(cx, right, {x}, options(2)));
    EXPECT_TRUE(passes(cx, cut_off, {x}, options(1)));
    EXPECT_TRUE(reports(cx, cut_off, {x}, {"cut_off", "got 0"}, options(2)));
  }
}

// Order 2 runs only where order 1 passes: the report is that of order 1.
TEST(ConformanceV, V5_order_one_comes_first) {
  Context cx;
  EXPECT_TRUE(
      reports(cx, log1pexp(cx, false), {jaxvjp_f64(cx, 1)}, {"0.632121", "0.731059"}, options(2)));
}

TEST(ConformanceV, V6_structure_from_specs_without_data) {
  Context cx;
  EXPECT_TRUE(passes(cx, log1pexp(cx, true), {spec(cx, {3})}));
  EXPECT_TRUE(passes(cx, log1pexp(cx, false), {spec(cx, {3})}));  // numbers are another matter
  auto* tree = custom_vjp(
      cx, "tree", sine([](auto cx, auto, auto ct, auto slots) { slots[0] = tuple(cx, {ct}); }));
  auto* aval = custom_vjp(cx, "aval",
                          sine([](auto cx, auto, auto ct, auto slots) { slots[0] = sum(cx, ct); }));
  auto* unset = custom_vjp(cx, "unset", sine([](auto, auto, auto, auto) {}));
  EXPECT_NE(check(cx, tree, {spec(cx, {3})}), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_BWD_TREE, {"tree"}));
  EXPECT_NE(check(cx, aval, {spec(cx, {3})}), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_BWD_AVAL, {"aval", "f64[3]", "f64[]"}));
  EXPECT_NE(check(cx, unset, {spec(cx, {3})}), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_BWD_UNSET, {"unset"}));
}

// sum(w x) + b with one element of one leaf wrong: rule, argument, path, index, numbers and seed.
TEST(ConformanceV, V7_the_report_says_where) {
  Context cx;
  auto* f = custom_vjp(
      cx, "affine",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value* w = jaxvjp_lookup(cx, args[0], "w");
         jaxvjp_value* total = sum(cx, jaxvjp_mul(cx, w, args[1]));
         return {jaxvjp_add(cx, total, jaxvjp_lookup(cx, args[0], "b")), tuple(cx, {w, args[1]})};
       },
       .bwd =
           [](auto cx, auto residuals, auto ct, auto slots) {
             jaxvjp_value *w = jaxvjp_get(cx, residuals, 0), *x = jaxvjp_get(cx, residuals, 1);
             jaxvjp_value* spoiled = jaxvjp_mul(cx, x, vec(cx, {1, 1, 9}));
             slots[0] = dict(cx, {{"b", ct}, {"w", jaxvjp_mul(cx, spoiled, ct)}});
             slots[1] = jaxvjp_mul(cx, w, ct);
           },
       .arg_names = {"params", "x"}});
  jaxvjp_value* params = dict(cx, {{"w", vec(cx, {1, 2, 3})}, {"b", jaxvjp_f64(cx, 1)}});
  EXPECT_TRUE(reports(cx, f, {params, vec(cx, {4, 5, 6})},
                      {"affine", "params", "w", "[2]", "got 54", "expected 6", "seed", "1234"},
                      options(1, 0, 1234)));
}

TEST(ConformanceV, V8_a_bwd_that_does_not_repeat_itself) {
  Context cx;
  int calls = 0;
  auto* f = custom_vjp(cx, "counts", sine([&calls](auto cx, auto x, auto ct, auto slots) {
                         jaxvjp_value* noise = jaxvjp_number(cx, 1 + 1e-12 * calls++);
                         true_bwd(cx, x, jaxvjp_mul(cx, noise, ct), slots);
                       }));
  EXPECT_TRUE(reports(cx, f, {jaxvjp_f64(cx, 1)}, {"counts"}));
}

// Under vmap there are no numbers to look at, and this bwd then gives something else.
TEST(ConformanceV, V8_vmap_of_the_rule_is_a_loop) {
  Context cx;
  auto* f = custom_vjp(cx, "peeks", sine([](auto cx, auto x, auto ct, auto slots) {
                         true_bwd(cx, x, ct, slots);
                         if (!jaxvjp_is_concrete(x)) slots[0] = times(cx, 2, slots[0]);
                       }));
  EXPECT_TRUE(reports(cx, f, {vec(cx, {1, 2})}, {"peeks", "vmap"}));
}

// Two outputs, symbolic zeros: bwd must cope with each of them missing.
TEST(ConformanceV, V8_every_combination_of_zero_cotangents) {
  Context cx;
  for (bool right : {true, false}) {
    SCOPED_TRACE(right);
    auto* f = custom_vjp(
        cx, "two_outputs",
        {.fwd = [](auto cx, auto args) -> Fwd {
           return {tuple(cx, {times(cx, 2, args[0]), times(cx, 3, args[0])}), jaxvjp_none(cx)};
         },
         .bwd =
             [right](auto cx, auto, auto ct, auto slots) {
               jaxvjp_value *a = jaxvjp_get(cx, ct, 0), *b = jaxvjp_get(cx, ct, 1);
               if (jaxvjp_is_zero(a)) slots[0] = times(cx, right ? 3 : 5, b);
               else if (jaxvjp_is_zero(b)) slots[0] = times(cx, 2, a);
               else slots[0] = jaxvjp_add(cx, times(cx, 2, a), times(cx, 3, b));
             },
         .flags = JAXVJP_SYMBOLIC_ZEROS});
    if (right) EXPECT_TRUE(passes(cx, f, {jaxvjp_f64(cx, 1)}));
    else EXPECT_TRUE(reports(cx, f, {jaxvjp_f64(cx, 1)}, {"two_outputs"}));
  }
}

// What the rule fails with comes as it is, not as CHECK.
TEST(ConformanceV, V6_failures_of_the_rule_come_as_they_are) {
  Context cx;
  auto* f = custom_vjp(cx, "failing", sine([](auto cx, auto, auto, auto) {
                         jaxvjp_fail(cx, 4242, "no gradient today");
                       }));
  EXPECT_EQ(check(cx, f, {jaxvjp_f64(cx, 1)}), 4242);
  EXPECT_TRUE(failed_with(cx, 4242, {"no gradient today"}));
}

}  // namespace
}  // namespace conformance

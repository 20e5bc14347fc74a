// I. Rules under jit, and in printed programs.
#include "rules.hpp"

using namespace conformance;

namespace {

jaxvjp_function* jit(jaxvjp_context* cx, jaxvjp_function* f) { return jaxvjp_jit(cx, f, nullptr); }
jaxvjp_function* slope(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_grad(cx, f, nullptr);
}

std::string text(jaxvjp_context* cx, jaxvjp_jaxpr* j) {
  const char* s = jaxvjp_jaxpr_text(cx, j);
  EXPECT_TRUE(no_error(cx));
  return s ? s : "";
}

}  // namespace

TEST(ConformanceI, I1_jit_and_grad_in_any_order) {
  Context cx;
  jaxvjp_function* f = sin_rule(cx);
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  const double value = std::sin(3.0), derivative = 2 * std::cos(3.0);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, f), x), value));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, jit(cx, f)), x), value));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, slope(cx, f)), x), derivative));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope(cx, jit(cx, f)), x), derivative));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, slope(cx, jit(cx, f))), x), derivative));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope(cx, jit(cx, jit(cx, f))), x), derivative));
}

TEST(ConformanceI, I2_the_call_is_one_equation_with_its_name) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "add_one",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_add(cx, args[0], jaxvjp_number(cx, 1)), jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); }});
  jaxvjp_jaxpr* j = make_jaxpr(cx, f, {spec(cx, {})});
  const std::string printed = text(cx, j);
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "custom_vjp_call"), 1u) << printed;
  for (const char* word : {"custom_vjp_call[", "name=add_one", "= add "})
    EXPECT_NE(printed.find(word), std::string::npos) << word << " is not in:\n" << printed;
}

TEST(ConformanceI, I3_the_linear_equation_prints) {
  Context cx;
  jaxvjp_function* linear = nullptr;
  linearize(cx, sin_rule(cx), {jaxvjp_f64(cx, 3)}, &linear);
  jaxvjp_jaxpr* j = jaxvjp_simplify(cx, make_jaxpr(cx, linear, {spec(cx, {})}));
  const std::string printed = text(cx, j);
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "custom_lin"), 1u) << printed;
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "sin"), 0u) << "the primal is not part of it:\n" << printed;
  EXPECT_NE(printed.find("custom_lin["), std::string::npos) << printed;
}

TEST(ConformanceI, I4_a_program_keeps_its_rules) {
  Context cx;
  jaxvjp_function* f = sin_rule(cx);
  jaxvjp_jaxpr* j = make_jaxpr(cx, f, {spec(cx, {})});
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  for (jaxvjp_jaxpr* program : {j, jaxvjp_simplify(cx, j)})
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_function_of(cx, program))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), std::sin(3.0)));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope(cx, g), x), 2 * std::cos(3.0)));
    }
}

// The program outlives the function it was made from, and so do the rule's callbacks.
TEST(ConformanceI, I4_a_program_holds_its_rules) {
  Counts counts;
  {
    Context cx;
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_jaxpr* j = jaxvjp_jaxpr_retain(make_jaxpr(cx, sin_rule(cx, &counts), {spec(cx, {})}));
    jaxvjp_scope_close(cx, scope, nullptr);
    EXPECT_EQ(counts.destroyed, 0);
    jaxvjp_value* d = jaxvjp_call1(cx, slope(cx, jaxvjp_function_of(cx, j)), jaxvjp_f64(cx, 3));
    EXPECT_TRUE(near(cx, d, 2 * std::cos(3.0)));
    jaxvjp_jaxpr_release(j);
  }
  EXPECT_EQ(counts.destroyed, 1);
}

// A rule around a function that comes as an argument, made and called within what is staged.
TEST(ConformanceI, I5_rules_made_while_staging) {
  Context cx;
  const CallFn relus[] = {
      [](auto cx, auto args) { return jaxvjp_maximum(cx, args[0], jaxvjp_number(cx, 0)); },
      [](auto cx, auto args) {
        jaxvjp_value* zero = jaxvjp_zeros_like(cx, args[0]);
        return jaxvjp_where(cx, jaxvjp_gt(cx, args[0], zero), args[0], zero);
      },
  };
  for (const CallFn& relu : relus) {
    jaxvjp_function* g = function(cx, "g", [relu](auto cx, auto args) {
      jaxvjp_function* f =
          custom_vjp(cx, "f",
                     {.fwd = self_fwd,
                      .bwd = [](auto cx, auto x, auto ct,
                                auto slots) { slots[0] = times(cx, 7, jaxvjp_mul(cx, x, ct)); },
                      .primal = relu});
      return sum(cx, call(cx, f, args));
    });
    jaxvjp_value* x = vec(cx, {-1, 2, 3});
    for (auto [h, how] : eager_and_jit(cx, g)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, x), 5.0));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope(cx, h), x), {-7, 14, 21}));
    }
  }
}

// The compiled forward pass of sin with the residual x: x is an input already, so sin x is the only
// output of the nested program, the first one that the text closes.
TEST(ConformanceI, I6_a_residual_that_is_an_input_is_not_an_output) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = self_fwd,
                  .bwd = [](auto cx, auto x, auto ct,
                            auto slots) { slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct)); },
                  .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }});
  jaxvjp_function* compiled = jit(cx, f);
  jaxvjp_function* both = jaxvjp_value_and_grad(cx, compiled, nullptr);
  jaxvjp_jaxpr* j = jaxvjp_simplify(cx, make_jaxpr(cx, both, {spec(cx, {})}));
  const std::string printed = text(cx, j);
  const size_t call = printed.find("= jit[");
  ASSERT_NE(call, std::string::npos) << printed;
  const size_t line = printed.rfind('\n', call) + 1;
  const std::string results = printed.substr(line, call - line);
  EXPECT_EQ(std::count(results.begin(), results.end(), ':'), 1) << printed;
}

// A primal of ten operations, called twice, is two equations; the ten are nested in each.
TEST(ConformanceI, I7_the_primal_stays_one_call) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = self_fwd,
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); },
                  .primal =
                      [](auto cx, auto args) {
                        jaxvjp_value* y = args[0];
                        for (int i = 0; i < 10; ++i) y = jaxvjp_sin(cx, y);
                        return y;
                      }});
  jaxvjp_function* twice = function(
      cx, "twice", [f](auto cx, auto args) { return jaxvjp_call1(cx, f, call(cx, f, args)); });
  jaxvjp_jaxpr* j = make_jaxpr(cx, twice, {spec(cx, {})});
  for (jaxvjp_jaxpr* program : {j, jaxvjp_simplify(cx, j)}) {
    EXPECT_EQ(jaxvjp_jaxpr_count(program, "custom_vjp_call"), 2u) << text(cx, program);
    EXPECT_EQ(jaxvjp_jaxpr_count(program, "sin"), 20u) << text(cx, program);
    EXPECT_EQ(jaxvjp_jaxpr_count(program, nullptr), 22u) << text(cx, program);
  }
}

TEST(ConformanceI, I8_argument_names_serve_messages_and_fix_the_count) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "layer",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     return {jaxvjp_mul(cx, args[0], args[1]), jaxvjp_none(cx)};
                                   },
                                   .bwd =
                                       [](auto cx, auto, auto ct, auto slots) {
                                         slots[0] = ct;
                                         slots[1] = vec(cx, {1, 2});
                                       },
                                   .arg_names = {"weights", "bias"}});
  jaxvjp_value *w = jaxvjp_f64(cx, 2), *b = jaxvjp_f64(cx, 3);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {0, 1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, call(cx, g, {w, b}), JAXVJP_BWD_AVAL,
                      {"bwd", "layer", "bias", "f64[2]", "f64[]"}));
  }
  EXPECT_TRUE(fails(cx, call(cx, f, {w, b, b}), JAXVJP_INVALID_ARGUMENT, {"layer", "2", "3"}));
  EXPECT_TRUE(fails(cx, call(cx, f, {w}), JAXVJP_INVALID_ARGUMENT, {"layer", "bias"}));
}

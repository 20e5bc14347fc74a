// A. Making a function with a rule, and calling it.
#include "rules.hpp"

using namespace conformance;

TEST(ConformanceA, A1_basic_rule) {
  Context cx;
  jaxvjp_function* f = sin_rule(cx);
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), std::sin(3.0)));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, g, nullptr), x), 2 * std::cos(3.0)));
    jaxvjp_value* both = jaxvjp_call1(cx, jaxvjp_value_and_grad(cx, g, nullptr), x);
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, both, 0), std::sin(3.0)));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, both, 1), 2 * std::cos(3.0)));
  }
}

TEST(ConformanceA, A1_a_rule_without_arguments) {
  Context cx;
  auto* two = custom_vjp(cx, "two",
                         {.fwd = [](auto cx, auto) -> Fwd {
                            return {jaxvjp_f64(cx, 2), jaxvjp_none(cx)};
                          },
                          .bwd = [](auto, auto, auto, auto) {}});
  auto* f = function(
      cx, "f", [two](auto cx, auto args) { return jaxvjp_mul(cx, args[0], call(cx, two, {})); });
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 6.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, g, nullptr), jaxvjp_f64(cx, 3)), 2.0));
  }
}

TEST(ConformanceA, A1_what_the_callbacks_are_given) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     EXPECT_EQ(args.n, 1u);
                                     EXPECT_EQ(jaxvjp_kind(args[0]), JAXVJP_ARRAY);
                                     return {jaxvjp_sin(cx, args[0]), jaxvjp_cos(cx, args[0])};
                                   },
                                   .bwd =
                                       [](auto cx, auto c, auto ct, auto slots) {
                                         EXPECT_EQ(slots.n, 1u);
                                         EXPECT_EQ(slots[0], nullptr);
                                         EXPECT_TRUE(near(cx, c, std::cos(3.0)));
                                         EXPECT_TRUE(near(cx, ct, 1.0));
                                         slots[0] = times(cx, 2, jaxvjp_mul(cx, c, ct));
                                       }});
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), x), 2 * std::cos(3.0)));
}

// sin(x) y; the slot of x has the true derivative (the row's numbers), that of y five times it.
TEST(ConformanceA, A2_several_arguments) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    jaxvjp_value* out = jaxvjp_mul(cx, jaxvjp_sin(cx, args[0]), args[1]);
                    return {out, tuple(cx, {args[0], args[1]})};
                  },
                  .bwd =
                      [](auto cx, auto residuals, auto ct, auto slots) {
                        EXPECT_EQ(slots.n, 2u);
                        jaxvjp_value* x = jaxvjp_get(cx, residuals, 0);
                        jaxvjp_value* y = jaxvjp_get(cx, residuals, 1);
                        slots[0] = jaxvjp_mul(cx, jaxvjp_mul(cx, jaxvjp_cos(cx, x), y), ct);
                        slots[1] = times(cx, 5, jaxvjp_mul(cx, jaxvjp_sin(cx, x), ct));
                      }});
  jaxvjp_value *x = jaxvjp_f64(cx, 2), *y = jaxvjp_f64(cx, 3);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, call(cx, g, {x, y}), 3 * std::sin(2.0)));
    jaxvjp_value* grads = call(cx, with(jaxvjp_grad, cx, g, {0, 1}), {x, y});
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, grads, 0), 3 * std::cos(2.0)));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, grads, 1), 5 * std::sin(2.0)));
  }
}

// A primal alone can be called; what cannot be differentiated says so, never the primal's own
// derivative.
TEST(ConformanceA, A3_no_fwd) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "only_primal",
                 {.bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 2, ct); },
                  .primal = [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); }});
  jaxvjp_value* x = jaxvjp_f64(cx, 2);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), 4.0));
    jaxvjp_function* slope = jaxvjp_grad(cx, g, nullptr);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, slope, x), JAXVJP_NO_RULE, {"only_primal"}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), 4.0));
  }
}

TEST(ConformanceA, A3_nothing_at_all_is_refused_at_creation) {
  Counts counts;
  {
    Context cx;
    BwdFn bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; };
    FwdFn fwd = [](auto, auto args) -> Fwd { return {args[0], args[0]}; };
    jaxvjp_function* f = custom_vjp(cx, "no_fwd", {.bwd = bwd, .counts = &counts});
    EXPECT_TRUE(fails(cx, f, JAXVJP_INVALID_ARGUMENT, {"no_fwd", "fwd"}));
    f = custom_vjp(cx, "no_bwd", {.fwd = fwd, .counts = &counts});
    EXPECT_TRUE(fails(cx, f, JAXVJP_INVALID_ARGUMENT, {"no_bwd", "bwd"}));
  }
  EXPECT_EQ(counts.destroyed, 2);
}

TEST(ConformanceA, A7_same_name_other_rule) {
  Context cx;
  const auto with_factor = [&](double k) {
    return custom_vjp(
        cx, "f",
        {.fwd = [](auto cx, auto args) -> Fwd {
           return {jaxvjp_sin(cx, args[0]), args[0]};
         },
         .bwd = [k](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, k, ct); }});
  };
  jaxvjp_function *f = with_factor(5), *g = with_factor(7);
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  for (int round = 0; round < 2; ++round) {
    jaxvjp_function* f_slope = jaxvjp_grad(cx, f, nullptr);
    jaxvjp_function* g_slope = jaxvjp_grad(cx, g, nullptr);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f_slope, x), 5.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g_slope, x), 7.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jit(cx, f_slope, nullptr), x), 5.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jit(cx, g_slope, nullptr), x), 7.0));
  }
}

// 2x with the rule cos(x) ct.
TEST(ConformanceA, A8_a_retained_handle_is_the_function) {
  Counts counts;
  {
    Context cx;
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_function* f = jaxvjp_function_retain(
        custom_vjp(cx, "f",
                   {.fwd = [](auto cx, auto args) -> Fwd {
                      return {times(cx, 2, args[0]), args[0]};
                    },
                    .bwd = [](auto cx, auto x, auto ct,
                              auto slots) { slots[0] = jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct); },
                    .counts = &counts}));
    jaxvjp_scope_close(cx, scope, nullptr);
    EXPECT_EQ(counts.destroyed, 0);
    jaxvjp_value* slope = jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), jaxvjp_f64(cx, 1));
    EXPECT_TRUE(near(cx, slope, std::cos(1.0)));
    jaxvjp_function_release(f);
  }
  EXPECT_EQ(counts.destroyed, 1);
}

namespace {

const char* const roles[] = {"primal", "fwd", "bwd"};

// x -> x with the rule 2 ct, where the callback of one role fails by `fail`.
jaxvjp_function* failing(jaxvjp_context* cx, std::string role,
                         std::function<void(jaxvjp_context*)> fail) {
  const auto run = [role, fail](jaxvjp_context* cx, const char* here) {
    jaxvjp_set_location(cx, "solver.c", 17);
    if (role == here) fail(cx);
  };
  return custom_vjp(cx, "diverging",
                    {.fwd = [run](auto cx, auto args) -> Fwd {
                       run(cx, "fwd");
                       return {args[0], args[0]};
                     },
                     .bwd =
                         [run](auto cx, auto, auto ct, auto slots) {
                           run(cx, "bwd");
                           slots[0] = times(cx, 2, ct);
                         },
                     .primal =
                         [run](auto cx, auto args) {
                           run(cx, "primal");
                           return args[0];
                         }});
}

// What makes the callback of this role run: a call, or a gradient.
jaxvjp_value* run_role(jaxvjp_context* cx, jaxvjp_function* f, const std::string& role) {
  if (role != "primal") f = jaxvjp_grad(cx, f, nullptr);
  return jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1));
}

}  // namespace

TEST(ConformanceA, A11_a_failure_keeps_code_message_and_place) {
  for (const char* role : roles) {
    Context cx;
    jaxvjp_function* f = failing(cx, role, [](jaxvjp_context* cx) {
      jaxvjp_fail(cx, JAXVJP_CALLBACK, "no convergence after 50 steps");
    });
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(std::string(role) + " " + how);
      EXPECT_EQ(run_role(cx, g, role), nullptr);
      const std::string text = jaxvjp_error_text(cx);
      for (const char* word : {"no convergence after 50 steps", "diverging", role})
        EXPECT_NE(text.find(word), std::string::npos) << word << " is not in: " << text;
      jaxvjp_error* error = jaxvjp_take_error(cx);
      int32_t line = 0;
      const char* file = jaxvjp_error_file(error, &line);
      EXPECT_EQ(jaxvjp_error_code(error), JAXVJP_CALLBACK);
      EXPECT_STREQ(jaxvjp_error_message(error), "no convergence after 50 steps");
      EXPECT_STREQ(file, "solver.c");
      EXPECT_EQ(line, 17);
      jaxvjp_error_free(error);
    }
  }
}

TEST(ConformanceA, A11_a_code_of_the_users_own) {
  for (const char* role : roles) {
    Context cx;
    jaxvjp_function* f = failing(cx, role, [](auto cx) { jaxvjp_fail(cx, 4242, "mine"); });
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(std::string(role) + " " + how);
      EXPECT_TRUE(fails(cx, run_role(cx, g, role), 4242, {"mine", "diverging", role}));
    }
  }
}

// A callback that only returns its code, without jaxvjp_fail.
TEST(ConformanceA, A11_a_returned_code_is_the_code) {
  Context cx;
  const jaxvjp_call_fn call42 = [](jaxvjp_context*, void*, jaxvjp_value* const*, size_t,
                                   jaxvjp_value**) -> int32_t { return 42; };
  jaxvjp_function* f = jaxvjp_function_new(cx, "returns_42", call42, nullptr, nullptr);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), 42, {"returns_42", "42"}));
  }
}

// The foreign object of an error comes out of every nesting as itself, and is destroyed once.
TEST(ConformanceA, A11_a_foreign_payload_comes_out) {
  static const char tag = 0;
  for (const char* role : roles) {
    SCOPED_TRACE(role);
    Context cx;
    int destroyed = 0;
    jaxvjp_function* f = failing(cx, role, [&](jaxvjp_context* cx) {
      jaxvjp_fail_with(cx, jaxvjp_error_new(4242, "panic", &tag, &destroyed,
                                            [](void* p) { ++*static_cast<int*>(p); }));
    });
    for (bool take : {true, false}) {
      EXPECT_EQ(run_role(cx, jaxvjp_jit(cx, f, nullptr), role), nullptr);
      jaxvjp_error* error = jaxvjp_take_error(cx);
      EXPECT_EQ(jaxvjp_error_code(error), 4242);
      EXPECT_EQ(jaxvjp_error_take_payload(error, &destroyed), nullptr) << "another tag";
      void* payload = take ? jaxvjp_error_take_payload(error, &tag) : &destroyed;
      EXPECT_EQ(payload, &destroyed);
      jaxvjp_error_free(error);
      EXPECT_EQ(destroyed, take ? 0 : 1);
    }
  }
}

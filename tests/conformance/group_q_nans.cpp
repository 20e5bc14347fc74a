// Group Q: JAXVJP_CHECK_NANS names the first operation that makes a NaN, wherever it runs.

#include <limits>

#include "host.hpp"
#include "prints.hpp"

namespace conformance {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

// CHECK with the operation's name, at this line of model.c.
AssertionResult makes_nan(jaxvjp_context* cx, const void* result, const char* operation,
                          int32_t line) {
  if (jaxvjp_failed(cx) != JAXVJP_CHECK || result)
    return AssertionFailure() << jaxvjp_failed(cx) << jaxvjp_error_text(cx);
  jaxvjp_error* error = jaxvjp_take_error(cx);
  int32_t found = 0;
  const std::string file = jaxvjp_error_file(error, &found) ? jaxvjp_error_file(error, &found) : "";
  const std::string text = jaxvjp_error_message(error);
  jaxvjp_error_free(error);
  if (file != "model.c" || found != line || text.rfind(std::string(operation) + ": ", 0) != 0)
    return AssertionFailure() << file << ":" << found << ": " << text;
  return AssertionSuccess();
}

// x, whose bwd takes the sine of infinity at line 20 where x is 1.
jaxvjp_function* undefined(jaxvjp_context* cx) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto, auto args) -> Fwd {
                       return {args[0], args[0]};
                     },
                     .bwd =
                         [](auto cx, auto x, auto ct, auto slots) {
                           jaxvjp_set_location(cx, "model.c", 19);
                           jaxvjp_value* y = jaxvjp_div(cx, ct, jaxvjp_sub(cx, num(cx, 1), x));
                           jaxvjp_set_location(cx, "model.c", 20);
                           slots[0] = jaxvjp_sin(cx, y);
                         }});
}

TEST(ConformanceQ, Q6_nan_in_a_rule) {
  for (int32_t flags : {0, int32_t{JAXVJP_CHECK_NANS}}) {
    Context cx(flags);
    jaxvjp_value* x = num(cx, 1);
    for (auto [f, how] : eager_and_jit(cx, undefined(cx))) {
      SCOPED_TRACE(how);
      jaxvjp_function* pullback = nullptr;
      EXPECT_TRUE(near(cx, vjp(cx, f, {x}, &pullback), 1.0));  // there is none on the way
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), num(cx, 2)), std::sin(-1.0)));
      jaxvjp_value* ct = jaxvjp_call1(cx, pullback, num(cx, 1));
      if (flags) EXPECT_TRUE(makes_nan(cx, ct, "sin", 20));
      else EXPECT_TRUE(near(cx, jaxvjp_get(cx, ct, 0), std::nan("")));
    }
    for (auto [g, how] : eager_and_jit(cx, grad(cx, undefined(cx)))) {
      SCOPED_TRACE(how);
      jaxvjp_value* ct = jaxvjp_call1(cx, g, x);
      if (flags) EXPECT_TRUE(makes_nan(cx, ct, "sin", 20));
      else EXPECT_TRUE(near(cx, ct, std::nan("")));
    }
  }
}

TEST(ConformanceQ, Q6_nan_that_a_host_function_writes) {
  for (bool in_bwd : {false, true}) {
    Context cx(JAXVJP_CHECK_NANS);
    HostRule rule = opaque_square();
    if (in_bwd) rule.bwd = [](auto, auto, auto, auto, auto arg_cts) { arg_cts[0][0] = NAN; };
    else rule.fwd = [](auto, auto out) { return out[0][0] = NAN, 0.0; };
    auto* f = host_function(cx, "opaque", rule);
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f)))
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 3)), JAXVJP_CHECK,
                        {in_bwd ? "host_bwd" : "host_call", "NaN"}))
          << how;
  }
}

TEST(ConformanceQ, Q6_the_first_nan_of_a_program) {
  Context cx(JAXVJP_CHECK_NANS);
  const Scalar f = [](auto cx, auto x) {
    jaxvjp_set_location(cx, "model.c", 1);
    jaxvjp_value* y = jaxvjp_log(cx, x);
    jaxvjp_set_location(cx, "model.c", 2);
    return mul(cx, jaxvjp_sin(cx, y), y);
  };
  const auto check = [&](const char* what, jaxvjp_function* f, jaxvjp_value* x) {
    SCOPED_TRACE(what);
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(makes_nan(cx, jaxvjp_call1(cx, g, x), "log", 1));
    }
  };
  jaxvjp_value* x = num(cx, -1);
  auto* g = scalar_function(cx, f);
  check("f", g, x);
  check("grad", grad(cx, g), x);
  check("vmap", each(cx, g), vec(cx, {1, -1, 2}));
  check("vmap of grad", each(cx, grad(cx, g)), vec(cx, {1, -1, 2}));
  check("f32", g, jaxvjp_convert(cx, x, JAXVJP_F32));
  check("bf16", g, jaxvjp_convert(cx, x, JAXVJP_BF16));
  check("scan",
        scalar_function(cx,
                        [f](auto cx, auto x) {
                          const Body body = [f](auto cx, auto c, auto) -> Step {
                            return {f(cx, c), c};
                          };
                          return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
                        }),
        x);
  check("cond",
        scalar_function(
            cx, [f](auto cx, auto x) { return cond(cx, jaxvjp_lt(cx, x, num(cx, 0)), f, f, x); }),
        x);
  check("while",
        scalar_function(cx,
                        [f](auto cx, auto x) {
                          return while_loop(
                              cx, [](auto cx, auto x) { return jaxvjp_lt(cx, x, num(cx, 0)); }, f,
                              x);
                        }),
        x);
  check("checkpoint", grad(cx, jaxvjp_checkpoint(cx, g, 0)), x);
  check("a number", scalar_function(cx, [f](auto cx, auto) { return f(cx, num(cx, -1)); }), x);
}

// A NaN that came in is nobody's, and what has none is not looked for.
TEST(ConformanceQ, Q6_nan_that_was_given) {
  Context cx(JAXVJP_CHECK_NANS);
  for (auto [f, how] : eager_and_jit(cx, scalar_function(cx, sine))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, std::nan(""))), std::nan("")));
    jaxvjp_set_location(cx, "model.c", 7);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, vec(cx, {1, 2})), {std::sin(1.0), std::sin(2.0)}));
    EXPECT_TRUE(makes_nan(cx, jaxvjp_call1(cx, f, vec(cx, {1, inf})), "sin", 7));
  }
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  jaxvjp_set_location(fork, "model.c", 8);
  EXPECT_TRUE(makes_nan(fork, jaxvjp_log(fork, jaxvjp_f64(fork, -1)), "log", 8));
  jaxvjp_context_free(fork);
}

}  // namespace
}  // namespace conformance

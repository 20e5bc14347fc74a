// Values that are out of place: of another session, of a trace that is finished, of a trace that
// the context does not hold; and numbers asked of values that have none or must not show them.

#include "misuse.hpp"

namespace conformance {
namespace {

using Use = const void* (*)(jaxvjp_context*, jaxvjp_value*);
const struct {
  const char* what;
  Use use;
} uses[] = {
    {"operand",
     [](auto cx, auto v) -> const void* { return jaxvjp_add(cx, v, jaxvjp_f64(cx, 1)); }},
    {"second operand",
     [](auto cx, auto v) -> const void* { return jaxvjp_add(cx, jaxvjp_f64(cx, 1), v); }},
    {"argument", [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, sine(cx), v); }},
    {"argument of jit",
     [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, jit(cx, sine(cx)), v); }},
    {"argument of grad",
     [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, grad(cx, sine(cx)), v); }},
    {"captured",
     [](auto cx, auto v) -> const void* {
       auto* f = function(cx, "f", [v](auto cx, auto a) { return jaxvjp_mul(cx, a[0], v); });
       return jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 1));
     }},
    {"result of a callback",
     [](auto cx, auto v) -> const void* {
       auto* f = function(cx, "f", [v](auto, auto) { return v; });
       return jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1));
     }},
    {"tangent",
     [](auto cx, auto v) -> const void* {
       jaxvjp_value* out = nullptr;
       return jvp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, {v}, &out);
     }},
    {"cotangent",
     [](auto cx, auto v) -> const void* {
       jaxvjp_function* pullback = nullptr;
       vjp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, &pullback);
       return jaxvjp_call1(cx, pullback, v);
     }},
    {"what bwd writes",
     [](auto cx, auto v) -> const void* {
       Rule rule = tenfold_square();
       rule.bwd = [v](auto, auto, auto, auto slots) { slots[0] = v; };
       return jaxvjp_call1(cx, grad(cx, custom_vjp(cx, "f", std::move(rule))), jaxvjp_f64(cx, 1));
     }},
    {"residual",
     [](auto cx, auto v) -> const void* {
       Rule rule = tenfold_square();
       rule.fwd = [v](auto, auto args) -> Fwd { return {args[0], v}; };
       return jaxvjp_call1(cx, grad(cx, custom_vjp(cx, "f", std::move(rule))), jaxvjp_f64(cx, 1));
     }},
    {"read", [](auto cx, auto v) -> const void* { return jaxvjp_data(cx, v); }},
};

TEST(ForeignValues, values_of_another_session) {
  for (const auto& row : uses) {
    SCOPED_TRACE(row.what);
    Context other, cx;
    jaxvjp_value* foreign = jaxvjp_f64(other, 2);
    const void* result = row.use(cx, foreign);
    EXPECT_TRUE(fails(cx, result, JAXVJP_INVALID_ARGUMENT, {"session"}));
    EXPECT_TRUE(works(cx));
    EXPECT_TRUE(near(other, foreign, 2.0));
  }
}

TEST(ForeignValues, functions_and_programs_of_another_session) {
  Context other, cx;
  auto* f = sine(other);
  auto* j = make_jaxpr(other, f, {spec(other, {})});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1)), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_grad(cx, f, nullptr), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_from_function(cx, f), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_function_of(cx, j), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_simplify(cx, j), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(works(cx));
  EXPECT_TRUE(works(other));
}

// Contexts forked from one another are one session.
TEST(ForeignValues, values_of_a_fork_are_welcome) {
  Context cx;
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  jaxvjp_value* v = jaxvjp_retain(jaxvjp_f64(fork, 2));
  jaxvjp_context_free(fork);
  EXPECT_TRUE(near(cx, jaxvjp_add(cx, v, jaxvjp_f64(cx, 1)), 3.0));
  jaxvjp_release(v);
}

// A tracer that left its callback, retained.
jaxvjp_value* leaked(jaxvjp_context* cx,
                     jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*),
                     jaxvjp_value* at) {
  jaxvjp_value* held = nullptr;
  auto* f = function(cx, "leaky", [&held](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_sin(cx, args[0]);
    jaxvjp_update(&held, y);
    return y;
  });
  jaxvjp_call1(cx, transformation(cx, f), at);
  EXPECT_TRUE(no_error(cx));
  return held;
}

TEST(ForeignValues, stale_tracers) {
  const struct {
    const char* what;
    jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*);
    bool mapped;
  } origins[] = {{"jit", jit, false},
                 {"grad", grad, false},
                 {"vmap", [](auto cx, auto f) { return vmap(cx, f, {}); }, true}};
  for (const auto& origin : origins)
    for (const auto& row : uses) {
      SCOPED_TRACE(std::string(origin.what) + ", as " + row.what);
      Context cx;
      jaxvjp_value* at = origin.mapped ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 1);
      jaxvjp_value* stale = leaked(cx, origin.transformation, at);
      const void* result = row.use(cx, stale);
      EXPECT_TRUE(fails(cx, result, JAXVJP_STALE_TRACER));
      EXPECT_EQ(jaxvjp_dtype(stale), JAXVJP_F64);  // answers for ever
      EXPECT_EQ(jaxvjp_ndim(stale), 0u);
      EXPECT_TRUE(works(cx));
      jaxvjp_release(stale);
    }
}

// An inner tracer with the outer context: the context does not hold its trace.
TEST(ForeignValues, a_tracer_with_the_outer_context) {
  Context cx;
  jaxvjp_context* outer = cx;
  auto* f = function(cx, "f", [outer](auto, auto args) { return jaxvjp_sin(outer, args[0]); });
  for (auto [g, how] : std::vector<Mode>{{jit(cx, f), "jit"}, {grad(cx, f), "grad"}}) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), JAXVJP_STALE_TRACER));
  }
  EXPECT_TRUE(works(cx));
}

// Every way to read, of what has no numbers or must not show them.
TEST(ForeignValues, reading) {
  using Read = bool (*)(jaxvjp_context*, jaxvjp_value*);  // did it answer with failure?
  const struct {
    const char* what;
    Read read;
  } reads[] = {
      {"data", [](auto cx, auto v) { return jaxvjp_data(cx, v) == nullptr; }},
      {"read",
       [](auto cx, auto v) {
         double d;
         return jaxvjp_read(cx, v, &d, sizeof d) != 0;
       }},
      {"item", [](auto cx, auto v) { return std::isnan(jaxvjp_item(cx, v)); }},
  };
  const struct {
    const char* what;
    jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*);
    const char* named;  // by the error
    bool mapped;
  } places[] = {
      {"staged", jit, "jit", false},
      {"differentiated", grad, "grad", false},
      {"differentiated twice", [](auto cx, auto f) { return grad(cx, grad(cx, f)); }, "grad",
       false},
      {"forward mode", [](auto cx, auto f) { return jaxvjp_jacfwd(cx, f, nullptr); }, "jacfwd",
       false},
      {"mapped", [](auto cx, auto f) { return vmap(cx, f, {}); }, "vmap", true},
      {"mapped and differentiated", [](auto cx, auto f) { return vmap(cx, grad(cx, f), {}); },
       "grad", true},
  };
  for (const auto& place : places)
    for (const auto& read : reads) {
      SCOPED_TRACE(std::string(read.what) + " of a value that is " + place.what);
      Context cx;
      auto* f = function(cx, "reader", [&](auto cx, auto args) -> jaxvjp_value* {
        EXPECT_TRUE(read.read(cx, args[0]));
        return args[0];
      });
      jaxvjp_value* at = place.mapped ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 1);
      jaxvjp_value* result = jaxvjp_call1(cx, place.transformation(cx, f), at);
      EXPECT_TRUE(fails(cx, result, JAXVJP_CONCRETE, {place.named}));
      EXPECT_TRUE(works(cx));
    }
  for (const auto& read : reads) {
    SCOPED_TRACE(std::string(read.what) + " of a spec");
    Context cx;
    EXPECT_TRUE(read.read(cx, spec(cx, {})));
    EXPECT_TRUE(failed_with(cx, JAXVJP_CONCRETE));
  }
}

TEST(ForeignValues, truth_and_text_are_always_shown_where_there_are_numbers) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    EXPECT_NE(std::string(jaxvjp_to_string(cx, args[0])).find("2.5"), std::string::npos);
    const bool positive = jaxvjp_truth(cx, jaxvjp_gt(cx, args[0], jaxvjp_number(cx, 0)));
    return times(cx, positive ? 3 : 5, args[0]);
  });
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 2.5)), 3.0));
  auto* g = function(cx, "g", [](auto cx, auto args) -> jaxvjp_value* {
    EXPECT_EQ(jaxvjp_truth(cx, jaxvjp_gt(cx, args[0], jaxvjp_number(cx, 0))), -1);
    return args[0];
  });
  jaxvjp_value* result = jaxvjp_call1(cx, jit(cx, g), jaxvjp_f64(cx, 2.5));
  EXPECT_TRUE(fails(cx, result, JAXVJP_CONCRETE, {"jit"}));
}

}  // namespace
}  // namespace conformance

// destroy runs exactly once, on every path: success, failure, creation that fails, callbacks that
// fail, cached programs, pullbacks and programs that outlive the function, opaque residuals,
// adopted memory, error objects that travel through nested callbacks.

#include "token.hpp"

namespace conformance {
namespace {

// --------------------------------------------------------------------------------- creation fails

TEST(Destroy, when_the_creation_fails) {
  static const jaxvjp_call_fn call = [](auto, auto, auto args, auto, auto out) -> int32_t {
    return *out = args[0], 0;
  };
  const struct {
    const char* what;
    void (*create)(jaxvjp_context*, Token*);
  } rows[] = {
      {"function without a callback",
       [](auto cx, auto t) { jaxvjp_function_new(cx, "f", nullptr, t, Token::destroy); }},
      {"custom_vjp without callbacks",
       [](auto cx, auto t) {
         jaxvjp_custom_vjp(cx, "f", nullptr, nullptr, t, Token::destroy, nullptr);
       }},
      {"custom_vjp with options that cannot be",
       [](auto cx, auto t) {
         jaxvjp_custom_vjp_options options{};
         options.struct_size = sizeof options;
         options.flags = -1;
         jaxvjp_custom_vjp(cx, "f", nullptr, nullptr, t, Token::destroy, &options);
       }},
      {"custom_jvp without a rule",
       [](auto cx, auto t) { jaxvjp_custom_jvp(cx, "f", call, nullptr, t, Token::destroy); }},
      {"custom_vmap without a rule",
       [](auto cx, auto t) { jaxvjp_custom_vmap(cx, "f", call, nullptr, t, Token::destroy); }},
      {"probe without a callback",
       [](auto cx, auto t) { jaxvjp_probe(cx, jaxvjp_f64(cx, 1), nullptr, t, Token::destroy); }},
      {"probe of nothing",
       [](auto cx, auto t) {
         const jaxvjp_probe_fn probe = [](auto, auto, auto) -> int32_t { return 0; };
         jaxvjp_probe(cx, nullptr, probe, t, Token::destroy);
       }},
      {"array of no dtype",
       [](auto cx, auto t) {
         jaxvjp_array_adopt(cx, 7, nullptr, 0, nullptr, t, t, Token::destroy);
       }},
      {"array without data",
       [](auto cx, auto t) {
         jaxvjp_array_adopt(cx, JAXVJP_F64, nullptr, 0, nullptr, nullptr, t, Token::destroy);
       }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Token token;
    Context cx;
    row.create(cx, &token);
    EXPECT_NE(jaxvjp_failed(cx), 0);
    EXPECT_EQ(token.destroyed, 1);
    jaxvjp_clear_error(cx);
    cx.free();
    EXPECT_EQ(token.destroyed, 1);
  }
}

// On a context that has failed, and on none at all.
TEST(Destroy, when_the_context_cannot_create) {
  static const jaxvjp_call_fn call = [](auto, auto, auto args, auto, auto out) -> int32_t {
    return *out = args[0], 0;
  };
  static const jaxvjp_jvp_fn rule = [](auto, auto, auto p, auto t, auto, auto out,
                                       auto tangent) -> int32_t {
    return *out = p[0], *tangent = t[0], 0;
  };
  static const jaxvjp_probe_fn probe = [](auto, auto, auto) -> int32_t { return 0; };
  static const double data = 1;
  Context cx;
  jaxvjp_fail(cx, 4242, "stop");
  for (jaxvjp_context* where : {static_cast<jaxvjp_context*>(cx), (jaxvjp_context*)nullptr}) {
    Token f, g, v, o, p;
    EXPECT_EQ(jaxvjp_function_new(where, "f", call, &f, Token::destroy), nullptr);
    EXPECT_EQ(jaxvjp_custom_jvp(where, "f", call, rule, &g, Token::destroy), nullptr);
    EXPECT_EQ(jaxvjp_array_adopt(where, JAXVJP_F64, nullptr, 0, nullptr, &data, &v, Token::destroy),
              nullptr);
    EXPECT_EQ(jaxvjp_opaque(where, &o, Token::destroy), nullptr);
    EXPECT_EQ(jaxvjp_probe(where, nullptr, probe, &p, Token::destroy), nullptr);
    EXPECT_EQ(f.destroyed + g.destroyed + v.destroyed + o.destroyed + p.destroyed, 5);
  }
  EXPECT_TRUE(failed_with(cx, 4242));
}

// ------------------------------------------------------------------------------------------- rules

TEST(Destroy, a_rule_that_is_used_in_every_way) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "f", tenfold_square(&counts));
  jaxvjp_value *x = jaxvjp_f64(cx, 3), *xs = vec(cx, {1, 2, 3});
  jaxvjp_call1(cx, f, x);
  jaxvjp_call1(cx, grad(cx, f), x);
  jaxvjp_call1(cx, jit(cx, grad(cx, f)), x);
  jaxvjp_call1(cx, jit(cx, grad(cx, f)), x);
  jaxvjp_call1(cx, vmap(cx, grad(cx, f), {}), xs);
  jaxvjp_call1(cx, jaxvjp_hessian(cx, f, nullptr), x);
  jaxvjp_simplify(cx, make_jaxpr(cx, grad(cx, f), {spec(cx, {})}));
  jaxvjp_check_vjp(cx, f, &x, 1, nullptr);
  EXPECT_TRUE(failed_with(cx, JAXVJP_CHECK));
  EXPECT_EQ(counts.destroyed, 0);
  cx.free();
  EXPECT_EQ(counts.destroyed, 1);
}

TEST(Destroy, with_the_scope_when_nothing_else_holds_the_rule) {
  Counts counts;
  jaxvjp_context* cx = unchecked();
  const size_t scope = jaxvjp_scope_open(cx);
  auto* f = custom_vjp(cx, "f", tenfold_square(&counts));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 30.0));
  jaxvjp_call1(cx, jit(cx, grad(cx, f)), jaxvjp_f64(cx, 3));  // cached on f, and gone with it
  EXPECT_EQ(counts.destroyed, 0);
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_EQ(counts.destroyed, 1);
  jaxvjp_context_free(cx);
  EXPECT_EQ(counts.destroyed, 1);
}

// Whatever outlives the function keeps its rule: a pullback, a program, a transformation.
TEST(Destroy, what_outlives_the_function_keeps_the_rule) {
  const struct {
    const char* what;
    jaxvjp_function* (*keep)(jaxvjp_context*, jaxvjp_function*);
    double at;
  } holders[] = {
      {"pullback",
       [](auto cx, auto f) {
         jaxvjp_function* pullback = nullptr;
         vjp(cx, f, {jaxvjp_f64(cx, 3)}, &pullback);
         return pullback;
       },
       1},
      {"program",
       [](auto cx, auto f) {
         auto* g = jaxvjp_function_of(cx, make_jaxpr(cx, f, {spec(cx, {})}));
         return with(jaxvjp_grad, cx, g, {0});
       },
       3},
      {"transformed function", [](auto cx, auto f) { return with(jaxvjp_grad, cx, f, {0}); }, 3},
      {"compiled function",
       [](auto cx, auto f) {
         auto* g = jit(cx, with(jaxvjp_grad, cx, f, {0}));
         jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2));
         return g;
       },
       3},
      {"function out of a leaf",
       [](auto cx, auto f) {
         auto* g = jaxvjp_as_function(cx, jaxvjp_from_function(cx, f));
         return with(jaxvjp_grad, cx, g, {0});
       },
       3},
  };
  for (const auto& holder : holders) {
    SCOPED_TRACE(holder.what);
    Counts counts;
    jaxvjp_context* cx = unchecked();
    const size_t scope = jaxvjp_scope_open(cx);
    auto* f = custom_vjp(cx, "f", tenfold_square(&counts));
    jaxvjp_function* kept = jaxvjp_function_retain(holder.keep(cx, f));
    jaxvjp_scope_close(cx, scope, nullptr);
    ASSERT_TRUE(no_error(cx));
    EXPECT_EQ(counts.destroyed, 0);
    jaxvjp_value* result = jaxvjp_call1(cx, kept, jaxvjp_f64(cx, holder.at));
    EXPECT_TRUE(same(cx, result, tuple(cx, {jaxvjp_f64(cx, 30)})));
    jaxvjp_function_release(kept);
    EXPECT_EQ(counts.destroyed, 1);
    jaxvjp_context_free(cx);
    EXPECT_EQ(counts.destroyed, 1);
  }
}

TEST(Destroy, a_callback_that_fails) {
  enum Role { primal, fwd, bwd };
  for (Role role : {primal, fwd, bwd})
    for (bool jitted : {false, true}) {
      SCOPED_TRACE(std::to_string(role) + (jitted ? " jit" : " eager"));
      Counts counts;
      Token residual;
      int kept = 0;
      Context cx;
      Rule rule = tenfold_square(&counts);
      rule.primal = [role](auto cx, auto args) {
        if (role == primal) jaxvjp_fail(cx, 4242, "stop");
        return args[0];
      };
      rule.fwd = [role, &residual, &kept](auto cx, auto args) -> Fwd {
        jaxvjp_value* opaque = jaxvjp_opaque(cx, &residual, Token::destroy);
        kept++;
        if (role == fwd) jaxvjp_fail(cx, 4242, "stop");
        return {args[0], opaque};
      };
      rule.bwd = [role](auto cx, auto, auto ct, auto slots) {
        if (role == bwd) jaxvjp_fail(cx, 4242, "stop");
        slots[0] = ct;
      };
      auto* f = custom_vjp(cx, "f", std::move(rule));
      auto* g = role == primal ? f : grad(cx, f);
      jaxvjp_value* result = jaxvjp_call1(cx, jitted ? jit(cx, g) : g, jaxvjp_f64(cx, 3));
      EXPECT_TRUE(fails(cx, result, 4242));
      cx.free();
      EXPECT_EQ(counts.destroyed, 1);
      EXPECT_EQ(kept > 0, role != primal);
      EXPECT_EQ(residual.destroyed, kept);
    }
}

// Functions and rules made inside callbacks, under every transformation.
TEST(Destroy, rules_made_inside_callbacks) {
  for (const char* how : {"plain", "grad", "jit grad", "vmap grad", "grad of grad"}) {
    SCOPED_TRACE(how);
    Counts counts;
    int made = 0;
    Context cx;
    auto* f = function(cx, "f", [&](auto cx, auto args) {
      made++;
      return jaxvjp_call1(cx, custom_vjp(cx, "inner", tenfold_square(&counts)), args[0]);
    });
    const std::string name = how;
    jaxvjp_function* g = f;
    if (name != "plain") g = grad(cx, f);
    if (name == "jit grad") g = jit(cx, g);
    if (name == "vmap grad") g = vmap(cx, g, {});
    if (name == "grad of grad") g = grad(cx, g);
    const bool mapped = name == "vmap grad";
    EXPECT_NE(jaxvjp_call1(cx, g, mapped ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 3)), nullptr);
    cx.free();
    EXPECT_GT(made, 0);
    EXPECT_EQ(counts.destroyed, made);
  }
}

// ----------------------------------------------------------------------------------- opaque leaves

TEST(Destroy, an_opaque_residual_lives_as_long_as_its_pullback) {
  Token token;
  int value = 6;
  jaxvjp_context* cx = unchecked();
  const size_t scope = jaxvjp_scope_open(cx);
  struct Box {
    Token* token;
    int* value;
  } box{&token, &value};
  Rule rule = tenfold_square();
  rule.fwd = [&box](auto cx, auto args) -> Fwd {
    auto destroy = [](void* box) { Token::destroy(static_cast<Box*>(box)->token); };
    return {jaxvjp_sin(cx, args[0]), jaxvjp_opaque(cx, &box, destroy)};
  };
  rule.bwd = [](auto cx, auto residual, auto ct, auto slots) {
    const Box* box = static_cast<Box*>(jaxvjp_as_pointer(cx, residual));
    slots[0] = times(cx, box ? *box->value : -1, ct);
  };
  auto* f = custom_vjp(cx, "f", std::move(rule));
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {jaxvjp_f64(cx, 3)}, &pullback);
  jaxvjp_function_retain(pullback);
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_EQ(token.destroyed, 0);
  for (int i = 0; i < 2; i++) {
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), 6.0));
  }
  EXPECT_EQ(token.destroyed, 0);
  jaxvjp_function_release(pullback);
  EXPECT_EQ(token.destroyed, 1);
  jaxvjp_context_free(cx);
  EXPECT_EQ(token.destroyed, 1);
}

TEST(Destroy, an_opaque_leaf_in_trees) {
  Token token;
  jaxvjp_context* cx = unchecked();
  size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* leaf = jaxvjp_opaque(cx, &token, Token::destroy);
  jaxvjp_value* held = jaxvjp_retain(dict(cx, {{"a", leaf}, {"b", tuple(cx, {leaf, leaf})}}));
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_EQ(token.destroyed, 0);
  EXPECT_EQ(jaxvjp_as_pointer(cx, jaxvjp_lookup(cx, held, "a")), &token);
  jaxvjp_release(held);
  EXPECT_EQ(token.destroyed, 0);  // what lookup returned lives in the context's scope
  jaxvjp_context_free(cx);
  EXPECT_EQ(token.destroyed, 1);
}

// jit keys on an opaque argument: the cached program holds it, until the function is gone.
TEST(Destroy, an_opaque_argument_of_a_compiled_function) {
  Token token;
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  jaxvjp_value* leaf = jaxvjp_opaque(cx, &token, Token::destroy);
  for (int i = 0; i < 2; i++)
    EXPECT_TRUE(near(cx, jaxvjp_call2(cx, jit(cx, f), jaxvjp_f64(cx, 0), leaf), 0.0));
  EXPECT_EQ(token.destroyed, 0);
  cx.free();
  EXPECT_EQ(token.destroyed, 1);
}

TEST(Destroy, adopted_memory) {
  Token token;
  jaxvjp_context* cx = unchecked();
  size_t scope = jaxvjp_scope_open(cx);
  static const double data[6] = {1, 2, 3, 4, 5, 6};
  const int64_t shape[2] = {3, 2}, strides[2] = {1, 3};  // the transpose of 2 x 3
  jaxvjp_value* v =
      jaxvjp_array_adopt(cx, JAXVJP_F64, shape, 2, strides, data, &token, Token::destroy);
  EXPECT_TRUE(near_shaped(cx, v, {3, 2}, {1, 4, 2, 5, 3, 6}));
  auto* f = function(cx, "f", [v](auto cx, auto a) { return jaxvjp_mul(cx, a[0], sum(cx, v)); });
  jaxvjp_function* compiled = jaxvjp_function_retain(jit(cx, f));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, compiled, jaxvjp_f64(cx, 2)), 42.0));
  jaxvjp_scope_close(cx, scope, nullptr);
  jaxvjp_function_release(compiled);
  jaxvjp_context_free(cx);
  EXPECT_EQ(token.destroyed, 1);
}

}  // namespace
}  // namespace conformance

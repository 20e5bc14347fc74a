// Group O: errors of structure and type. O2 cannot be written in C (bwd fills slots), nor can the
// arity half of O1.

#include "loops.hpp"

namespace conformance {
namespace {

// f(x) = x^2, with this bwd.
jaxvjp_function* with_bwd(jaxvjp_context* cx, BwdFn bwd) {
  Rule rule = tenfold_square();
  rule.bwd = std::move(bwd);
  return custom_vjp(cx, "broken", std::move(rule));
}

TEST(ConformanceO, O1_a_tree_for_an_array) {
  Context cx;
  auto* f = with_bwd(cx, [](auto cx, auto, auto ct, auto slots) {
    slots[0] = tuple(cx, {ct, ct});
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), JAXVJP_BWD_TREE, {"broken"}));
  }
}

TEST(ConformanceO, O1_other_trees_for_a_pair) {
  Context cx;
  enum Shape { array, three, list_of_two, with_none };
  for (Shape shape : {array, three, list_of_two, with_none}) {
    SCOPED_TRACE(shape);
    auto* f = custom_vjp(cx, "broken",
                         {.fwd = [](auto cx, auto args) -> Fwd {
                            jaxvjp_value *a = jaxvjp_get(cx, args[0], 0),
                                         *b = jaxvjp_get(cx, args[0], 1);
                            return {jaxvjp_mul(cx, a, b), args[0]};
                          },
                          .bwd =
                              [shape](auto cx, auto, auto ct, auto slots) {
                                if (shape == array) slots[0] = ct;
                                if (shape == three) slots[0] = tuple(cx, {ct, ct, ct});
                                if (shape == list_of_two) slots[0] = list(cx, {ct, ct});
                                if (shape == with_none) slots[0] = tuple(cx, {ct, jaxvjp_none(cx)});
                              },
                          .arg_names = {"pair"}});
    jaxvjp_value* pair = tuple(cx, {jaxvjp_f64(cx, 2), jaxvjp_f64(cx, 3)});
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, pair), JAXVJP_BWD_TREE, {"broken", "pair"}));
    }
  }
}

TEST(ConformanceO, O3_a_broken_bwd_is_no_matter_without_derivatives) {
  Counts counts;
  Context cx;
  Rule rule = tenfold_square(&counts);
  rule.bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = tuple(cx, {ct, ct}); };
  auto* f = custom_vjp(cx, "broken", std::move(rule));
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 4.0));
  }
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, f, {}), vec(cx, {1, 2})), {1.0, 4.0}));
  EXPECT_NE(make_jaxpr(cx, f, {spec(cx, {})}), nullptr);
  EXPECT_EQ(counts.fwd, 0);
  EXPECT_EQ(counts.bwd, 0);
}

// primal gives x; what fwd gives is made by `make`.
jaxvjp_function* with_fwd_output(jaxvjp_context* cx, CallFn make) {
  return custom_vjp(cx, "halves",
                    {.fwd = [make](auto cx, auto args) -> Fwd {
                       return {make(cx, args), args[0]};
                     },
                     .bwd = [](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f64(cx, 1); },
                     .primal = [](auto, auto args) { return args[0]; }});
}

// The three places where both are known for a signature.
void expect_disagreement(jaxvjp_context* cx, CallFn make, int32_t code,
                         std::initializer_list<const char*> words) {
  jaxvjp_value* x = jaxvjp_f64(cx, 2);
  auto gradient_of = [&](jaxvjp_function* f) {
    jaxvjp_function* pullback = nullptr;
    return vjp(cx, f, {x}, &pullback);
  };
  {
    SCOPED_TRACE("a staged call");
    jaxvjp_function* f = jit(cx, with_fwd_output(cx, make));
    EXPECT_TRUE(fails(cx, gradient_of(f), code, words));
  }
  {
    SCOPED_TRACE("the primal has run");
    jaxvjp_function* f = with_fwd_output(cx, make);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), 2.0));
    EXPECT_TRUE(fails(cx, gradient_of(f), code, words));
  }
  {
    SCOPED_TRACE("check_vjp");
    EXPECT_NE(jaxvjp_check_vjp(cx, with_fwd_output(cx, make), &x, 1, nullptr), 0);
    EXPECT_TRUE(failed_with(cx, code, words));
  }
}

TEST(ConformanceO, O4_fwd_of_another_structure) {
  Context cx;
  expect_disagreement(cx,
                      [](auto cx, auto args) {
                        return tuple(cx, {args[0], args[0]});
                      },
                      JAXVJP_FWD_TREE, {"halves", "fwd"});
}

TEST(ConformanceO, O4_fwd_of_another_structure_in_a_loop) {
  Context cx;
  auto* f = with_fwd_output(cx, [](auto cx, auto args) { return tuple(cx, {args[0], args[0]}); });
  auto* looped = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 2), 0);
  });
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, looped, jaxvjp_f64(cx, 2)), 2.0));
  for (auto [g, how] : eager_and_jit(cx, grad(cx, looped))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), JAXVJP_FWD_TREE,
                      {"halves", "fwd", "primal", "scan"}));
  }
}

TEST(ConformanceO, O5_fwd_of_another_shape) {
  Context cx;
  expect_disagreement(cx,
                      [](auto cx, auto) {
                        return vec(cx, {1, 2, 3});
                      },
                      JAXVJP_FWD_AVAL, {"halves", "f64[3]", "f64[]"});
}

TEST(ConformanceO, O5_fwd_of_another_dtype) {
  Context cx;
  expect_disagreement(cx,
                      [](auto cx, auto args) { return jaxvjp_convert(cx, args[0], JAXVJP_F32); },
                      JAXVJP_FWD_AVAL, {"halves", "f32[]", "f64[]"});
}

// No callback runs only to check: eagerly, the primal is not called where fwd is.
TEST(ConformanceO, O6_no_callback_runs_only_to_check) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "f", tenfold_square(&counts));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 3)), 30.0));
  EXPECT_EQ(counts, (Counts{.primal = 0, .fwd = 1, .bwd = 1}));
}

TEST(ConformanceO, O7_fwd_that_sets_nothing) {
  Context cx;
  enum Missing { out, residuals };
  for (Missing missing : {out, residuals}) {
    SCOPED_TRACE(missing);
    Rule rule = tenfold_square();
    rule.fwd = [missing](auto, auto args) -> Fwd {
      return {missing == out ? nullptr : args[0], missing == residuals ? nullptr : args[0]};
    };
    auto* f = custom_vjp(cx, "forgetful", std::move(rule));
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), JAXVJP_FWD_UNSET,
                        {"forgetful", "fwd", missing == out ? "out" : "residuals"}));
    }
  }
}

TEST(ConformanceO, O8_pullback_called_with_other_things) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    return tuple(cx, {jaxvjp_sin(cx, args[0]), jaxvjp_mul(cx, args[0], args[1])});
  });
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value *a = jaxvjp_f64(cx, 2), *b = vec(cx, {3, 4, 5});
  vjp(cx, f, {a, b}, &pullback);
  ASSERT_TRUE(no_error(cx));
  jaxvjp_value *one = jaxvjp_f64(cx, 1), *three = vec(cx, {1, 1, 1});
  jaxvjp_value *four = vec(cx, {1, 1, 1, 1}), *single = vec(cx, {1, 1, 1}, JAXVJP_F32);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, pullback, one), JAXVJP_CT_TREE));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, pullback, list(cx, {one, three})), JAXVJP_CT_TREE));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, pullback, tuple(cx, {one, three, one})), JAXVJP_CT_TREE));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, pullback, tuple(cx, {one, four})), JAXVJP_CT_AVAL,
                    {"f64[3]", "f64[4]"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, pullback, tuple(cx, {one, single})), JAXVJP_CT_AVAL,
                    {"f64[3]", "f32[3]"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call2(cx, pullback, one, three), JAXVJP_INVALID_ARGUMENT, {"2"}));
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, tuple(cx, {one, three}));
  jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, std::cos(2.0) + 12), vec(cx, {2, 2, 2})});
  EXPECT_TRUE(same(cx, cts, expected));
}

TEST(ConformanceO, O9_grad_of_what_is_not_a_scalar) {
  Context cx;
  auto* identity = function(cx, "identity", [](auto, auto args) { return args[0]; });
  auto* nothing = function(cx, "nothing", [](auto cx, auto) { return jaxvjp_none(cx); });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, identity))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, vec(cx, {1})), JAXVJP_NOT_SCALAR,
                      {"identity", "f64[1]", "reshape", "sum", "jac"}));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, vec(cx, {1, 2, 3})), JAXVJP_NOT_SCALAR,
                      {"identity", "f64[3]", "sum", "jac"}));
    jaxvjp_value* pair = tuple(cx, {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)});
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, pair), JAXVJP_NOT_SCALAR, {"identity"}));
  }
  for (auto [g, how] : eager_and_jit(cx, grad(cx, nothing))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), JAXVJP_NOT_SCALAR, {"nothing"}));
  }
}

}  // namespace
}  // namespace conformance

// F. Static arguments: functions and opaque pointers are leaves of ordinary argument trees, keep
// their position in fwd and in bwd's slots, and are constants of what is staged.
#include "rules.hpp"

using namespace conformance;

namespace {

jaxvjp_value* double_it(jaxvjp_context* cx) {
  return jaxvjp_from_function(
      cx, function(cx, "double_it", [](auto cx, auto args) { return times(cx, 2, args[0]); }));
}

jaxvjp_value* apply(jaxvjp_context* cx, jaxvjp_value* f, jaxvjp_value* x) {
  return jaxvjp_call1(cx, jaxvjp_as_function(cx, f), x);
}

// f(x), for a function f in the first argument, with the rule k(x) ct.
jaxvjp_function* app(jaxvjp_context* cx,
                     std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*)> k,
                     Counts* counts = nullptr) {
  return custom_vjp(cx, "app",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {apply(cx, args[0], args[1]), args[1]};
                     },
                     .bwd =
                         [k](auto cx, auto x, auto ct, auto slots) {
                           EXPECT_EQ(slots.n, 2u);
                           slots[1] = jaxvjp_mul(cx, k(cx, x), ct);
                         },
                     .primal = [](auto cx, auto args) { return apply(cx, args[0], args[1]); },
                     .counts = counts});
}

}  // namespace

TEST(ConformanceF, F1_a_function_as_argument) {
  Context cx;
  jaxvjp_function* f = app(cx, [](auto cx, auto x) { return jaxvjp_cos(cx, x); });
  jaxvjp_value *twice = double_it(cx), *x = jaxvjp_f64(cx, 1);
  EXPECT_TRUE(near(cx, call(cx, f, {twice, x}), 2.0));
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, f, {1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* slopes = tuple(cx, {jaxvjp_f64(cx, std::cos(1.0))});
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 2), slopes});
    EXPECT_TRUE(same(cx, call(cx, g, {twice, x}), expected));
  }
}

// f(x) + g(x) of (f, x, g): static arguments on both sides of the differentiated one.
TEST(ConformanceF, F2_two_static_arguments) {
  Context cx;
  jaxvjp_function* both = custom_vjp(
      cx, "both",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_value *fx = apply(cx, args[0], args[1]), *gx = apply(cx, args[2], args[1]);
         return {jaxvjp_add(cx, fx, gx), args[1]};
       },
       .bwd = [](auto cx, auto x, auto ct,
                 auto slots) { slots[1] = jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct); }});
  jaxvjp_value *f = double_it(cx), *g = double_it(cx), *x = jaxvjp_f64(cx, 1);
  EXPECT_TRUE(near(cx, call(cx, both, {f, x, g}), 4.0));
  for (auto [slope, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, both, {1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, std::cos(1.0))});
    EXPECT_TRUE(same(cx, call(cx, slope, {f, x, g}), expected));
  }
}

TEST(ConformanceF, F3_positions_are_the_same_in_fwd_and_bwd) {
  Context cx;
  jaxvjp_function* f = app(cx, [](auto cx, auto) { return jaxvjp_number(cx, 5); });
  jaxvjp_value* square = jaxvjp_from_function(
      cx, function(cx, "square", [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); }));
  jaxvjp_value* x = jaxvjp_f64(cx, 4);
  EXPECT_TRUE(near(cx, call(cx, f, {square, x}), 16.0));
  for (auto [slope, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, call(cx, slope, {square, x}), tuple(cx, {jaxvjp_f64(cx, 5)})));
  }
}

// f(g(x)) of (f, x, g) for f the cube and g three times: 15^3 at 5, with the tangent rule 3 dx.
TEST(ConformanceF, F3_positions_in_a_custom_jvp) {
  Context cx;
  const CallFn compose = [](auto cx, auto args) {
    return apply(cx, args[0], apply(cx, args[2], args[1]));
  };
  jaxvjp_function* app3 =
      custom_jvp(cx, "app3", compose, [compose](auto cx, auto primals, auto tangents) -> Jvp {
        EXPECT_EQ(primals.n, 3u);
        return {compose(cx, primals), times(cx, 3, tangents[1])};
      });
  jaxvjp_value* cube =
      jaxvjp_from_function(cx, function(cx, "cube", [](auto cx, auto args) {
                             return jaxvjp_mul(cx, args[0], jaxvjp_square(cx, args[0]));
                           }));
  jaxvjp_value* triple = jaxvjp_from_function(
      cx, function(cx, "triple", [](auto cx, auto args) { return times(cx, 3, args[0]); }));
  jaxvjp_value* x = jaxvjp_f64(cx, 5);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, app3, {1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 3375), tuple(cx, {jaxvjp_f64(cx, 3)})});
    EXPECT_TRUE(same(cx, call(cx, g, {cube, x, triple}), expected));
  }
}

// A static argument's slot may stay unset (as in F1 to F3); that of a floating argument may not.
TEST(ConformanceF, F4_only_floating_arguments_need_their_slot) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "forgetful",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     return {apply(cx, args[0], args[1]), args[1]};
                                   },
                                   .bwd = [](auto, auto, auto, auto) {},
                                   .arg_names = {"function", "point"}});
  jaxvjp_value* result =
      call(cx, with(jaxvjp_grad, cx, f, {1}), {double_it(cx), jaxvjp_f64(cx, 1)});
  EXPECT_TRUE(fails(cx, result, JAXVJP_BWD_UNSET, {"bwd", "forgetful", "point"}));
}

namespace {

// k sin(x) for a number k behind an opaque pointer, with the rule 2 cos(x) ct. Autodiff would give
// 0: the primal cuts the derivative off.
jaxvjp_function* scaled_sin(jaxvjp_context* cx, Counts* counts) {
  return custom_vjp(cx, "scaled_sin",
                    {.fwd = self_fwd,
                     .bwd =
                         [](auto cx, auto residuals, auto ct, auto slots) {
                           jaxvjp_value* c = jaxvjp_cos(cx, jaxvjp_get(cx, residuals, 1));
                           slots[1] = times(cx, 2, jaxvjp_mul(cx, c, ct));
                         },
                     .primal =
                         [](auto cx, auto args) {
                           const double* k = static_cast<double*>(jaxvjp_as_pointer(cx, args[0]));
                           return times(cx, *k, jaxvjp_sin(cx, jaxvjp_stop_gradient(cx, args[1])));
                         },
                     .counts = counts});
}

}  // namespace

TEST(ConformanceF, F5_opaque_static_arguments) {
  static double two[1] = {2};
  Counts counts;
  Context cx;
  jaxvjp_function* f = scaled_sin(cx, &counts);
  jaxvjp_function* slope = with(jaxvjp_grad, cx, f, {1});
  jaxvjp_value *k = jaxvjp_opaque(cx, two, nullptr), *x = jaxvjp_f64(cx, 3);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, call(cx, g, {k, x}), 2 * std::sin(3.0)));
  }
  for (auto [g, how] : eager_and_jit(cx, slope)) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 2 * std::cos(3.0))});
    EXPECT_TRUE(same(cx, call(cx, g, {k, x}), expected));
  }
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, slope, {JAXVJP_AXIS_NONE, 0}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* slopes = jaxvjp_get(cx, call(cx, g, {k, vec(cx, {0, 1, 2})}), 0);
    EXPECT_TRUE(near(cx, slopes, {2, 2 * std::cos(1.0), 2 * std::cos(2.0)}));
  }
}

TEST(ConformanceF, F5_jit_keys_on_the_pointer) {
  static double two = 2, seven = 7;
  Counts counts;
  Context cx;
  jaxvjp_function* compiled = jaxvjp_jit(cx, scaled_sin(cx, &counts), nullptr);
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  for (int round = 0; round < 2; ++round) {
    jaxvjp_value *k2 = jaxvjp_opaque(cx, &two, nullptr), *k7 = jaxvjp_opaque(cx, &seven, nullptr);
    EXPECT_TRUE(near(cx, call(cx, compiled, {k2, x}), 2 * std::sin(3.0)));
    EXPECT_TRUE(near(cx, call(cx, compiled, {k7, x}), 7 * std::sin(3.0)));
  }
  EXPECT_EQ(counts.primal, 2) << "traced once a pointer";
}

// A tracer behind an opaque pointer is invisible to the library until a callback uses it: within
// its trace it is a closure, after it the handle answers STALE_TRACER.
TEST(ConformanceF, F6_a_tracer_in_a_static_argument) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    auto* hidden = static_cast<jaxvjp_value*>(jaxvjp_as_pointer(cx, args[0]));
                    return {jaxvjp_mul(cx, hidden, args[1]), jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[1] = times(cx, 5, ct); }});
  jaxvjp_value* leaked = nullptr;
  jaxvjp_function* g =
      jaxvjp_jit(cx,
                 function(cx, "g",
                          [&, f](auto cx, auto args) {
                            leaked = jaxvjp_retain(args[0]);
                            return call(cx, f, {jaxvjp_opaque(cx, args[0], nullptr), args[1]});
                          }),
                 nullptr);
  jaxvjp_value* y = jaxvjp_f64(cx, 3);
  EXPECT_TRUE(near(cx, call(cx, g, {jaxvjp_f64(cx, 2), y}), 6.0));
  jaxvjp_value* stale = jaxvjp_opaque(cx, leaked, nullptr);
  for (jaxvjp_function* h : {f, jaxvjp_jit(cx, f, nullptr)})
    EXPECT_TRUE(fails(cx, call(cx, h, {stale, y}), JAXVJP_STALE_TRACER, {"f", "jit"}));
  jaxvjp_release(leaked);
}

// A pullback that holds tracers, in a container, after their trace: seen before anything runs.
TEST(ConformanceF, F7_a_stale_tracer_inside_a_container) {
  Counts counts;
  Context cx;
  jaxvjp_function* leaked = nullptr;
  jaxvjp_function* g =
      jaxvjp_jit(cx,
                 function(cx, "g",
                          [&](auto cx, auto args) {
                            jaxvjp_function *pullback = nullptr,
                                            *inner = function(cx, "inner", [](auto cx, auto args) {
                                              return jaxvjp_sin(cx, args[0]);
                                            });
                            jaxvjp_value* y = vjp(cx, inner, {args[0]}, &pullback);
                            leaked = jaxvjp_function_retain(pullback);
                            return y;
                          }),
                 nullptr);
  jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2));
  ASSERT_NE(leaked, nullptr);
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto, auto args) -> Fwd {
                    return {args[1], args[1]};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[1] = times(cx, 5, ct); },
                  .counts = &counts});
  jaxvjp_value* hidden = tuple(cx, {jaxvjp_from_function(cx, leaked)});
  for (jaxvjp_function* h : {f, jaxvjp_jit(cx, f, nullptr)}) {
    jaxvjp_value* result = call(cx, h, {hidden, jaxvjp_f64(cx, 3)});
    EXPECT_TRUE(fails(cx, result, JAXVJP_STALE_TRACER, {"jit"}));
  }
  EXPECT_EQ(counts.fwd, 0);
  jaxvjp_function_release(leaked);
}

// Numbers are ordinary arguments: new ones need no new program, and may be differentiated.
TEST(ConformanceF, F9_array_like_data_belongs_in_ordinary_arguments) {
  Counts counts;
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_mul(cx, args[0], args[1]), tuple(cx, {args[0], args[1]})};
                  },
                  .bwd =
                      [](auto cx, auto residuals, auto ct, auto slots) {
                        jaxvjp_value* bound = jaxvjp_get(cx, residuals, 0);
                        slots[0] = jaxvjp_zero(cx);
                        slots[1] = times(cx, 10, jaxvjp_mul(cx, bound, ct));
                      },
                  .counts = &counts});
  jaxvjp_function* slope = jaxvjp_jit(cx, with(jaxvjp_grad, cx, f, {1}), nullptr);
  for (double bound : {2.0, 3.0, 4.0}) {
    jaxvjp_value* result = call(cx, slope, {jaxvjp_f64(cx, bound), jaxvjp_f64(cx, 1)});
    EXPECT_TRUE(same(cx, result, tuple(cx, {jaxvjp_f64(cx, 10 * bound)})));
  }
  EXPECT_EQ(counts.fwd, 1);
}

// 3 sin(g(x)) with the rule 6 cos(2 x) ct, for a g that is an argument.
TEST(ConformanceF, F8_function_arguments_under_checkpoint) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {call(cx, jaxvjp_self(cx), args), args[1]};
       },
       .bwd =
           [](auto cx, auto x, auto ct, auto slots) {
             slots[1] = times(cx, 6, jaxvjp_mul(cx, jaxvjp_cos(cx, times(cx, 2, x)), ct));
           },
       .primal =
           [](auto cx, auto args) {
             jaxvjp_value* inner = jaxvjp_call1(cx, jaxvjp_as_function(cx, args[0]), args[1]);
             return times(cx, 3, jaxvjp_sin(cx, inner));
           }});
  jaxvjp_value* g = jaxvjp_from_function(
      cx, function(cx, "g", [](auto cx, auto args) { return times(cx, 2, args[0]); }));
  jaxvjp_function* kept = jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING);
  jaxvjp_value* x = jaxvjp_f64(cx, 0.5);
  for (auto [h, how] : eager_and_jit(cx, kept)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, call(cx, h, {g, x}), 3 * std::sin(1.0)));
    jaxvjp_value* gradients = call(cx, with(jaxvjp_grad, cx, h, {1}), {g, x});
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, gradients, 0), 6 * std::cos(1.0)));
  }
}

// H. Rules under vmap.
#include "loops.hpp"

using namespace conformance;

namespace {

// k x with the rule r(x) ct.
jaxvjp_function* linear_with(jaxvjp_context* cx, double k, FwdFn fwd, BwdFn bwd) {
  return custom_vjp(
      cx, "f", {.fwd = std::move(fwd), .bwd = std::move(bwd), .primal = [k](auto cx, auto args) {
                  return times(cx, k, args[0]);
                }});
}

jaxvjp_function* mapped(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_vmap(cx, f, nullptr);
}
jaxvjp_function* slope(jaxvjp_context* cx, jaxvjp_function* f) {
  return jaxvjp_grad(cx, f, nullptr);
}

}  // namespace

TEST(ConformanceH, H1_callbacks_see_one_example) {
  Counts counts;
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     EXPECT_EQ(jaxvjp_ndim(args[0]), 0u);
                                     return self_fwd(cx, args);
                                   },
                                   .bwd =
                                       [](auto cx, auto x, auto ct, auto slots) {
                                         EXPECT_EQ(jaxvjp_ndim(x), 0u);
                                         EXPECT_EQ(jaxvjp_ndim(ct), 0u);
                                         slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct));
                                       },
                                   .primal =
                                       [](auto cx, auto args) {
                                         EXPECT_EQ(jaxvjp_ndim(args[0]), 0u);
                                         return jaxvjp_square(cx, args[0]);
                                       },
                                   .counts = &counts});
  jaxvjp_function *once = mapped(cx, slope(cx, f)), *twice = mapped(cx, once);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, once, vec(cx, {1, 2})), {10, 20}));
  jaxvjp_value* xx = array(cx, {2, 2}, {1, 2, 3, 4});
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, twice, xx), array(cx, {2, 2}, {10, 20, 30, 40})));
  jaxvjp_function* values = mapped(cx, mapped(cx, f));
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, values, xx), array(cx, {2, 2}, {1, 4, 9, 16})));
  EXPECT_GE(counts.bwd, 2);
}

TEST(ConformanceH, H2_vmap_and_grad_in_any_order) {
  Context cx;
  jaxvjp_function* f = sin_rule(cx);
  std::vector<double> sines, slopes;
  for (int i = 0; i < 6; ++i) {
    sines.push_back(std::sin(i));
    slopes.push_back(2 * std::cos(i));
  }
  const auto first3 = [](const std::vector<double>& v) {
    return std::vector<double>(v.begin(), v.begin() + 3);
  };
  jaxvjp_value *x = vec(cx, {0, 1, 2}), *xx = array(cx, {2, 3}, {0, 1, 2, 3, 4, 5});
  jaxvjp_value *sin_x = vec(cx, first3(sines)), *sin_xx = array(cx, {2, 3}, sines);
  jaxvjp_value *slope_x = vec(cx, first3(slopes)), *slope_xx = array(cx, {2, 3}, slopes);

  jaxvjp_function *map1 = mapped(cx, f), *map2 = mapped(cx, map1);
  struct {
    const char* name;
    jaxvjp_function* f;
    jaxvjp_value *at, *expected;
  } const rows[] = {
      {"vmap f", map1, x, sin_x},
      {"vmap vmap f", map2, xx, sin_xx},
      {"vmap grad f", mapped(cx, slope(cx, f)), x, slope_x},
      {"vmap vmap grad f", mapped(cx, mapped(cx, slope(cx, f))), xx, slope_xx},
      {"grad sum vmap f", slope(cx, sum_of(cx, map1)), x, slope_x},
      {"grad sum vmap vmap f", slope(cx, sum_of(cx, map2)), xx, slope_xx},
      {"vmap grad sum vmap f", mapped(cx, slope(cx, sum_of(cx, map1))), xx, slope_xx},
  };
  for (const auto& row : rows)
    for (auto [g, how] : eager_and_jit(cx, row.f)) {
      SCOPED_TRACE(std::string(row.name) + ", " + how);
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, row.at), row.expected));
    }
}

// 3x with the rule 2 cos(x) ct.
TEST(ConformanceH, H3_the_rule_survives_vmap) {
  Context cx;
  jaxvjp_function* f = linear_with(cx, 3, self_fwd, [](auto cx, auto x, auto ct, auto slots) {
    slots[0] = times(cx, 2, jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct));
  });
  jaxvjp_value* x = vec(cx, {0, 1, 2});
  for (auto [g, how] : eager_and_jit(cx, mapped(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {0, 3, 6}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope(cx, sum_of(cx, g)), x),
                     {2, 2 * std::cos(1.0), 2 * std::cos(2.0)}));
  }
}

// 7 x c for an example x and a shared c, with the rule (c ct, sum of x ct): the cotangent of c is
// summed over the examples, that of each x is its own.
TEST(ConformanceH, H4_an_unmapped_arguments_cotangent_is_summed) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "mul",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     jaxvjp_value* xc = jaxvjp_mul(cx, args[0], args[1]);
                                     return {times(cx, 7, xc), tuple(cx, {args[0], args[1]})};
                                   },
                                   .bwd =
                                       [](auto cx, auto residuals, auto ct, auto slots) {
                                         jaxvjp_value *x = jaxvjp_get(cx, residuals, 0),
                                                      *c = jaxvjp_get(cx, residuals, 1);
                                         slots[0] = jaxvjp_mul(cx, ct, c);
                                         slots[1] = sum(cx, jaxvjp_mul(cx, x, ct));
                                       }});
  jaxvjp_value *x = array(cx, {3, 2}, {1, 2, 3, 4, 5, 6}), *c = jaxvjp_f64(cx, 2);
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, f, {0, JAXVJP_AXIS_NONE}))) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* y = vjp(cx, g, {x, c}, &pullback);
    EXPECT_TRUE(same(cx, y, array(cx, {3, 2}, {14, 28, 42, 56, 70, 84})));
    jaxvjp_value* ct = array(cx, {3, 2}, {1, 1, 1, 1, 1, 1});
    jaxvjp_value* expected = tuple(cx, {array(cx, {3, 2}, {2, 2, 2, 2, 2, 2}), jaxvjp_f64(cx, 21)});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, pullback, ct), expected));
  }
}

namespace {

// The sum over a loop's rows x of the sum over their elements of mul(x, c); mul = k x c has the
// rule (c ct, sum of x ct), which is its derivative for k = 1.
jaxvjp_function* loop_of_mapped_products(jaxvjp_context* cx, double k) {
  jaxvjp_function* f = custom_vjp(
      cx, "mul",
      {.fwd = self_fwd,
       .bwd =
           [](auto cx, auto kept, auto ct, auto slots) {
             jaxvjp_value *x = jaxvjp_get(cx, kept, 0), *c = jaxvjp_get(cx, kept, 1);
             slots[0] = jaxvjp_mul(cx, ct, c);
             slots[1] = sum(cx, jaxvjp_mul(cx, x, ct));
           },
       .primal = [k](auto cx,
                     auto args) { return times(cx, k, jaxvjp_mul(cx, args[0], args[1])); }});
  return function(cx, "loop", [f](auto cx, auto args) {
    const Body body = [f, c = args[1]](auto cx, auto total, auto x) -> Step {
      jaxvjp_value* y = call(cx, vmap(cx, f, {0, JAXVJP_AXIS_NONE}), {x, c});
      return {jaxvjp_add(cx, total, sum(cx, y)), y};
    };
    return jaxvjp_get(cx, scan(cx, body, num(cx, 0), args[0]), 0);
  });
}

}  // namespace

TEST(ConformanceH, H4_an_unmapped_arguments_cotangent_in_a_loop) {
  Context cx;
  jaxvjp_value *x = array(cx, {3, 2}, {1, 2, 3, 4, 5, 6}), *c = jaxvjp_f64(cx, 2);
  jaxvjp_function* loss = loop_of_mapped_products(cx, 7);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, loss, {0, 1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* twos = array(cx, {3, 2}, {2, 2, 2, 2, 2, 2});
    jaxvjp_value* slopes = tuple(cx, {twos, jaxvjp_f64(cx, 21)});
    EXPECT_TRUE(same(cx, call(cx, g, {x, c}), tuple(cx, {jaxvjp_f64(cx, 294), slopes})));
  }
  jaxvjp_value* args[] = {x, c};
  jaxvjp_check_options options{};
  options.struct_size = sizeof options;
  options.order = 2;
  EXPECT_EQ(jaxvjp_check_vjp(cx, loop_of_mapped_products(cx, 1), args, 2, &options), 0);
  EXPECT_TRUE(no_error(cx));
}

TEST(ConformanceH, H5_an_unmapped_answer_of_bwd_is_broadcast) {
  Context cx;
  jaxvjp_function* f = linear_with(
      cx, 2, self_fwd, [](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f64(cx, 3); });
  for (auto [g, how] : eager_and_jit(cx, slope(cx, sum_of(cx, mapped(cx, f))))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {0, 1, 2})), {3, 3, 3}));
  }
}

// sum(x^2) of each column of a 2 x 3 matrix, with the rule 10 x ct.
TEST(ConformanceH, H6_the_cotangent_comes_back_along_the_mapped_axis) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    EXPECT_EQ(shape(args[0]), std::vector<int64_t>{2});
                    return {sum(cx, jaxvjp_square(cx, args[0])), args[0]};
                  },
                  .bwd = [](auto cx, auto x, auto ct,
                            auto slots) { slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct)); }});
  jaxvjp_value* x = array(cx, {2, 3}, {0, 1, 2, 3, 4, 5});
  for (int64_t axis : {1, -1})
    for (auto [g, how] : eager_and_jit(cx, vmap(cx, f, {axis}))) {
      SCOPED_TRACE(how);
      jaxvjp_function* pullback = nullptr;
      EXPECT_TRUE(near(cx, vjp(cx, g, {x}, &pullback), {9, 17, 29}));
      jaxvjp_value* cts = jaxvjp_call1(cx, pullback, vec(cx, {1, 2, 3}));
      jaxvjp_value* expected = array(cx, {2, 3}, {0, 20, 60, 30, 80, 150});
      EXPECT_TRUE(same(cx, cts, tuple(cx, {expected})));
    }
}

// The sum over the last axis with the rule ten times ct for each element.
TEST(ConformanceH, H7_a_reduction_inside_a_rule_mapped_inside_a_loop) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "sum",
      {.fwd = [](auto cx, auto args) -> Fwd {
         EXPECT_EQ(shape(args[0]), std::vector<int64_t>{3});
         return {
             sum(cx, args[0]),
             times(cx, 10, jaxvjp_add(cx, jaxvjp_zeros_like(cx, args[0]), jaxvjp_number(cx, 1)))};
       },
       .bwd = [](auto cx, auto ones, auto ct,
                 auto slots) { slots[0] = jaxvjp_mul(cx, ones, ct); }});
  jaxvjp_function* loss = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f, x](auto cx, auto total, auto) -> Step {
      return {jaxvjp_add(cx, total, sum(cx, jaxvjp_call1(cx, mapped(cx, f), x))), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, num(cx, 0), jaxvjp_none(cx), 1), 0);
  });
  jaxvjp_value* x = array(cx, {10, 3}, std::vector<double>(30, 1));
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, loss, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* tens = array(cx, {10, 3}, std::vector<double>(30, 10));
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), tuple(cx, {num(cx, 30), tens})));
  }
}

// The primal is a constant 0, fwd's value is 0 x: more batched under vmap, and the same value.
TEST(ConformanceH, H9_fwd_may_be_more_batched_than_primal) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {times(cx, 0, args[0]), args[0]};
                  },
                  .bwd = [](auto cx, auto x, auto ct,
                            auto slots) { slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct)); },
                  .primal = [](auto cx, auto) { return jaxvjp_f64(cx, 0); }});
  jaxvjp_value* x = vec(cx, {1, 2, 3});
  for (auto [g, how] : eager_and_jit(cx, mapped(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {0, 0, 0}));
    jaxvjp_function* pullback = nullptr;
    EXPECT_TRUE(near(cx, vjp(cx, g, {x}, &pullback), {0, 0, 0}));
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, vec(cx, {1, 1, 1}));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), {10, 20, 30}));
  }
}

// Where the sum over examples happens is the library's choice: only the last bits may differ from
// adding the examples' cotangents up one by one.
TEST(ConformanceH, H10_the_place_of_the_sum_is_free) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     return {jaxvjp_mul(cx, args[0], args[1]), args[0]};
                                   },
                                   .bwd =
                                       [](auto cx, auto x, auto ct, auto slots) {
                                         slots[0] = jaxvjp_zero(cx);
                                         slots[1] =
                                             times(cx, 10, jaxvjp_mul(cx, jaxvjp_sin(cx, x), ct));
                                       }});
  jaxvjp_function* loss = sum_of(cx, vmap(cx, f, {0, JAXVJP_AXIS_NONE}));
  std::vector<double> xs;
  double expected = 0;
  for (int i = 0; i < 1000; ++i) {
    xs.push_back(0.001 * i);
    expected += 10 * std::sin(0.001 * i);
  }
  jaxvjp_value *x = vec(cx, xs), *c = jaxvjp_f64(cx, 2);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, loss, {1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, call(cx, g, {x, c}), 0), expected, 1e-12));
  }
}

// x y with the rule (10 y ct, 100 x ct), compiled before it is mapped.
TEST(ConformanceH, H11_vmap_of_jit_with_mixed_axes) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     jaxvjp_value* xy = jaxvjp_mul(cx, args[0], args[1]);
                                     return {xy, tuple(cx, {args[0], args[1]})};
                                   },
                                   .bwd =
                                       [](auto cx, auto residuals, auto ct, auto slots) {
                                         jaxvjp_value *x = jaxvjp_get(cx, residuals, 0),
                                                      *y = jaxvjp_get(cx, residuals, 1);
                                         slots[0] = times(cx, 10, jaxvjp_mul(cx, y, ct));
                                         slots[1] = times(cx, 100, jaxvjp_mul(cx, x, ct));
                                       }});
  jaxvjp_function* g = vmap(cx, jaxvjp_jit(cx, f, nullptr), {0, JAXVJP_AXIS_NONE});
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* y = vjp(cx, g, {vec(cx, {1, 2, 3}), jaxvjp_f64(cx, 5)}, &pullback);
  EXPECT_TRUE(near(cx, y, {5, 10, 15}));
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, vec(cx, {1, 1, 1}));
  jaxvjp_value* expected = tuple(cx, {vec(cx, {50, 50, 50}), jaxvjp_f64(cx, 600)});
  EXPECT_TRUE(same(cx, cts, expected));
}

TEST(ConformanceH, H12_a_vmapped_pullback_may_be_called_again) {
  Context cx;
  jaxvjp_function* f = linear_with(cx, 2, self_fwd, [](auto cx, auto x, auto ct, auto slots) {
    slots[0] = times(cx, 10, jaxvjp_mul(cx, x, ct));
  });
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {jaxvjp_f64(cx, 3)}, &pullback);
  jaxvjp_function* many = mapped(cx, pullback);
  for (int i = 0; i < 2; ++i) {
    jaxvjp_value* cts = jaxvjp_call1(cx, many, vec(cx, {1, 2, 3}));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), {30, 60, 90}));
  }
}

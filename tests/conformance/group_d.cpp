// D. Integers and float0, precision, and cotangents of the wrong type.
#include "loops.hpp"

using namespace conformance;

namespace {

// x of (x, i) with the rule (2 ct, ...): `write` fills the slot of the integer.
jaxvjp_function* with_integer(jaxvjp_context* cx,
                              std::function<void(jaxvjp_context*, jaxvjp_value**)> write) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {args[0], jaxvjp_none(cx)};
                     },
                     .bwd =
                         [write](auto cx, auto, auto ct, auto slots) {
                           slots[0] = times(cx, 2, ct);
                           write(cx, &slots[1]);
                         },
                     .primal = [](auto, auto args) { return args[0]; }});
}

jaxvjp_value* integers(jaxvjp_context* cx, const std::vector<int64_t>& data) {
  const int64_t n = static_cast<int64_t>(data.size());
  return jaxvjp_array(cx, JAXVJP_I64, &n, 1, data.data());
}

AssertionResult is_float0(const jaxvjp_value* v, const std::vector<int64_t>& expected_shape) {
  if (jaxvjp_dtype(v) != JAXVJP_FLOAT0) return AssertionFailure() << "dtype " << jaxvjp_dtype(v);
  if (shape(v) != expected_shape) return AssertionFailure() << "another shape";
  return AssertionSuccess();
}

}  // namespace

TEST(ConformanceD, D1_an_integers_cotangent_is_float0) {
  Context cx;
  using Write = std::function<void(jaxvjp_context*, jaxvjp_value**)>;
  const std::pair<const char*, Write> rows[] = {
      {"unset", [](auto, auto) {}},
      {"number", [](auto cx, auto slot) { *slot = jaxvjp_number(cx, 1); }},
      {"i64", [](auto cx, auto slot) { *slot = jaxvjp_i64(cx, 1); }},
      {"f64", [](auto cx, auto slot) { *slot = jaxvjp_f64(cx, 1); }},
      {"zero", [](auto cx, auto slot) { *slot = jaxvjp_zero(cx); }},
  };
  for (const auto& [name, write] : rows) {
    jaxvjp_function* f = with_integer(cx, write);
    jaxvjp_function* slopes = with(jaxvjp_grad, cx, f, {0, 1}, JAXVJP_ALLOW_INT);
    for (auto [g, how] : eager_and_jit(cx, slopes)) {
      SCOPED_TRACE(std::string(name) + " " + how);
      jaxvjp_value* result = call(cx, g, {jaxvjp_f64(cx, 2), jaxvjp_i64(cx, 3)});
      EXPECT_TRUE(near(cx, jaxvjp_get(cx, result, 0), 2.0));
      EXPECT_TRUE(is_float0(jaxvjp_get(cx, result, 1), {}));
    }
  }
}

TEST(ConformanceD, D2_the_value_of_an_integers_slot_is_ignored) {
  Context cx;
  jaxvjp_function* f = with_integer(cx, [](auto cx, auto slot) { *slot = jaxvjp_i64(cx, 1); });
  jaxvjp_function* slope = with(jaxvjp_grad, cx, f, {1}, JAXVJP_ALLOW_INT);
  for (auto [g, how] : eager_and_jit(cx, slope)) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = call(cx, g, {jaxvjp_f64(cx, 2), jaxvjp_i64(cx, 3)});
    EXPECT_TRUE(no_error(cx));
    EXPECT_TRUE(is_float0(jaxvjp_get(cx, result, 0), {}));
  }
}

TEST(ConformanceD, D3_zero_for_an_array_of_integers) {
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     return {jaxvjp_sin(cx, args[1]), jaxvjp_cos(cx, args[1])};
                                   },
                                   .bwd =
                                       [](auto cx, auto c, auto ct, auto slots) {
                                         slots[0] = jaxvjp_zero(cx);
                                         slots[1] = times(cx, 2, jaxvjp_mul(cx, c, ct));
                                       }});
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = call(cx, g, {integers(cx, {1, 2}), jaxvjp_f64(cx, 3)});
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, result, 0), 2 * std::cos(3.0)));
  }
}

TEST(ConformanceD, D4_float0_in_a_loops_carry) {
  Context cx;
  jaxvjp_function* f = with_integer(cx, [](auto cx, auto slot) { *slot = jaxvjp_i64(cx, 1); });
  jaxvjp_function* looped = function(cx, "looped", [f](auto cx, auto args) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      jaxvjp_value *x = jaxvjp_get(cx, c, 0), *i = jaxvjp_get(cx, c, 1);
      return {tuple(cx, {jaxvjp_call2(cx, f, x, i), i}), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, args[0], jaxvjp_none(cx), 1), 0);
  });
  jaxvjp_function* first = item_of(cx, looped, 0);
  jaxvjp_value* pair = tuple(cx, {jaxvjp_f64(cx, 2), jaxvjp_i64(cx, 3)});
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, first, {}, JAXVJP_ALLOW_INT))) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = jaxvjp_call1(cx, g, pair);
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, result, 0), 2.0));
    EXPECT_TRUE(is_float0(jaxvjp_get(cx, result, 1), {}));
  }
  for (auto [g, how] : eager_and_jit(cx, looped)) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = nullptr;
    EXPECT_TRUE(same(cx, vjp(cx, g, {pair}, &pullback), pair));
    jaxvjp_value* ct = tuple(cx, {jaxvjp_f64(cx, 5), jaxvjp_zero(cx)});
    jaxvjp_value* result = jaxvjp_get(cx, jaxvjp_call1(cx, pullback, ct), 0);
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, result, 0), 10.0));
    EXPECT_TRUE(is_float0(jaxvjp_get(cx, result, 1), {}));
  }
}

TEST(ConformanceD, D5_a_gradient_with_respect_to_an_integer_is_asked_for_by_a_flag) {
  Context cx;
  jaxvjp_function* f =
      function(cx, "square", [](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[0]); });
  jaxvjp_function* g = jaxvjp_grad(cx, f, nullptr);
  jaxvjp_value* result = jaxvjp_call1(cx, g, jaxvjp_i64(cx, 3));
  EXPECT_TRUE(fails(cx, result, JAXVJP_IN_DTYPE, {"square", "i64[]", "0"}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 6.0));
}

TEST(ConformanceD, D6_float0_has_no_arithmetic) {
  Context cx;
  jaxvjp_function* f = with_integer(cx, [](auto, auto) {});
  jaxvjp_function* slope = with(jaxvjp_grad, cx, f, {1}, JAXVJP_ALLOW_INT);
  jaxvjp_value* result = call(cx, slope, {jaxvjp_f64(cx, 2), jaxvjp_i64(cx, 3)});
  jaxvjp_value* float0 = jaxvjp_get(cx, result, 0);
  ASSERT_TRUE(is_float0(float0, {}));
  EXPECT_TRUE(fails(cx, jaxvjp_add(cx, float0, float0), JAXVJP_DTYPE, {"add", "float0"}));
  EXPECT_TRUE(fails(cx, jaxvjp_sin(cx, float0), JAXVJP_DTYPE, {"sin", "float0"}));
  const int64_t one[1] = {1};
  EXPECT_TRUE(is_float0(jaxvjp_reshape(cx, float0, one, 1), {1}));
}

namespace {

// Rows 1, 2, 1 of a bf16[7,4], times 10, whose rule forgets the 10 and answers in `dtype`.
jaxvjp_function* rows_121(jaxvjp_context* cx, int32_t dtype, int32_t flags) {
  std::vector<double> picks(21, 0.0);
  picks[1] = picks[7 + 2] = picks[14 + 1] = 1;
  return custom_vjp(cx, "rows",
                    {.fwd = [picks](auto cx, auto args) -> Fwd {
                       jaxvjp_value* one_hot = array(cx, {3, 7}, picks, JAXVJP_BF16);
                       jaxvjp_value* out = jaxvjp_matmul(cx, one_hot, times(cx, 10, args[0]));
                       return {out, jaxvjp_none(cx)};
                     },
                     .bwd =
                         [picks, dtype](auto cx, auto, auto ct, auto slots) {
                           jaxvjp_value* one_hot = array(cx, {3, 7}, picks, dtype);
                           slots[0] = jaxvjp_matmul(cx, jaxvjp_matrix_transpose(cx, one_hot),
                                                    jaxvjp_convert(cx, ct, dtype));
                         },
                     .flags = flags,
                     .arg_names = {"table"}});
}

}  // namespace

TEST(ConformanceD, D7_another_precision_is_refused_unless_widening_is_declared) {
  Context cx;
  jaxvjp_value* x = array(cx, {7, 4}, std::vector<double>(28, 1.0), JAXVJP_BF16);
  std::vector<double> expected(28, 0.0);
  for (int column = 0; column < 4; ++column) expected[4 + column] = 2, expected[8 + column] = 1;

  jaxvjp_function* exact = jaxvjp_grad(cx, sum_of(cx, rows_121(cx, JAXVJP_F32, 0)), nullptr);
  for (auto [g, how] : eager_and_jit(cx, exact)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, x), JAXVJP_BWD_AVAL,
                      {"bwd", "rows", "table", "bf16[7,4]", "f32[7,4]"}));
  }
  jaxvjp_function* wide = rows_121(cx, JAXVJP_F32, JAXVJP_WIDEN);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, sum_of(cx, wide), nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), array(cx, {7, 4}, expected, JAXVJP_BF16)));
  }
}

// 1 + 2^-8 + 2^-40 lies just above the middle of 1 and the next bf16, 1 + 2^-7. Rounded to f32
// first, it would be the middle itself, and go to 1.
TEST(ConformanceD, D7_a_widened_cotangent_is_rounded_once) {
  Context cx;
  const double ct = 1 + std::ldexp(1, -8) + std::ldexp(1, -40);
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {args[0], jaxvjp_none(cx)};
                  },
                  .bwd = [ct](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f64(cx, ct); },
                  .flags = JAXVJP_WIDEN});
  jaxvjp_value* x = jaxvjp_convert(cx, jaxvjp_f64(cx, 3), JAXVJP_BF16);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* slope = jaxvjp_call1(cx, g, x);
    EXPECT_EQ(jaxvjp_dtype(slope), JAXVJP_BF16);
    EXPECT_EQ(numbers(cx, slope), std::vector<double>{1 + std::ldexp(1, -7)});
  }
}

TEST(ConformanceD, D7_widening_does_not_narrow) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {args[0], jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto, auto slots) { slots[0] = jaxvjp_f32(cx, 1); },
                  .flags = JAXVJP_WIDEN});
  jaxvjp_value* result = jaxvjp_call1(cx, jaxvjp_grad(cx, f, nullptr), jaxvjp_f64(cx, 3));
  EXPECT_TRUE(fails(cx, result, JAXVJP_BWD_AVAL, {"bwd", "f64[]", "f32[]"}));
}

namespace {

// x + sum(y), whose bwd answers f32[3] for the f32[4] of y.
jaxvjp_function* wrong_shape(jaxvjp_context* cx, int32_t flags) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {jaxvjp_add(cx, args[0], sum(cx, args[1])), jaxvjp_none(cx)};
                     },
                     .bwd =
                         [](auto cx, auto, auto ct, auto slots) {
                           slots[0] = ct;
                           slots[1] = vec(cx, {1, 2, 3}, JAXVJP_F32);
                         },
                     .flags = flags});
}

void expect_wrong_shape(jaxvjp_context* cx, jaxvjp_function* f) {
  jaxvjp_value *x = jaxvjp_f32(cx, 2), *y = vec(cx, {1, 2, 3, 4}, JAXVJP_F32);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {0, 1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, call(cx, g, {x, y}), JAXVJP_BWD_AVAL,
                      {"bwd", "f", "[1]", "f32[3]", "f32[4]", "shape"}));
  }
}

}  // namespace

TEST(ConformanceD, D8_a_wrong_shape_names_path_and_both_types) {
  Context cx;
  expect_wrong_shape(cx, wrong_shape(cx, 0));
}

// JAX has a configuration flag that turns the check off; here nothing does.
TEST(ConformanceD, D9_no_flag_disables_the_check) {
  Context cx;
  expect_wrong_shape(cx,
                     wrong_shape(cx, JAXVJP_SYMBOLIC_ZEROS | JAXVJP_RUN_ON_ZERO | JAXVJP_WIDEN));
}

// x^4 of an f32, computed and answered in f64, with the rule 5 x^2 ct: 45, 30 and 10 at 3.
TEST(ConformanceD, D10_f64_inside_and_f32_outside) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    jaxvjp_value* x = jaxvjp_convert(cx, args[0], JAXVJP_F64);
                    return {jaxvjp_square(cx, jaxvjp_square(cx, x)), args[0]};
                  },
                  .bwd =
                      [](auto cx, auto residual, auto ct, auto slots) {
                        EXPECT_EQ(jaxvjp_dtype(ct), JAXVJP_F64);
                        jaxvjp_value* x = jaxvjp_convert(cx, residual, JAXVJP_F64);
                        jaxvjp_value* slope = times(cx, 5, jaxvjp_square(cx, x));
                        slots[0] = jaxvjp_convert(cx, jaxvjp_mul(cx, ct, slope), JAXVJP_F32);
                      }});
  jaxvjp_value* x = jaxvjp_f32(cx, 3);
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, x), jaxvjp_f64(cx, 81)));
  for (float expected : {45.f, 30.f, 10.f}) {
    f = jaxvjp_grad(cx, f, nullptr);
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, x), jaxvjp_f32(cx, expected)));
    }
  }
}

// E. Symbolic zeros: which arguments are perturbed, which cotangents are zeros without an array.
#include "rules.hpp"

using namespace conformance;

namespace {

std::string perturbed(jaxvjp_context* cx, Args args) {
  std::string bits;
  for (size_t i = 0; i < args.n; ++i) bits += jaxvjp_is_perturbed(cx, args[i]) == 1 ? 'T' : 'F';
  return bits;
}

// (x, y) as they are, with a rule of 10 times the first cotangent; the zero that bwd gets for the
// second output is its answer for the second argument.
jaxvjp_function* pair(jaxvjp_context* cx, std::string* bits, int32_t flags) {
  return custom_vjp(cx, "pair",
                    {.fwd = [bits](auto cx, auto args) -> Fwd {
                       *bits += perturbed(cx, args) + " ";
                       return {tuple(cx, {args[0], args[1]}), jaxvjp_none(cx)};
                     },
                     .bwd =
                         [](auto cx, auto, auto ct, auto slots) {
                           EXPECT_FALSE(jaxvjp_is_zero(jaxvjp_get(cx, ct, 0)));
                           EXPECT_EQ(jaxvjp_ndim(jaxvjp_get(cx, ct, 1)), 0u);
                           slots[0] = times(cx, 10, jaxvjp_get(cx, ct, 0));
                           slots[1] = jaxvjp_get(cx, ct, 1);
                           EXPECT_TRUE(jaxvjp_is_zero(slots[1]));
                         },
                     .primal =
                         [](auto cx, auto args) {
                           return tuple(cx, {args[0], args[1]});
                         },
                     .flags = flags});
}

}  // namespace

// x y + z with the rule 10 y ct for x; asked without any flag.
TEST(ConformanceE, E1_fwd_knows_what_is_perturbed) {
  Context cx;
  std::string bits;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [&bits](auto cx, auto args) -> Fwd {
                                     bits = perturbed(cx, args);
                                     jaxvjp_value* xy = jaxvjp_mul(cx, args[0], args[1]);
                                     return {jaxvjp_add(cx, xy, args[2]), args[1]};
                                   },
                                   .bwd =
                                       [](auto cx, auto y, auto ct, auto slots) {
                                         EXPECT_EQ(jaxvjp_is_needed(cx, 0), 1);
                                         EXPECT_EQ(jaxvjp_is_needed(cx, 1), 0);
                                         EXPECT_EQ(jaxvjp_is_needed(cx, 2), 0);
                                         slots[0] = times(cx, 10, jaxvjp_mul(cx, y, ct));
                                       }});
  jaxvjp_value *x = vec(cx, {1, 2}), *y = vec(cx, {3, 4}), *z = vec(cx, {5, 6});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_jacrev(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    bits.clear();
    jaxvjp_value* jacobian = call(cx, g, {x, y, z});
    EXPECT_TRUE(same(cx, jacobian, array(cx, {2, 2}, {30, 0, 0, 40})));
    EXPECT_EQ(bits, "TFF");
  }
}

TEST(ConformanceE, E2_unused_outputs_are_typed_zeros) {
  Counts counts;
  Context cx;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     jaxvjp_value* wide = jaxvjp_convert(cx, args[1], JAXVJP_F32);
                                     return {tuple(cx, {args[0], wide}), jaxvjp_none(cx)};
                                   },
                                   .bwd =
                                       [](auto cx, auto, auto ct, auto slots) {
                                         jaxvjp_value *ct0 = jaxvjp_get(cx, ct, 0),
                                                      *ct1 = jaxvjp_get(cx, ct, 1);
                                         EXPECT_FALSE(jaxvjp_is_zero(ct0));
                                         EXPECT_TRUE(jaxvjp_is_zero(ct1));
                                         EXPECT_EQ(jaxvjp_kind(ct1), JAXVJP_ZERO);
                                         EXPECT_EQ(jaxvjp_dtype(ct1), JAXVJP_F32);
                                         EXPECT_EQ(shape(ct1), (std::vector<int64_t>{2, 3}));
                                         slots[0] = times(cx, 10, ct0);
                                         slots[1] = jaxvjp_zero(cx);
                                       },
                                   .flags = JAXVJP_SYMBOLIC_ZEROS,
                                   .counts = &counts});
  jaxvjp_function* slopes = with(jaxvjp_grad, cx, item_of(cx, f, 0), {0, 1});
  jaxvjp_value *x = jaxvjp_f64(cx, 1), *y = array(cx, {2, 3}, {1, 2, 3, 4, 5, 6});
  for (auto [g, how] : eager_and_jit(cx, slopes)) {
    SCOPED_TRACE(how);
    jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, 10), jaxvjp_zeros_like(cx, y)});
    EXPECT_TRUE(same(cx, call(cx, g, {x, y}), expected));
  }
  EXPECT_GE(counts.bwd, 2);
}

// f(x, y) -> (x, y): a zero given is a zero taken.
TEST(ConformanceE, E3_bwd_may_hand_a_zero_on) {
  Context cx;
  std::string bits;
  jaxvjp_function* f = pair(cx, &bits, JAXVJP_SYMBOLIC_ZEROS);
  jaxvjp_function* slopes = with(jaxvjp_grad, cx, item_of(cx, f, 0), {0, 1});
  for (auto [g, how] : eager_and_jit(cx, slopes)) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = call(cx, g, {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)});
    EXPECT_TRUE(same(cx, result, tuple(cx, {jaxvjp_f64(cx, 10), jaxvjp_f64(cx, 0)})));
  }
  EXPECT_EQ(bits, "TT TT ");
}

// Three arrays of sizes 1, 2, 3; bwd puts the third output's zero into the second argument's slot.
TEST(ConformanceE, E4_a_zero_of_another_type_is_refused) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {tuple(cx, {args[0], args[1], args[2]}), jaxvjp_none(cx)};
                  },
                  .bwd =
                      [](auto cx, auto, auto ct, auto slots) {
                        slots[0] = times(cx, 10, jaxvjp_get(cx, ct, 0));
                        slots[1] = jaxvjp_get(cx, ct, 2);
                        slots[2] = jaxvjp_get(cx, ct, 1);
                      },
                  .flags = JAXVJP_SYMBOLIC_ZEROS});
  jaxvjp_function* slopes = with(jaxvjp_grad, cx, sum_of(cx, item_of(cx, f, 0)), {0, 1, 2});
  jaxvjp_value *x = vec(cx, {1}), *y = vec(cx, {1, 2}), *z = vec(cx, {1, 2, 3});
  for (auto [g, how] : eager_and_jit(cx, slopes)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, call(cx, g, {x, y, z}), JAXVJP_BWD_AVAL,
                      {"bwd", "f", "[1]", "f64[2]", "f64[3]", "jaxvjp_zero"}));
  }
}

namespace {

// (s, a, s + d, a + e) of a scalar s and an array a that are not differentiated, and a scalar d and
// an array e that are. The rule adds 92 and 93 to the last two cotangents.
jaxvjp_function* mixed(jaxvjp_context* cx, std::string* bits) {
  return custom_vjp(cx, "mixed",
                    {.fwd = [bits](auto cx, auto args) -> Fwd {
                       *bits = perturbed(cx, args);
                       jaxvjp_value *sd = jaxvjp_add(cx, args[0], args[2]),
                                    *ae = jaxvjp_add(cx, args[1], args[3]);
                       return {tuple(cx, {args[0], args[1], sd, ae}), jaxvjp_none(cx)};
                     },
                     .bwd =
                         [](auto cx, auto, auto ct, auto slots) {
                           EXPECT_TRUE(jaxvjp_is_zero(jaxvjp_get(cx, ct, 0)));
                           for (size_t i : {1, 2, 3})
                             EXPECT_FALSE(jaxvjp_is_zero(jaxvjp_get(cx, ct, i)));
                           slots[0] = slots[1] = jaxvjp_zero(cx);
                           slots[2] = jaxvjp_add(cx, jaxvjp_get(cx, ct, 2), jaxvjp_number(cx, 92));
                           slots[3] = jaxvjp_add(cx, jaxvjp_get(cx, ct, 3), jaxvjp_number(cx, 93));
                         },
                     .flags = JAXVJP_SYMBOLIC_ZEROS});
}

// The row's numbers, with `batch` copies of each along a leading axis when that is not 0.
jaxvjp_value* repeated(jaxvjp_context* cx, std::vector<int64_t> dims, std::vector<double> data,
                       int batch) {
  std::vector<double> all = data;
  for (int i = 1; i < batch; ++i) all.insert(all.end(), data.begin(), data.end());
  if (batch) dims.insert(dims.begin(), batch);
  return array(cx, dims, all);
}

class SymbolicZeros : public testing::TestWithParam<std::tuple<bool, int>> {};

}  // namespace

TEST_P(SymbolicZeros, E5_mixed_arguments) {
  const auto [staged, batch] = GetParam();
  Context cx;
  std::string bits;
  jaxvjp_function* f = mixed(cx, &bits);
  if (batch) f = jaxvjp_vmap(cx, f, nullptr);
  jaxvjp_value *s = repeated(cx, {}, {1}, batch), *a = repeated(cx, {2}, {2, 3}, batch);
  jaxvjp_function* g = function(cx, "g", [f, s, a](auto cx, auto args) {
    jaxvjp_value* out = call(cx, f, {s, a, args[0], args[1]});
    return tuple(cx, {jaxvjp_get(cx, out, 1), jaxvjp_get(cx, out, 2), jaxvjp_get(cx, out, 3)});
  });
  if (staged) g = jaxvjp_jit(cx, g, nullptr);

  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* y =
      vjp(cx, g, {repeated(cx, {}, {4}, batch), repeated(cx, {2}, {5, 6}, batch)}, &pullback);
  jaxvjp_value* sd = repeated(cx, {}, {5}, batch);
  EXPECT_TRUE(same(cx, y, tuple(cx, {a, sd, repeated(cx, {2}, {7, 9}, batch)})));
  EXPECT_EQ(bits, "FFTT");

  jaxvjp_value* ct_a = repeated(cx, {2}, {10, 11}, batch);
  jaxvjp_value* ct_sd = repeated(cx, {}, {7}, batch);
  jaxvjp_value* ct = tuple(cx, {ct_a, ct_sd, repeated(cx, {2}, {8, 9}, batch)});
  jaxvjp_value* expected_d = repeated(cx, {}, {99}, batch);
  jaxvjp_value* expected = tuple(cx, {expected_d, repeated(cx, {2}, {101, 102}, batch)});
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, pullback, ct), expected));
}

INSTANTIATE_TEST_SUITE_P(ConformanceE, SymbolicZeros,
                         testing::Combine(testing::Bool(), testing::Values(0, 2)));

TEST(ConformanceE, E6_bits_and_zeros_through_vmap) {
  Context cx;
  std::string bits;
  jaxvjp_function* mapped = jaxvjp_vmap(cx, pair(cx, &bits, JAXVJP_SYMBOLIC_ZEROS), nullptr);
  jaxvjp_function* loss = sum_of(cx, item_of(cx, mapped, 0));
  jaxvjp_value *xs = vec(cx, {1, 2, 3}), *ys = vec(cx, {4, 5, 6});
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, loss, {0, 1}))) {
    SCOPED_TRACE(how);
    bits.clear();
    jaxvjp_value* expected = tuple(cx, {vec(cx, {10, 10, 10}), vec(cx, {0, 0, 0})});
    EXPECT_TRUE(same(cx, call(cx, g, {xs, ys}), expected));
    EXPECT_EQ(bits, "TT ");
  }
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, loss, nullptr))) {
    SCOPED_TRACE(how);
    bits.clear();
    EXPECT_TRUE(near(cx, call(cx, g, {xs, ys}), {10, 10, 10}));
    EXPECT_EQ(bits, "TF ");
  }
}

// box.value * y with the rule (10 y ct, 20 value ct): the box and its leaf are the values
// themselves, not wrappers, and both answer is_perturbed.
TEST(ConformanceE, E7_containers_hold_plain_values) {
  Context cx;
  std::string bits;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [&bits](auto cx, auto args) -> Fwd {
         jaxvjp_value* value = jaxvjp_lookup(cx, args[0], "value");
         EXPECT_EQ(jaxvjp_kind(value), JAXVJP_ARRAY);
         jaxvjp_value* const asked[] = {args[0], value, args[1]};
         bits += perturbed(cx, {asked, 3}) + " ";
         return {jaxvjp_mul(cx, value, args[1]), tuple(cx, {value, args[1]})};
       },
       .bwd =
           [](auto cx, auto residuals, auto ct, auto slots) {
             jaxvjp_value *value = jaxvjp_get(cx, residuals, 0), *y = jaxvjp_get(cx, residuals, 1);
             jaxvjp_value* ct_value = times(cx, 10, jaxvjp_mul(cx, y, ct));
             slots[0] = dict(cx, {{"value", ct_value}});
             slots[1] = times(cx, 20, jaxvjp_mul(cx, value, ct));
           },
       .flags = JAXVJP_SYMBOLIC_ZEROS});
  jaxvjp_value *box = dict(cx, {{"value", jaxvjp_f64(cx, 72)}}), *y = jaxvjp_f64(cx, 73);
  jaxvjp_value* d_box = dict(cx, {{"value", jaxvjp_f64(cx, 730)}});
  jaxvjp_value* expected = tuple(cx, {d_box, jaxvjp_f64(cx, 1440)});
  EXPECT_TRUE(same(cx, call(cx, with(jaxvjp_grad, cx, f, {0, 1}), {box, y}), expected));
  EXPECT_TRUE(same(cx, call(cx, jaxvjp_grad(cx, f, nullptr), {box, y}), d_box));
  EXPECT_EQ(bits, "TTT TTF ");
}

// One staged call, differentiated with respect to both arguments and then to x alone.
TEST(ConformanceE, E8_each_pattern_of_zeros_has_its_own_program) {
  Context cx;
  std::string bits;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [&bits](auto cx, auto args) -> Fwd {
         bits += perturbed(cx, args) + " ";
         jaxvjp_value* out = jaxvjp_mul(cx, args[0], args[1]);
         return {out, tuple(cx, {args[0], args[1]})};
       },
       .bwd =
           [](auto cx, auto residuals, auto ct, auto slots) {
             jaxvjp_value *x = jaxvjp_get(cx, residuals, 0), *y = jaxvjp_get(cx, residuals, 1);
             slots[0] = times(cx, 10, jaxvjp_mul(cx, y, ct));
             if (jaxvjp_is_needed(cx, 1)) slots[1] = times(cx, 20, jaxvjp_mul(cx, x, ct));
           },
       .primal = [](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[1]); },
       .flags = JAXVJP_SYMBOLIC_ZEROS});
  jaxvjp_function* staged = jaxvjp_jit(cx, f, nullptr);
  jaxvjp_value *x = jaxvjp_f64(cx, 2), *y = jaxvjp_f64(cx, 3);
  for (int round = 0; round < 2; ++round) {
    jaxvjp_function* pullback = nullptr;
    vjp(cx, staged, {x, y}, &pullback);
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
    EXPECT_TRUE(same(cx, cts, tuple(cx, {jaxvjp_f64(cx, 30), jaxvjp_f64(cx, 40)})));
    EXPECT_TRUE(near(cx, call(cx, jaxvjp_grad(cx, staged, nullptr), {x, y}), 30.0));
  }
  EXPECT_EQ(bits.substr(0, 6), "TT TF ");
}

// A number behind an opaque pointer is no value: it arrives as it is, and is never perturbed.
TEST(ConformanceE, E10_static_arguments_arrive_as_they_are) {
  static double k = 2;
  Context cx;
  std::string bits;
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [&bits](auto cx, auto args) -> Fwd {
                                     bits = perturbed(cx, args);
                                     EXPECT_EQ(jaxvjp_as_pointer(cx, args[0]), &k);
                                     return {args[1], args[0]};
                                   },
                                   .bwd =
                                       [](auto cx, auto residual, auto ct, auto slots) {
                                         const double* k =
                                             static_cast<double*>(jaxvjp_as_pointer(cx, residual));
                                         slots[1] = times(cx, *k, ct);
                                       },
                                   .flags = JAXVJP_SYMBOLIC_ZEROS});
  jaxvjp_value* fixed = jaxvjp_opaque(cx, &k, nullptr);
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* result = call(cx, g, {fixed, jaxvjp_f64(cx, 3)});
    EXPECT_TRUE(same(cx, result, tuple(cx, {jaxvjp_f64(cx, 2)})));
    EXPECT_EQ(bits, "FT");
  }
}

TEST(ConformanceE, E9_under_checkpoint) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    EXPECT_EQ(jaxvjp_is_perturbed(cx, args[0]), 1);
                    return {args[0], jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 3, ct); },
                  .primal = [](auto, auto args) { return args[0]; },
                  .flags = JAXVJP_SYMBOLIC_ZEROS});
  jaxvjp_function* twice = function(cx, "twice", [f](auto cx, auto args) {
    return jaxvjp_call1(cx, f, jaxvjp_call1(cx, f, args[0]));
  });
  jaxvjp_function* kept = jaxvjp_checkpoint(cx, twice, JAXVJP_CHECKPOINT_NOTHING);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, kept, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 3)), 9.0));
  }
}

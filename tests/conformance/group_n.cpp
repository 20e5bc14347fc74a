// Group N: what is not used is not computed. f = (sin x, x + cos y) with the rule (2 cos x g0 + 1.5
// g1, -1/2 sin y g1).

#include "higher_order.hpp"

namespace conformance {
namespace {

constexpr double x = 0.1, y = -1.3;

jaxvjp_value* both(jaxvjp_context* cx, Args args) {
  jaxvjp_value* first = jaxvjp_sin(cx, args[0]);
  jaxvjp_value* cos_y = jaxvjp_cos(cx, args[1]);
  return tuple(cx, {first, jaxvjp_add(cx, args[0], cos_y)});
}

jaxvjp_function* rule_of_two(jaxvjp_context* cx) {
  return custom_vjp(cx, "f",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {both(cx, args), tuple(cx, {args[0], args[1]})};
                     },
                     .bwd =
                         [](auto cx, auto xy, auto cts, auto slots) {
                           jaxvjp_value* g0 = jaxvjp_get(cx, cts, 0);
                           jaxvjp_value* g1 = jaxvjp_get(cx, cts, 1);
                           jaxvjp_value* cos_x = jaxvjp_cos(cx, jaxvjp_get(cx, xy, 0));
                           jaxvjp_value* sin_y = jaxvjp_sin(cx, jaxvjp_get(cx, xy, 1));
                           slots[0] = jaxvjp_add(cx, times(cx, 2, jaxvjp_mul(cx, cos_x, g0)),
                                                 times(cx, 1.5, g1));
                           slots[1] = times(cx, -0.5, jaxvjp_mul(cx, sin_y, g1));
                         },
                     .primal = both});
}

// The outputs of f that are kept: those whose bit is set.
jaxvjp_function* keeping(jaxvjp_context* cx, jaxvjp_function* f, int mask) {
  return function(cx, "keeping", [=](auto cx, auto args) {
    jaxvjp_value* out = call(cx, f, args);
    if (mask == 0) return jaxvjp_none(cx);
    return mask == 3 ? out : jaxvjp_get(cx, out, mask == 1 ? 0 : 1);
  });
}

jaxvjp_jaxpr* simplified(jaxvjp_context* cx, jaxvjp_function* f, Values specs) {
  return jaxvjp_simplify(cx, make_jaxpr(cx, f, specs));
}

TEST(ConformanceN, N1_unused_outputs_prune_their_operations) {
  Context cx;
  auto* f = rule_of_two(cx);
  const struct {
    int mask;
    size_t sines, cosines;
  } rows[] = {{3, 1, 1}, {1, 1, 0}, {2, 0, 1}, {0, 0, 0}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.mask);
    auto* j = simplified(cx, keeping(cx, f, row.mask), {spec(cx, {}), spec(cx, {})});
    ASSERT_TRUE(no_error(cx));
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "sin"), row.sines);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "cos"), row.cosines);
    EXPECT_EQ(jaxvjp_jaxpr_count(j, nullptr) == 0, row.mask == 0);
  }
}

TEST(ConformanceN, N2_gradients_of_a_pruned_program_follow_the_rule) {
  Context cx;
  auto* f = rule_of_two(cx);
  EXPECT_NEAR(2 * std::cos(x), 1.99000833, 1e-8);
  EXPECT_NEAR(-0.5 * std::sin(y), 0.48177909, 1e-8);
  const struct {
    int mask;
    double value, dx, dy;
  } rows[] = {{1, std::sin(x), 2 * std::cos(x), 0}, {2, x + std::cos(y), 1.5, -0.5 * std::sin(y)}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.mask);
    auto* j = simplified(cx, keeping(cx, f, row.mask), {spec(cx, {}), spec(cx, {})});
    auto* derivative = with(jaxvjp_value_and_grad, cx, jaxvjp_function_of(cx, j), {0, 1});
    for (auto [g, how] : eager_and_jit(cx, derivative)) {
      SCOPED_TRACE(how);
      jaxvjp_value* got = call(cx, g, {jaxvjp_f64(cx, x), jaxvjp_f64(cx, y)});
      jaxvjp_value* gradient = tuple(cx, {jaxvjp_f64(cx, row.dx), jaxvjp_f64(cx, row.dy)});
      EXPECT_TRUE(same(cx, got, tuple(cx, {jaxvjp_f64(cx, row.value), gradient})));
    }
  }
}

// The primal does not use y, but the rule does.
TEST(ConformanceN, N3_inputs_of_a_rule_are_never_pruned) {
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {jaxvjp_sin(cx, args[0]), tuple(cx, {args[0], args[1]})};
                        },
                        .bwd =
                            [](auto cx, auto xy, auto ct, auto slots) {
                              jaxvjp_value *x = jaxvjp_get(cx, xy, 0), *y = jaxvjp_get(cx, xy, 1);
                              slots[0] = jaxvjp_mul(cx, times(cx, 5, y), ct);
                              slots[1] = jaxvjp_mul(cx, times(cx, 7, x), ct);
                            },
                        .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }});
  auto* g = function(cx, "g", [f](auto cx, auto args) {
    return jaxvjp_call2(cx, f, args[0], jaxvjp_exp(cx, args[1]));
  });
  auto* j = simplified(cx, g, {spec(cx, {}), spec(cx, {})});
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "exp"), 1u);
  auto* derivative = with(jaxvjp_grad, cx, jaxvjp_function_of(cx, j), {0, 1});
  for (auto [d, how] : eager_and_jit(cx, derivative)) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = call(cx, d, {jaxvjp_f64(cx, x), jaxvjp_f64(cx, y)});
    EXPECT_TRUE(
        same(cx, got,
             tuple(cx, {jaxvjp_f64(cx, 5 * std::exp(y)), jaxvjp_f64(cx, 7 * x * std::exp(y))})));
  }
}

// y = 2 x as memory of the caller's, that tells when it is given back: what each bwd makes.
struct Cotangent {
  std::vector<double> numbers;
  bool* freed;
};
jaxvjp_value* traceable(jaxvjp_context* cx, jaxvjp_value* ct, bool* freed) {
  const double* data = static_cast<const double*>(jaxvjp_data(cx, ct));
  if (!data) return nullptr;
  auto* made = new Cotangent{{}, freed};
  for (size_t i = 0; i < jaxvjp_size(ct); ++i) made->numbers.push_back(2 * data[i]);
  const auto destroy = [](void* user) {
    *static_cast<Cotangent*>(user)->freed = true;
    delete static_cast<Cotangent*>(user);
  };
  return jaxvjp_array_adopt(cx, JAXVJP_F64, jaxvjp_shape(ct), jaxvjp_ndim(ct), nullptr,
                            made->numbers.data(), made, destroy);
}

// f(f(f(f(x)))): when a bwd runs, what the one before the last made is gone.
TEST(ConformanceN, N4_a_cotangent_is_freed_when_it_is_used_up) {
  bool freed[4] = {};
  int runs = 0;
  std::vector<std::vector<bool>> seen;
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {jaxvjp_sin(cx, args[0]), jaxvjp_none(cx)};
                        },
                        .bwd =
                            [&](auto cx, auto, auto ct, auto slots) {
                              seen.emplace_back(freed, freed + runs);
                              slots[0] = traceable(cx, ct, &freed[runs++]);
                            }});
  auto* four = function(cx, "four", [f](auto cx, auto args) {
    jaxvjp_value* x = args[0];
    for (int i = 0; i < 4; ++i) x = jaxvjp_call1(cx, f, x);
    return x;
  });
  jaxvjp_function* pullback = nullptr;
  vjp(cx, four, {vec(cx, {1, 2})}, &pullback);
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, vec(cx, {1, 10}));
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), {16, 160}));
  EXPECT_EQ(seen,
            (std::vector<std::vector<bool>>{{}, {false}, {true, false}, {true, true, false}}));
  EXPECT_FALSE(freed[3]) << "the last one is the result";
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_TRUE(freed[3]);
}

// The sources of what a pullback holds: the leaf of the arguments that each array is.
std::vector<int64_t> sources(jaxvjp_context* cx, jaxvjp_function* pullback) {
  std::vector<int64_t> all;
  const size_t n = jaxvjp_leaf_count(jaxvjp_from_function(cx, pullback));
  for (size_t i = 0; i < n; ++i) {
    int64_t leaf = -2;
    EXPECT_EQ(jaxvjp_residual_source(cx, pullback, i, &leaf), 0);
    all.push_back(leaf);
  }
  return all;
}

// The pullback with other arrays where arguments were.
jaxvjp_function* replaced(jaxvjp_context* cx, jaxvjp_function* pullback, Args args) {
  jaxvjp_value* held = jaxvjp_from_function(cx, pullback);
  std::vector<jaxvjp_value*> leaves;
  size_t i = 0;
  for (int64_t source : sources(cx, pullback)) {
    leaves.push_back(source < 0 ? jaxvjp_leaf(cx, held, i) : args[size_t(source)]);
    ++i;
  }
  return jaxvjp_as_function(cx, jaxvjp_unflatten(cx, held, leaves.data(), leaves.size()));
}

TEST(ConformanceN, N5_arguments_that_a_pullback_holds) {
  Context cx;
  auto* product =
      function(cx, "product", [](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[1]); });
  jaxvjp_value *a = vec(cx, {2, 5}), *b = vec(cx, {3, 7}), *ct = vec(cx, {1, 10});
  jaxvjp_function* pullback = nullptr;
  vjp(cx, product, {a, b}, &pullback);
  std::vector<int64_t> held = sources(cx, pullback);
  std::sort(held.begin(), held.end());
  EXPECT_EQ(held, (std::vector<int64_t>{0, 1}));
  // Taken out, and given back.
  jaxvjp_value* blanks[] = {jaxvjp_zero(cx), jaxvjp_zero(cx)};
  auto* blank = replaced(cx, pullback, {blanks, 2});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, blank, ct), JAXVJP_TREE));
  jaxvjp_value* args[] = {a, b};
  jaxvjp_value* cts = jaxvjp_call1(cx, replaced(cx, pullback, {args, 2}), ct);
  EXPECT_TRUE(same(cx, cts, tuple(cx, {vec(cx, {3, 70}), vec(cx, {2, 50})})));
  // Other numbers are another point.
  jaxvjp_value* others[] = {b, b};
  cts = jaxvjp_call1(cx, replaced(cx, pullback, {others, 2}), ct);
  EXPECT_TRUE(same(cx, cts, tuple(cx, {vec(cx, {3, 70}), vec(cx, {3, 70})})));
  // Of sin its cosine is held, and of a rule what fwd kept.
  vjp(cx, function(cx, "sine", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }), {a},
      &pullback);
  EXPECT_EQ(sources(cx, pullback), std::vector<int64_t>{-1});
  vjp(cx, custom_vjp(cx, "f", tenfold_square()), {a}, &pullback);
  EXPECT_EQ(sources(cx, pullback), std::vector<int64_t>{0});
  // Leaves are counted over all arguments.
  auto* second = function(cx, "second", [](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_get(cx, args[1], 1);
    return jaxvjp_mul(cx, y, y);
  });
  vjp(cx, second, {tuple(cx, {a, b}), tuple(cx, {a, vec(cx, {1, 2})})}, &pullback);
  for (int64_t source : sources(cx, pullback)) EXPECT_EQ(source, 3);
}

TEST(ConformanceN, N5_bad_questions) {
  Context cx;
  auto* f = custom_vjp(cx, "f", tenfold_square());
  jaxvjp_value* a = vec(cx, {2, 5});
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {a}, &pullback);
  int64_t leaf = 7;
  EXPECT_NE(jaxvjp_residual_source(cx, pullback, 1, &leaf), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT, {"f", "1"}));
  EXPECT_NE(jaxvjp_residual_source(cx, f, 0, &leaf), 0);
  EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT, {"f", "no pullback"}));
  EXPECT_EQ(leaf, 7);
}

}  // namespace
}  // namespace conformance

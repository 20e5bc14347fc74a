// Group R: other ways to state a rule. JAX's custom_gradient is a fwd whose residual is its
// pullback, written out and made a leaf by closure_convert.
#include <memory>

#include "loops.hpp"

namespace conformance {
namespace {

// A function's value together with its pullback, as a caller writes them down.
struct WithPullback {
  jaxvjp_value* out;
  std::function<std::vector<jaxvjp_value*>(jaxvjp_context*, jaxvjp_value* ct)> pullback;
};
using GradientFn = std::function<WithPullback(jaxvjp_context*, Args)>;

// What the pullback gives beyond the cotangents is emitted under these names.
jaxvjp_function* custom_gradient(jaxvjp_context* cx, GradientFn f,
                                 std::vector<const char*> emitted = {}) {
  return custom_vjp(
      cx, "f",
      {.fwd = [f](auto cx, auto args) -> Fwd {
         WithPullback r = f(cx, args);
         auto* pullback = function(cx, "pullback", [p = r.pullback](auto cx, auto ct) {
           const auto cts = p(cx, ct[0]);
           return jaxvjp_tuple(cx, cts.data(), cts.size());
         });
         auto* leaf = jaxvjp_closure_convert(cx, pullback, &r.out, 1);
         return {r.out, jaxvjp_from_function(cx, leaf)};
       },
       .bwd =
           [emitted](auto cx, auto residual, auto ct, auto slots) {
             jaxvjp_value* cts = jaxvjp_call1(cx, jaxvjp_as_function(cx, residual), ct);
             for (size_t i = 0; i < slots.n; ++i) slots[i] = jaxvjp_get(cx, cts, i);
             for (size_t i = 0; i < emitted.size(); ++i)
               jaxvjp_emit(cx, emitted[i], jaxvjp_get(cx, cts, slots.n + i));
           }});
}

void expect_at(jaxvjp_context* cx, jaxvjp_function* f, double x, double expected) {
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, x)), expected));
  }
}

// x^2 with the pullback x ct: half of the derivative.
jaxvjp_function* half_square(jaxvjp_context* cx) {
  return custom_gradient(cx, [](auto cx, auto args) -> WithPullback {
    jaxvjp_value* x = args[0];
    return {jaxvjp_square(cx, x),
            [x](auto cx, auto ct) { return std::vector{jaxvjp_mul(cx, ct, x)}; }};
  });
}

TEST(ConformanceR, R1_value_and_pullback_together) {
  Context cx;
  auto* f = half_square(cx);
  expect_at(cx, f, 3, 9);
  expect_at(cx, grad(cx, f), 3, 3);
  expect_at(cx, grad(cx, grad(cx, f)), 3, 1);
}

// The residual is a leaf under every transformation.
TEST(ConformanceR, R1_in_compositions) {
  Context cx;
  auto* f = half_square(cx);
  const std::initializer_list<double> ones = {1, 1, 1};
  jaxvjp_value* xs = vec(cx, {1, 2, 3});
  auto* loop = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 2), 0);
  });
  auto* branch = scalar_function(cx, [f](auto cx, auto x) {
    const Scalar call = [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); };
    return cond(cx, jaxvjp_gt(cx, x, num(cx, 0)), call, call, x);
  });
  auto* kept = jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING);
  for (auto* g : {f, branch, kept}) {
    for (auto [mapped, how] : eager_and_jit(cx, jaxvjp_vmap(cx, grad(cx, g), nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, mapped, xs), {1, 2, 3}));
    }
    auto* second = jaxvjp_vmap(cx, grad(cx, grad(cx, g)), nullptr);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, second, xs), ones));
    auto* outside = grad(cx, sum_of(cx, jaxvjp_vmap(cx, g, nullptr)));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, outside, xs), {1, 2, 3}));
  }
  expect_at(cx, grad(cx, loop), 3, 3 * 9);  // f(f(x)): x times f(x)
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, grad(cx, loop), nullptr), xs), {1, 8, 27}));
}

TEST(ConformanceR, R2_several_arguments) {
  Context cx;
  auto* f = custom_gradient(cx, [](auto cx, auto args) -> WithPullback {
    jaxvjp_value *x = args[0], *y = args[1];
    return {jaxvjp_mul(cx, x, y), [x, y](auto, auto) { return std::vector{y, x}; }};
  });
  jaxvjp_value *x = num(cx, 3), *y = num(cx, 4);
  EXPECT_TRUE(near(cx, jaxvjp_call2(cx, f, x, y), 12.0));
  auto* scaled =
      function(cx, "scaled", [f](auto cx, auto args) { return times(cx, 5, call(cx, f, args)); });
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, scaled, {0, 1}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, g, x, y), tuple(cx, {y, x})))
        << "the rule takes no notice of the cotangent";
  }
}

// Sum of sin x, with the rule ct cos(x) [3, 4, 5].
TEST(ConformanceR, R3_closing_over_arrays) {
  Context cx;
  auto* f = custom_gradient(cx, [](auto cx, auto args) -> WithPullback {
    jaxvjp_value *c = jaxvjp_cos(cx, args[0]), *weights = vec(cx, {3, 4, 5});
    return {sum(cx, jaxvjp_sin(cx, args[0])), [c, weights](auto cx, auto ct) {
              jaxvjp_value* slope = jaxvjp_mul(cx, c, weights);
              return std::vector{jaxvjp_mul(cx, slope, ct)};
            }};
  });
  jaxvjp_value* x = vec(cx, {0, 1, 2});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), std::sin(1.0) + std::sin(2.0)));
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {3, 4 * std::cos(1.0), 5 * std::cos(2.0)}));
  }
}

TEST(ConformanceR, R4_with_side_outputs) {
  Context cx;
  auto* f = custom_gradient(
      cx,
      [](auto cx, auto args) -> WithPullback {
        jaxvjp_value *x = args[0], *y = args[1];
        return {jaxvjp_mul(cx, x, y), [x, y](auto, auto ct) { return std::vector{y, x, ct, x}; }};
      },
      {"ct_out", "x"});
  auto* pulled = function(cx, "pulled", [f](auto cx, auto args) {
    jaxvjp_function* pullback = nullptr;
    jaxvjp_vjp(cx, f, args.items, args.n, &pullback);
    return jaxvjp_call_emitted(cx, pullback, num(cx, 1));
  });
  jaxvjp_value *x = num(cx, 3), *y = num(cx, 4);
  jaxvjp_value* logs = dict(cx, {{"f", dict(cx, {{"ct_out", num(cx, 1)}, {"x", x}})}});
  jaxvjp_value* expected = tuple(cx, {tuple(cx, {y, x}), logs});
  for (auto [g, how] : eager_and_jit(cx, pulled)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, g, x, y), expected));
  }
}

// ---------------------------------------------------------------- captured values as arguments

// (g, x) -> g(x), whose rule is 17 x ct for x and 42 c ct for each c that g captured.
jaxvjp_function* call_of(jaxvjp_context* cx, std::vector<int>* perturbed = nullptr) {
  return custom_vjp(
      cx, "call_of",
      {.fwd = [perturbed](auto cx, auto args) -> Fwd {
         if (perturbed) perturbed->push_back(jaxvjp_is_perturbed(cx, args[0]));
         jaxvjp_value* out = jaxvjp_call1(cx, jaxvjp_as_function(cx, args[0]), args[1]);
         return {out, tuple(cx, {args[0], args[1]})};
       },
       .bwd =
           [](auto cx, auto saved, auto ct, auto slots) {
             jaxvjp_value *g = jaxvjp_get(cx, saved, 0), *x = jaxvjp_get(cx, saved, 1);
             std::vector<jaxvjp_value*> cts;
             for (size_t i = 0; i < jaxvjp_leaf_count(g); ++i)
               cts.push_back(jaxvjp_mul(cx, times(cx, 42, jaxvjp_leaf(cx, g, i)), ct));
             slots[0] = jaxvjp_unflatten(cx, g, cts.data(), cts.size());
             slots[1] = jaxvjp_mul(cx, times(cx, 17, x), ct);
           }});
}

struct Hoisting {
  std::vector<size_t> leaves;  // of each converted function
  std::vector<int> perturbed;
};

// (x, c) -> cos(s |x - c|^2), by call_of of a function that captures c, s and an integer.
jaxvjp_function* distance(jaxvjp_context* cx, double s, Hoisting& seen) {
  return function(cx, "distance", [s, &seen](auto cx, auto args) {
    jaxvjp_value *scale = num(cx, s), *count = jaxvjp_i64(cx, 1);
    jaxvjp_value *c = args[1], *weights = vec(cx, {1, 1});
    auto* f = scalar_function(cx, [=](auto cx, auto x) {
      jaxvjp_value* d = jaxvjp_square(cx, jaxvjp_sub(cx, x, c));
      d = jaxvjp_mul(cx, jaxvjp_mul(cx, d, weights), jaxvjp_convert(cx, count, JAXVJP_F64));
      return jaxvjp_cos(cx, jaxvjp_mul(cx, sum(cx, d), scale));
    });
    jaxvjp_value* g = jaxvjp_from_function(cx, jaxvjp_closure_convert(cx, f, args.items, 1));
    seen.leaves.push_back(jaxvjp_leaf_count(g));
    return jaxvjp_call2(cx, call_of(cx, &seen.perturbed), g, args[0]);
  });
}

void expect_hoisted(double s) {
  Hoisting seen;
  Context cx;
  auto* f = distance(cx, s, seen);
  jaxvjp_value *x = vec(cx, {1, 1}), *c = vec(cx, {2, 2});
  EXPECT_TRUE(near(cx, jaxvjp_call2(cx, f, x, c), std::cos(2 * s)));
  EXPECT_EQ(seen.leaves, std::vector<size_t>{0}) << "nothing is traced";
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {0, 1}))) {
    SCOPED_TRACE(how);
    seen.leaves.clear();
    EXPECT_TRUE(
        same(cx, jaxvjp_call2(cx, g, x, c), tuple(cx, {vec(cx, {17, 17}), vec(cx, {84, 84})})));
    EXPECT_EQ(seen.leaves, std::vector<size_t>{1}) << "c, and neither the number nor the array";
  }
}

TEST(ConformanceR, R5_captured_values_become_arguments) { expect_hoisted(1); }
TEST(ConformanceR, R6_only_those_that_are_traced) { expect_hoisted(3); }

TEST(ConformanceR, R7_another_structure_or_type) {
  Context cx;
  jaxvjp_value *x = vec(cx, {1, 2}), *y = num(cx, 1);
  auto* f = jaxvjp_closure_convert(
      cx, function(cx, "culprit", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); }), &x,
      1);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), {std::sin(1.0), std::sin(2.0)}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, tuple(cx, {x})), JAXVJP_TREE, {"culprit"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, y), JAXVJP_SHAPE, {"culprit", "f64[2]", "f64[]"}));
  EXPECT_TRUE(
      fails(cx, jaxvjp_call1(cx, f, jaxvjp_convert(cx, x, JAXVJP_F32)), JAXVJP_DTYPE, {"culprit"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call2(cx, f, x, x), JAXVJP_INVALID_ARGUMENT, {"culprit"}));
}

TEST(ConformanceR, R8_what_is_differentiated_is_exact) {
  for (int64_t argument : {0, 1}) {
    SCOPED_TRACE(argument);
    Hoisting seen;
    Context cx;
    auto* f = distance(cx, 1, seen);
    jaxvjp_value *x = vec(cx, {1, 1}), *c = vec(cx, {2, 2});
    const std::initializer_list<double> expected[] = {{17, 17}, {84, 84}};
    for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, f, {argument}))) {
      SCOPED_TRACE(how);
      seen.perturbed.clear();
      jaxvjp_value* slope = jaxvjp_get(cx, jaxvjp_call2(cx, g, x, c), 0);
      EXPECT_TRUE(near(cx, slope, expected[argument]));
      EXPECT_EQ(seen.perturbed, std::vector<int>{int(argument)});
    }
  }
}

// The cotangent of a function is a function of its kind, or jaxvjp_zero.
TEST(ConformanceR, cotangents_of_captured_values) {
  using Slot = std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value * g)>;
  const struct {
    const char* what;
    Slot slot;
    int32_t code;
  } rows[] = {
      {"zero", [](auto cx, auto) { return jaxvjp_zero(cx); }, 0},
      {"an array", [](auto cx, auto) { return num(cx, 1); }, JAXVJP_BWD_TREE},
      {"another function",
       [](auto cx, auto) {
         return jaxvjp_from_function(cx, scalar_function(cx, [](auto, auto x) { return x; }));
       },
       JAXVJP_BWD_TREE},
      {"another shape",
       [](auto cx, auto g) {
         jaxvjp_value* leaf = num(cx, 1);
         return jaxvjp_unflatten(cx, g, &leaf, 1);
       },
       JAXVJP_BWD_AVAL},
      {"nothing", [](auto, auto) -> jaxvjp_value* { return nullptr; }, JAXVJP_BWD_UNSET},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Context cx;
    auto* rule =
        custom_vjp(cx, "rule",
                   {.fwd = [](auto cx, auto args) -> Fwd {
                      auto* g = jaxvjp_as_function(cx, args[0]);
                      return {jaxvjp_call1(cx, g, num(cx, 2)), args[0]};
                    },
                    .bwd = [&](auto cx, auto g, auto, auto slots) { slots[0] = row.slot(cx, g); }});
    auto* f = scalar_function(cx, [rule](auto cx, auto c) {
      jaxvjp_value* two = num(cx, 2);
      auto* g = scalar_function(cx, [c](auto cx, auto x) { return sum(cx, jaxvjp_mul(cx, c, x)); });
      auto* converted = jaxvjp_closure_convert(cx, g, &two, 1);
      return jaxvjp_call1(cx, rule, jaxvjp_from_function(cx, converted));
    });
    jaxvjp_value* slope = jaxvjp_call1(cx, grad(cx, f), vec(cx, {1, 2}));
    if (row.code) EXPECT_TRUE(fails(cx, slope, row.code, {"rule"}));
    else EXPECT_TRUE(near(cx, slope, {0, 0}));
  }
}

}  // namespace
}  // namespace conformance

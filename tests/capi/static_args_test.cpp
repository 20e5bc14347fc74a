// jit with arguments whose numbers become part of the program.
#include "../conformance/loops.hpp"

namespace conformance {
namespace {

jaxvjp_function* jit_of(jaxvjp_context* cx, jaxvjp_function* f, std::vector<int64_t> places) {
  jaxvjp_jit_options options = {};
  options.struct_size = sizeof options;
  options.static_args = places.data();
  options.n_static_args = places.size();
  return jaxvjp_jit(cx, f, &options);
}

// x to the power n, by as many products as the number n says.
jaxvjp_function* power(jaxvjp_context* cx, int& runs) {
  return function(cx, "power", [&runs](auto cx, auto args) {
    ++runs;
    jaxvjp_value* y = num(cx, 1);
    for (int n = int(jaxvjp_item(cx, args[1])); n > 0; --n) y = jaxvjp_mul(cx, y, args[0]);
    return y;
  });
}

TEST(StaticArgs, are_numbers_inside_and_a_program_each) {
  Context cx;
  int runs = 0;
  for (int64_t place : {1, -1}) {
    runs = 0;
    auto* f = jit_of(cx, power(cx, runs), {place});
    for (int n : {2, 3, 2, 3, 0}) {
      EXPECT_TRUE(near(cx, call(cx, f, {num(cx, 3), jaxvjp_i64(cx, n)}), std::pow(3.0, n)));
      EXPECT_TRUE(near(cx, call(cx, f, {num(cx, 5), jaxvjp_i64(cx, n)}), std::pow(5.0, n)));
    }
    EXPECT_EQ(runs, 3);
  }
}

TEST(StaticArgs, do_not_meet_programs_without_them) {
  Context cx;
  int runs = 0;
  auto* f = function(cx, "f", [&runs](auto cx, auto args) {
    ++runs;
    return jaxvjp_is_concrete(args[1]) ? args[0] : jaxvjp_mul(cx, args[0], args[1]);
  });
  jaxvjp_value *x = num(cx, 3), *y = num(cx, 5);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(near(cx, call(cx, jit(cx, f), {x, y}), 15.0));
    EXPECT_TRUE(near(cx, call(cx, jit_of(cx, f, {1}), {x, y}), 3.0));
    EXPECT_TRUE(near(cx, call(cx, jit_of(cx, f, {0}), {x, y}), 15.0));
  }
  EXPECT_EQ(runs, 3);
}

TEST(StaticArgs, of_trees_under_other_transformations) {
  Context cx;
  auto* f = function(cx, "weighted", [](auto cx, auto args) {
    jaxvjp_value* y = args[0];
    if (jaxvjp_truth(cx, jaxvjp_get(cx, args[1], 0))) y = jaxvjp_square(cx, y);
    return jaxvjp_mul(cx, y, jaxvjp_get(cx, args[1], 1));
  });
  auto* g = jit_of(cx, f, {1});
  jaxvjp_value *yes = jaxvjp_gt(cx, num(cx, 1), num(cx, 0)),
               *no = jaxvjp_lt(cx, num(cx, 1), num(cx, 0)), *x = num(cx, 3);
  for (auto [which, slope] : {std::pair{yes, 42.0}, {no, 7.0}}) {
    jaxvjp_value* weights = tuple(cx, {which, num(cx, 7)});
    EXPECT_TRUE(near(cx, call(cx, jaxvjp_grad(cx, g, nullptr), {x, weights}), slope));
    auto* h = function(cx, "h", [g, weights](auto cx, auto args) {
      return call(cx, g, {args[0], weights});
    });
    EXPECT_TRUE(near(cx,
                     jaxvjp_call1(cx, vmap(cx, jaxvjp_grad(cx, h, nullptr), {}), vec(cx, {3, 3})),
                     {slope, slope}));
  }
}

TEST(StaticArgs, that_have_no_numbers) {
  Context cx;
  int runs = 0;
  auto* g = jit_of(cx, power(cx, runs), {1});
  jaxvjp_value *x = num(cx, 3), *n = num(cx, 2);
  const int64_t second[] = {1};
  jaxvjp_grad_options by_n = {};
  by_n.struct_size = sizeof by_n;
  by_n.argnums = second;
  by_n.n_argnums = 1;
  EXPECT_TRUE(fails(cx, call(cx, jaxvjp_grad(cx, g, &by_n), {x, n}), JAXVJP_CONCRETE,
                    {"power", "static argument 1", "grad"}));
  EXPECT_TRUE(fails(cx, call(cx, vmap(cx, g, {}), {vec(cx, {1, 2}), vec(cx, {1, 2})}),
                    JAXVJP_CONCRETE, {"power", "static argument 1", "vmap"}));
  EXPECT_TRUE(fails(cx, call(cx, jit(cx, g), {x, n}), JAXVJP_CONCRETE,
                    {"power", "static argument 1", "jit"}));
  EXPECT_TRUE(fails(cx, call(cx, jit_of(cx, power(cx, runs), {2}), {x, n}), JAXVJP_INVALID_ARGUMENT,
                    {"power", "2"}));
  jaxvjp_jit_options options = {};
  options.struct_size = sizeof options;
  options.n_static_args = 1;
  EXPECT_TRUE(fails(cx, jaxvjp_jit(cx, g, &options), JAXVJP_INVALID_ARGUMENT, {"static_args"}));
}

}  // namespace
}  // namespace conformance

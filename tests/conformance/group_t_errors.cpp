// T. Solvers: errors name the function that is wrong.
#include <limits>

#include "solvers.hpp"

using namespace conformance;

namespace {

const Scalar same_value = [](auto, auto x) { return x; };
const Scalar in_a_tuple = [](auto cx, auto x) { return tuple(cx, {x}); };
const Scalar longer = [](auto cx, auto x) {
  jaxvjp_value* both[] = {x, x};
  return jaxvjp_concatenate(cx, both, 2, 0);
};
const Scalar narrower = [](auto cx, auto x) { return jaxvjp_convert(cx, x, JAXVJP_F32); };
const Scalar failing = [](auto cx, auto) -> jaxvjp_value* {
  jaxvjp_fail(cx, 1234, "out of patience");
  return nullptr;
};
Solver solving(Scalar f) {
  return [f](auto cx, auto, auto x) { return f(cx, x); };
}

struct Wrong {
  Scalar f;
  int32_t code;
  const char* word;
};
const Wrong wrong[] = {
    {in_a_tuple, JAXVJP_TREE, "structure (*,), expected *"},
    {longer, JAXVJP_SHAPE, "f64[4], expected f64[2]"},
    {narrower, JAXVJP_DTYPE, "f32[2], expected f64[2]"},
    {failing, 1234, "out of patience"},
};

// The words are not asked of an error of the user's own.
AssertionResult fails_with(jaxvjp_context* cx, jaxvjp_value* result, const Wrong& w,
                           const char* where) {
  return fails(cx, result, w.code, {w.word, w.code == 1234 ? "" : where});
}

}  // namespace

TEST(ConformanceT, T4_linear_solve_names_the_function) {
  Context cx;
  jaxvjp_value* b = vec(cx, {1, 2});
  const Solver right = solving(same_value);
  for (const Wrong& w : wrong) {
    SCOPED_TRACE(w.word);
    const Solver bad = solving(w.f);
    EXPECT_TRUE(fails_with(cx, linear_solve(cx, {w.f, right, right}, b), w,
                           "custom_linear_solve: the result of matvec"));
    EXPECT_TRUE(fails_with(cx, linear_solve(cx, {same_value, bad, right}, b), w,
                           "custom_linear_solve: the result of solve"));
    EXPECT_TRUE(fails_with(cx, linear_solve(cx, {same_value, right, bad}, b), w,
                           "custom_linear_solve: the result of transpose_solve"));
    const Linear aux{same_value, right, nullptr, JAXVJP_HAS_AUX};
    EXPECT_TRUE(fails(cx, linear_solve(cx, aux, b), JAXVJP_TREE, {"solve", "(x, aux)"}));
  }
}

TEST(ConformanceT, T4_root_names_the_function) {
  Context cx;
  jaxvjp_value* guess = vec(cx, {1, 2});
  const Solver right = solving(same_value);
  for (const Wrong& w : wrong) {
    SCOPED_TRACE(w.word);
    const Solver bad = solving(w.f);
    EXPECT_TRUE(
        fails_with(cx, root(cx, {w.f, right, right}, guess), w, "custom_root: the result of f"));
    EXPECT_TRUE(fails_with(cx, root(cx, {same_value, bad, right}, guess), w,
                           "custom_root: the result of solve"));
    EXPECT_TRUE(fails_with(cx, root(cx, {same_value, right, bad}, guess), w,
                           "custom_root: the result of tangent_solve"));
    const Roots aux{same_value, right, right, JAXVJP_HAS_AUX};
    EXPECT_TRUE(fails(cx, root(cx, aux, guess), JAXVJP_TREE, {"solve", "(x, aux)"}));
  }
}

TEST(ConformanceT, T4_fixed_point_names_the_function) {
  Context cx;
  for (const Wrong& w : wrong) {
    SCOPED_TRACE(w.word);
    auto* f = function(cx, "f", [w](auto cx, auto args) { return w.f(cx, args[1]); });
    jaxvjp_value* x = jaxvjp_fixed_point(cx, f, jaxvjp_none(cx), vec(cx, {1, 2}), nullptr);
    EXPECT_TRUE(fails_with(cx, x, w, "fixed_point: the result of f"));
  }
}

TEST(ConformanceT, T4_unknowns_are_floats) {
  Context cx;
  const Solver right = solving(same_value);
  jaxvjp_value* integers = tuple(cx, {num(cx, 1), jaxvjp_i64(cx, 1)});
  EXPECT_TRUE(fails(cx, linear_solve(cx, {same_value, right}, integers), JAXVJP_DTYPE,
                    {"b[1] is i64[], expected a floating dtype"}));
  EXPECT_TRUE(fails(cx, root(cx, {same_value, right, right}, integers), JAXVJP_DTYPE,
                    {"the guess[1] is i64[]"}));
  auto* f = function(cx, "f", [](auto, auto args) { return args[1]; });
  EXPECT_TRUE(fails(cx, jaxvjp_fixed_point(cx, f, jaxvjp_none(cx), integers, nullptr), JAXVJP_DTYPE,
                    {"the guess[1] is i64[]"}));
}

TEST(ConformanceT, T4_a_product_that_is_not_linear) {
  Context cx;
  const Solver right = solving(same_value);
  const Scalar square = [](auto cx, auto x) { return jaxvjp_square(cx, x); };
  EXPECT_TRUE(fails(cx, linear_solve(cx, {square, right, right}, num(cx, 2)), JAXVJP_NO_TRANSPOSE,
                    {"matvec has no transpose"}));
}

TEST(ConformanceT, T4_options) {
  Context cx;
  const Solver right = solving(same_value);
  EXPECT_TRUE(fails(cx, linear_solve(cx, {same_value, right, nullptr, 8}, num(cx, 2)),
                    JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(
      fails(cx, root(cx, {same_value, right, right, 4}, num(cx, 2)), JAXVJP_INVALID_ARGUMENT));
  auto* f = function(cx, "f", [](auto, auto args) { return args[1]; });
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const jaxvjp_fixed_point_options rows[] = {
      {sizeof *rows, -1, 0, 0, 0}, {sizeof *rows, nan, 0, 0, 0},
      {sizeof *rows, 0, -1, 0, 0}, {sizeof *rows, 0, INFINITY, 0, 0},
      {sizeof *rows, 0, 0, -1, 0}, {sizeof *rows, 0, 0, INT64_MAX, 0},
      {sizeof *rows, 0, 0, 0, 2}};
  for (const auto& row : rows)
    EXPECT_TRUE(fails(cx, jaxvjp_fixed_point(cx, f, jaxvjp_none(cx), num(cx, 2), &row),
                      JAXVJP_INVALID_ARGUMENT));
}

// Control flow through the C++ layer: that it asks for the right thing.
#include <gtest/gtest.h>

#include <cmath>
#include <jaxvjp/jaxvjp.hpp>

namespace {

using jaxvjp::Context;
using jaxvjp::Function;
using jaxvjp::Value;
using Doubles = std::vector<double>;

class CppControlFlow : public testing::Test {
 protected:
  template <class F>
  Function function(const char* name, F f) {
    return Function(cx, name, f);
  }
  Context cx;
};

TEST_F(CppControlFlow, branches) {
  Function up = function("up", [](Value x) { return 2 * x; }),
           down = function("down", [](Value x) { return -x; });
  Value x = cx.f64(3);
  EXPECT_EQ(cond(gt(x, 0), up, down, x).item(), 6);
  EXPECT_EQ(cond(lt(x, 0), up, down, x).item(), -3);
  EXPECT_EQ(switch_case(cx.i64(1), {up, down}, x).item(), -3);
  EXPECT_EQ(switch_case(cx.i64(7), {up, down}, x).item(), -3);
}

TEST_F(CppControlFlow, loops) {
  Function below = function("below", [](Value x) { return lt(x, 100); }),
           twice = function("twice", [](Value x) { return 2 * x; });
  EXPECT_EQ(while_loop(below, twice, cx.f64(3)).item(), 192);
  Function add_index =
      function("add_index", [](Value i, Value c) { return c + convert(i, JAXVJP_F64); });
  EXPECT_EQ(fori_loop(0, 5, add_index, cx.f64(1)).item(), 11);
}

TEST_F(CppControlFlow, rows) {
  Function step = function("step", [](Value c, Value x) {
    return c.context().tuple({c + x, c * x});
  });
  Value xs = cx.array({1.0, 2.0, 3.0});
  auto [last, ys] = scan(step, cx.f64(10), xs);
  EXPECT_EQ(last.item(), 16);
  EXPECT_EQ(ys.to_vector<double>(), (Doubles{10, 22, 39}));
  auto [first, reversed] = scan(step, cx.f64(10), xs, {-1, true});
  EXPECT_EQ(reversed.to_vector<double>(), (Doubles{15, 26, 30}));
  Function twice = function("twice", [](Value x) { return 2 * x; });
  EXPECT_EQ(map(twice, xs).to_vector<double>(), (Doubles{2, 4, 6}));
  EXPECT_EQ(map(twice, xs, 2).to_vector<double>(), (Doubles{2, 4, 6}));
}

TEST_F(CppControlFlow, batching_rules) {
  const auto sine = [](Value x) { return sin(x); };
  const auto cosine = [](std::int64_t n, const jaxvjp::Values& args) {
    EXPECT_EQ(n, 2);
    EXPECT_TRUE(args[0].context().is_batched(args[0]));
    return std::pair(cos(args[0]), 1);
  };
  Value xs = cx.array({1.0, 2.0});
  const Doubles cosines = {std::cos(1.0), std::cos(2.0)};
  EXPECT_EQ(vmap(custom_vmap(cx, "f", sine, cosine))(xs).to_vector<double>(), cosines);
  jaxvjp::CustomVjpOptions options;
  options.batch = cosine;
  Function f = custom_vjp(
      cx, "f", [](Value x) { return std::pair(sin(x), x); },
      [](Value x, Value ct) { return 10 * x * ct; }, options);
  EXPECT_EQ(vmap(f)(xs).to_vector<double>(), cosines);
  EXPECT_EQ(vmap(grad(f))(xs).to_vector<double>(), (Doubles{10, 20}));
  Function one_by_one = sequential_vmap(function("twice", [](Value x) { return 2 * x; }));
  EXPECT_EQ(vmap(one_by_one)(xs).to_vector<double>(), (Doubles{2, 4}));
}

TEST_F(CppControlFlow, linear_functions) {
  Function f = function("f", [](Value r, Value x) { return x / r; }),
           t = function("t", [](Value r, Value ct) { return 5 * ct / r; }),
           g = function("g", [&](Value x) { return linear_call(f, t, cx.f64(2), x); });
  EXPECT_EQ(g(cx.f64(3)).item(), 1.5);
  EXPECT_EQ(grad(g)(cx.f64(3)).item(), 2.5);
}

// x^2 with its pullback written out.
TEST_F(CppControlFlow, closures) {
  Function f = custom_vjp(
      cx, "f",
      [](Value x) {
        Function pullback(x.context(), "pullback", [x](Value ct) { return 10 * x * ct; });
        return std::pair(x * x, closure_convert(pullback, {x}).value());
      },
      [](Value residual, Value ct) { return residual.as_function()(ct); });
  EXPECT_EQ(grad(f)(cx.f64(3)).item(), 30);
  EXPECT_EQ(vmap(grad(f))(cx.array({1.0, 2.0})).to_vector<double>(), (Doubles{10, 20}));
  Value x = cx.array({1.0, 2.0});
  Function square = function("square", [](Value x) { return x * x; });
  EXPECT_EQ(residual_source(vjp(square, {x}).second, 0), 0);
  EXPECT_THROW(residual_source(square, 0), jaxvjp::Error);
}

}  // namespace

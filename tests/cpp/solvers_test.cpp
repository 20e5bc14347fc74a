// Solvers through the C++ layer: that it asks for the right thing.
#include <gtest/gtest.h>

#include <cmath>
#include <jaxvjp/jaxvjp.hpp>

namespace {

using jaxvjp::Context;
using jaxvjp::Function;
using jaxvjp::Value;

class CppSolvers : public testing::Test {
 protected:
  template <class F>
  Function function(const char* name, F f) {
    return Function(cx, name, f);
  }
  Context cx;
  // v with g(v) = y, of numbers.
  Function divided =
      function("divided", [](Value g, Value y) { return y / g.as_function()(y.context().f64(1)); });
};

TEST_F(CppSolvers, linear_solve) {
  for (bool symmetric : {true, false}) {
    Function x = function("x", [&](Value a) {
      Function matvec(a.context(), "matvec", [=](Value v) { return a * v; });
      jaxvjp::LinearSolveOptions options;
      options.symmetric = symmetric;
      if (!symmetric) options.transpose_solve = divided;
      return custom_linear_solve(matvec, a * a * a, divided, options);
    });
    EXPECT_EQ(x(cx.f64(3)).item(), 9);
    EXPECT_EQ(grad(x)(cx.f64(3)).item(), 6);
  }
  Function matvec = function("matvec", [](Value v) { return 2 * v; }),
           with_aux = function(
               "with_aux", [this](Value g, Value y) { return std::make_pair(divided(g, y), y); });
  jaxvjp::LinearSolveOptions options;
  options.has_aux = true;
  Value both = custom_linear_solve(matvec, cx.f64(3), with_aux, options);
  EXPECT_EQ(both[0].item(), 1.5);
  EXPECT_EQ(both[1].item(), 3);
}

TEST_F(CppSolvers, root) {
  Function x = function("x", [&](Value a) {
    Function f(a.context(), "f", [=](Value x) { return x * x - a; }),
        solve(a.context(), "solve", [=](Value, Value) { return sqrt(a); }),
        both(a.context(), "both",
             [=](Value, Value guess) { return std::make_pair(sqrt(a), guess); });
    Value guess = a.context().f64(1);
    return custom_root(f, guess, solve, divided) + custom_root(f, guess, both, divided, true)[0];
  });
  EXPECT_EQ(x(cx.f64(4)).item(), 4);
  EXPECT_EQ(grad(x)(cx.f64(4)).item(), 0.5);
}

TEST_F(CppSolvers, fixed_point) {
  Function f = function("f", [](Value p, Value x) { return 0.5 * x + p; });
  Function x = function("x", [&](Value p) { return fixed_point(f, p, p.context().f64(0)); });
  EXPECT_NEAR(x(cx.f64(1)).item(), 2, 1e-11);
  EXPECT_NEAR(grad(x)(cx.f64(1)).item(), 2, 1e-11);
  jaxvjp::FixedPointOptions options;
  options.max_iterations = 3;
  EXPECT_TRUE(std::isnan(fixed_point(f, cx.f64(1), cx.f64(0), options).item()));
  options.keep_last = true;
  EXPECT_EQ(fixed_point(f, cx.f64(1), cx.f64(0), options).item(), 1.75);
  options = {0.4, 0, 0, false};
  EXPECT_EQ(fixed_point(f, cx.f64(1), cx.f64(0), options).item(), 1.5);
  options = {0, 0.3, 0, false};
  EXPECT_EQ(fixed_point(f, cx.f64(1), cx.f64(0), options).item(), 1.75);
}

}  // namespace

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

}  // namespace

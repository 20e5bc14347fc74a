// Group U, row 11: rules whose operands are mapped or not, that broadcast, or that use no argument
// give derivatives of the right shapes.

#include "higher_order.hpp"

namespace conformance {
namespace {

// log(exp(z) + exp(s + z)) by a rule, mapped over rows of y: z is not mapped, its gradient a
// scalar.
TEST(ConformanceU, U11_mapped_and_unmapped_operands) {
  Context cx;
  auto* logaddexp = custom_jvp(
      cx, "logaddexp",
      [](auto cx, auto a) {
        jaxvjp_value* e = jaxvjp_exp(cx, a[0]);
        return jaxvjp_log(cx, jaxvjp_add(cx, e, jaxvjp_exp(cx, a[1])));
      },
      [](auto cx, auto p, auto t) -> Jvp {
        jaxvjp_value* out = call(cx, jaxvjp_self(cx), p);
        return {out, jaxvjp_add(cx, times(cx, 2, t[0]), times(cx, 3, t[1]))};
      });
  auto* f = function(cx, "f", [logaddexp](auto cx, auto args) {
    jaxvjp_value *y = args[0], *z = args[1];
    auto* row = function(cx, "row", [=](auto cx, auto args) {
      return jaxvjp_call2(cx, logaddexp, z, jaxvjp_add(cx, sum(cx, args[0]), z));
    });
    return sum(cx, jaxvjp_call1(cx, vmap(cx, row, {}), y));
  });
  const double z = 0.1, value = 3 * std::log(std::exp(z) + std::exp(2 + z));
  jaxvjp_value* y = array(cx, {3, 2}, {1, 1, 1, 1, 1, 1});
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_value_and_grad, cx, f, {0, 1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = jaxvjp_call2(cx, g, y, jaxvjp_f64(cx, z));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, got, 0), value));
    jaxvjp_value* gradient = jaxvjp_get(cx, got, 1);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_get(cx, gradient, 0), {3, 2}, {3, 3, 3, 3, 3, 3}));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, gradient, 1), 15.0));  // 3 rows x (2 + 3)
  }
}

// box * R with a scalar box: the tangent dR + f(dbox, R) broadcasts, and comes back unbroadcast.
TEST(ConformanceU, U11_broadcasting_in_the_rule) {
  Context cx;
  auto* f = custom_jvp(
      cx, "scale", [](auto cx, auto a) { return jaxvjp_mul(cx, a[0], a[1]); },
      [](auto cx, auto p, auto t) -> Jvp {
        jaxvjp_value* scaled = jaxvjp_call2(cx, jaxvjp_self(cx), t[0], p[1]);
        return {call(cx, jaxvjp_self(cx), p), jaxvjp_add(cx, t[1], scaled)};
      });
  auto* loss = sum_of(cx, f);
  jaxvjp_value *box = jaxvjp_f64(cx, 5), *r = array(cx, {2, 2}, {1, 2, 3, 4});
  for (auto [g, how] : eager_and_jit(cx, with(jaxvjp_grad, cx, loss, {0, 1}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = jaxvjp_call2(cx, g, box, r);
    EXPECT_TRUE(same(cx, got, tuple(cx, {jaxvjp_f64(cx, 10), array(cx, {2, 2}, {1, 1, 1, 1})})));
  }
}

// Projection onto the unit simplex: its Jacobian is diag(s) - s s' / |s|, s the support.
TEST(ConformanceU, U11_simplex_projection) {
  Context cx;
  auto* project = custom_jvp(
      cx, "project",
      [](auto cx, auto args) {
        jaxvjp_value* x = args[0];
        jaxvjp_value* inside = jaxvjp_convert(cx, jaxvjp_eq(cx, x, x), JAXVJP_F64);
        jaxvjp_value* threshold = nullptr;
        for (int step = 0; step < 3; step++) {  // Michelot's algorithm: at most one a component
          jaxvjp_value* total = sum(cx, jaxvjp_mul(cx, x, inside));
          total = jaxvjp_sub(cx, total, jaxvjp_number(cx, 1));
          threshold = jaxvjp_div(cx, total, sum(cx, inside));
          inside = jaxvjp_convert(cx, jaxvjp_gt(cx, x, threshold), JAXVJP_F64);
        }
        return jaxvjp_mul(cx, inside, jaxvjp_sub(cx, x, threshold));
      },
      [](auto cx, auto p, auto t) -> Jvp {
        jaxvjp_value* out = jaxvjp_call1(cx, jaxvjp_self(cx), p[0]);
        jaxvjp_value* s = jaxvjp_gt(cx, out, jaxvjp_number(cx, 0));
        s = jaxvjp_convert(cx, s, JAXVJP_F64);
        jaxvjp_value* along = jaxvjp_mul(cx, s, t[0]);
        jaxvjp_value* mean = jaxvjp_div(cx, sum(cx, along), sum(cx, s));
        return {out, jaxvjp_sub(cx, along, jaxvjp_mul(cx, mean, s))};
      });
  jaxvjp_value* x = vec(cx, {0.5, 1.2, -0.3});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, project, x), {0.15, 0.85, 0}));
  const std::vector<double> jacobian = {.5, -.5, 0, -.5, .5, 0, 0, 0, 0};
  for (auto* derivative :
       {jaxvjp_jacfwd(cx, project, nullptr), jaxvjp_jacrev(cx, project, nullptr)})
    for (auto [g, how] : eager_and_jit(cx, derivative)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, x), {3, 3}, jacobian));
    }
}

}  // namespace
}  // namespace conformance

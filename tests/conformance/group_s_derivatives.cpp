// Group S: rules for vmap and derivatives, and what a rule may not know.
#include "batching_rules.hpp"

namespace conformance {
namespace {

// The derivative of sin is cos; that of a mapped sin is what the rule's is: -sin.
TEST(ConformanceS, S5_forward_mode_goes_through_the_rule) {
  VmapRule r = sine_by_cosine();
  Context cx;
  auto* f = custom_vmap(cx, r);
  auto* push = function(cx, "push", [f](auto cx, auto args) {
    jaxvjp_value* dy = nullptr;
    jaxvjp_value* y = jvp(cx, f, {args[0]}, {args[1]}, &dy);
    return tuple(cx, {y, dy});
  });
  jaxvjp_value *x = num(cx, 0.4), *t = num(cx, 3), *xs = vec(cx, points), *ts = vec(cx, {1, 2, 3});
  std::vector<double> cosines, slopes, along, at;
  for (size_t i = 0; i < 3; ++i) {
    cosines.push_back(std::cos(points[i]));
    slopes.push_back(-std::sin(points[i]) * double(i + 1));
    along.push_back(-std::sin(0.4) * double(i + 1));
    at.push_back(-std::sin(points[i]) * 3);
  }
  for (auto [g, how] : eager_and_jit(cx, push)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, g, x, t),
                     tuple(cx, {num(cx, std::sin(0.4)), num(cx, 3 * std::cos(0.4))})));
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, jaxvjp_vmap(cx, g, nullptr), xs, ts),
                     tuple(cx, {vec(cx, cosines), vec(cx, slopes)})));
    // Only the tangents are mapped, or only the arguments.
    EXPECT_TRUE(
        same(cx, jaxvjp_call2(cx, vmap(cx, g, {JAXVJP_AXIS_NONE, 0}), x, ts),
             tuple(cx, {vec(cx, {std::cos(0.4), std::cos(0.4), std::cos(0.4)}), vec(cx, along)})));
    EXPECT_TRUE(same(cx, jaxvjp_call2(cx, vmap(cx, g, {0, JAXVJP_AXIS_NONE}), xs, t),
                     tuple(cx, {vec(cx, cosines), vec(cx, at)})));
  }
  auto* mapped = jaxvjp_vmap(cx, f, nullptr);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_jacfwd(cx, mapped, nullptr))) {
    SCOPED_TRACE(how);
    std::vector<double> diagonal(9, 0.0);
    for (size_t i = 0; i < 3; ++i) diagonal[4 * i] = -std::sin(points[i]);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, xs), {3, 3}, diagonal));
  }
  // Each example's derivative, orders 1 and 2: through the rule.
  auto* slope = jaxvjp_jacfwd(cx, f, nullptr);
  expect_each(cx, jaxvjp_vmap(cx, slope, nullptr), points, minus_sine_of);
  auto* second = jaxvjp_jacfwd(cx, slope, nullptr);
  expect_each(cx, jaxvjp_vmap(cx, second, nullptr), points, [](double x) { return -std::cos(x); });
}

// The Jacobian asks the rule about one example, and it is told so.
TEST(ConformanceS, S5_directions_are_mapped_over_one_example) {
  VmapRule r = sine_by_cosine();
  std::vector<int> flags;
  r.batch = [&](auto cx, auto, auto args) -> Batched {
    flags.push_back(jaxvjp_is_batched(cx, args[0]));
    return {jaxvjp_cos(cx, args[0]), is_batched(cx, args[0])};
  };
  Context cx;
  auto* slope = jaxvjp_jacfwd(cx, custom_vmap(cx, r), nullptr);
  jaxvjp_value* got = jaxvjp_call1(cx, slope, vec(cx, points));
  std::vector<double> diagonal(9, 0.0);
  for (size_t i = 0; i < 3; ++i) diagonal[4 * i] = -std::sin(points[i]);
  EXPECT_TRUE(near_shaped(cx, got, {3, 3}, diagonal));
  EXPECT_EQ(flags, std::vector<int>{0});
}

// x y, whose rule is 10 x y: x's value and tangent are mapped, y's value alone, or its tangent.
TEST(ConformanceS, S5_values_and_tangents_mapped_apart) {
  VmapRule r{[](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[1]); },
             [](auto cx, auto, auto args) -> Batched {
               const bool any =
                   jaxvjp_is_batched(cx, args[0]) == 1 || jaxvjp_is_batched(cx, args[1]) == 1;
               return {times(cx, 10, jaxvjp_mul(cx, args[0], args[1])), flag(cx, any)};
             }};
  Context cx;
  auto* f = custom_vmap(cx, r);
  auto* push = function(cx, "push", [f](auto cx, auto args) {
    jaxvjp_value* dy = nullptr;
    jvp(cx, f, {args[0], args[1]}, {args[2], args[3]}, &dy);
    return dy;
  });
  const double x[] = {1, 2}, y[] = {3, 5}, dx[] = {7, 11}, dy[] = {13, 17};
  for (int mapped = 1; mapped < 16; ++mapped) {
    SCOPED_TRACE(mapped);
    std::vector<jaxvjp_value*> args;
    std::vector<int64_t> axes;
    const double* all[] = {x, y, dx, dy};
    for (int k = 0; k < 4; ++k) {
      const bool is = mapped >> k & 1;
      axes.push_back(is ? 0 : JAXVJP_AXIS_NONE);
      args.push_back(is ? vec(cx, {all[k][0], all[k][1]}) : num(cx, all[k][0]));
    }
    jaxvjp_vmap_options options{};
    options.struct_size = sizeof options;
    options.in_axes = axes.data();
    options.n_in_axes = 4;
    std::vector<double> expected;
    for (size_t i = 0; i < 2; ++i) {
      const auto at = [&](int k) { return all[k][mapped >> k & 1 ? i : 0]; };
      expected.push_back(10 * (at(0) * at(3) + at(1) * at(2)));
    }
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, push, &options))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call(cx, g, args.data(), 4), {2}, expected));
    }
  }
}

TEST(ConformanceS, S5_linearize) {
  VmapRule r = sine_by_cosine();
  Context cx;
  auto* f = custom_vmap(cx, r);
  jaxvjp_function* linear = nullptr;
  EXPECT_TRUE(near(cx, linearize(cx, f, {num(cx, 0.4)}, &linear), std::sin(0.4)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, num(cx, 2)), 2 * std::cos(0.4)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, linear, nullptr), vec(cx, {1, 2})),
                   {-std::sin(0.4), -2 * std::sin(0.4)}));
}

TEST(ConformanceS, S6_reverse_mode_of_the_rule_alone_is_refused) {
  VmapRule r = sine_by_cosine();
  Context cx;
  auto* f = custom_vmap(cx, r);
  jaxvjp_value *x = num(cx, 2), *xs = vec(cx, points);
  const auto words = {"custom_vmap_call of f", "custom_vjp"};
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, x), JAXVJP_NO_TRANSPOSE, words));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, g, nullptr), xs), JAXVJP_NO_TRANSPOSE));
  }
  jaxvjp_function* pullback = nullptr;
  EXPECT_TRUE(fails(cx, vjp(cx, f, {x}, &pullback), JAXVJP_NO_TRANSPOSE, words));
  // Outside the vmap the derivative is that of what the rule does.
  auto* total = sum_of(cx, jaxvjp_vmap(cx, f, nullptr));
  expect_each(cx, grad(cx, total), points, minus_sine_of);
}

// sin with cos as its batching rule and 10 x ct as its derivative.
jaxvjp_function* both_rules(jaxvjp_context* cx, bool as_option, bool self, VmapRule& r) {
  struct User {
    VmapRule* vmap;
    bool self;
  };
  static const jaxvjp_fwd_fn fwd = [](auto cx, auto user, auto args, auto n, auto out,
                                      auto residuals) -> int32_t {
    auto* u = static_cast<User*>(user);
    *out = u->self ? jaxvjp_call(cx, jaxvjp_self(cx), args, n) : jaxvjp_sin(cx, args[0]);
    *residuals = args[0];
    return 0;
  };
  static const jaxvjp_bwd_fn bwd = [](auto cx, auto, auto x, auto ct, auto slots, auto) -> int32_t {
    slots[0] = jaxvjp_mul(cx, times(cx, 10, x), ct);
    return 0;
  };
  static const jaxvjp_call_fn primal = [](auto cx, auto user, auto args, auto n,
                                          auto out) -> int32_t {
    return run_primal(cx, static_cast<User*>(user)->vmap, args, n, out);
  };
  static const jaxvjp_batch_fn batch = [](auto cx, auto user, auto size, auto args, auto n,
                                          auto out, auto flags) -> int32_t {
    return run_batch(cx, static_cast<User*>(user)->vmap, size, args, n, out, flags);
  };
  jaxvjp_custom_vjp_options options{};
  options.struct_size = sizeof options;
  if (!as_option) {  // a custom_vjp whose primal calls a custom_vmap
    auto* f = custom_vmap(cx, r);
    return custom_vjp(cx, "f",
                      {.fwd = [f, self](auto cx, auto args) -> Fwd {
                         return {self ? call(cx, f, args) : jaxvjp_sin(cx, args[0]), args[0]};
                       },
                       .bwd = [](auto cx, auto x, auto ct,
                                 auto slots) { slots[0] = jaxvjp_mul(cx, times(cx, 10, x), ct); },
                       .primal = [f](auto cx, auto args) { return call(cx, f, args); }});
  }
  options.primal = primal;
  options.batch = batch;
  const auto destroy = [](void* user) { delete static_cast<User*>(user); };
  return jaxvjp_custom_vjp(cx, "f", fwd, bwd, new User{&r, self}, destroy, &options);
}

TEST(ConformanceS, S7_together_with_a_derivative_rule) {
  for (bool as_option : {false, true}) {
    for (bool self : {false, true}) {
      SCOPED_TRACE(testing::Message() << (as_option ? "an option" : "nested") << ", fwd "
                                      << (self ? "calls f" : "computes sin"));
      VmapRule r = sine_by_cosine();
      Context cx;
      auto* f = both_rules(cx, as_option, self, r);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 2)), std::sin(2.0)));
      auto* mapped = jaxvjp_vmap(cx, f, nullptr);
      expect_each(cx, mapped, points, cosine_of);
      expect_each(cx, jaxvjp_vmap(cx, jit(cx, f), nullptr), points, cosine_of);
      const auto tenfold = [](double x) { return 10 * x; };
      expect_each(cx, grad(cx, sum_of(cx, mapped)), points, tenfold);
      expect_each(cx, jaxvjp_vmap(cx, grad(cx, f), nullptr), points, tenfold);
      expect_each(cx, jaxvjp_vmap(cx, jit(cx, grad(cx, f)), nullptr), points, tenfold);
      // fwd's value is the value: that of the batching rule where fwd calls f.
      auto* both = jaxvjp_value_and_grad(cx, f, nullptr);
      expect_each(cx, item_of(cx, jaxvjp_vmap(cx, both, nullptr), 0), points,
                  self ? cosine_of : sine_of);
      auto* second = grad(cx, grad(cx, f));
      expect_each(cx, jaxvjp_vmap(cx, second, nullptr), points, [](double) { return 10.0; });
      auto* loop = scalar_function(cx, [f](auto cx, auto x) {
        const Body body = [f](auto cx, auto c, auto) -> Step {
          return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
        };
        return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 1), 0);
      });
      expect_each(cx, jaxvjp_vmap(cx, loop, nullptr), points, cosine_of);
      expect_each(cx, jaxvjp_vmap(cx, grad(cx, loop), nullptr), points, tenfold);
      expect_each(cx, grad(cx, sum_of(cx, jaxvjp_vmap(cx, loop, nullptr))), points, tenfold);
    }
  }
}

// check_vjp compares a mapped function with a loop: a batching rule that is another function is
// found.
TEST(ConformanceS, a_wrong_rule_is_found) {
  for (bool wrong : {false, true}) {
    SCOPED_TRACE(wrong);
    VmapRule r = sine_by_cosine();
    if (!wrong)
      r.batch = [](auto cx, auto, auto args) -> Batched {
        return {jaxvjp_sin(cx, args[0]), is_batched(cx, args[0])};
      };
    Context cx;
    auto* f = custom_vmap(cx, r);
    auto* g = custom_vjp(
        cx, "culprit",
        {.fwd = [f](auto cx, auto args) -> Fwd {
           return {call(cx, f, args), jaxvjp_cos(cx, args[0])};
         },
         .bwd = [](auto cx, auto c, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, c, ct); },
         .primal = [f](auto cx, auto args) { return call(cx, f, args); }});
    jaxvjp_value* x = vec(cx, points);
    EXPECT_EQ(jaxvjp_check_vjp(cx, g, &x, 1, nullptr), wrong ? JAXVJP_CHECK : 0);
    EXPECT_TRUE(wrong ? failed_with(cx, JAXVJP_CHECK, {"culprit"}) : no_error(cx));
  }
}

// ------------------------------------------------------------------- what a rule may not know

// A value of an inner transformation, used by a rule of an outer one.
TEST(ConformanceS, closures) {
  Context cx;
  jaxvjp_value* const* held = nullptr;
  VmapRule r{[](auto, auto args) { return args[0]; },
             [&](auto cx, auto, auto args) -> Batched {
               return {jaxvjp_mul(cx, args[0], held[0]), flag(cx, true)};
             }};
  auto* f = custom_vmap(cx, r);
  // Over x outside; y inside is differentiated, or mapped too.
  auto* h = function(cx, "h", [&](auto cx, auto args) {
    auto* inner = function(cx, "inner", [&, x = args[0]](auto cx, auto ys) {
      held = ys.items;
      return jaxvjp_call1(cx, f, x);
    });
    return jaxvjp_call1(cx, grad(cx, inner), num(cx, 3));
  });
  jaxvjp_value* xs = vec(cx, {1, 2});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, h, nullptr), xs), JAXVJP_CLOSURE_DIFF,
                    {"f", "batching rule"}));
  // Differentiated outside the vmap it is a value like any other.
  auto* outer = function(cx, "outer", [&](auto cx, auto args) {
    held = args.items;
    return sum(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, f, nullptr), vec(cx, {1, 2})));
  });
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, outer), num(cx, 3)), 3.0));
}

// x y for all x and y, where the rules of f(x) close over the y of an inner vmap.
TEST(ConformanceS, values_of_an_inner_vmap) {
  for (bool derivative : {false, true}) {
    SCOPED_TRACE(derivative ? "custom_vjp" : "custom_vmap");
    Context cx;
    jaxvjp_value* y = nullptr;
    const CallFn product = [&](auto cx, auto args) { return jaxvjp_mul(cx, args[0], y); };
    VmapRule r{product, [&](auto cx, auto, auto args) -> Batched {
                 return {times(cx, 10, product(cx, args)), flag(cx, true)};
               }};
    auto* f = derivative
                  ? custom_vjp(cx, "f",
                               {.fwd = [&](auto cx, auto args) -> Fwd {
                                  return {times(cx, 10, product(cx, args)), args[0]};
                                },
                                .bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; }})
                  : custom_vmap(cx, r);
    auto* of_x = scalar_function(cx, [&](auto cx, auto x) {
      auto* of_y = scalar_function(cx, [&, x](auto cx, auto each) {
        y = each;
        return jaxvjp_neg(cx, jaxvjp_call1(cx, f, x));
      });
      return jaxvjp_call1(cx, jaxvjp_vmap(cx, of_y, nullptr), vec(cx, {1, 2, 3}));
    });
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, of_x, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, vec(cx, {1, 5})), {2, 3},
                              {-10, -20, -30, -50, -100, -150}));
    }
  }
}

// A primal that captures what another vmap maps; staged, its rule cannot be asked any more.
TEST(ConformanceS, a_primal_that_captures_a_mapped_value) {
  Context cx;
  jaxvjp_value* captured = nullptr;
  VmapRule r{[&](auto cx, auto args) { return jaxvjp_mul(cx, args[0], captured); },
             [](auto cx, auto, auto args) -> Batched {
               return {times(cx, 10, args[0]), flag(cx, true)};
             }};
  auto* f = custom_vmap(cx, r, "culprit");
  for (bool staged : {false, true}) {
    SCOPED_TRACE(staged);
    auto* h = scalar_function(cx, [&, staged](auto cx, auto x) {
      captured = x;
      return jaxvjp_call1(cx, staged ? jit(cx, f) : f, num(cx, 3));
    });
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, h, nullptr), vec(cx, {1, 2})), {3, 6}));
  }
  auto* pair = function(cx, "pair", [&](auto cx, auto args) {
    auto* inner = scalar_function(cx, [&, y = args[0]](auto cx, auto x) {
      captured = x;
      return jaxvjp_call1(cx, jit(cx, f), y);
    });
    return jaxvjp_call1(cx, jaxvjp_vmap(cx, inner, nullptr), vec(cx, {1, 2}));
  });
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, pair, nullptr), vec(cx, {1, 2})),
                    JAXVJP_NO_RULE, {"culprit", "argument"}));
}

TEST(ConformanceS, read_from_text_it_has_no_rule) {
  Context cx;
  VmapRule r = sine_by_cosine();
  const char* text =
      jaxvjp_jaxpr_text(cx, make_jaxpr(cx, custom_vmap(cx, r, "culprit"), {spec(cx, {})}));
  auto* f = item_of(cx, jaxvjp_function_of(cx, jaxvjp_parse(cx, text)), 0);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 2)), std::sin(2.0)));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, f, nullptr), vec(cx, {1, 2})),
                    JAXVJP_NO_RULE, {"culprit", "batching rule"}));
}

}  // namespace
}  // namespace conformance

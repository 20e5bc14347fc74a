// Group W, the composition matrix: every rule of the table under every composition, eagerly and
// under jit, at orders 1 and 2. Value and derivative follow the rule. W5, loops and branches, is in
// group_w_loops.cpp.

#include "matrix.hpp"

namespace conformance {
namespace {

TEST_P(ConformanceW, W1_grad) {
  auto* f = make();
  EXPECT_TRUE(same(cx, call_at(made(all(jaxvjp_grad, f)), point()), gradient({})));
  expect_orders_of_f(f);
}

TEST_P(ConformanceW, W1_value_and_grad) {
  auto* g = made(all(jaxvjp_value_and_grad, make()));
  jaxvjp_value* expected = tuple(cx, {jaxvjp_f64(cx, row().value), gradient({})});
  EXPECT_TRUE(same(cx, call_at(g, point()), expected));
}

TEST_P(ConformanceW, W1_vjp) {
  auto* f = make();
  auto* pulled = function(cx, "pulled", [f](auto cx, auto args) {
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* value = jaxvjp_vjp(cx, f, args.items, args.n, &pullback);
    jaxvjp_value* once = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
    return tuple(cx, {value, once, jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 2))});
  });
  jaxvjp_value* got = call_at(made(pulled), point());
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, got, 0), row().value));
  for (size_t i = 0; i < n(); i++)
    for (size_t factor : {1, 2}) {
      jaxvjp_value* ct = jaxvjp_get(cx, jaxvjp_get(cx, got, factor), i);
      EXPECT_TRUE(near(cx, ct, static_cast<double>(factor) * row().rule[i]));
    }
}

TEST_P(ConformanceW, W1_jacrev) {
  auto* jacobian = all(jaxvjp_jacrev, make());
  EXPECT_TRUE(same(cx, call_at(made(jacobian), point()), gradient({})));
  EXPECT_TRUE(second(call_at(made(all(jaxvjp_jacrev, jacobian)), point()), hessian()));
}

// loss(u) = u^2: the second derivative meets the value that fwd gave.
TEST_P(ConformanceW, W2_called_inside_another_function) {
  auto* f = make();
  auto* loss = function(cx, "loss",
                        [f](auto cx, auto args) { return jaxvjp_square(cx, call(cx, f, args)); });
  const RuleRow& r = row();
  Numbers first;
  std::vector<Numbers> second;
  for (size_t i = 0; i < n(); i++) {
    first.push_back(2 * r.value * r.rule[i]);
    second.emplace_back();
    for (size_t j = 0; j < n(); j++)
      second[i].push_back(2 * r.of_value[j] * r.rule[i] + 2 * r.value * r.order2[i][j]);
  }
  expect_orders(loss, r.value * r.value, first, second);
}

TEST_P(ConformanceW, W3_grad_of_sum_of_vmap) {
  auto* loss = sum_of(cx, vmap(cx, make(), {}));
  EXPECT_TRUE(near(cx, call_at(made(loss), points({4})), 4 * row().value));
  EXPECT_TRUE(same(cx, call_at(made(all(jaxvjp_grad, loss)), points({4})), gradient({4})));
}

TEST_P(ConformanceW, W3_vmap_of_grad) {
  auto* slope = all(jaxvjp_grad, make());
  EXPECT_TRUE(same(cx, call_at(made(vmap(cx, slope, {})), points({4})), gradient({4})));
}

TEST_P(ConformanceW, W3_vmap_of_vmap_of_grad) {
  auto* slope = all(jaxvjp_grad, make());
  auto* many = made(vmap(cx, vmap(cx, slope, {}), {}));
  EXPECT_TRUE(same(cx, call_at(many, points({2, 3})), gradient({2, 3})));
}

TEST_P(ConformanceW, W3_vmap_at_order_two) {
  auto* f = make();
  for (size_t i = 0; i < n(); i++)
    for (size_t j = 0; j < n(); j++) {
      jaxvjp_value* expected = vec(cx, Numbers(4, row().order2[i][j]));
      auto* twice = made(vmap(cx, partial(partial(f, i), j), {}));
      EXPECT_TRUE(second(call_at(twice, points({4})), expected));
      auto* total = made(partial(sum_of(cx, vmap(cx, partial(f, i), {})), j));
      EXPECT_TRUE(second(call_at(total, points({4})), expected));
    }
}

TEST_P(ConformanceW, W4_jit_of_grad) {
  auto* f = make();
  auto* g = made(jit(cx, all(jaxvjp_grad, f)));
  EXPECT_TRUE(same(cx, call_at(g, point()), gradient({})));
  EXPECT_TRUE(same(cx, call_at(g, point()), gradient({})));  // from the cache
}

TEST_P(ConformanceW, W4_grad_of_jit) { expect_orders_of_f(jit(cx, make())); }

TEST_P(ConformanceW, W4_jit_of_grad_of_jit) {
  auto* g = made(jit(cx, all(jaxvjp_grad, jit(cx, make()))));
  EXPECT_TRUE(same(cx, call_at(g, point()), gradient({})));
  auto* nested = jit(cx, partial(jit(cx, partial(jit(cx, make()), 0)), 0));
  EXPECT_TRUE(second(call_at(made(nested), point()), row().order2[0][0]));
}

// h has the rule 7 f(x) ct for argument 0 and none for others; f is called by its bwd.
TEST_P(ConformanceW, W6_called_by_another_bwd) {
  auto* f = make();
  auto* h = custom_vjp(
      cx, "h",
      {.fwd = self_fwd,
       .bwd =
           [f](auto cx, auto kept, auto ct, auto slots) {
             jaxvjp_value* u =
                 slots.n == 1 ? jaxvjp_call1(cx, f, kept)
                              : call(cx, f, {jaxvjp_get(cx, kept, 0), jaxvjp_get(cx, kept, 1)});
             slots[0] = jaxvjp_mul(cx, times(cx, 7, u), ct);
             for (size_t i = 1; i < slots.n; i++) slots[i] = jaxvjp_zero(cx);
           },
       .primal = [](auto, auto args) { return args[0]; }});
  EXPECT_TRUE(near(cx, call_at(made(partial(h, 0)), point()), 7 * row().value));
  for (size_t j = 0; j < n(); j++)
    EXPECT_TRUE(near(cx, call_at(made(partial(partial(h, 0), j)), point()), 7 * row().rule[j]));
}

// h = 2 f with the rule 3 f(x) ct for argument 0; f is called by its fwd and kept.
TEST_P(ConformanceW, W6_called_by_another_fwd) {
  auto* f = make();
  auto* h = custom_vjp(cx, "h",
                       {.fwd = [f](auto cx, auto args) -> Fwd {
                          jaxvjp_value* u = call(cx, f, args);
                          return {times(cx, 2, u), u};
                        },
                        .bwd =
                            [](auto cx, auto u, auto ct, auto slots) {
                              slots[0] = jaxvjp_mul(cx, times(cx, 3, u), ct);
                              for (size_t i = 1; i < slots.n; i++) slots[i] = jaxvjp_zero(cx);
                            }});
  EXPECT_TRUE(near(cx, call_at(made(h), point()), 2 * row().value));
  EXPECT_TRUE(near(cx, call_at(made(partial(h, 0)), point()), 3 * row().value));
  for (size_t j = 0; j < n(); j++)
    EXPECT_TRUE(near(cx, call_at(made(partial(partial(h, 0), j)), point()), 3 * row().rule[j]));
}

TEST_P(ConformanceW, W7_grad_of_grad) {
  auto* f = make();
  for (size_t i = 0; i < n(); i++) {
    auto* twice = made(all(jaxvjp_grad, partial(f, i)));
    std::vector<jaxvjp_value*> items;
    for (double h : row().order2[i]) items.push_back(jaxvjp_f64(cx, h));
    EXPECT_TRUE(second(call_at(twice, point()), bare_or_tuple(items)));
  }
}

TEST_P(ConformanceW, W7_hessian) {
  auto* h = made(all(jaxvjp_hessian, make()));
  EXPECT_TRUE(second(call_at(h, point()), hessian()));
}

TEST_P(ConformanceW, W7_hessian_of_a_sum_of_vmap) {
  auto* h = made(with(jaxvjp_hessian, cx, sum_of(cx, vmap(cx, make(), {})), {}));
  const double d = row().order2[0][0];
  EXPECT_TRUE(second(call_at(h, points({2})), array(cx, {2, 2}, {d, 0, 0, d})));
}

TEST_P(ConformanceW, W7_grad_of_summed_vmap_of_grad) {
  auto* f = make();
  for (size_t i = 0; i < n(); i++)
    for (size_t j = 0; j < n(); j++) {
      auto* slopes = sum_of(cx, vmap(cx, partial(f, i), {}));
      jaxvjp_value* got = call_at(made(partial(slopes, j)), points({3}));
      EXPECT_TRUE(second(got, vec(cx, Numbers(3, row().order2[i][j]))));
    }
}

TEST_P(ConformanceW, W8_has_aux) {
  auto* f = make();
  auto* with_aux = function(cx, "with_aux", [f](auto cx, auto args) {
    jaxvjp_value* u = call(cx, f, args);
    return tuple(cx, {times(cx, 2, u), dict(cx, {{"u", u}, {"x", args[0]}})});
  });
  jaxvjp_value* aux =
      dict(cx, {{"u", jaxvjp_f64(cx, row().value)}, {"x", jaxvjp_f64(cx, row().at[0])}});
  auto* slope = made(all(jaxvjp_grad, with_aux, JAXVJP_HAS_AUX));
  jaxvjp_value* expected = tuple(cx, {gradient({}, 2), aux});
  EXPECT_TRUE(same(cx, call_at(slope, point()), expected));
  auto* both = made(all(jaxvjp_value_and_grad, with_aux, JAXVJP_HAS_AUX));
  jaxvjp_value* value = tuple(cx, {jaxvjp_f64(cx, 2 * row().value), aux});
  EXPECT_TRUE(same(cx, call_at(both, point()), tuple(cx, {value, gradient({}, 2)})));
}

// f of the leaves of one dict: the gradient is a dict, with a zero for the leaf that is not used.
TEST_P(ConformanceW, W8_gradient_of_a_dict_is_a_dict) {
  auto* f = make();
  auto* of_dict = function(cx, "of_dict", [f](auto cx, auto args) {
    return jaxvjp_call(
        cx, f, std::vector{jaxvjp_lookup(cx, args[0], "b"), jaxvjp_lookup(cx, args[0], "a")}.data(),
        jaxvjp_count(args[0]) - 1);
  });
  auto tree = [&](const Numbers& numbers, jaxvjp_value* unused) {
    jaxvjp_value* b = jaxvjp_f64(cx, numbers[0]);
    if (n() == 1) return dict(cx, {{"b", b}, {"a", unused}});
    return dict(cx, {{"b", b}, {"a", jaxvjp_f64(cx, numbers[1])}, {"unused", unused}});
  };
  jaxvjp_value* at = tree(row().at, vec(cx, {5, 6}));
  jaxvjp_value* expected = tree(row().rule, vec(cx, {0, 0}));
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, made(grad(cx, of_dict)), at), expected));
}

TEST_P(ConformanceW, W8_unused_arguments_and_several_argnums) {
  auto* f = make();
  const size_t used = n();
  auto* g = function(cx, "g", [=](auto cx, auto args) {  // (unused, args...)
    return jaxvjp_call(cx, f, args.items + 1, used);
  });
  std::vector<jaxvjp_value*> args = point();
  args.insert(args.begin(), vec(cx, {5, 6}));
  std::vector<jaxvjp_value*> slots = {jaxvjp_f64(cx, row().rule.back()), vec(cx, {0, 0})};
  auto* slope = with(jaxvjp_grad, cx, g, {static_cast<int64_t>(used), 0});
  jaxvjp_value* expected = jaxvjp_tuple(cx, slots.data(), slots.size());
  EXPECT_TRUE(same(cx, call_at(made(slope), args), expected));
}

// One value in every place, and f used twice: the cotangents add.
TEST_P(ConformanceW, W8_the_same_argument_twice) {
  auto* f = make();
  const RuleRow& r = row();
  std::vector<double> shift;
  for (double x : r.at) shift.push_back(x - r.at[0]);
  auto* g = function(cx, "g", [=](auto cx, auto args) {  // f(x, x + shift) + f(x, x + shift)
    std::vector<jaxvjp_value*> all;
    for (double s : shift) all.push_back(jaxvjp_add(cx, args[0], jaxvjp_number(cx, s)));
    jaxvjp_value* u = jaxvjp_call(cx, f, all.data(), all.size());
    return jaxvjp_add(cx, u, jaxvjp_call(cx, f, all.data(), all.size()));
  });
  double first = 0, twice = 0;
  for (size_t i = 0; i < n(); i++) {
    first += 2 * r.rule[i];
    for (size_t j = 0; j < n(); j++) twice += 2 * r.order2[i][j];
  }
  jaxvjp_value* x = jaxvjp_f64(cx, r.at[0]);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, made(grad(cx, g)), x), first));
  EXPECT_TRUE(second(jaxvjp_call1(cx, made(grad(cx, grad(cx, g))), x), twice));
}

INSTANTIATE_TEST_SUITE_P(Rules, ConformanceW,
                         testing::Combine(testing::ValuesIn(rules), testing::Values(eager, jitted)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) == jitted ? "_jit" : "_eager");
                         });

}  // namespace
}  // namespace conformance

// The edges of loops and branches: no steps, no carry, trees everywhere, backwards, batches that do
// not divide, indices out of range, bounds that are traced; and how often their functions run.

#include "bench.hpp"

namespace conformance {
namespace {

jaxvjp_value* integers(jaxvjp_context* cx, const std::vector<double>& data,
                       int32_t dtype = JAXVJP_I64) {
  return vec(cx, data, dtype);
}
jaxvjp_value* plus(jaxvjp_context* cx, jaxvjp_value* a, jaxvjp_value* b) {
  return jaxvjp_add(cx, a, b);
}
jaxvjp_value* product(jaxvjp_context* cx, jaxvjp_value* a, jaxvjp_value* b) {
  return jaxvjp_mul(cx, a, b);
}
jaxvjp_value* none(jaxvjp_context* cx) { return jaxvjp_none(cx); }

// Evaluates f at x at once and compiled.
template <class Expect>
void at_once_and_jit(jaxvjp_context* cx, Scalar f, Expect expect) {
  for (auto [g, how] : eager_and_jit(cx, scalar_function(cx, f))) {
    SCOPED_TRACE(how);
    expect(g);
  }
}

// --------------------------------------------------------------------------------------------
// scans

// c -> c x, y = c x, over no rows at all.
TEST(Scan, of_no_rows) {
  Context cx;
  const Scalar looped = [](auto cx, auto x) {
    const Body body = [](auto cx, auto c, auto v) -> Step {
      jaxvjp_value* next = product(cx, c, v);
      return {next, tuple(cx, {next, v})};
    };
    return scan(cx, body, x, array(cx, {0, 2}, {}));
  };
  at_once_and_jit(cx, looped, [&](auto* f) {
    jaxvjp_value *x = vec(cx, {3, 4}), *empty = array(cx, {0, 2}, {});
    jaxvjp_value* expected = tuple(cx, {x, tuple(cx, {empty, empty})});
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, x), expected));
    auto* slope = grad(cx, sum_of(cx, item_of(cx, f, 0)));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, x), {1, 1}));
    jaxvjp_value* many = jaxvjp_call1(cx, vmap(cx, f, {}), array(cx, {3, 2}, {1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(shape(jaxvjp_leaf(cx, many, 1)), (std::vector<int64_t>{3, 0, 2}));
  });
  at_once_and_jit(
      cx,
      [](auto cx, auto x) {
        const Body body = [x](auto cx, auto c, auto) -> Step { return {product(cx, c, x), c}; };
        return scan(cx, body, x, none(cx), 0);
      },
      [&](auto* f) {
        jaxvjp_value* expected = tuple(cx, {num(cx, 3), vec(cx, {})});
        EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, num(cx, 3)), expected));
        auto* slope = grad(cx, item_of(cx, f, 0));
        EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, num(cx, 3)), 1.0));
      });
}

TEST(Scan, without_a_carry) {
  Context cx;
  for (bool empty_tuple : {false, true})
    at_once_and_jit(
        cx,
        [empty_tuple](auto cx, auto xs) {
          jaxvjp_value* nothing = empty_tuple ? tuple(cx, {}) : none(cx);
          const Body body = [](auto cx, auto c, auto x) -> Step {
            return {c, jaxvjp_square(cx, x)};
          };
          return scan(cx, body, nothing, xs);
        },
        [&](auto* f) {
          jaxvjp_value* xs = vec(cx, {1, 2, 3});
          jaxvjp_value* nothing = empty_tuple ? tuple(cx, {}) : none(cx);
          EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, xs), tuple(cx, {nothing, vec(cx, {1, 4, 9})})));
          auto* slope = grad(cx, sum_of(cx, item_of(cx, f, 1)));
          EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, xs), {2, 4, 6}));
        });
}

TEST(Scan, of_nothing_at_all) {
  Context cx;
  const Body body = [](auto cx, auto, auto) -> Step { return {none(cx), none(cx)}; };
  jaxvjp_value* nothing = scan(cx, body, none(cx), none(cx), 3);
  EXPECT_TRUE(same(cx, nothing, tuple(cx, {none(cx), none(cx)})));
}

// Carry {a: (s, i), b: p}, rows {u: (x, [y]), v: none}: s += x y, i += 1, p *= x.
TEST(Scan, of_trees) {
  Context cx;
  const Body body = [](auto cx, auto c, auto row) -> Step {
    jaxvjp_value *a = jaxvjp_lookup(cx, c, "a"), *u = jaxvjp_lookup(cx, row, "u");
    jaxvjp_value *x = jaxvjp_get(cx, u, 0), *y = jaxvjp_get(cx, jaxvjp_get(cx, u, 1), 0);
    jaxvjp_value* s = plus(cx, jaxvjp_get(cx, a, 0), product(cx, x, y));
    jaxvjp_value* i = plus(cx, jaxvjp_get(cx, a, 1), jaxvjp_number(cx, 1));
    jaxvjp_value* p = product(cx, jaxvjp_lookup(cx, c, "b"), x);
    return {dict(cx, {{"a", tuple(cx, {s, i})}, {"b", p}}), dict(cx, {{"i", i}, {"y", y}})};
  };
  auto* f =
      function(cx, "f", [body](auto cx, auto args) { return scan(cx, body, args[0], args[1]); });
  auto carry = [&](double s, int64_t i, double p) {
    jaxvjp_value* a = tuple(cx, {num(cx, s), jaxvjp_i64(cx, i)});
    return dict(cx, {{"a", a}, {"b", num(cx, p)}});
  };
  auto row = [&](std::vector<double> x, std::vector<double> y) {
    jaxvjp_value* u = tuple(cx, {vec(cx, x), list(cx, {vec(cx, y)})});
    return dict(cx, {{"u", u}, {"v", none(cx)}});
  };
  jaxvjp_value *init = carry(0.5, 7, 2), *xs = row({1, 2, 3}, {10, 20, 30});
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    jaxvjp_value* ys = dict(cx, {{"i", integers(cx, {8, 9, 10})}, {"y", vec(cx, {10, 20, 30})}});
    jaxvjp_value* expected = tuple(cx, {carry(140.5, 10, 12), ys});
    EXPECT_TRUE(same(cx, call(cx, g, {init, xs}), expected));
    jaxvjp_function* pullback = nullptr;
    vjp(cx, g, {init, xs}, &pullback);
    jaxvjp_value* ones = dict(cx, {{"i", jaxvjp_zero(cx)}, {"y", vec(cx, {1, 1, 1})}});
    jaxvjp_value* a = tuple(cx, {num(cx, 1), jaxvjp_zero(cx)});
    jaxvjp_value* ct = tuple(cx, {dict(cx, {{"a", a}, {"b", num(cx, 1)}}), ones});
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, ct);
    EXPECT_TRUE(near(cx, jaxvjp_leaf(cx, cts, 2), 6.0)) << "init's b: 1 2 3";
    EXPECT_TRUE(same(cx, jaxvjp_get(cx, cts, 1), row({22, 26, 34}, {2, 3, 4})));
  }
}

// The sums of what is left, and the order of the rows kept.
TEST(Scan, backwards) {
  Context cx;
  for (bool reverse : {false, true})
    at_once_and_jit(
        cx,
        [reverse](auto cx, auto xs) {
          const Body body = [](auto cx, auto c, auto x) -> Step {
            jaxvjp_value* next = plus(cx, times(cx, 10, c), x);
            return {next, next};
          };
          return scan(cx, body, num(cx, 0), xs, 3, reverse);
        },
        [&](auto* f) {
          jaxvjp_value* ys = reverse ? vec(cx, {321, 32, 3}) : vec(cx, {1, 12, 123});
          jaxvjp_value* last = num(cx, reverse ? 321 : 123);
          jaxvjp_value* xs = vec(cx, {1, 2, 3});
          EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, xs), tuple(cx, {last, ys})));
          jaxvjp_value* slope = jaxvjp_call1(cx, grad(cx, item_of(cx, f, 0)), xs);
          EXPECT_TRUE(same(cx, slope, reverse ? vec(cx, {1, 10, 100}) : vec(cx, {100, 10, 1})));
        });
}

// ----------------------------------------------------------------------------------------------
// map

TEST(Map, in_batches_of_any_size) {
  Context cx;
  for (int64_t batch_size : {0, 1, 2, 3, 5, 7, 1000})
    at_once_and_jit(
        cx,
        [batch_size](auto cx, auto tree) {
          auto* f = scalar_function(cx, [](auto cx, auto x) {
            jaxvjp_value *a = jaxvjp_get(cx, x, 0), *b = jaxvjp_get(cx, x, 1);
            EXPECT_EQ(shape(a), std::vector<int64_t>{});
            EXPECT_EQ(shape(b), std::vector<int64_t>{2});
            return dict(cx, {{"p", product(cx, a, b)}, {"s", jaxvjp_sin(cx, a)}});
          });
          return jaxvjp_map(cx, f, tree, batch_size);
        },
        [&](auto* f) {
          SCOPED_TRACE(batch_size);
          jaxvjp_value* b = array(cx, {5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
          jaxvjp_value* xs = tuple(cx, {vec(cx, {0, 1, 2, 3, 4}), b});
          jaxvjp_value* p = array(cx, {5, 2}, {0, 0, 3, 4, 10, 12, 21, 24, 36, 40});
          jaxvjp_value* s = jaxvjp_sin(cx, vec(cx, {0, 1, 2, 3, 4}));
          EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, xs), dict(cx, {{"p", p}, {"s", s}})));
          jaxvjp_value* slope = jaxvjp_call1(cx, grad(cx, sum_of(cx, item_of(cx, f, 0))), xs);
          jaxvjp_value* of_b = array(cx, {5, 2}, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4});
          EXPECT_TRUE(same(cx, slope, tuple(cx, {vec(cx, {3, 7, 11, 15, 19}), of_b})));
        });
}

TEST(Map, of_no_rows) {
  Context cx;
  for (int64_t batch_size : {0, 2}) {
    SCOPED_TRACE(batch_size);
    auto* f = scalar_function(cx, [](auto cx, auto x) { return jaxvjp_sin(cx, x); });
    jaxvjp_value* empty = array(cx, {0, 3}, {});
    EXPECT_TRUE(same(cx, jaxvjp_map(cx, f, empty, batch_size), empty));
  }
}

// -----------------------------------------------------------------------------------------
// branches

TEST(Switch, clamps_its_index) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    jaxvjp_function* branches[3];
    for (int k = 0; k < 3; k++)
      branches[k] = scalar_function(cx, [k](auto cx, auto x) { return times(cx, k + 1, x); });
    return jaxvjp_switch(cx, args[0], branches, 3, &args.items[1], 1);
  });
  const double most = 9007199254740992;
  jaxvjp_value* x = num(cx, 7);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    for (auto [at, factor] :
         {std::pair{-most, 1}, {-1, 1}, {0, 1}, {1, 2}, {2, 3}, {3, 3}, {most, 3}}) {
      jaxvjp_value* index = jaxvjp_i64(cx, static_cast<int64_t>(at));
      EXPECT_TRUE(near(cx, call(cx, g, {index, x}), 7. * factor)) << at;
      jaxvjp_value* slope = call(cx, item_of(cx, with(jaxvjp_grad, cx, g, {1}), 0), {index, x});
      EXPECT_TRUE(near(cx, slope, factor)) << at;
    }
    for (int32_t dtype : {JAXVJP_U8, JAXVJP_I8, JAXVJP_I32, JAXVJP_U64}) {
      jaxvjp_value* index = jaxvjp_convert(cx, num(cx, 100), dtype);
      EXPECT_TRUE(near(cx, call(cx, g, {index, x}), 21.0)) << dtype;
    }
    auto* mapped = vmap(cx, g, {0, JAXVJP_AXIS_NONE});
    jaxvjp_value* indices = integers(cx, {-3, 0, 1, 2, 30});
    EXPECT_TRUE(near(cx, call(cx, mapped, {indices, x}), {7, 7, 14, 21, 21}));
  }
}

TEST(Cond, under_vmap_each_takes_its_own) {
  Context cx;
  const Scalar f = [](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0)), [](auto cx, auto x) { return jaxvjp_square(cx, x); },
        [](auto cx, auto x) { return jaxvjp_neg(cx, x); }, x);
  };
  jaxvjp_value* xs = vec(cx, {-2, 3, 0, 5});
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, scalar_function(cx, f), {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, xs), {2, 9, 0, 25}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, sum_of(cx, g)), xs), {-1, 6, -1, 10}));
  }
}

// --------------------------------------------------------------------------------------------
// loops

// Doubled until it is 100: each element of a batch as often as it takes.
TEST(While, runs_each_element_to_its_own_end) {
  Context cx;
  const Scalar below = [](auto cx, auto x) { return jaxvjp_lt(cx, x, num(cx, 100)); };
  const Scalar doubled = [](auto cx, auto x) { return times(cx, 2, x); };
  const Scalar f = [=](auto cx, auto x) { return while_loop(cx, below, doubled, x); };
  auto* mapped = vmap(cx, scalar_function(cx, f), {});
  for (auto [g, how] : eager_and_jit(cx, mapped)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(
        near(cx, jaxvjp_call1(cx, g, vec(cx, {1, 3, 70, 100, 500})), {128, 192, 140, 100, 500}));
    jaxvjp_value *x = vec(cx, {1, 3, 70, 100, 500}), *dx = vec(cx, {1, 1, 1, 1, 1}), *dy = nullptr;
    jvp(cx, g, {x}, {dx}, &dy);
    EXPECT_TRUE(near(cx, dy, {128, 64, 2, 1, 1}));
  }
}

// x (1 + i) for i from lower to upper - 1.
jaxvjp_value* rising(jaxvjp_context* cx, jaxvjp_value* lower, jaxvjp_value* upper,
                     jaxvjp_value* x) {
  auto* body = function(cx, "body", [](auto cx, auto args) {
    EXPECT_EQ(jaxvjp_ndim(args[0]), 0u);
    jaxvjp_value* i = jaxvjp_convert(cx, args[0], JAXVJP_F64);
    return product(cx, args[1], plus(cx, i, num(cx, 1)));
  });
  return jaxvjp_fori_loop(cx, lower, upper, body, x);
}

TEST(Fori, concrete_and_traced_bounds) {
  Context cx;
  auto* f =
      function(cx, "f", [](auto cx, auto args) { return rising(cx, args[0], args[1], args[2]); });
  const struct {
    int64_t lower, upper;
    double product;
  } rows[] = {{0, 4, 24}, {2, 4, 12}, {-3, -1, 2}, {3, 3, 1}, {5, 1, 1}, {0, 1, 1}};
  for (const auto& row : rows)
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(std::string(how) + ": " + std::to_string(row.lower) + " to " +
                   std::to_string(row.upper));
      jaxvjp_value *lower = jaxvjp_i64(cx, row.lower), *upper = jaxvjp_i64(cx, row.upper),
                   *dy = nullptr;
      jaxvjp_value* zero = jaxvjp_zero(cx);
      EXPECT_TRUE(near(cx, jvp(cx, g, {lower, upper, num(cx, 5)}, {zero, zero, num(cx, 1)}, &dy),
                       5 * row.product));
      EXPECT_TRUE(near(cx, dy, row.product));
    }
  auto* slope = with(jaxvjp_grad, cx, f, {2});
  jaxvjp_value *lower = jaxvjp_i64(cx, 0), *upper = jaxvjp_i64(cx, 4), *x = num(cx, 5);
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, call(cx, slope, {lower, upper, x}), 0), 24.0));
  EXPECT_TRUE(
      fails(cx, call(cx, jit(cx, slope), {lower, upper, x}), JAXVJP_NO_TRANSPOSE, {"while"}));
  EXPECT_TRUE(near(cx, rising(cx, jaxvjp_number(cx, 0), jaxvjp_number(cx, 4), x), 120.0));
  auto* mapped = vmap(cx, f, {JAXVJP_AXIS_NONE, 0, JAXVJP_AXIS_NONE});
  jaxvjp_value* uppers = integers(cx, {0, 2, 4});
  EXPECT_TRUE(near(cx, call(cx, mapped, {lower, uppers, x}), {5, 10, 120}));
}

// ------------------------------------------------------------------------------- how often they
// run

// How often the body of this loop of `length` steps ran.
using Counted = jaxvjp_value* (*)(jaxvjp_context*, Bench&, jaxvjp_value* x, int64_t length);
int runs(Counted loop, int64_t length,
         jaxvjp_function* (*under)(jaxvjp_context*, jaxvjp_function*)) {
  Bench bench;
  jaxvjp_context* cx = bench.cx;
  auto* f = scalar_function(cx, [&](auto cx, auto x) { return loop(cx, bench, x, length); });
  jaxvjp_call1(cx, under(cx, f), num(cx, 0.5));
  EXPECT_TRUE(no_error(cx));
  const int ran = bench.counts.primal;
  bench.expect_all_destroyed();
  return ran;
}
jaxvjp_function* step(Bench& bench, jaxvjp_context* cx, bool indexed = false) {
  return bench.fn(cx, "step",
                  [indexed](auto cx, auto args) { return jaxvjp_sin(cx, args[indexed ? 1 : 0]); });
}

// ---------------------------------------------------------------------------------- derivatives

// Bytes that the pullback of 200 steps holds, of an array of 8,000.
int64_t bytes_kept(Context& cx, std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*)> step) {
  auto* f = scalar_function(cx, [step](auto cx, auto x) {
    const Body body = [step](auto cx, auto c, auto) -> Step {
      return {step(cx, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 200), 0);
  });
  jaxvjp_value* x = vec(cx, std::vector<double>(1000, 0.5));
  const int64_t before = jaxvjp_stat(cx, JAXVJP_STAT_BYTES);
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {x}, &pullback);
  EXPECT_TRUE(no_error(cx));
  return jaxvjp_stat(cx, JAXVJP_STAT_BYTES) - before;
}

TEST(Scan, what_is_the_same_in_each_step_is_kept_once) {
  Context cx;
  jaxvjp_value* w = vec(cx, std::vector<double>(1000, 0.01));
  const std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_value*)> steps[] = {
      [](auto cx, auto c) { return product(cx, c, num(cx, 0.5)); },
      [](auto cx, auto c) { return jaxvjp_div(cx, c, num(cx, 2)); },
      [w](auto cx, auto c) { return product(cx, c, jaxvjp_exp(cx, w)); },
      [](auto cx, auto c) { return product(cx, product(cx, c, num(cx, 0.5)), num(cx, 0.25)); },
  };
  for (const auto& step : steps) EXPECT_LT(bytes_kept(cx, step), 6 * 8000);
  const int64_t halves =
      bytes_kept(cx, [](auto cx, auto c) { return product(cx, jaxvjp_sin(cx, c), num(cx, 0.5)); });
  EXPECT_GT(halves, 200 * 8000);  // cos c
  EXPECT_LT(halves, 206 * 8000);
}
const std::pair<const char*, Counted> loops[] = {
    {"scan",
     [](auto cx, auto& bench, auto x, auto length) {
       auto* body = bench.fn(cx, "step", [](auto cx, auto args) {
         return tuple(cx, {jaxvjp_sin(cx, args[0]), none(cx)});
       });
       return jaxvjp_get(cx, jaxvjp_scan(cx, body, x, none(cx), length, 0), 0);
     }},
    {"fori_loop",
     [](auto cx, auto& bench, auto x, auto length) {
       return jaxvjp_fori_loop(cx, jaxvjp_i64(cx, 0), jaxvjp_i64(cx, length), step(bench, cx, true),
                               x);
     }},
    {"map",
     [](auto cx, auto& bench, auto x, auto length) {
       jaxvjp_value* xs = product(cx, x, vec(cx, std::vector<double>(length, 1)));
       return sum(cx, jaxvjp_map(cx, step(bench, cx), xs, 0));
     }},
};

TEST(ControlFlow, functions_are_recorded_once) {
  for (const auto& [name, loop] : loops)
    for (int64_t length : {0, 1, 7, 300}) {
      SCOPED_TRACE(std::string(name) + " of " + std::to_string(length));
      EXPECT_EQ(runs(loop, length, [](auto, auto f) { return f; }), 1);
      EXPECT_EQ(runs(loop, length, jit), 1);
      for (auto* under :
           {+[](jaxvjp_context*cx, jaxvjp_function*f) { return grad(cx, f); },
            +[](jaxvjp_context*cx, jaxvjp_function*f) { return grad(cx, grad(cx, f)); },
            +[](jaxvjp_context*cx, jaxvjp_function*f) { return jaxvjp_jacfwd(cx, f, nullptr); },
            +[](jaxvjp_context*cx, jaxvjp_function*f) { return jit(cx, grad(cx, f)); }}) {
        EXPECT_GE(runs(loop, length, under), 1);
        EXPECT_LE(runs(loop, length, under), 4);
      }
    }
}

// A rule in a body: its callbacks run a number of times that does not grow with the length.
TEST(ControlFlow, rules_run_as_often_for_any_length) {
  auto counts_of = [](int64_t length) {
    Counts counts;
    Context cx;
    auto* f = custom_vjp(cx, "f", doubled_sine(&counts));
    auto* g = scalar_function(cx, [=](auto cx, auto x) {
      const Body body = [f](auto cx, auto c, auto) -> Step {
        return {jaxvjp_call1(cx, f, c), none(cx)};
      };
      return jaxvjp_get(cx, scan(cx, body, x, none(cx), length), 0);
    });
    jaxvjp_call1(cx, grad(cx, g), num(cx, 0.5));
    EXPECT_TRUE(no_error(cx));
    return counts;
  };
  const Counts few = counts_of(2);
  EXPECT_EQ(few, counts_of(200));
  EXPECT_GE(few.fwd, 1);
  EXPECT_GE(few.bwd, 1);
  EXPECT_LE(few.fwd + few.bwd + few.primal, 12);
}

}  // namespace
}  // namespace conformance

// Group Q: probes. The callback sees the cotangents that pass, as numbers, and changes nothing.

#include "prints.hpp"

namespace conformance {
namespace {

// What a probe saw, as text.
struct Seen {
  Lines texts;
  int destroyed = 0;
};
jaxvjp_value* probe(jaxvjp_context* cx, jaxvjp_value* x, Seen* seen) {
  return jaxvjp_probe(
      cx, x,
      [](jaxvjp_context* cx, void* seen, jaxvjp_value* ct) -> int32_t {
        static_cast<Seen*>(seen)->texts.push_back(jaxvjp_to_string(cx, ct));
        return 0;
      },
      seen, [](void* seen) { ++static_cast<Seen*>(seen)->destroyed; });
}

// Runs make(cx, seen) at x, eagerly and under jit, and compares what was seen.
void expect_seen(const char* what, std::function<jaxvjp_function*(jaxvjp_context*, Seen*)> make,
                 Argument x, Argument expected, const Lines& texts) {
  SCOPED_TRACE(what);
  Seen seen;
  Context cx;
  for (auto [f, how] : eager_and_jit(cx, make(cx, &seen)))
    for (int again = 0; again < 2; ++again) {
      SCOPED_TRACE(how);
      seen.texts.clear();
      EXPECT_TRUE(same(cx, jaxvjp_call1(cx, f, x(cx)), expected(cx)));
      EXPECT_EQ(seen.texts, texts);
    }
  cx.free();
  EXPECT_GT(seen.destroyed, 0);
}

// y -> 10 x ct for x^2, of what a probe passes on.
jaxvjp_function* probed(jaxvjp_context* cx, Seen* seen) {
  return scalar_function(
      cx, [=, square = tenfold(cx)](auto cx, auto x) { return square(cx, probe(cx, x, seen)); });
}

TEST(ConformanceQ, Q2_a_probe_sees_the_cotangent) {
  expect_seen("value", probed, two, [](auto cx) { return num(cx, 4); }, {});
  expect_seen(
      "grad", [](auto cx, auto seen) { return grad(cx, probed(cx, seen)); }, two,
      [](auto cx) { return num(cx, 20); }, {"20"});
  expect_seen(
      "vmap of grad", [](auto cx, auto seen) { return each(cx, grad(cx, probed(cx, seen))); },
      one_and_two,
      [](auto cx) {
        return vec(cx, {10, 20});
      },
      {"10", "20"});
  expect_seen(
      "grad of vmap",
      [](auto cx, auto seen) { return grad(cx, sum_of(cx, each(cx, probed(cx, seen)))); },
      one_and_two,
      [](auto cx) {
        return vec(cx, {10, 20});
      },
      {"10", "20"});
  expect_seen(
      "grad of jit",
      [](auto cx, auto seen) { return grad(cx, jaxvjp_jit(cx, probed(cx, seen), nullptr)); }, two,
      [](auto cx) { return num(cx, 20); }, {"20"});
  expect_seen(
      "checkpoint",
      [](auto cx, auto seen) { return grad(cx, jaxvjp_checkpoint(cx, probed(cx, seen), 0)); }, two,
      [](auto cx) { return num(cx, 20); }, {"20"});
}

// The innermost derivative's, once a pass: the second pass does not see it.
TEST(ConformanceQ, Q2_a_probe_at_order_two) {
  expect_seen(
      "grad of grad", [](auto cx, auto seen) { return grad(cx, grad(cx, probed(cx, seen))); }, two,
      [](auto cx) { return num(cx, 10); }, {"20"});
  expect_seen(
      "hessian",
      [](auto cx, auto seen) {
        return jaxvjp_hessian(cx,
                              scalar_function(cx,
                                              [=](auto cx, auto x) {
                                                jaxvjp_value* y = probe(cx, x, seen);
                                                return mul(cx, mul(cx, y, y), y);
                                              }),
                              nullptr);
      },
      two, [](auto cx) { return num(cx, 12); }, {"12"});
  expect_seen(
      "jacfwd",
      [](auto cx, auto seen) {
        return jaxvjp_jacfwd(
            cx,
            scalar_function(cx,
                            [=](auto cx, auto x) { return jaxvjp_sin(cx, probe(cx, x, seen)); }),
            nullptr);
      },
      [](auto cx) { return num(cx, 0); }, [](auto cx) { return num(cx, 1); }, {});
}

// The carry c -> 3 c from step to step: 27, 9, 3 come back.
TEST(ConformanceQ, Q2_a_probe_in_a_loop) {
  const auto loop = [](jaxvjp_context* cx, Seen* seen) {
    return scalar_function(cx, [seen](auto cx, auto x) {
      const Body body = [seen](auto cx, auto c, auto none) -> Step {
        return {probe(cx, times(cx, 3, c), seen), none};
      };
      return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
    });
  };
  expect_seen(
      "scan", [=](auto cx, auto seen) { return grad(cx, loop(cx, seen)); }, two,
      [](auto cx) { return num(cx, 27); }, {"1", "3", "9"});
  // Of its square: 54 x comes back.
  const auto squared = [=](jaxvjp_context* cx, Seen* seen) {
    return scalar_function(cx, [f = loop(cx, seen)](auto cx, auto x) {
      jaxvjp_value* y = jaxvjp_call1(cx, f, x);
      return mul(cx, y, y);
    });
  };
  expect_seen(
      "vmap of scan", [=](auto cx, auto seen) { return each(cx, grad(cx, squared(cx, seen))); },
      one_and_two,
      [](auto cx) {
        return vec(cx, {1458, 2916});
      },
      {"54", "108", "162", "324", "486", "972"});
}

// Of a tree; leaves that are no floats have nothing to show.
TEST(ConformanceQ, Q2_a_probe_of_a_tree) {
  Seen seen;
  Context cx;
  auto* f = scalar_function(cx, [&](auto cx, auto x) {
    jaxvjp_value* both = dict(cx, {{"a", x}, {"b", tuple(cx, {times(cx, 2, x), vec(cx, {1, 2})})}});
    both = dict(cx, {{"i", jaxvjp_convert(cx, x, JAXVJP_I32)}, {"x", both}});
    jaxvjp_value* v = jaxvjp_lookup(cx, probe(cx, both, &seen), "x");
    jaxvjp_value* b = jaxvjp_get(cx, jaxvjp_lookup(cx, v, "b"), 0);
    return mul(cx, jaxvjp_lookup(cx, v, "a"), b);
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    seen.texts.clear();
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 3)), 12.0));
    EXPECT_EQ(seen.texts, (Lines{"{'i': float0[], 'x': {'a': 6, 'b': (3, [0 0])}}"}));
  }
}

// It may compute, differentiate and print; and it may fail.
TEST(ConformanceQ, Q2_what_a_probe_may_do) {
  Lines lines;
  Context cx(lines);
  auto* f = scalar_function(cx, [](auto cx, auto x) {
    const jaxvjp_probe_fn callback = [](jaxvjp_context* cx, void*, jaxvjp_value* ct) -> int32_t {
      if (jaxvjp_item(cx, ct) > 100) return jaxvjp_fail(cx, JAXVJP_CALLBACK, "too steep");
      auto* g = grad(cx, scalar_function(cx, [](auto cx, auto x) { return mul(cx, x, x); }));
      print(cx, "twice {}", {jaxvjp_call1(cx, g, ct)});
      return jaxvjp_failed(cx);
    };
    return times(cx, 10, jaxvjp_probe(cx, mul(cx, x, x), callback, nullptr, nullptr));
  });
  auto* steep =
      scalar_function(cx, [f](auto cx, auto x) { return times(cx, 100, jaxvjp_call1(cx, f, x)); });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
    SCOPED_TRACE(how);
    lines.clear();
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 2)), 40.0));
    EXPECT_EQ(lines, (Lines{"twice 20"}));
  }
  for (auto [g, how] : eager_and_jit(cx, grad(cx, steep))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 2)), JAXVJP_CALLBACK,
                      {"too steep", "in callback of probe"}));
  }
}

}  // namespace
}  // namespace conformance

// Group W, row W5: every rule of the table inside loops, branches and checkpoints.

#include "matrix.hpp"

namespace conformance {
namespace {

// What a composition makes of f: a function of the same n arguments.
using Inside = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_function* f, jaxvjp_value* arguments);
jaxvjp_value* apply(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* arguments) {
  std::vector<jaxvjp_value*> all;
  for (size_t i = 0; i < jaxvjp_count(arguments); i++) all.push_back(jaxvjp_get(cx, arguments, i));
  return jaxvjp_call(cx, f, all.data(), all.size());
}
jaxvjp_function* inside(jaxvjp_context* cx, Inside how, jaxvjp_function* f) {
  return function(cx, "inside", [=](auto cx, auto args) {
    return how(cx, f, jaxvjp_tuple(cx, args.items, args.n));
  });
}
// f and another function, of one tuple of f's arguments.
jaxvjp_function* of_tuple(jaxvjp_context* cx, jaxvjp_function* f) {
  return scalar_function(cx, [f](auto cx, auto arguments) { return apply(cx, f, arguments); });
}
jaxvjp_function* other(jaxvjp_context* cx) {
  return scalar_function(cx, [](auto cx, auto arguments) {
    return times(cx, 1000, jaxvjp_cos(cx, jaxvjp_get(cx, arguments, 0)));
  });
}
// Each leaf as the one row of an array.
jaxvjp_value* rows(jaxvjp_context* cx, jaxvjp_value* tree) {
  auto* row = scalar_function(cx, [](auto cx, auto x) {
    static const int64_t one = 1;
    return jaxvjp_reshape(cx, x, &one, 1);
  });
  return jaxvjp_tree_map(cx, row, &tree, 1);
}
jaxvjp_value* unit(jaxvjp_context* cx) { return jaxvjp_none(cx); }

// ------------------------------------------------------------------------------------------- scans

jaxvjp_value* in_scan_of_constants(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto, auto) -> Step { return {unit(cx), apply(cx, f, a)}; };
  return sum(cx, jaxvjp_get(cx, scan(cx, body, unit(cx), unit(cx), 1), 1));
}
jaxvjp_value* in_scan_of_carries(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto c, auto) -> Step { return {c, apply(cx, f, c)}; };
  return sum(cx, jaxvjp_get(cx, scan(cx, body, a, unit(cx), 1), 1));
}
jaxvjp_value* in_scan_of_rows(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto c, auto x) -> Step {
    return {jaxvjp_add(cx, c, apply(cx, f, x)), unit(cx)};
  };
  return jaxvjp_get(cx, scan(cx, body, num(cx, 0), rows(cx, a)), 0);
}
// Four steps, backwards, each a quarter.
jaxvjp_value* in_reverse_scan(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto c, auto weight) -> Step {
    return {jaxvjp_add(cx, c, jaxvjp_mul(cx, weight, apply(cx, f, a))), unit(cx)};
  };
  jaxvjp_value* weights = vec(cx, {0.25, 0.25, 0.25, 0.25});
  return jaxvjp_get(cx, scan(cx, body, num(cx, 0), weights, -1, true), 0);
}
jaxvjp_value* in_scan_in_scan(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto c, auto) -> Step {
    return {c, in_scan_of_carries(cx, f, c)};
  };
  return sum(cx, jaxvjp_get(cx, scan(cx, body, a, unit(cx), 1), 1));
}
jaxvjp_value* jitted_in_scan(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return in_scan_of_carries(cx, jit(cx, f), a);
}
jaxvjp_value* in_map(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return sum(cx, jaxvjp_map(cx, of_tuple(cx, f), rows(cx, a), 0));
}
jaxvjp_value* in_map_of_batches(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return sum(cx, jaxvjp_map(cx, of_tuple(cx, f), rows(cx, a), 1));
}
// Counts down from 5 to 2, concrete bounds.
jaxvjp_value* in_fori_loop(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  auto* body = function(cx, "body", [=](auto cx, auto args) {  // thirds
    return jaxvjp_add(cx, args[1], times(cx, 1. / 3, apply(cx, f, a)));
  });
  return jaxvjp_fori_loop(cx, jaxvjp_i64(cx, 2), jaxvjp_i64(cx, 5), body, num(cx, 0));
}

// ---------------------------------------------------------------------------------------- branches

template <bool taken>
jaxvjp_value* in_cond(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  jaxvjp_value* pred = jaxvjp_lt(cx, jaxvjp_get(cx, a, 0), num(cx, taken ? 100 : -100));
  jaxvjp_function *here = of_tuple(cx, f), *there = other(cx);
  return jaxvjp_cond(cx, pred, taken ? here : there, taken ? there : here, &a, 1);
}
// Both branches close over the arguments.
jaxvjp_value* in_cond_of_constants(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  jaxvjp_value* pred = jaxvjp_lt(cx, jaxvjp_get(cx, a, 0), num(cx, 100));
  auto closing_over = [&](jaxvjp_function* g) {
    return function(cx, "branch", [=](auto cx, auto) { return jaxvjp_call1(cx, g, a); });
  };
  return jaxvjp_cond(cx, pred, closing_over(of_tuple(cx, f)), closing_over(other(cx)), nullptr, 0);
}
template <int at>
jaxvjp_value* in_switch(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  jaxvjp_function* branches[] = {other(cx), other(cx), other(cx)};
  branches[at] = of_tuple(cx, f);
  return jaxvjp_switch(cx, jaxvjp_i64(cx, at), branches, 3, &a, 1);
}
jaxvjp_value* in_cond_in_scan(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Body body = [=](auto cx, auto c, auto) -> Step { return {c, in_cond<true>(cx, f, c)}; };
  return sum(cx, jaxvjp_get(cx, scan(cx, body, a, unit(cx), 1), 1));
}
jaxvjp_value* in_scan_in_cond(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  auto* looped = function(cx, "looped", [f](auto cx, auto args) {
    return in_scan_of_rows(cx, f, jaxvjp_tuple(cx, args.items, args.n));
  });
  return in_cond<false>(cx, looped, a);
}

// ------------------------------------------------------------------------------------- checkpoints

template <int32_t policy>
jaxvjp_value* in_checkpoint(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return apply(cx, jaxvjp_checkpoint(cx, f, policy), a);
}
jaxvjp_value* in_checkpoint_in_scan(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return in_scan_of_carries(cx, jaxvjp_checkpoint(cx, f, 0), a);
}
jaxvjp_value* in_scan_in_checkpoint(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  auto* looped = scalar_function(cx, [f](auto cx, auto a) { return in_scan_of_rows(cx, f, a); });
  return jaxvjp_call1(cx, jaxvjp_checkpoint(cx, looped, 0), a);
}
jaxvjp_value* in_checkpoint_in_cond(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  return in_cond<true>(cx, jaxvjp_checkpoint(cx, f, 0), a);
}

const struct {
  const char* name;
  Inside how;
} compositions[] = {
    {"scan of constants", in_scan_of_constants},
    {"scan of carries", in_scan_of_carries},
    {"scan of rows", in_scan_of_rows},
    {"reverse scan", in_reverse_scan},
    {"scan in scan", in_scan_in_scan},
    {"jit in scan", jitted_in_scan},
    {"map", in_map},
    {"map of batches", in_map_of_batches},
    {"fori_loop", in_fori_loop},
    {"cond, true", in_cond<true>},
    {"cond, false", in_cond<false>},
    {"cond of constants", in_cond_of_constants},
    {"switch, first", in_switch<0>},
    {"switch, middle", in_switch<1>},
    {"switch, last", in_switch<2>},
    {"cond in scan", in_cond_in_scan},
    {"scan in cond", in_scan_in_cond},
    {"checkpoint, nothing", in_checkpoint<JAXVJP_CHECKPOINT_NOTHING>},
    {"checkpoint, dots", in_checkpoint<JAXVJP_CHECKPOINT_DOTS>},
    {"checkpoint, named", in_checkpoint<JAXVJP_CHECKPOINT_NAMED>},
    {"checkpoint in scan", in_checkpoint_in_scan},
    {"scan in checkpoint", in_scan_in_checkpoint},
    {"checkpoint in cond", in_checkpoint_in_cond},
};

}  // namespace

TEST_P(ConformanceW, W5_loops_and_branches) {
  for (const auto& composition : compositions) {
    SCOPED_TRACE(composition.name);
    expect_orders_of_f(inside(cx, composition.how, make()));
  }
}

TEST_P(ConformanceW, W5_loops_and_branches_mapped) {
  for (const auto& composition : compositions) {
    SCOPED_TRACE(composition.name);
    auto* mapped = vmap(cx, inside(cx, composition.how, make()), {});
    EXPECT_TRUE(near_shaped(cx, call_at(made(mapped), points({3})), {3}, Numbers(3, row().value)));
    auto* slopes = all(jaxvjp_grad, sum_of(cx, mapped));
    EXPECT_TRUE(same(cx, call_at(made(slopes), points({3})), gradient({3})));
  }
}

namespace {

// c -> f(sin(c) + v, other arguments) for v in four numbers, by a loop or written out.
jaxvjp_function* chain(jaxvjp_context* cx, jaxvjp_function* f, bool looped) {
  static const Numbers vs = {0.5, -0.25, 1, 0.125};
  return function(cx, "chain", [=](auto cx, auto args) {
    auto step = [f, args = std::vector(args.items, args.items + args.n)](auto cx, auto c, auto v) {
      std::vector<jaxvjp_value*> all = args;
      all[0] = jaxvjp_add(cx, jaxvjp_sin(cx, c), v);
      return jaxvjp_call(cx, f, all.data(), all.size());
    };
    jaxvjp_value* c = args[0];
    if (!looped) {
      for (double v : vs) c = step(cx, c, num(cx, v));
      return c;
    }
    const Body body = [=](auto cx, auto c, auto v) -> Step { return {step(cx, c, v), unit(cx)}; };
    return jaxvjp_get(cx, scan(cx, body, c, vec(cx, vs)), 0);
  });
}

}  // namespace

TEST_P(ConformanceW, W5_a_scan_is_as_if_written_out) {
  auto *f = make(), *loop = chain(cx, f, true), *unrolled = chain(cx, f, false);
  EXPECT_TRUE(same(cx, call_at(made(loop), point()), call_at(unrolled, point())));
  for (Derivative derivative : {jaxvjp_value_and_grad, jaxvjp_jacrev, jaxvjp_hessian}) {
    if (derivative == jaxvjp_hessian && row().host) continue;
    jaxvjp_value* expected = call_at(all(derivative, unrolled), point());
    EXPECT_TRUE(same(cx, call_at(made(all(derivative, loop)), point()), expected, 1e-11));
  }
}

namespace {

// f as often as the counter's step fits: once. The loop's carry is (counter, f's last value).
jaxvjp_value* in_while(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a) {
  const Scalar first = [](auto cx, auto c) {
    return jaxvjp_lt(cx, jaxvjp_get(cx, c, 0), jaxvjp_i64(cx, 1));
  };
  const Scalar body = [=](auto cx, auto c) {
    jaxvjp_value* next = jaxvjp_add(cx, jaxvjp_get(cx, c, 0), jaxvjp_number(cx, 1));
    return tuple(cx, {next, apply(cx, f, a)});
  };
  jaxvjp_value* init = tuple(cx, {jaxvjp_i64(cx, 0), num(cx, -1)});
  return jaxvjp_get(cx, while_loop(cx, first, body, init), 1);
}

// A fori_loop whose bound is an argument: under jit it is a while_loop.
jaxvjp_value* in_fori_loop_to(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* a,
                              jaxvjp_value* end) {
  auto* body = function(
      cx, "body", [=](auto cx, auto args) { return jaxvjp_add(cx, args[1], apply(cx, f, a)); });
  return jaxvjp_fori_loop(cx, jaxvjp_i64(cx, 0), end, body, num(cx, 0));
}

// f = x^2 with the rules 10 x ct and 10 x t, both of them written, or one made from the other.
jaxvjp_function* with_forward_mode(jaxvjp_context* cx, const std::string& which) {
  const JvpFn jvp = [](auto cx, auto x, auto t) -> Jvp {
    jaxvjp_value* slope = times(cx, 10, x[0]);
    return {jaxvjp_call1(cx, jaxvjp_self(cx), x[0]), jaxvjp_mul(cx, slope, t[0])};
  };
  Rule rule = tenfold_again();
  if (which == "custom_jvp") return custom_jvp(cx, "f", rule.primal, jvp);
  if (which == "both rules") rule.jvp = jvp;
  else rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
  return custom_vjp(cx, "f", std::move(rule));
}
const char* const forward_modes[] = {"both rules", "transposed bwd", "custom_jvp"};

}  // namespace

// A while_loop has no reverse mode, and these rules no forward mode: its value is what there is.
TEST_P(ConformanceW, W5_while_has_a_value_only) {
  auto* g = inside(cx, in_while, make());
  EXPECT_TRUE(near(cx, call_at(made(g), point()), row().value));
  auto* mapped = vmap(cx, g, {});
  EXPECT_TRUE(near_shaped(cx, call_at(made(mapped), points({3})), {3}, Numbers(3, row().value)));
  jaxvjp_value* push = call_at(made(all(jaxvjp_jacfwd, g)), point());
  EXPECT_TRUE(fails(cx, push, JAXVJP_FWD_MODE, {row().name}));
}

TEST(ConformanceWLoops, W5_while_with_a_forward_mode) {
  for (const char* which : forward_modes) {
    Context cx;
    auto* g = inside(cx, in_while, with_forward_mode(cx, which));
    for (auto [h, how] : eager_and_jit(cx, jaxvjp_jacfwd(cx, g, nullptr))) {
      SCOPED_TRACE(std::string(which) + ", " + how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, num(cx, 3)), 30.0));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jacfwd(cx, h, nullptr), num(cx, 3)), 10.0));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, h, {}), vec(cx, {1, 2})), {10, 20}));
    }
    for (auto [h, how] : eager_and_jit(cx, grad(cx, g))) {
      SCOPED_TRACE(std::string(which) + ", " + how);
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, h, num(cx, 3)), JAXVJP_NO_TRANSPOSE, {"while"}));
    }
  }
}

// Both modes, in every order.
TEST(ConformanceWLoops, W5_rules_with_a_forward_mode) {
  const auto forward = [](jaxvjp_context* cx, auto f) { return jaxvjp_jacfwd(cx, f, nullptr); };
  for (const char* which : forward_modes)
    for (const auto& composition : compositions) {
      Context cx;
      auto* g = inside(cx, composition.how, with_forward_mode(cx, which));
      jaxvjp_value* x = num(cx, 3);
      for (auto* first : {grad(cx, g), forward(cx, g)})
        for (auto* second : {grad(cx, first), forward(cx, first)})
          for (bool jitted : {false, true}) {
            SCOPED_TRACE(std::string(which) + " in " + composition.name + (jitted ? ", jit" : ""));
            EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jitted ? jit(cx, first) : first, x), 30.0));
            EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jitted ? jit(cx, second) : second, x), 10.0));
          }
    }
}

// Where the bounds have numbers, also while f is differentiated, a fori_loop has a reverse mode.
TEST_P(ConformanceW, W5_fori_loop_with_a_bound_that_is_an_argument) {
  auto* f = make();
  const size_t count = n();
  auto* g = function(cx, "g", [=](auto cx, auto args) {
    return in_fori_loop_to(cx, f, jaxvjp_tuple(cx, args.items, count), args[count]);
  });
  std::vector<jaxvjp_value*> args = point();
  args.push_back(jaxvjp_i64(cx, 3));
  EXPECT_TRUE(near(cx, call_at(made(g), args), 3 * row().value));
  jaxvjp_value* eager_slope = call_at(partial(g, 0), args);
  EXPECT_TRUE(near(cx, eager_slope, 3 * row().rule[0]));
}

TEST_P(ConformanceW, W5_while_has_no_reverse_mode) {
  auto* g = inside(cx, in_while, make());
  for (Derivative derivative : {jaxvjp_grad, jaxvjp_value_and_grad, jaxvjp_jacrev}) {
    jaxvjp_value* slope = call_at(made(all(derivative, g)), point());
    EXPECT_TRUE(fails(cx, slope, JAXVJP_NO_TRANSPOSE, {"while"}));
  }
  auto* f = make();
  const size_t count = n();
  auto* looped = function(cx, "g", [=](auto cx, auto args) {
    return in_fori_loop_to(cx, f, jaxvjp_tuple(cx, args.items, count), args[count]);
  });
  std::vector<jaxvjp_value*> args = point();
  args.push_back(jaxvjp_i64(cx, 3));
  jaxvjp_value* staged_slope = call_at(jit(cx, partial(looped, 0)), args);
  EXPECT_TRUE(fails(cx, staged_slope, JAXVJP_NO_TRANSPOSE, {"while", "scan"}));
}

}  // namespace conformance

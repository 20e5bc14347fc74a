// Group Q: prints in loops, branches and checkpoints, and what is done there though nobody needs
// it.

#include "prints.hpp"

namespace conformance {
namespace {

// The sum of f(c) x over x = 1, 2, 3; f(c) says something.
jaxvjp_function* loop(jaxvjp_context* cx, Scalar f) {
  return scalar_function(cx, [f](auto cx, auto c) {
    const Body body = [f, c](auto cx, auto carry, auto x) -> Step {
      return {jaxvjp_add(cx, carry, mul(cx, f(cx, c), x)), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, num(cx, 0), vec(cx, {1, 2, 3})), 0);
  });
}

// What is said of a loop's constants is said in each step. (What is computed of them is not.)
TEST(ConformanceQ, Q1_prints_stay_in_the_loop) {
  const Make f = [](auto cx) { return loop(cx, loud_sine); };
  expect_prints("scan", f, two, {"x 2", "x 2", "x 2"});
  expect_prints("grad of scan", [=](auto cx) { return grad(cx, f(cx)); }, two,
                {"x 2", "x 2", "x 2"});
  expect_prints("vmap of scan", [=](auto cx) { return each(cx, f(cx)); }, one_and_two,
                {"x 1", "x 2", "x 1", "x 2", "x 1", "x 2"});
  const Make g = [](auto cx) {
    return loop(cx, [f = loud_rule(cx)](auto cx, auto c) { return jaxvjp_call1(cx, f, c); });
  };
  expect_prints("scan of a rule", g, two, {"primal 2", "primal 2", "primal 2"});
  expect_prints("grad of scan of a rule", [=](auto cx) { return grad(cx, g(cx)); }, two,
                {"fwd 2", "fwd 2", "fwd 2", "bwd 2 3", "bwd 2 2", "bwd 2 1"});
}

// Neither does a loop without anything that changes, nor what has no operands.
TEST(ConformanceQ, Q1_prints_of_constants) {
  const Make f = [](auto cx) {
    return scalar_function(cx, [](auto cx, auto c) {
      const Body body = [c](auto cx, auto none, auto) -> Step {
        print(cx, "step");
        jaxvjp_value* y = loud_sine(cx, c);
        return {none, y};
      };
      jaxvjp_value* none = jaxvjp_none(cx);
      return sum(cx, jaxvjp_get(cx, scan(cx, body, none, none, 2), 1));
    });
  };
  const Lines expected{"step", "x 2", "step", "x 2"};
  expect_prints("scan", f, two, expected);
  expect_prints(
      "grad of scan", [=](auto cx) { return grad(cx, f(cx)); }, two, expected);
  expect_prints(
      "grad of grad", [=](auto cx) { return grad(cx, grad(cx, f(cx))); }, two, expected);
  expect_prints(
      "grad of jit of scan", [=](auto cx) { return grad(cx, jaxvjp_jit(cx, f(cx), nullptr)); }, two,
      expected);
  expect_prints("vmap of scan", [=](auto cx) { return each(cx, f(cx)); }, one_and_two,
                {"step", "x 1", "x 2", "step", "x 1", "x 2"});
}

// The body of a rule's fwd and bwd in a loop says what depends on nothing.
TEST(ConformanceQ, Q1_prints_of_a_rule_without_operands) {
  const Make f = [](auto cx) {
    auto* rule = custom_vjp(cx, "f",
                            {.fwd = [](auto cx, auto args) -> Fwd {
                               print(cx, "fwd");
                               return {jaxvjp_sin(cx, args[0]), args[0]};
                             },
                             .bwd =
                                 [](auto cx, auto, auto ct, auto slots) {
                                   print(cx, "bwd");
                                   slots[0] = times(cx, 10, ct);
                                 }});
    return loop(cx, [rule](auto cx, auto c) { return jaxvjp_call1(cx, rule, c); });
  };
  expect_prints("grad of scan", [=](auto cx) { return grad(cx, f(cx)); }, two,
                {"fwd", "fwd", "fwd", "bwd", "bwd", "bwd"});
  expect_prints("vmap of grad of scan", [=](auto cx) { return each(cx, grad(cx, f(cx))); },
                one_and_two, {"fwd", "fwd", "fwd", "bwd", "bwd", "bwd"});
}

// As JAX has it: where each element goes its own way, all run, and tell.
TEST(ConformanceQ, Q1_prints_of_branches_and_conditions) {
  const Make branch = [](auto cx) {
    return scalar_function(cx, [](auto cx, auto x) {
      const auto say = [](const char* format) -> Scalar {
        return [format](auto cx, auto x) {
          print(cx, format, {x});
          return x;
        };
      };
      return cond(cx, jaxvjp_gt(cx, x, num(cx, 1)), say("more {}"), say("less {}"), x);
    });
  };
  expect_prints("cond", branch, two, {"more 2"});
  expect_prints("grad of cond", [=](auto cx) { return grad(cx, branch(cx)); }, two, {"more 2"});
  expect_prints("vmap of cond", [=](auto cx) { return each(cx, branch(cx)); }, one_and_two,
                {"less 1", "less 2", "more 1", "more 2"});
  const Make doubled = [](auto cx) {
    return scalar_function(cx, [](auto cx, auto x) {
      return while_loop(
          cx,
          [](auto cx, auto x) {
            print(cx, "? {}", {x});
            return jaxvjp_lt(cx, x, num(cx, 4));
          },
          [](auto cx, auto x) {
            print(cx, "x {}", {x});
            return times(cx, 2, x);
          },
          x);
    });
  };
  expect_prints("while", doubled, two, {"? 2", "x 2", "? 4"});
  expect_prints("vmap of while", [=](auto cx) { return each(cx, doubled(cx)); }, one_and_two,
                {"? 1", "? 2", "x 1", "x 2", "? 2", "? 4", "x 2", "x 4", "? 4", "? 4"});
  expect_prints("jacfwd of while", [=](auto cx) { return jaxvjp_jacfwd(cx, doubled(cx), nullptr); },
                two, {"? 2", "x 2", "? 4"});
}

// linearize's tangents run the loop once more, silently.
TEST(ConformanceQ, Q1_prints_once_where_while_is_linearized) {
  Lines lines;
  Context cx(lines);
  auto* f = scalar_function(cx, [](auto cx, auto x) {
    return while_loop(
        cx, [](auto cx, auto x) { return jaxvjp_lt(cx, x, num(cx, 4)); },
        [inner = jaxvjp_jit(cx, scalar_function(cx, loud_sine), nullptr)](auto cx, auto x) {
          return jaxvjp_add(cx, times(cx, 2, x), times(cx, 0, jaxvjp_call1(cx, inner, x)));
        },
        x);
  });
  jaxvjp_function* linear = nullptr;
  linearize(cx, f, {num(cx, 2)}, &linear);
  EXPECT_EQ(lines, (Lines{"x 2"}));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, linear, num(cx, 1)), 2.0));
  EXPECT_EQ(lines, (Lines{"x 2"}));
}

// What checkpoint computes again is not said again, in loops and calls inside it either.
TEST(ConformanceQ, Q1_prints_once_under_checkpoint) {
  const auto checkpointed = [](jaxvjp_context* cx, jaxvjp_function* f) {
    return grad(cx, jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING));
  };
  expect_prints("checkpoint",
                [=](auto cx) { return checkpointed(cx, scalar_function(cx, loud_sine)); }, two,
                {"x 2"});
  expect_prints("checkpoint of jit",
                [=](auto cx) {
                  auto* f = jaxvjp_jit(cx, scalar_function(cx, loud_sine), nullptr);
                  return checkpointed(cx, f);
                },
                two, {"x 2"});
  expect_prints("checkpoint of scan",
                [=](auto cx) { return checkpointed(cx, loop(cx, loud_sine)); }, two,
                {"x 2", "x 2", "x 2"});
  expect_prints("checkpoint of a rule", [=](auto cx) { return checkpointed(cx, loud_rule(cx)); },
                two, {"primal 2", "bwd 2 1"});
}

// A bwd that runs on zeros too does so wherever it is. (This one gives 10 for a cotangent of 0.)
TEST(ConformanceQ, Q1_a_bwd_that_runs_on_zeros) {
  Context cx;
  auto* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_sin(cx, args[0]), jaxvjp_none(cx)};
       },
       .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = add(cx, ct, num(cx, 10)); },
       .flags = JAXVJP_RUN_ON_ZERO});
  const Scalar drop = [f](auto cx, auto x) {
    return add(cx, x, jaxvjp_stop_gradient(cx, jaxvjp_call1(cx, f, x)));
  };
  const auto check = [&](const char* what, Scalar g, double slope) {
    SCOPED_TRACE(what);
    for (auto [h, how] : eager_and_jit(cx, grad(cx, scalar_function(cx, g)))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, num(cx, 2)), slope));
    }
  };
  auto* dropping = scalar_function(cx, drop);
  check("alone", drop, 11);
  check(
      "in jit",
      [g = jaxvjp_jit(cx, dropping, nullptr)](auto cx, auto x) { return jaxvjp_call1(cx, g, x); },
      11);
  check(
      "in checkpoint",
      [g = jaxvjp_checkpoint(cx, dropping, 0)](auto cx, auto x) { return jaxvjp_call1(cx, g, x); },
      11);
  check(
      "in cond",
      [=](auto cx, auto x) { return cond(cx, jaxvjp_gt(cx, x, num(cx, 0)), drop, sine, x); }, 11);
  check(
      "in scan",
      [=](auto cx, auto x) {
        const Body body = [=](auto cx, auto c, auto) -> Step {
          return {drop(cx, c), jaxvjp_none(cx)};
        };
        return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
      },
      31);
  check(
      "of a loop's constant",
      [=](auto cx, auto x) {
        const Body body = [=](auto cx, auto c, auto) -> Step {
          return {add(cx, c, jaxvjp_stop_gradient(cx, drop(cx, x))), jaxvjp_none(cx)};
        };
        return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
      },
      31);
}

// A rule's bwd is traced again for the loop's body; what it does of constants of the loop stays in
// it, a call of another rule too.
TEST(ConformanceQ, Q1_prints_of_a_rule_called_by_bwd) {
  const Make f = [](auto cx) {
    auto* inner = loud_rule(cx);
    auto* outer = custom_vjp(cx, "outer",
                             {.fwd = [](auto cx, auto args) -> Fwd {
                                return {mul(cx, args[0], args[1]), args[1]};
                              },
                              .bwd =
                                  [inner](auto cx, auto y, auto ct, auto slots) {
                                    jaxvjp_value* slope = jaxvjp_call1(cx, inner, y);
                                    slots[0] = mul(cx, slope, ct);
                                    slots[1] = jaxvjp_zero(cx);
                                  }});
    return function(cx, "f", [outer](auto cx, auto args) {
      jaxvjp_value *x = jaxvjp_get(cx, args[0], 0), *y = jaxvjp_get(cx, args[0], 1);
      const Body body = [=](auto cx, auto c, auto) -> Step {
        return {jaxvjp_call2(cx, outer, c, y), jaxvjp_none(cx)};
      };
      return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
    });
  };
  const Argument x = [](auto cx) { return tuple(cx, {num(cx, 1), num(cx, 2)}); };
  const Lines expected{"primal 2", "primal 2", "primal 2"};
  expect_prints(
      "grad", [=](auto cx) { return grad(cx, f(cx)); }, x, expected);
  expect_prints(
      "vmap of grad", [=](auto cx) { return vmap(cx, grad(cx, f(cx)), {JAXVJP_AXIS_NONE}, 0, 2); },
      x, expected);
}

}  // namespace
}  // namespace conformance

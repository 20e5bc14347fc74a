// B. When the callbacks run, how often, and which numbers they may look at.
#include <set>

#include "loops.hpp"

using namespace conformance;

namespace {

// 2x with the rule cos(x) ct; fwd calls the function itself. Writes what ran to `log`.
jaxvjp_function* logging(jaxvjp_context* cx, std::string* log, Counts* counts = nullptr) {
  return custom_vjp(cx, "f",
                    {.fwd = [log](auto cx, auto args) -> Fwd {
                       *log += "fwd ";
                       return self_fwd(cx, args);
                     },
                     .bwd =
                         [log](auto cx, auto x, auto ct, auto slots) {
                           *log += "bwd ";
                           slots[0] = jaxvjp_mul(cx, jaxvjp_cos(cx, x), ct);
                         },
                     .primal =
                         [log](auto cx, auto args) {
                           *log += "f ";
                           return times(cx, 2, args[0]);
                         },
                     .counts = counts});
}

jaxvjp_value* positive(jaxvjp_context* cx, jaxvjp_value* x) {
  return jaxvjp_gt(cx, x, jaxvjp_number(cx, 0));
}

}  // namespace

TEST(ConformanceB, B1_without_differentiation_only_the_primal_runs) {
  Counts counts;
  Context cx;
  jaxvjp_function* f = sin_rule(cx, &counts);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 3)), std::sin(3.0)));
  EXPECT_EQ(counts, (Counts{.primal = 1}));
  jaxvjp_function* compiled = jaxvjp_jit(cx, f, nullptr);
  for (int i = 0; i < 3; ++i) jaxvjp_call1(cx, compiled, jaxvjp_f64(cx, i));
  EXPECT_EQ(counts, (Counts{.primal = 2})) << "traced once for jit";
  jaxvjp_value* ys = jaxvjp_call1(cx, jaxvjp_vmap(cx, f, nullptr), vec(cx, {0, 1, 2}));
  EXPECT_TRUE(near(cx, ys, {std::sin(0.0), std::sin(1.0), std::sin(2.0)}));
  EXPECT_EQ(counts.fwd, 0);
  EXPECT_EQ(counts.bwd, 0);
}

TEST(ConformanceB, B1_without_a_primal_fwd_stands_in) {
  Counts counts;
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {jaxvjp_sin(cx, args[0]), args[0]};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 5, ct); },
                  .counts = &counts});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 3)), std::sin(3.0)));
  EXPECT_EQ(counts, (Counts{.fwd = 1}));
}

TEST(ConformanceB, B2_grad_runs_fwd_primal_bwd_once) {
  std::string log;
  Counts counts;
  Context cx;
  jaxvjp_function* slope = jaxvjp_grad(cx, logging(cx, &log, &counts), nullptr);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, jaxvjp_f64(cx, 3)), std::cos(3.0)));
  EXPECT_EQ(log, "fwd f bwd ");
  EXPECT_EQ(counts, (Counts{.primal = 1, .fwd = 1, .bwd = 1}));
}

TEST(ConformanceB, B3_vjp_runs_fwd_now_and_bwd_later) {
  std::string log;
  Context cx;
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* y = vjp(cx, logging(cx, &log), {jaxvjp_f64(cx, 3)}, &pullback);
  EXPECT_TRUE(near(cx, y, 6.0));
  EXPECT_EQ(log, "fwd f ");
  log.clear();
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 1));
  EXPECT_TRUE(same(cx, cts, tuple(cx, {jaxvjp_f64(cx, std::cos(3.0))})));
  EXPECT_EQ(log, "bwd ");
}

TEST(ConformanceB, B4_a_pullback_may_be_called_again) {
  Counts counts;
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "identity",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {args[0], jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 3, ct); },
                  .counts = &counts});
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {jaxvjp_f64(cx, 2)}, &pullback);
  for (int i = 1; i <= 3; ++i) {
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, i));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), 3.0 * i));
    EXPECT_EQ(counts.bwd, i) << "once a call";
  }
  EXPECT_EQ(counts.fwd, 1);
}

TEST(ConformanceB, B4_the_pullback_of_a_vmapped_function_too) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "identity",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    return {args[0], jaxvjp_none(cx)};
                  },
                  .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 3, ct); }});
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_vmap(cx, f, nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_function* pullback = nullptr;
    vjp(cx, g, {vec(cx, {1, 2, 3})}, &pullback);
    for (int i = 0; i < 2; ++i) {
      jaxvjp_value* cts = jaxvjp_call1(cx, pullback, vec(cx, {1, 2, 5}));
      EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), {3, 6, 15}));
    }
  }
}

// cos(2x) / 2 with the rule 3 ct, differentiated, and its value differentiated, three deep.
TEST(ConformanceB, B5_differentiation_leaves_the_value_alone) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = self_fwd,
       .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = times(cx, 3, ct); },
       .primal = [](auto cx,
                    auto args) { return times(cx, 0.5, jaxvjp_cos(cx, times(cx, 2, args[0]))); }});
  jaxvjp_value* x = jaxvjp_f64(cx, 1);
  for (int depth = 0; depth < 3; ++depth) {
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(std::to_string(depth) + " " + how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), std::cos(2.0) / 2));
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, g, nullptr), x), 3.0));
    }
    f = item_of(cx, jaxvjp_value_and_grad(cx, f, nullptr), 0);
  }
}

// sin where x is positive, else cos; the rule 2 ct, else 3 ct: decided by the host program.
TEST(ConformanceB, B6_callbacks_may_branch_on_numbers) {
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [](auto cx, auto args) -> Fwd {
         EXPECT_GE(jaxvjp_truth(cx, positive(cx, args[0])), 0);
         return self_fwd(cx, args);
       },
       .bwd =
           [](auto cx, auto x, auto ct, auto slots) {
             const int k = jaxvjp_truth(cx, positive(cx, x)) ? 2 : 3;
             slots[0] = times(cx, k, ct);
           },
       .primal =
           [](auto cx, auto args) {
             jaxvjp_value* x = args[0];
             return jaxvjp_truth(cx, positive(cx, x)) ? jaxvjp_sin(cx, x) : jaxvjp_cos(cx, x);
           }});
  jaxvjp_function* both = jaxvjp_value_and_grad(cx, f, nullptr);
  jaxvjp_value* at2 = tuple(cx, {jaxvjp_f64(cx, std::sin(2.0)), jaxvjp_f64(cx, 2)});
  jaxvjp_value* at_minus2 = tuple(cx, {jaxvjp_f64(cx, std::cos(2.0)), jaxvjp_f64(cx, 3)});
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, both, jaxvjp_f64(cx, 2)), at2));
  EXPECT_TRUE(same(cx, jaxvjp_call1(cx, both, jaxvjp_f64(cx, -2)), at_minus2));
}

// In primal and fwd nothing is differentiated at that level; in bwd of an eager pullback neither.
TEST(ConformanceB, B6_rule_callbacks_may_read_numbers) {
  Context cx;
  jaxvjp_function* f =
      custom_vjp(cx, "f",
                 {.fwd = [](auto cx, auto args) -> Fwd {
                    EXPECT_EQ(jaxvjp_item(cx, args[0]), 3);
                    return self_fwd(cx, args);
                  },
                  .bwd =
                      [](auto cx, auto x, auto ct, auto slots) {
                        slots[0] = jaxvjp_f64(cx, 10 * jaxvjp_item(cx, x) * jaxvjp_item(cx, ct));
                      },
                  .primal =
                      [](auto cx, auto args) {
                        double x = 0;
                        EXPECT_EQ(jaxvjp_read(cx, args[0], &x, sizeof x), 0);
                        return jaxvjp_f64(cx, x * x);
                      }});
  jaxvjp_value* both = jaxvjp_call1(cx, jaxvjp_value_and_grad(cx, f, nullptr), jaxvjp_f64(cx, 3));
  EXPECT_TRUE(same(cx, both, tuple(cx, {jaxvjp_f64(cx, 9), jaxvjp_f64(cx, 30)})));
}

TEST(ConformanceB, B6_a_differentiated_value_decides_but_is_not_read) {
  Context cx;
  jaxvjp_function* branch = function(cx, "branch", [](auto cx, auto args) {
    EXPECT_NE(std::string(jaxvjp_to_string(cx, args[0])).find("2.5"), std::string::npos);
    const bool yes = jaxvjp_truth(cx, positive(cx, args[0]));
    return yes ? jaxvjp_sin(cx, args[0]) : jaxvjp_cos(cx, args[0]);
  });
  jaxvjp_value* x = jaxvjp_f64(cx, 2.5);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, branch, nullptr), x), std::cos(2.5)));

  using Look = std::function<void(jaxvjp_context*, jaxvjp_value*)>;
  const Look looks[] = {
      [](auto cx, auto x) { jaxvjp_item(cx, x); },
      [](auto cx, auto x) { jaxvjp_data(cx, x); },
      [](auto cx, auto x) {
        double number;
        jaxvjp_read(cx, x, &number, sizeof number);
      },
  };
  for (const Look& look : looks) {
    jaxvjp_function* f = function(cx, "reader", [&look](auto cx, auto args) {
      look(cx, jaxvjp_sin(cx, args[0]));
      return args[0];
    });
    jaxvjp_function* slope = jaxvjp_grad(cx, f, nullptr);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), 2.5)) << "not differentiated: it may be read";
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, slope, x), JAXVJP_CONCRETE, {"grad", "reader"}));
  }
}

TEST(ConformanceB, B6_mapped_and_staged_values_have_no_numbers) {
  Context cx;
  jaxvjp_function* f = function(cx, "decider", [](auto cx, auto args) {
    jaxvjp_truth(cx, positive(cx, args[0]));
    return args[0];
  });
  jaxvjp_function *mapped = jaxvjp_vmap(cx, f, nullptr), *staged = jaxvjp_jit(cx, f, nullptr);
  jaxvjp_value* xs = vec(cx, {1, 2});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, mapped, xs), JAXVJP_CONCRETE, {"vmap", "decider"}));
  jaxvjp_value* x = jaxvjp_f64(cx, 1);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, staged, x), JAXVJP_CONCRETE, {"jit", "decider"}));
}

TEST(ConformanceB, B9_counts_of_a_rule_inside_a_loss) {
  Counts counts;
  std::string log;
  Context cx;
  jaxvjp_function* f = logging(cx, &log, &counts);
  jaxvjp_function* loss = function(cx, "loss", [f](auto cx, auto args) {
    return jaxvjp_square(cx, jaxvjp_call1(cx, f, args[0]));
  });
  jaxvjp_value* slope = jaxvjp_call1(cx, jaxvjp_grad(cx, loss, nullptr), jaxvjp_f64(cx, 3));
  EXPECT_TRUE(near(cx, slope, 2 * 6 * std::cos(3.0)));
  EXPECT_EQ(counts, (Counts{.primal = 1, .fwd = 1, .bwd = 1}));
}

TEST(ConformanceB, B7_prints_appear_in_their_own_phase) {
  Lines lines;
  Context cx(lines);
  jaxvjp_function* f = custom_vjp(cx, "f",
                                  {.fwd = [](auto cx, auto args) -> Fwd {
                                     print(cx, "hello fwd {}", {args[0]});
                                     return {args[0], args[0]};
                                   },
                                   .bwd =
                                       [](auto cx, auto x, auto ct, auto slots) {
                                         print(cx, "hello bwd {} {}", {x, ct});
                                         slots[0] = times(cx, 10, ct);
                                       },
                                   .primal =
                                       [](auto cx, auto args) {
                                         print(cx, "hello {}", {args[0]});
                                         return args[0];
                                       }});
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    lines.clear();
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 2)), 2.0));
    EXPECT_EQ(lines, (Lines{"hello 2"}));
    lines.clear();
    jaxvjp_function* pullback = nullptr;
    vjp(cx, g, {jaxvjp_f64(cx, 2)}, &pullback);
    EXPECT_EQ(lines, (Lines{"hello fwd 2"}));
    lines.clear();
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, jaxvjp_f64(cx, 3));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, cts, 0), 30.0));
    EXPECT_EQ(lines, (Lines{"hello bwd 2 3"}));
  }
}

// (x, y) -> (f(x, y), x) twice from (x, 0), where f = x + y has the rule (10 ct, 100 ct): y has no
// derivative at first, and then it has. fwd's residuals depend on that.
TEST(ConformanceB, B8_a_loop_runs_a_rule_once_for_each_pattern_of_zeros) {
  std::set<bool> seen;
  Counts counts;
  Context cx;
  jaxvjp_function* f = custom_vjp(
      cx, "f",
      {.fwd = [&](auto cx, auto args) -> Fwd {
         const bool both = jaxvjp_is_perturbed(cx, args[1]) == 1;
         seen.insert(both);
         jaxvjp_value *out = call(cx, jaxvjp_self(cx), args), *k = jaxvjp_f64(cx, 10);
         return {out, both ? tuple(cx, {k, jaxvjp_f64(cx, 100)}) : list(cx, {k})};
       },
       .bwd =
           [](auto cx, auto kept, auto ct, auto slots) {
             for (size_t i = 0; i < slots.n; i++)
               slots[i] = i < jaxvjp_count(kept) ? jaxvjp_mul(cx, jaxvjp_get(cx, kept, i), ct)
                                                 : jaxvjp_zero(cx);
           },
       .primal = [](auto cx, auto args) { return jaxvjp_add(cx, args[0], args[1]); },
       .counts = &counts});
  const Body body = [f](auto cx, auto c, auto) -> Step {
    jaxvjp_value* x = jaxvjp_get(cx, c, 0);
    return {tuple(cx, {jaxvjp_call2(cx, f, x, jaxvjp_get(cx, c, 1)), x}), jaxvjp_none(cx)};
  };
  jaxvjp_function* g = scalar_function(cx, [body](auto cx, auto x) {
    jaxvjp_value* init = tuple(cx, {x, jaxvjp_f64(cx, 0)});
    return jaxvjp_get(cx, jaxvjp_get(cx, scan(cx, body, init, jaxvjp_none(cx), 2), 0), 0);
  });
  for (auto [h, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, g, nullptr))) {
    SCOPED_TRACE(how);
    counts = {};
    seen.clear();
    jaxvjp_value* both = jaxvjp_call1(cx, h, jaxvjp_f64(cx, 3));
    EXPECT_TRUE(same(cx, both, tuple(cx, {jaxvjp_f64(cx, 6), jaxvjp_f64(cx, 200)})));
    EXPECT_EQ(seen, (std::set<bool>{false, true}));
    EXPECT_GE(counts.fwd, 2);
  }
}

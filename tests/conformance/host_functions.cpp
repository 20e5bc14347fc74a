// Host functions: what runs how often, where their states live, whole batches, effects, adapters.
// Their place in the composition matrix is group_w.cpp.

#include "higher_order.hpp"
#include "host.hpp"
#include "loops.hpp"

namespace conformance {
namespace {

jaxvjp_function* square(jaxvjp_context* cx, HostCounts& counts,
                        int32_t flags = JAXVJP_HOST_PURE | JAXVJP_HOST_VMAP_LOOP) {
  HostRule rule = opaque_square();
  rule.counts = &counts;
  rule.flags = flags;
  return host_function(cx, "square", rule);
}

// x = b / a for each row of b, with the state a; in one call for a batch.
HostRule division(HostCounts& counts) {
  HostRule rule;
  rule.counts = &counts;
  rule.shape = [](auto, auto args) { return args[1]; };
  rule.fwd = [](auto in, auto out) {
    for (size_t i = 0; i < out[0].size(); ++i) out[0][i] = in[1][i] / in[0][0];
    return in[0][0];
  };
  rule.bwd = [](double a, auto, auto out, auto cts, auto arg_cts) {
    arg_cts[0][0] = 0;
    for (size_t i = 0; i < out[0].size(); ++i) {
      arg_cts[1][i] = cts[0][i] / a;
      arg_cts[0][0] -= arg_cts[1][i] * out[0][i];
    }
  };
  rule.batch_fwd = [](auto& batch, auto in, auto out, auto& states) {
    size_t rows = size_t(batch.size), n = out[0].size() / rows;
    for (size_t r = 0; r < rows; ++r) {
      states[r] = in[0][batch.in[0] ? r : 0];
      for (size_t i = 0; i < n; ++i)
        out[0][r * n + i] = in[1][(batch.in[1] ? r * n : 0) + i] / states[r];
    }
  };
  rule.batch_bwd = [](auto& batch, auto& states, auto, auto out, auto cts, auto arg_cts) {
    size_t rows = size_t(batch.size), n = arg_cts[1].size() / rows;
    for (size_t r = 0; r < rows; ++r) {
      arg_cts[0][r] = 0;
      for (size_t i = 0; i < n; ++i) {
        double& b = arg_cts[1][r * n + i];
        b = cts[0][(batch.cts[0] ? r * n : 0) + i] / states[batch.states ? r : 0];
        arg_cts[0][r] -= b * out[0][(batch.out[0] ? r * n : 0) + i];
      }
    }
  };
  rule.flags = JAXVJP_HOST_PURE | JAXVJP_HOST_SAVE_OUTPUTS;
  return rule;
}
jaxvjp_function* divide(jaxvjp_context* cx, HostCounts& counts) {
  return host_function(cx, "divide", division(counts));
}

// ------------------------------------------------------------------------------ states and counts

TEST(HostFunctions, a_value_keeps_no_state) {
  HostCounts counts;
  Context cx;
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, square(cx, counts), num(cx, 3)), 9.0));
  EXPECT_EQ(counts.fwd, 1);
  EXPECT_EQ(counts.destroyed, 1);
  EXPECT_EQ(counts.bwd, 0);
}

TEST(HostFunctions, a_state_lives_as_long_as_its_pullback) {
  HostCounts counts;
  Context cx;
  auto* f = square(cx, counts);
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_function* pullback = nullptr;
  EXPECT_TRUE(near(cx, vjp(cx, f, {num(cx, 3)}, &pullback), 9.0));
  EXPECT_EQ(counts.bwd, 0);
  for (double ct : {1., 2.}) {
    jaxvjp_value* slots = jaxvjp_call1(cx, pullback, num(cx, ct));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, slots, 0), 30 * ct));
  }
  EXPECT_EQ(counts.fwd, 1);
  EXPECT_EQ(counts.bwd, 2);
  EXPECT_EQ(counts.destroyed, 0);
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_EQ(counts.destroyed, 1);
}

TEST(HostFunctions, its_data_is_freed_once_when_the_last_program_is_gone) {
  HostCounts counts;
  {
    Context cx;
    const size_t scope = jaxvjp_scope_open(cx);
    auto* g = jaxvjp_function_retain(jit(cx, grad(cx, square(cx, counts))));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 3)), 30.0));
    jaxvjp_scope_close(cx, scope, nullptr);
    EXPECT_EQ(counts.freed, 0);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 4)), 40.0));
    jaxvjp_function_release(g);
  }
  EXPECT_EQ(counts.freed, 1);
  EXPECT_EQ(counts.fwd, 2);
  EXPECT_EQ(counts.destroyed, 2);
}

TEST(HostFunctions, a_scan_has_a_state_a_step) {
  HostCounts counts;
  Context cx;
  auto* f = square(cx, counts);
  auto* looped = scalar_function(cx, [f](auto cx, auto x) {
    const Body body = [f](auto cx, auto c, auto) -> Step {
      return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 4), 0);
  });
  // x -> x^16; each step has the rule 10 c ct, at c = x, x^2, x^4, x^8.
  for (auto [g, how] : eager_and_jit(cx, grad(cx, looped))) {
    SCOPED_TRACE(how);
    counts = {};
    const size_t scope = jaxvjp_scope_open(cx);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 1.5)), 1e4 * std::pow(1.5, 15)));
    jaxvjp_scope_close(cx, scope, nullptr);
    EXPECT_EQ(counts.fwd, 4);
    EXPECT_EQ(counts.bwd, 4);
    EXPECT_EQ(counts.states, 4);
    EXPECT_EQ(counts.destroyed, 4);
  }
}

TEST(HostFunctions, a_branch_that_is_not_taken_has_no_state) {
  HostCounts counts;
  Context cx;
  auto* f = square(cx, counts);
  auto* branched = scalar_function(cx, [f](auto cx, auto x) {
    jaxvjp_value* large = jaxvjp_gt(cx, x, num(cx, 2));
    return cond(
        cx, large, [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
        [](auto cx, auto x) { return times(cx, 7, x); }, x);
  });
  auto* slope = jit(cx, grad(cx, branched));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, num(cx, 1)), 7.0));
  EXPECT_EQ(counts.fwd + counts.bwd, 0);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, num(cx, 3)), 30.0));
  EXPECT_EQ(counts.fwd, 1);
  EXPECT_EQ(counts.destroyed, 1);
  // Mapped, both branches run and each element takes its own.
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, grad(cx, branched), {}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, vec(cx, {1, 3, 4})), {7, 30, 40}));
  }
  EXPECT_EQ(counts.states, counts.destroyed);
}

TEST(HostFunctions, checkpoint_runs_a_pure_function_again) {
  HostCounts counts;
  Context cx;
  auto* f = jaxvjp_checkpoint(cx, square(cx, counts), 0);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), num(cx, 3)), 30.0));
  EXPECT_EQ(counts.fwd, 2);
  EXPECT_EQ(counts.bwd, 1);
}

TEST(HostFunctions, bwd_gets_what_was_saved) {
  const int32_t inputs = JAXVJP_HOST_SAVE_INPUTS, outputs = JAXVJP_HOST_SAVE_OUTPUTS;
  for (int32_t saved : {0, inputs, outputs, inputs | outputs}) {
    Context cx;
    HostRule rule = opaque_square();
    rule.flags = saved;
    rule.bwd = [saved](double x, auto in, auto out, auto cts, auto arg_cts) {
      EXPECT_EQ(bool(in[0]), bool(saved & JAXVJP_HOST_SAVE_INPUTS));
      EXPECT_EQ(bool(out[0]), bool(saved & JAXVJP_HOST_SAVE_OUTPUTS));
      EXPECT_EQ(in[0] ? in[0][0] : x, x);
      EXPECT_EQ(out[0] ? out[0][0] : x * x, x * x);
      arg_cts[0][0] = 10 * x * cts[0][0];
    };
    auto* f = host_function(cx, "f", rule);
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f)))
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, num(cx, 3)), 30.0)) << how;
  }
}

// ----------------------------------------------------------------------------------------- effects

// f called, and its result forgotten.
jaxvjp_function* forgetful(jaxvjp_context* cx, jaxvjp_function* f) {
  return scalar_function(cx, [f](auto cx, auto x) {
    jaxvjp_call1(cx, f, x);
    return jaxvjp_sin(cx, x);
  });
}

TEST(HostFunctions, only_a_pure_one_is_dropped) {
  for (bool pure : {false, true}) {
    HostCounts counts;
    Context cx;
    auto* f = square(cx, counts, pure ? JAXVJP_HOST_PURE : 0);
    auto* compiled = jit(cx, forgetful(cx, f));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, compiled, num(cx, 3)), std::sin(3.)));
    EXPECT_EQ(counts.fwd, pure ? 0 : 1);
    auto* slope = jit(cx, grad(cx, forgetful(cx, f)));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, slope, num(cx, 3)), std::cos(3.)));
    EXPECT_EQ(counts.fwd, pure ? 0 : 2);
    EXPECT_EQ(counts.bwd, 0);
  }
}

TEST(HostFunctions, calls_keep_their_order) {
  Context cx;
  std::vector<double> seen;
  auto note = [&](double name) {
    HostRule rule = opaque_square();
    rule.flags = 0;
    rule.fwd = [&seen, name](auto in, auto out) {
      seen.push_back(name + in[0][0]);
      return out[0][0] = in[0][0];
    };
    return host_function(cx, "note", rule);
  };
  auto *first = note(10), *second = note(20);
  auto* f = scalar_function(cx, [=](auto cx, auto x) {
    jaxvjp_value* y = jaxvjp_call1(cx, second, x);
    jaxvjp_call1(cx, first, x);
    jaxvjp_call1(cx, second, x);
    return y;
  });
  for (auto* g : {f, jit(cx, f), grad(cx, f), jit(cx, grad(cx, f))}) {
    seen.clear();
    jaxvjp_call1(cx, g, num(cx, 1));
    EXPECT_TRUE(no_error(cx));
    EXPECT_EQ(seen, (std::vector<double>{21, 11, 21}));
  }
  // In a loop they run at every step, though nothing of them changes.
  auto* looped = scalar_function(cx, [=](auto cx, auto x) {
    const Body body = [=](auto cx, auto c, auto) -> Step {
      return {jaxvjp_add(cx, c, jaxvjp_call1(cx, first, x)), jaxvjp_none(cx)};
    };
    return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
  });
  for (auto* g : {looped, jit(cx, looped), grad(cx, looped), jit(cx, grad(cx, looped))}) {
    seen.clear();
    jaxvjp_call1(cx, g, num(cx, 1));
    EXPECT_TRUE(no_error(cx));
    EXPECT_EQ(seen, (std::vector<double>{11, 11, 11}));
  }
  // What acts is not run for elements that do not ask for it.
  auto* branched = scalar_function(cx, [=](auto cx, auto x) {
    return cond(
        cx, jaxvjp_gt(cx, x, num(cx, 0)),
        [=](auto cx, auto x) { return jaxvjp_call1(cx, first, x); }, [](auto, auto x) { return x; },
        x);
  });
  jaxvjp_value* refused = jaxvjp_call1(cx, vmap(cx, branched, {}), vec(cx, {1, -1}));
  EXPECT_TRUE(fails(cx, refused, JAXVJP_EFFECT, {"cond"}));
}

// ----------------------------------------------------------------------------------------- batches

TEST(HostFunctions, jacrev_is_one_forward_and_one_batched_backward_call) {
  HostCounts counts;
  Context cx;
  auto* f = divide(cx, counts);
  jaxvjp_value *a = num(cx, 4), *b = vec(cx, {8, 12, 20});
  jaxvjp_value* jacobian = call(cx, with(jaxvjp_jacrev, cx, f, {0, 1}), {a, b});
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, jacobian, 0), {-0.5, -0.75, -1.25}));
  EXPECT_TRUE(
      near_shaped(cx, jaxvjp_get(cx, jacobian, 1), {3, 3}, {.25, 0, 0, 0, .25, 0, 0, 0, .25}));
  EXPECT_EQ(counts.fwd, 1);
  EXPECT_EQ(counts.batch_bwd, 1);
  EXPECT_EQ(counts.bwd + counts.batch_fwd, 0);
}

// Every mixture of mapped and unmapped arguments under one vmap and two, against loops.
TEST(HostFunctions, batches_are_as_loops) {
  HostCounts counts;
  Context cx;
  auto* batched = divide(cx, counts);
  HostRule rule = division(counts);
  rule.batch_fwd = nullptr;
  rule.batch_bwd = nullptr;
  rule.flags |= JAXVJP_HOST_VMAP_LOOP;
  auto* looped = host_function(cx, "divide", rule);
  const int64_t none = JAXVJP_AXIS_NONE;
  jaxvjp_value* a = array(cx, {2, 3}, {1, 2, 4, 5, 8, 10});
  jaxvjp_value* b = array(cx, {3, 2, 2}, {1, -2, 3, 4, 5, 6, 7, -8, 9, 10, 11, 12});
  jaxvjp_value *a1 = vec(cx, {2, 5}), *b1 = array(cx, {2, 2}, {1, 2, 3, 4});
  auto check = [&](auto&& program, Values args) {
    counts = {};
    jaxvjp_value* expected = call(cx, program(looped), args);
    EXPECT_EQ(counts.batch_fwd + counts.batch_bwd, 0);
    counts = {};
    for (auto [g, how] : eager_and_jit(cx, program(batched)))
      EXPECT_TRUE(same(cx, call(cx, g, args), expected)) << how;
    EXPECT_EQ(counts.fwd + counts.bwd, 0);
    EXPECT_EQ(counts.states, counts.destroyed);
  };
  auto* losses = +[](jaxvjp_context* cx, jaxvjp_function* f) {
    auto* loss = function(cx, "loss", [f](auto cx, auto args) {
      return sum(cx, jaxvjp_square(cx, call(cx, f, args)));
    });
    return with(jaxvjp_grad, cx, loss, {0, 1});
  };
  check([&](auto* f) { return vmap(cx, f, {0, 0}); }, {a1, b1});
  check([&](auto* f) { return vmap(cx, f, {0, none}); }, {a1, vec(cx, {3, 4})});
  check([&](auto* f) { return vmap(cx, f, {none, 1}); }, {num(cx, 2), b1});
  check([&](auto* f) { return vmap(cx, losses(cx, f), {0, 0}); }, {a1, b1});
  check([&](auto* f) { return vmap(cx, losses(cx, f), {0, none}); }, {a1, vec(cx, {3, 4})});
  check([&](auto* f) { return vmap(cx, losses(cx, f), {none, 0}); }, {num(cx, 2), b1});
  // a: outer 2, inner 3; b: inner 3, outer 2.
  check([&](auto* f) { return vmap(cx, vmap(cx, f, {0, 0}), {0, 1}); }, {a, b});
  check(
      [&](auto* f) {
        return vmap(cx, vmap(cx, f, {0, none}), {none, 0});
      },
      {vec(cx, {1, 2, 4}), b1});
  check([&](auto* f) { return vmap(cx, vmap(cx, losses(cx, f), {0, 0}), {0, 1}); }, {a, b});
  check(
      [&](auto* f) {
        return vmap(cx, vmap(cx, losses(cx, f), {0, none}), {none, 0});
      },
      {vec(cx, {1, 2, 4}), b1});
  check([&](auto* f) { return with(jaxvjp_jacrev, cx, vmap(cx, f, {0, 0}), {0, 1}); }, {a1, b1});
  check([&](auto* f) { return losses(cx, vmap(cx, f, {none, 0})); }, {num(cx, 2), b1});
}

TEST(HostFunctions, vmap_refuses_what_nobody_can_map) {
  HostCounts counts;
  Context cx;
  auto* f = square(cx, counts, JAXVJP_HOST_PURE);
  jaxvjp_value* mapped = jaxvjp_call1(cx, vmap(cx, f, {}), vec(cx, {1, 2}));
  EXPECT_TRUE(fails(cx, mapped, JAXVJP_NO_RULE, {"square", "VMAP_LOOP"}));
  HostRule rule = division(counts);
  rule.batch_bwd = nullptr;
  auto* g = host_function(cx, "divide", rule);
  jaxvjp_value* jacobian = call(cx, with(jaxvjp_jacrev, cx, g, {1}), {num(cx, 2), vec(cx, {1, 2})});
  EXPECT_TRUE(fails(cx, jacobian, JAXVJP_NO_RULE, {"divide", "batch_bwd"}));
}

// ------------------------------------------------------------------------------- trees and dtypes

TEST(HostFunctions, trees_integers_and_floats_of_several_widths) {
  Context cx;
  HostRule rule;
  rule.shape = [](auto cx, auto args) {
    return dict(cx, {{"n", spec(cx, {}, JAXVJP_I32)}, {"y", jaxvjp_lookup(cx, args[0], "x")}});
  };
  rule.fwd = [](auto in, auto out) {  // in: n, x, k; out: n, y
    EXPECT_EQ(in.n, 2u);
    const auto* x = static_cast<float*>(in[1].buffer->data);
    auto* y = static_cast<float*>(out[1].buffer->data);
    const int32_t k = *static_cast<int32_t*>(in[0].buffer->data);
    for (size_t i = 0; i < in[1].size(); ++i) y[i] = x[i] * float(k);
    *static_cast<int32_t*>(out[0].buffer->data) = k + 1;
    return double(k);
  };
  rule.bwd = [](double k, auto, auto, auto cts, auto arg_cts) {
    EXPECT_FALSE(cts[0]);
    EXPECT_FALSE(arg_cts[0]);
    const auto* ct = static_cast<float*>(cts[1].buffer->data);
    for (size_t i = 0; i < cts[1].size(); ++i)
      static_cast<float*>(arg_cts[1].buffer->data)[i] = float(5 * k) * ct[i];
  };
  auto* f = host_function(cx, "scaled", rule);
  auto tree = [&](jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_value* k) {
    return dict(cx, {{"x", x}, {"k", k}});
  };
  jaxvjp_value* k = jaxvjp_convert(cx, num(cx, 3), JAXVJP_I32);
  jaxvjp_value* x = vec(cx, {1, 2}, JAXVJP_F32);
  jaxvjp_value* expected = dict(
      cx, {{"n", jaxvjp_convert(cx, num(cx, 4), JAXVJP_I32)}, {"y", vec(cx, {3, 6}, JAXVJP_F32)}});
  for (auto [g, how] : eager_and_jit(cx, f))
    EXPECT_TRUE(same(cx, jaxvjp_call1(cx, g, tree(cx, x, k)), expected)) << how;
  auto* loss = function(cx, "loss", [=](auto cx, auto args) {
    return sum(cx, jaxvjp_lookup(cx, jaxvjp_call1(cx, f, tree(cx, args[0], args[1])), "y"));
  });
  for (auto [g, how] : eager_and_jit(cx, grad(cx, loss)))
    EXPECT_TRUE(near(cx, call(cx, g, {x, k}), {15, 15})) << how;
}

TEST(HostFunctions, without_arguments_and_without_results) {
  Context cx;
  int ran = 0;
  HostRule source;
  source.shape = [](auto cx, auto) { return spec(cx, {}); };
  source.fwd = [&](auto, auto out) { return out[0][0] = ++ran; };
  source.flags = 0;
  auto* next = host_function(cx, "next", source);
  auto* sink_of = host_function(cx, "sink",
                                {.shape = [](auto cx, auto) { return jaxvjp_none(cx); },
                                 .fwd =
                                     [&](auto in, auto) {
                                       ran += int(in[0][0]);
                                       return 0;
                                     },
                                 .flags = 0});
  auto* f = scalar_function(cx, [=](auto cx, auto x) {
    jaxvjp_call1(cx, sink_of, x);
    return jaxvjp_mul(cx, x, call(cx, next, {}));
  });
  auto* compiled = jit(cx, f);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, compiled, num(cx, 10)), 110.0));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, compiled, num(cx, 10)), 220.0));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 10)), 330.0));
}

// ------------------------------------------------------------------------------------------ errors

TEST(HostFunctions, forward_mode_is_refused) {
  HostCounts counts;
  Context cx;
  jaxvjp_value* push = jaxvjp_call1(cx, jaxvjp_jacfwd(cx, square(cx, counts), nullptr), num(cx, 3));
  EXPECT_TRUE(fails(cx, push, JAXVJP_FWD_MODE, {"square", "inside a custom_jvp or custom_vjp"}));
  jaxvjp_function* mapped = jaxvjp_jacfwd(cx, vmap(cx, square(cx, counts), {}), nullptr);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, mapped, vec(cx, {3, 4})), JAXVJP_FWD_MODE,
                    {"square", "inside a custom_jvp or custom_vjp"}));
  EXPECT_EQ(counts.fwd, 0);
}

TEST(HostFunctions, without_a_bwd_there_is_no_derivative) {
  Context cx;
  HostRule rule = opaque_square();
  rule.bwd = nullptr;
  auto* f = host_function(cx, "square", rule);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 3)), 9.0));
  for (auto* g : {grad(cx, f), jit(cx, grad(cx, f)), jaxvjp_jacfwd(cx, f, nullptr)})
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 3)), JAXVJP_NO_RULE, {"square", "bwd"}));
}

int32_t failing_shape(jaxvjp_context* cx, void*, jaxvjp_value* const*, size_t, jaxvjp_value**) {
  return jaxvjp_fail(cx, JAXVJP_SHAPE, "no such shape");
}
int32_t unset_shape(jaxvjp_context*, void*, jaxvjp_value* const*, size_t, jaxvjp_value**) {
  return 0;
}
int32_t function_shape(jaxvjp_context* cx, void* f, jaxvjp_value* const*, size_t,
                       jaxvjp_value** out) {
  *out = jaxvjp_from_function(cx, static_cast<jaxvjp_function*>(f));
  return jaxvjp_failed(cx);
}
int32_t same_shape(jaxvjp_context*, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  *out = args[0];
  return 0;
}
int32_t failing_fwd(jaxvjp_context* cx, void* user, const jaxvjp_buffer* const*, size_t,
                    const jaxvjp_buffer* const*, size_t, void** state) {
  *state = user;
  return jaxvjp_fail(cx, 4711, "the solver diverged");
}
int32_t coded_fwd(jaxvjp_context*, void*, const jaxvjp_buffer* const*, size_t,
                  const jaxvjp_buffer* const*, size_t, void**) {
  return 4712;
}
int32_t failing_bwd(jaxvjp_context* cx, void*, void*, const jaxvjp_buffer* const*,
                    const jaxvjp_buffer* const*, const jaxvjp_buffer* const*, size_t,
                    const jaxvjp_buffer* const*, size_t) {
  return jaxvjp_fail(cx, 4713, "no transposed solve");
}
void count(void* counter) { ++*static_cast<int*>(counter); }

TEST(HostFunctions, callbacks_that_fail) {
  Context cx;
  jaxvjp_value* x = num(cx, 3);
  auto made = [&](jaxvjp_host_shape_fn shape, jaxvjp_host_fwd_fn fwd, void* user = nullptr) {
    return jaxvjp_host_function(cx, "f", shape, fwd, user, nullptr, nullptr);
  };
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, made(failing_shape, coded_fwd), x), JAXVJP_SHAPE,
                    {"no such shape", "shape of host function f"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, made(unset_shape, coded_fwd), x), JAXVJP_CALLBACK,
                    {"f", "shape", "unset"}));
  auto* leaf = scalar_function(cx, [](auto, auto x) { return x; });
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, made(function_shape, coded_fwd, leaf), x), JAXVJP_CALLBACK,
                    {"f", "arrays"}));
  for (auto [g, how] : eager_and_jit(cx, made(same_shape, coded_fwd)))
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, x), 4712, {"fwd of host function f"})) << how;
  // A state that a failing fwd set is destroyed.
  int destroyed = 0;
  jaxvjp_host_options o{};
  o.struct_size = sizeof o;
  o.bwd = failing_bwd;
  o.state_destroy = count;
  auto* f = jaxvjp_host_function(cx, "f", same_shape, failing_fwd, &destroyed, nullptr, &o);
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f)))
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, x), 4711, {"diverged", "host function f"})) << how;
  EXPECT_EQ(destroyed, 2);
}

TEST(HostFunctions, a_bwd_that_fails) {
  HostCounts counts;
  Context cx;
  HostRule* user = new HostRule(opaque_square());
  user->counts = &counts;
  jaxvjp_host_options o{};
  o.struct_size = sizeof o;
  o.bwd = failing_bwd;
  o.state_destroy = host_detail::destroy_state;
  auto* f = jaxvjp_host_function(cx, "f", host_detail::shape, host_detail::fwd, user,
                                 host_detail::destroy, &o);
  for (auto [g, how] : eager_and_jit(cx, grad(cx, f)))
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 3)), 4713, {"bwd of host function f"}))
        << how;
  EXPECT_EQ(counts.states, 2);
}

TEST(HostFunctions, bad_options) {
  Context cx;
  int freed = 0;
  auto made = [&](jaxvjp_host_shape_fn shape, jaxvjp_host_fwd_fn fwd,
                  const jaxvjp_host_options& options) {
    jaxvjp_host_options o = options;
    o.struct_size = sizeof o;
    return jaxvjp_host_function(cx, "f", shape, fwd, &freed, count, &o);
  };
  jaxvjp_host_options flags{}, batch{};
  flags.flags = 64;
  batch.state_destroy = count;
  EXPECT_TRUE(fails(cx, made(nullptr, coded_fwd, {}), JAXVJP_INVALID_ARGUMENT, {"shape"}));
  EXPECT_TRUE(fails(cx, made(same_shape, nullptr, {}), JAXVJP_INVALID_ARGUMENT, {"fwd"}));
  EXPECT_TRUE(fails(cx, made(same_shape, coded_fwd, flags), JAXVJP_INVALID_ARGUMENT, {"64"}));
  EXPECT_TRUE(fails(cx, made(same_shape, coded_fwd, batch), JAXVJP_INVALID_ARGUMENT, {"bwd"}));
  EXPECT_EQ(freed, 4);
}

TEST(HostFunctions, check_vjp_finds_a_wrong_rule) {
  HostCounts counts;
  Context cx;
  jaxvjp_value *x = num(cx, 3), *args[] = {x};
  EXPECT_EQ(jaxvjp_check_vjp(cx, square(cx, counts), args, 1, nullptr), JAXVJP_CHECK);
  EXPECT_TRUE(fails(cx, nullptr, JAXVJP_CHECK, {"square", "30", "6"}));
  HostRule rule = opaque_square();
  rule.bwd = [](double x, auto, auto, auto cts, auto arg_cts) {
    arg_cts[0][0] = 2 * x * cts[0][0];
  };
  EXPECT_EQ(jaxvjp_check_vjp(cx, host_function(cx, "right", rule), args, 1, nullptr), 0);
  EXPECT_TRUE(no_error(cx));
}

// ---------------------------------------------------------------------------------------- adapters

// Rosenbrock's function, with a gradient that is twice the true one; `data` counts gradients.
double rosenbrock(unsigned n, const double* x, double* grad, void* data) {
  EXPECT_EQ(n, 2u);
  const double u = 1 - x[0], v = x[1] - x[0] * x[0];
  if (grad) {
    ++*static_cast<int*>(data);
    grad[0] = 2 * (-2 * u - 400 * v * x[0]);
    grad[1] = 2 * 200 * v;
  }
  return u * u + 100 * v * v;
}

TEST(HostAdapters, from_value_grad) {
  int gradients = 0;
  Context cx;
  auto* f = jaxvjp_from_value_grad(cx, "rosenbrock", rosenbrock, &gradients, nullptr);
  jaxvjp_value* x = vec(cx, {-1, 2});
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), 104.0));
  EXPECT_EQ(gradients, 0);
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, g), x), {792, 400}));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jacfwd(cx, g, nullptr), x), {792, 400}));
    jaxvjp_value* points = array(cx, {2, 2}, {-1, 2, 1, 1});
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, vmap(cx, g, {}), points), {104, 0}));
    jaxvjp_value* slopes = jaxvjp_call1(cx, vmap(cx, grad(cx, g), {}), points);
    EXPECT_TRUE(near_shaped(cx, slopes, {2, 2}, {792, 400, 0, 0}));
    for (auto* twice : {jaxvjp_hessian(cx, g, nullptr), jaxvjp_jacrev(cx, grad(cx, g), nullptr)})
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, twice, x), JAXVJP_NO_RULE, {"rosenbrock"}));
  }
  jaxvjp_value* args[] = {x};
  EXPECT_EQ(jaxvjp_check_vjp(cx, f, args, 1, nullptr), JAXVJP_CHECK);
  EXPECT_TRUE(fails(cx, nullptr, JAXVJP_CHECK, {"rosenbrock"}));
}

TEST(HostAdapters, from_value_grad_refuses_other_arguments) {
  int gradients = 0;
  Context cx;
  auto* f = jaxvjp_from_value_grad(cx, "rosenbrock", rosenbrock, &gradients, nullptr);
  jaxvjp_value* x = vec(cx, {-1, 2});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, vec(cx, {-1, 2}, JAXVJP_F32)), JAXVJP_DTYPE,
                    {"rosenbrock", "f64", "f32[2]"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, array(cx, {2, 1}, {-1, 2})), JAXVJP_SHAPE,
                    {"rosenbrock", "f64[2,1]"}));
  EXPECT_TRUE(fails(cx, call(cx, f, {x, x}), JAXVJP_INVALID_ARGUMENT, {"rosenbrock", "2"}));
  EXPECT_TRUE(fails(cx, call(cx, f, {}), JAXVJP_INVALID_ARGUMENT, {"rosenbrock", "0"}));
}

// r = (x0 x1, x0^2, x1), with twice the true Jacobian.
int32_t three_residuals(size_t m, size_t n, const double* x, double* r, double* jacobian, void*) {
  EXPECT_EQ(m, 3u);
  EXPECT_EQ(n, 2u);
  if (x[0] < 0) return 77;
  const double values[] = {x[0] * x[1], x[0] * x[0], x[1]};
  const double slopes[] = {2 * x[1], 2 * x[0], 4 * x[0], 0, 0, 2};
  std::copy(values, values + 3, r);
  if (jacobian) std::copy(slopes, slopes + 6, jacobian);
  return 0;
}

TEST(HostAdapters, from_residual_jacobian) {
  int freed = 0;
  {
    Context cx;
    auto* f = jaxvjp_from_residual_jacobian(cx, "three", 3, three_residuals, &freed, count);
    jaxvjp_value* x = vec(cx, {3, 5});
    for (auto [g, how] : eager_and_jit(cx, f)) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, x), {15, 9, 5}));
      for (auto* jacobian : {jaxvjp_jacrev(cx, g, nullptr), jaxvjp_jacfwd(cx, g, nullptr)})
        EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, jacobian, x), {3, 2}, {10, 6, 12, 0, 0, 2}));
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, vec(cx, {-1, 2})), 77, {"three"}));
    }
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

// x^2 y + z with the partial derivatives (3 x y, 5 x, 7).
double three_partials(size_t n, const double* x, double* partials, void*) {
  EXPECT_EQ(n, 3u);
  if (partials) partials[0] = 3 * x[0] * x[1], partials[1] = 5 * x[0], partials[2] = 7;
  return x[0] * x[0] * x[1] + x[2];
}

TEST(HostAdapters, from_partials) {
  Context cx;
  auto* f = jaxvjp_from_partials(cx, "p", three_partials, nullptr, nullptr);
  jaxvjp_value *x = vec(cx, {1, 2}), *y = num(cx, 3), *z = array(cx, {2, 1}, {10, 20});
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near_shaped(cx, call(cx, g, {x, y, z}), {2, 2}, {13, 22, 23, 32}));
    auto* loss =
        function(cx, "loss", [g = g](auto cx, auto args) { return sum(cx, call(cx, g, args)); });
    jaxvjp_value* slopes = call(cx, with(jaxvjp_grad, cx, loss, {0, 1, 2}), {x, y, z});
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, slopes, 0), {18, 36}));
    EXPECT_TRUE(near(cx, jaxvjp_get(cx, slopes, 1), 30.0));
    EXPECT_TRUE(near_shaped(cx, jaxvjp_get(cx, slopes, 2), {2, 1}, {14, 14}));
    auto* mapped = vmap(cx, with(jaxvjp_grad, cx, loss, {0}), {0, JAXVJP_AXIS_NONE, 0});
    jaxvjp_value* rows = jaxvjp_get(cx, call(cx, mapped, {x, y, z}), 0);
    EXPECT_TRUE(near(cx, rows, {9, 18}));
  }
}

}  // namespace
}  // namespace conformance

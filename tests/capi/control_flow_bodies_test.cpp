// The functions of loops and branches when something goes wrong inside them: they fail while they
// are recorded, they look for numbers, they use values of another session or of a trace that is
// over, and so do their callers. The context works afterwards, and every function is destroyed
// once.

#include "bench.hpp"

namespace conformance {
namespace {

jaxvjp_value* yes(jaxvjp_context* cx) { return jaxvjp_lt(cx, num(cx, 0), num(cx, 1)); }
CallFn same_carry() {
  return [](auto, auto args) { return args[0]; };
}

// One of the functions that control flow takes, with `body` in its place; the others are in order.
struct Place {
  const char* what;   // in the errors' notes
  const char* inner;  // the name of the function
  jaxvjp_value* (*run)(jaxvjp_context*, Bench&, CallFn body, jaxvjp_value* x);
};
const Place places[] = {
    {"scan", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* step = bench.fn(cx, "step", [body](auto cx, auto args) {
         return tuple(cx, {body(cx, args), jaxvjp_none(cx)});
       });
       return jaxvjp_get(cx, jaxvjp_scan(cx, step, x, vec(cx, {1, 2, 3}), -1, 0), 0);
     }},
    {"while_loop", "go",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* go = bench.fn(cx, "go", [body](auto cx, auto args) {
         return jaxvjp_lt(cx, body(cx, args), num(cx, -100));
       });
       return jaxvjp_while_loop(cx, go, bench.fn(cx, "body", same_carry()), x);
     }},
    {"while_loop", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* go = bench.fn(
           cx, "go", [](auto cx, auto args) { return jaxvjp_lt(cx, args[0], num(cx, -100)); });
       return jaxvjp_while_loop(cx, go, bench.fn(cx, "step", body), x);
     }},
    {"fori_loop", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* step = bench.fn(cx, "step", [body](auto cx, auto args) {
         return body(cx, Args{args.items + 1, 1});
       });
       return jaxvjp_fori_loop(cx, jaxvjp_i64(cx, 0), jaxvjp_i64(cx, 3), step, x);
     }},
    {"cond", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* other = bench.fn(cx, "other", same_carry());
       return jaxvjp_cond(cx, yes(cx), bench.fn(cx, "step", body), other, &x, 1);
     }},
    {"cond", "step",  // the branch that is not taken
     [](auto cx, Bench& bench, CallFn body, auto x) {
       auto* other = bench.fn(cx, "other", same_carry());
       return jaxvjp_cond(cx, yes(cx), other, bench.fn(cx, "step", body), &x, 1);
     }},
    {"switch", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       jaxvjp_function* branches[] = {bench.fn(cx, "other", same_carry()),
                                      bench.fn(cx, "other", same_carry()),
                                      bench.fn(cx, "step", body)};
       return jaxvjp_switch(cx, jaxvjp_i64(cx, 1), branches, 3, &x, 1);
     }},
    {"map", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       jaxvjp_value* xs = jaxvjp_mul(cx, x, vec(cx, {1, 1, 1}));
       return sum(cx, jaxvjp_map(cx, bench.fn(cx, "step", body), xs, 0));
     }},
    {"map", "step",
     [](auto cx, Bench& bench, CallFn body, auto x) {
       jaxvjp_value* xs = jaxvjp_mul(cx, x, vec(cx, {1, 1, 1}));
       return sum(cx, jaxvjp_map(cx, bench.fn(cx, "step", body), xs, 2));
     }},
};

// The transformations under which a body is recorded.
struct Under {
  const char* name;
  jaxvjp_function* (*apply)(jaxvjp_context*, jaxvjp_function*);
};
const Under unders[] = {
    {"plain", [](auto, auto f) { return f; }},
    {"jit", jit},
    {"grad", grad},
    {"vmap", [](auto cx, auto f) { return sum_of(cx, vmap(cx, f, {})); }},
    {"jacfwd", [](auto cx, auto f) { return jaxvjp_jacfwd(cx, f, nullptr); }},
};

// Runs x -> place(x) with this body everywhere: it fails with the code and these words, each time
// anew. What happens while the body runs names it.
void expect_everywhere(CallFn body, int32_t code, std::vector<const char*> words,
                       bool while_it_runs = true) {
  for (const Place& place : places)
    for (const Under& under : unders) {
      SCOPED_TRACE(std::string(place.what) + " of " + place.inner + ", " + under.name);
      Bench bench;
      jaxvjp_context* cx = bench.cx;
      auto* f = bench.fn(cx, "outer",
                         [&](auto cx, auto args) { return place.run(cx, bench, body, args[0]); });
      const bool mapped = std::string(under.name) == "vmap";
      for (int i = 0; i < 2; i++) {
        jaxvjp_value* x = mapped ? vec(cx, {1, 2}) : num(cx, 1);
        jaxvjp_value* result = jaxvjp_call1(cx, under.apply(cx, f), x);
        const std::string text = jaxvjp_error_text(cx);
        EXPECT_TRUE(fails(cx, result, code, {place.what, while_it_runs ? place.inner : ""}));
        for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << text;
        EXPECT_TRUE(works(cx));
      }
      bench.expect_all_destroyed();
    }
}

// ---------------------------------------------------------------------------------------------
// tests

TEST(ControlFlowBodies, that_fail_half_way) {
  expect_everywhere(
      [](auto cx, auto args) {
        jaxvjp_value* half = jaxvjp_sin(cx, args[0]);
        jaxvjp_fail(cx, 4242, "no more");
        return half;
      },
      4242, {"no more"});
}

TEST(ControlFlowBodies, that_give_nothing) {
  for (const Under& under : unders) {
    SCOPED_TRACE(under.name);
    Bench bench;
    jaxvjp_context* cx = bench.cx;
    auto* f = bench.fn(cx, "outer", [&](auto cx, auto args) {
      auto* step = bench.fn(cx, "step", [](auto, auto) -> jaxvjp_value* { return nullptr; });
      return jaxvjp_scan(cx, step, args[0], jaxvjp_none(cx), 2, 0);
    });
    jaxvjp_value* x = std::string(under.name) == "vmap" ? vec(cx, {1, 2}) : num(cx, 1);
    jaxvjp_value* result = jaxvjp_call1(cx, under.apply(cx, f), x);
    EXPECT_TRUE(fails(cx, result, JAXVJP_CALLBACK, {"step", "scan"}));
    EXPECT_TRUE(works(cx));
    bench.expect_all_destroyed();
  }
}

TEST(ControlFlowBodies, that_use_operations_wrongly) {
  expect_everywhere([](auto cx, auto args) { return jaxvjp_add(cx, args[0], jaxvjp_i64(cx, 1)); },
                    JAXVJP_DTYPE, {"f64", "i64"});
}

TEST(ControlFlowBodies, that_read_numbers) {
  expect_everywhere([](auto cx, auto args) { return num(cx, jaxvjp_item(cx, args[0])); },
                    JAXVJP_CONCRETE, {});
  expect_everywhere(
      [](auto cx, auto args) {
        const bool small = jaxvjp_truth(cx, jaxvjp_lt(cx, args[0], num(cx, 1))) == 1;
        return small ? args[0] : jaxvjp_neg(cx, args[0]);
      },
      JAXVJP_CONCRETE, {});
}

TEST(ControlFlowBodies, that_use_values_of_another_session) {
  Context other;
  jaxvjp_value* foreign = num(other, 1);
  expect_everywhere([foreign](auto cx, auto args) { return jaxvjp_add(cx, args[0], foreign); },
                    JAXVJP_INVALID_ARGUMENT, {"session"});
  expect_everywhere([foreign](auto, auto) { return foreign; }, JAXVJP_INVALID_ARGUMENT, {"session"},
                    false);
}

// A tracer that a scan's body gave away, in another body.
TEST(ControlFlowBodies, that_use_tracers_of_a_body_that_is_over) {
  for (const Place& place : places) {
    SCOPED_TRACE(std::string(place.what) + " of " + place.inner);
    Bench bench;
    jaxvjp_context* cx = bench.cx;
    jaxvjp_value* leaked = nullptr;
    auto leak = [&leaked](auto cx, auto args) {
      jaxvjp_update(&leaked, jaxvjp_sin(cx, args[0]));
      return leaked;
    };
    place.run(cx, bench, leak, num(cx, 1));
    EXPECT_TRUE(no_error(cx));
    ASSERT_NE(leaked, nullptr);
    auto use = [&leaked](auto cx, auto args) { return jaxvjp_add(cx, args[0], leaked); };
    for (const Place& again : places) {
      jaxvjp_value* result = again.run(cx, bench, use, num(cx, 1));
      EXPECT_TRUE(fails(cx, result, JAXVJP_STALE_TRACER, {again.what, again.inner}));
    }
    EXPECT_TRUE(fails(cx, jaxvjp_sin(cx, leaked), JAXVJP_STALE_TRACER));
    EXPECT_TRUE(fails(cx, place.run(cx, bench, same_carry(), leaked), JAXVJP_STALE_TRACER));
    EXPECT_TRUE(works(cx));
    jaxvjp_release(leaked);
    bench.expect_all_destroyed();
  }
}

// Values of another session in every place that takes a value.
TEST(ControlFlowBodies, arguments_of_another_session) {
  Context other;
  jaxvjp_value *foreign = num(other, 1), *index = jaxvjp_i64(other, 1), *pred = yes(other);
  Bench bench;
  jaxvjp_context* cx = bench.cx;
  for (const Place& place : places) {
    jaxvjp_value* result = place.run(cx, bench, same_carry(), foreign);
    EXPECT_TRUE(fails(cx, result, JAXVJP_INVALID_ARGUMENT, {"session"})) << place.what;
  }
  auto* f = bench.fn(cx, "f", same_carry());
  auto* pair = bench.fn(cx, "pair", [](auto cx, auto a) { return tuple(cx, {a[0], a[1]}); });
  jaxvjp_function* branches[] = {f, f};
  jaxvjp_value *x = num(cx, 1), *zero = jaxvjp_i64(cx, 0), *xs = vec(other, {1, 2});
  EXPECT_TRUE(fails(cx, jaxvjp_cond(cx, pred, f, f, &x, 1), JAXVJP_INVALID_ARGUMENT, {"session"}));
  EXPECT_TRUE(fails(cx, jaxvjp_switch(cx, index, branches, 2, &x, 1), JAXVJP_INVALID_ARGUMENT,
                    {"session"}));
  EXPECT_TRUE(
      fails(cx, jaxvjp_fori_loop(cx, zero, index, pair, x), JAXVJP_INVALID_ARGUMENT, {"session"}));
  EXPECT_TRUE(fails(cx, jaxvjp_scan(cx, pair, x, xs, -1, 0), JAXVJP_INVALID_ARGUMENT, {"session"}));
  EXPECT_TRUE(fails(cx, jaxvjp_map(cx, f, xs, 0), JAXVJP_INVALID_ARGUMENT, {"session"}));
  auto* theirs = function(other, "theirs", same_carry());
  EXPECT_TRUE(fails(cx, jaxvjp_cond(cx, yes(cx), f, theirs, &x, 1), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(works(cx));
  EXPECT_TRUE(works(other));
  bench.expect_all_destroyed();
}

}  // namespace
}  // namespace conformance

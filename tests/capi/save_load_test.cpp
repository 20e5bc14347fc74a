// Saved programs: what one session wrote, another computes with, differentiates and transforms as
// the original does. The rules differ from the true derivatives, so that one sees which was used.
#include "saved.hpp"

namespace conformance {
namespace {

// x^2, ten times whose slope is the rule's: 100 x^... at every order `self` keeps the rule.
jaxvjp_function* square(jaxvjp_context* cx, Counts* counts, bool self = true) {
  return custom_vjp(cx, "square",
                    {.fwd = [self](auto cx, auto args) -> Fwd {
                       jaxvjp_value* y = self ? jaxvjp_call1(cx, jaxvjp_self(cx), args[0])
                                              : jaxvjp_mul(cx, args[0], args[0]);
                       return {y, tuple(cx, {args[0], y})};
                     },
                     .bwd =
                         [](auto cx, auto res, auto ct, auto slots) {
                           // 10 x ct and, so that the rule of y is seen at order 2, y's part of
                           // nothing
                           jaxvjp_value* y = jaxvjp_get(cx, res, 1);
                           jaxvjp_value* slope =
                               jaxvjp_add(cx, scale(cx, 10, jaxvjp_get(cx, res, 0)), y);
                           slots[0] = jaxvjp_mul(cx, slope, ct);
                         },
                     .primal = [](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[0]); },
                     .counts = counts});
}

// A program and how to call it.
struct Case {
  const char* name;
  std::function<jaxvjp_function*(jaxvjp_context*, Counts*)> make;  // of one argument
  std::function<jaxvjp_value*(jaxvjp_context*)> at;
};

const Case cases[] = {
    {"self", [](auto cx, auto counts) { return square(cx, counts); },
     [](auto cx) { return num(cx, 3); }},
    {"as it stands", [](auto cx, auto counts) { return square(cx, counts, false); },
     [](auto cx) { return num(cx, 3); }},
    {"twice",
     [](auto cx, auto counts) {
       auto* f = square(cx, counts);
       return function(cx, "twice", [f](auto cx, auto args) {
         return jaxvjp_sin(cx, jaxvjp_call1(cx, f, jaxvjp_call1(cx, f, args[0])));
       });
     },
     [](auto cx) { return num(cx, 0.5); }},
    {"vmapped",
     [](auto cx, auto counts) {
       auto* f = jaxvjp_vmap(cx, square(cx, counts), NULL);
       return function(cx, "vmapped",
                       [f](auto cx, auto args) { return sum(cx, jaxvjp_call1(cx, f, args[0])); });
     },
     [](auto cx) {
       return vec(cx, {1, 2, 3});
     }},
    {"whole arrays and elements",
     [](auto cx, auto counts) {
       auto* f = square(cx, counts);
       auto* g = jaxvjp_vmap(cx, f, NULL);
       return function(cx, "both", [f, g](auto cx, auto args) {
         return sum(cx, jaxvjp_mul(cx, jaxvjp_call1(cx, f, args[0]), jaxvjp_call1(cx, g, args[0])));
       });
     },
     [](auto cx) {
       return vec(cx, {1, 2, 3});
     }},
    {"jit",
     [](auto cx, auto counts) {
       auto* f = jit(cx, square(cx, counts));
       return function(cx, "jit", [f](auto cx, auto args) { return jaxvjp_call1(cx, f, args[0]); });
     },
     [](auto cx) { return num(cx, 3); }},
    {"scan",
     [](auto cx, auto counts) {
       auto* f = square(cx, counts);
       auto* body = function(cx, "body", [f](auto cx, auto args) {
         jaxvjp_value* y = scale(cx, 0.1, jaxvjp_call1(cx, f, args[0]));
         return tuple(cx, {jaxvjp_add(cx, y, args[1]), y});
       });
       return function(cx, "scan", [body](auto cx, auto args) {
         jaxvjp_value* r = jaxvjp_scan(cx, body, num(cx, 1), args[0], -1, 0);
         return jaxvjp_add(cx, jaxvjp_get(cx, r, 0), sum(cx, jaxvjp_get(cx, r, 1)));
       });
     },
     [](auto cx) {
       return vec(cx, {0.1, 0.2, 0.3});
     }},
    {"array constants",
     [](auto cx, auto counts) {
       auto* weights = vec(cx, {1, 2, 3});
       auto* f = custom_vjp(cx, "weighted",
                            {.fwd = [weights](auto cx, auto args) -> Fwd {
                               return {jaxvjp_mul(cx, weights, args[0]), jaxvjp_sin(cx, args[0])};
                             },
                             .bwd =
                                 [weights](auto cx, auto res, auto ct, auto slots) {
                                   slots[0] = jaxvjp_mul(cx, ct, jaxvjp_mul(cx, res, weights));
                                 },
                             .counts = counts});
       return function(cx, "constants",
                       [f](auto cx, auto args) { return sum(cx, jaxvjp_call1(cx, f, args[0])); });
     },
     [](auto cx) {
       return vec(cx, {0.1, 0.2, 0.3});
     }},
    {"custom_jvp",
     [](auto cx, auto counts) {
       return custom_jvp(
           cx, "square", [](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[0]); },
           [](auto cx, auto x, auto dx) -> Jvp {
             auto* y = jaxvjp_mul(cx, x[0], x[0]);
             return {y, jaxvjp_mul(cx, scale(cx, 7, x[0]), dx[0])};
           },
           counts);
     },
     [](auto cx) { return num(cx, 3); }},
    {"forward by transposing bwd",
     [](auto cx, auto counts) {
       return custom_vjp(
           cx, "both ways",
           {.fwd = [](auto cx, auto args) -> Fwd {
              return {jaxvjp_sin(cx, args[0]), args[0]};
            },
            .bwd = [](auto cx, auto res, auto ct,
                      auto slots) { slots[0] = jaxvjp_mul(cx, ct, scale(cx, 3, res)); },
            .forward = JAXVJP_FORWARD_TRANSPOSE_BWD,
            .counts = counts});
     },
     [](auto cx) { return num(cx, 2); }},
};

// What is computed with a function: the same of the original and of what is loaded.
struct Use {
  const char* name;
  std::function<jaxvjp_function*(jaxvjp_context*, jaxvjp_function*)> of;
};
const Use uses[] = {
    {"value", [](auto, auto f) { return f; }},
    {"grad", [](auto cx, auto f) { return jaxvjp_grad(cx, f, NULL); }},
    {"jit of grad", [](auto cx, auto f) { return jit(cx, jaxvjp_grad(cx, f, NULL)); }},
    {"grad of jit", [](auto cx, auto f) { return jaxvjp_grad(cx, jit(cx, f), NULL); }},
    {"hessian", [](auto cx, auto f) { return jaxvjp_hessian(cx, f, NULL); }},
    {"jacrev of grad",
     [](auto cx, auto f) { return jaxvjp_jacrev(cx, jaxvjp_grad(cx, f, NULL), NULL); }},
    {"third order",
     [](auto cx, auto f) {
       return jaxvjp_jacrev(cx, jaxvjp_jacrev(cx, jaxvjp_grad(cx, f, NULL), NULL), NULL);
     }},
    {"checkpoint",
     [](auto cx, auto f) {
       return jaxvjp_grad(cx, jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING), NULL);
     }},
};

TEST(SaveLoad, everything_is_as_the_original_computes_it) {
  for (const Case& c : cases)
    for (int32_t flags : {JAXVJP_SAVE_RULES, JAXVJP_SAVE_TEXT}) {
      Counts counts;
      Context here;
      auto* f = c.make(here, &counts);
      jaxvjp_value* x = c.at(here);
      const std::string data = saved(here, jaxvjp_make_jaxpr(here, f, &x, 1), flags);
      for (const Use& use : uses) {
        SCOPED_TRACE(std::string(c.name) + ", " + use.name);
        Context there;  // knows no source of it
        auto* g = jaxvjp_function_of(there, loaded(there, data));
        jaxvjp_value* want = jaxvjp_call1(here, use.of(here, f), c.at(here));
        jaxvjp_value* got = jaxvjp_call1(there, use.of(there, g), c.at(there));
        ASSERT_TRUE(no_error(here));
        ASSERT_TRUE(no_error(there)) << data;
        EXPECT_EQ(shape(got), shape(want));
        EXPECT_EQ(numbers(there, got), numbers(here, want));
      }
    }
}

TEST(SaveLoad, what_is_loaded_is_saved_as_the_same_bytes) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Counts counts;
    Context here, there, elsewhere;
    jaxvjp_value* x = c.at(here);
    auto* j = jaxvjp_make_jaxpr(here, c.make(here, &counts), &x, 1);
    const std::string data = saved(here, j), text = saved(here, j, JAXVJP_SAVE_TEXT);
    EXPECT_EQ(saved(there, loaded(there, data)), data);
    EXPECT_EQ(saved(there, loaded(there, data), JAXVJP_SAVE_TEXT), text);
    EXPECT_EQ(saved(elsewhere, loaded(elsewhere, text)), data);
    EXPECT_EQ(saved(elsewhere, jaxvjp_parse(elsewhere, text.c_str())), data);
  }
}

TEST(SaveLoad, text) {
  Counts counts;
  Context cx;
  jaxvjp_value* x = num(cx, 3);
  auto* f = custom_vjp(
      cx, "my rule",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), args[0]};
       },
       .bwd = [](auto cx, auto x, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, x, ct); },
       .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
       .counts = &counts});
  EXPECT_EQ(saved(cx, jaxvjp_make_jaxpr(cx, f, &x, 1), JAXVJP_SAVE_TEXT),
            R"(let my_rule_0 = rule[
  arguments=(*,)
  bwd={ lambda ; a:f64[] b:f64[]. let
      c:f64[] = mul a b
    in (c,) }
  bwd_gives=[True]
  fwd={ lambda ; a:f64[]. let
      b:f64[] = custom_vjp_call[
        bwd=my rule_bwd
        call_jaxpr={ lambda ; a:f64[]. let
            b:f64[] = sin a
          in (b,) }
        fwd=my rule_fwd
        name=my rule
        num_consts=0
        rule=my_rule_0
        symbolic_zeros=False
      ] a
    in (b, a) }
  n_out=1
  name=my rule
] in
let main = structure[arguments=(*,) results=*] in
{ lambda ; a:f64[]. let
    b:f64[] = custom_vjp_call[
      bwd=my rule_bwd
      call_jaxpr={ lambda ; a:f64[]. let
          b:f64[] = sin a
        in (b,) }
      fwd=my rule_fwd
      name=my rule
      num_consts=0
      rule=my_rule_0
      symbolic_zeros=False
    ] a
  in (b,) })");
}

// Structures of arguments and results, of the rule's too; integers; a slot without a derivative.
jaxvjp_function* structured(jaxvjp_context* cx, Counts* counts) {
  return custom_vjp(cx, "structured",
                    {.fwd = [](auto cx, auto args) -> Fwd {
                       return {jaxvjp_call(cx, jaxvjp_self(cx), args.items, args.n),
                               tuple(cx, {jaxvjp_get(cx, args[0], 0), jaxvjp_none(cx)})};
                     },
                     .bwd =
                         [](auto cx, auto res, auto ct, auto slots) {
                           auto* y = jaxvjp_get(cx, ct, 1);
                           auto* a = jaxvjp_mul(cx, scale(cx, 10, jaxvjp_get(cx, res, 0)), y);
                           slots[0] = dict(cx, {{"a", a}, {"b", jaxvjp_zero(cx)}});
                           slots[1] = jaxvjp_zero(cx);
                         },
                     .primal =
                         [](auto cx, auto args) {
                           auto* a = jaxvjp_get(cx, args[0], 0);
                           return dict(cx, {{"y", jaxvjp_mul(cx, a, args[1])}, {"n", args[2]}});
                         },
                     .counts = counts});
}

TEST(SaveLoad, structures) {
  Counts counts;
  Context here, there;
  auto arguments = [](jaxvjp_context* cx) {
    return std::vector<jaxvjp_value*>{dict(cx, {{"a", num(cx, 2)}, {"b", vec(cx, {1, 2})}}),
                                      num(cx, 5), jaxvjp_i64(cx, 7)};
  };
  auto args = arguments(here);
  auto* f = structured(here, &counts);
  auto data = saved(here, jaxvjp_make_jaxpr(here, f, args.data(), 3));
  auto* g = jaxvjp_function_of(there, loaded(there, data));
  auto loss = function(there, "loss", [g](auto cx, auto args) {
    return jaxvjp_get(cx, jaxvjp_call(cx, g, args.items, args.n), 1);
  });
  const int64_t both[] = {0, 1};
  jaxvjp_grad_options options{};
  options.struct_size = sizeof options;
  options.argnums = both;
  options.n_argnums = 2;
  auto xs = arguments(there);
  jaxvjp_value* value = jaxvjp_call(there, g, xs.data(), 3);
  EXPECT_EQ(std::string(jaxvjp_to_string(there, value)), "{'n': 7, 'y': 10}");
  jaxvjp_value* slopes = jaxvjp_call(there, jaxvjp_grad(there, loss, &options), xs.data(), 3);
  EXPECT_EQ(std::string(jaxvjp_to_string(there, slopes)), "({'a': 20, 'b': [0 0]}, 0)");
  EXPECT_TRUE(
      fails(there, jaxvjp_call(there, g, xs.data(), 2), JAXVJP_INVALID_ARGUMENT, {"3", "2"}));
  std::swap(xs[0], xs[1]);
  EXPECT_TRUE(fails(there, jaxvjp_call(there, g, xs.data(), 3), JAXVJP_TREE));
}

TEST(SaveLoad, without_rules_nothing_is_differentiated) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Counts counts;
    Context here, there;
    jaxvjp_value *x = c.at(here), *y = c.at(there), *tangent = nullptr;
    auto* f = c.make(here, &counts);
    const int runs = counts.fwd;
    auto data = saved(here, jaxvjp_make_jaxpr(here, f, &x, 1), JAXVJP_SAVE_PRIMAL);
    auto* g = jaxvjp_function_of(there, loaded(there, data));
    EXPECT_TRUE(same(there, jaxvjp_call1(there, g, y), jaxvjp_call1(there, jit(there, g), y)));
    EXPECT_TRUE(fails(there, jaxvjp_call1(there, jaxvjp_grad(there, g, NULL), y), JAXVJP_NO_RULE,
                      {"without its derivative"}));
    EXPECT_TRUE(fails(there, jaxvjp_jvp(there, g, &y, &y, 1, &tangent), JAXVJP_NO_RULE));
    auto again = saved(there, jaxvjp_make_jaxpr(there, g, &y, 1));  // it stays so
    auto* h = jaxvjp_function_of(there, loaded(there, again));
    EXPECT_TRUE(fails(there, jaxvjp_call1(there, jaxvjp_grad(there, h, NULL), y), JAXVJP_NO_RULE));
    (void)runs;
  }
}

TEST(SaveLoad, callbacks_run_once_a_signature_and_are_let_go) {
  Counts counts;
  Context here;
  jaxvjp_value* x = num(here, 0.5);
  const size_t scope = jaxvjp_scope_open(here);
  auto* j = jaxvjp_make_jaxpr(here, cases[2].make(here, &counts), &x, 1);  // calls it twice
  const int fwd = counts.fwd, bwd = counts.bwd;
  auto data = saved(here, j);
  EXPECT_EQ(counts.fwd - fwd, 1);
  EXPECT_EQ(counts.bwd - bwd, 1);
  auto* loaded_here = jaxvjp_function_of(here, loaded(here, data));
  jaxvjp_function_retain(loaded_here);
  jaxvjp_scope_close(here, scope, NULL);
  EXPECT_EQ(counts.destroyed, 1);  // what is loaded holds nothing of it
  EXPECT_TRUE(no_error(here));
  jaxvjp_call1(here, jaxvjp_grad(here, loaded_here, NULL), x);
  jaxvjp_function_release(loaded_here);
}

TEST(SaveLoad, a_rule_that_looks_at_numbers_is_named) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "opaque",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          double at = jaxvjp_item(cx, args[0]);
                          return {num(cx, at), args[0]};
                        },
                        .bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; },
                        .primal = [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
                        .counts = &counts});
  jaxvjp_value* x = num(cx, 1);
  auto* j = jaxvjp_make_jaxpr(cx, f, &x, 1);
  size_t bytes = 1;
  EXPECT_TRUE(fails(cx, jaxvjp_save(cx, j, 0, &bytes), JAXVJP_CONCRETE, {"opaque", "numbers"}));
  EXPECT_EQ(bytes, 0u);
  EXPECT_NE(jaxvjp_save(cx, j, JAXVJP_SAVE_PRIMAL, &bytes), nullptr);
}

TEST(SaveLoad, a_rule_that_never_ends_is_refused) {
  Counts counts;
  Context cx;
  auto* f = custom_vjp(cx, "growing",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          jaxvjp_value* both[] = {args[0], args[0]};
                          auto* more = jaxvjp_concatenate(cx, both, 2, 0);
                          return {jaxvjp_call1(cx, jaxvjp_self(cx), more), args[0]};
                        },
                        .bwd = [](auto, auto res, auto, auto slots) { slots[0] = res; },
                        .primal = [](auto cx, auto args) { return sum(cx, args[0]); },
                        .counts = &counts});
  jaxvjp_value* x = vec(cx, {1, 2});
  size_t bytes;
  auto* j = jaxvjp_make_jaxpr(cx, f, &x, 1);
  EXPECT_EQ(jaxvjp_save(cx, j, 0, &bytes), nullptr);
  EXPECT_NE(jaxvjp_failed(cx), 0);
  jaxvjp_clear_error(cx);
}

// ---------------------------------------------------------------------------------- by name

jaxvjp_function* other_square(jaxvjp_context* cx, Counts* counts) {
  return custom_vjp(
      cx, "square",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {scale(cx, 100, args[0]), jaxvjp_none(cx)};
       },
       .bwd = [](auto cx, auto, auto ct, auto slots) { slots[0] = scale(cx, 1000, ct); },
       .counts = counts});
}

TEST(SaveLoad, a_rule_is_replaced_by_name) {
  for (size_t i : {0, 2, 6}) {
    SCOPED_TRACE(cases[i].name);
    Counts counts;
    Context here, there;
    jaxvjp_value* x = cases[i].at(here);
    auto data = saved(here, jaxvjp_make_jaxpr(here, cases[i].make(here, &counts), &x, 1));
    auto* rule = other_square(there, &counts);
    auto* g = jaxvjp_function_of(there, loaded(there, data, {rule}));
    jaxvjp_value* y = cases[i].at(there);
    jaxvjp_value *value = jaxvjp_call1(there, g, y),
                 *slope = jaxvjp_call1(there, jaxvjp_grad(there, g, NULL), y);
    ASSERT_TRUE(no_error(there));
    if (i == 0) {
      EXPECT_TRUE(near(there, value, 300));
      EXPECT_TRUE(near(there, slope, 1000));
    } else if (i == 2) {
      EXPECT_TRUE(near(there, value, std::sin(5000)));
      EXPECT_TRUE(near(there, slope, std::cos(5000) * 1e6, 1e-6));
    } else {  // carry = 10 carry + x, and the sum of 10 carry; the slope is 100 a step
      EXPECT_TRUE(near(there, value, 1e3 + 10 + 2 + 0.3 + 10 + 101 + 1012));
    }
  }
}

TEST(SaveLoad, what_cannot_stand_in) {
  Counts counts;
  Context here, there;
  jaxvjp_value *x = num(here, 3), *xs = vec(here, {1, 2, 3});
  auto data = saved(here, jaxvjp_make_jaxpr(here, square(here, &counts), &x, 1));
  auto mapped = saved(here, jaxvjp_make_jaxpr(here, cases[3].make(here, &counts), &xs, 1));
  auto plain = [&](CallFn f) { return function(there, "square", std::move(f), &counts); };
  auto* no_rule = plain([](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  EXPECT_TRUE(fails(there, loaded(there, data, {no_rule}), JAXVJP_INVALID_ARGUMENT, {"square"}));
  auto* rule = other_square(there, &counts);
  EXPECT_TRUE(fails(there, loaded(there, data, {rule, rule}), JAXVJP_INVALID_ARGUMENT, {"two"}));
  EXPECT_TRUE(fails(there, loaded(there, mapped, {rule}), JAXVJP_INVALID_ARGUMENT,
                    {"square", "vectorised"}));
  auto* wrong = custom_vjp(there, "square",
                           {.fwd = [](auto cx, auto args) -> Fwd {
                              return {jaxvjp_convert(cx, args[0], JAXVJP_F32), args[0]};
                            },
                            .bwd = [](auto, auto res, auto, auto slots) { slots[0] = res; },
                            .counts = &counts});
  EXPECT_TRUE(fails(there, loaded(there, data, {wrong}), JAXVJP_FWD_AVAL, {"square", "f32[]"}));
}

TEST(SaveLoad, what_gives_more_cannot_stand_in) {
  Counts counts;
  Context here, there;
  jaxvjp_value* x = num(here, 3);
  const std::string data = saved(here, jaxvjp_make_jaxpr(here, square(here, &counts), &x, 1));
  auto* pair = custom_vjp(there, "square",
                          {.fwd = [](auto cx, auto args) -> Fwd {
                             return {tuple(cx, {args[0], args[0]}), args[0]};
                           },
                           .bwd = [](auto, auto res, auto, auto slots) { slots[0] = res; }});
  EXPECT_TRUE(fails(there, loaded(there, data, {pair}), JAXVJP_FWD_AVAL,
                    {"square", "1 outputs", "given 2"}));
  auto* host = host_function(there, "square", opaque_square());
  EXPECT_TRUE(fails(there, loaded(there, data, {host}), JAXVJP_INVALID_ARGUMENT,
                    {"square", "no host function"}));
}

constexpr const char* unlinked_text = R"({ lambda ; a:f64[]. let
    b:f64[] = custom_vjp_call[name=theirs call_jaxpr={ lambda ; a:f64[]. let
        b:f64[] = sin a in (b,) } num_consts=0 fwd=f bwd=g] a
  in (b,) })";

TEST(SaveLoad, names_without_rules_are_unlinked) {
  Counts counts;
  Context here, there;
  auto data = saved(here, jaxvjp_parse(here, unlinked_text));
  EXPECT_TRUE(fails(there, loaded(there, data), JAXVJP_UNLINKED, {"theirs"}));
  auto* rule = custom_vjp(
      there, "theirs",
      {.fwd = [](auto cx, auto args) -> Fwd {
         return {jaxvjp_sin(cx, args[0]), args[0]};
       },
       .bwd = [](auto cx, auto res, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, res, ct); },
       .counts = &counts});
  jaxvjp_value* x = num(there, 3);
  for (const std::string& text : {data, std::string(unlinked_text)}) {
    auto* g = jaxvjp_function_of(there, loaded(there, text, {rule}));
    auto* first = function(there, "first", [g](auto cx, auto args) {
      return jaxvjp_get(cx, jaxvjp_call(cx, g, args.items, 1), 0);
    });
    EXPECT_TRUE(near(there, jaxvjp_call1(there, jaxvjp_grad(there, first, NULL), x), 3));
  }
}

// A rule that is known by its name alone has none that is made of it, mapped, say.
TEST(SaveLoad, mapped_names_without_rules) {
  Counts counts;
  Context cx, there;
  auto* alone = loaded(
      cx, saved(cx, make_jaxpr(cx, square(cx, &counts), {spec(cx, {})}), JAXVJP_SAVE_PRIMAL));
  for (jaxvjp_jaxpr* j : {alone, jaxvjp_parse(cx, unlinked_text)}) {
    auto* rows = vmap(cx, jaxvjp_function_of(cx, j), {});
    auto* g =
        jaxvjp_function_of(there, loaded(there, saved(cx, make_jaxpr(cx, rows, {spec(cx, {2})}))));
    auto* total = scalar_function(there, [g](auto cx, auto x) {
      jaxvjp_value* y = jaxvjp_call1(cx, g, x);
      return sum(cx, jaxvjp_kind(y) == JAXVJP_ARRAY ? y : jaxvjp_get(cx, y, 0));
    });
    EXPECT_TRUE(no_error(cx));
    EXPECT_FALSE(numbers(there, jaxvjp_call1(there, total, vec(there, {1, 2}))).empty());
    EXPECT_TRUE(fails(there, jaxvjp_call1(there, grad(there, total), vec(there, {1, 2})),
                      JAXVJP_NO_RULE, {"without its derivative"}));
  }
}

// ------------------------------------------------------------------------------ from jaxprs

jaxvjp_function* from_texts(jaxvjp_context* cx, const char* primal, const char* fwd,
                            const char* bwd) {
  return jaxvjp_custom_vjp_from_jaxprs(cx, "texts", jaxvjp_parse(cx, primal), jaxvjp_parse(cx, fwd),
                                       jaxvjp_parse(cx, bwd));
}
constexpr const char* sin_text = "{ lambda ; a:f64[]. let b:f64[] = sin a in (b,) }";
constexpr const char* sin_fwd = "{ lambda ; a:f64[]. let b:f64[] = sin a in (b, a) }";
constexpr const char* sin_bwd = "{ lambda ; a:f64[] b:f64[]. let c:f64[] = mul a b in (c,) }";

// What is saved names a host function, and calls that of the session that loads it: its value, its
// derivatives, loops, branches and batches.
TEST(SaveLoad, host_functions_are_linked_by_name) {
  const auto programs =
      std::vector<std::function<jaxvjp_function*(jaxvjp_context*, jaxvjp_function*)>>{
          [](auto, auto f) { return f; }, [](auto cx, auto f) { return grad(cx, f); },
          [](auto cx, auto f) {  // a branch without the call keeps no state
            return grad(cx, scalar_function(cx, [f](auto cx, auto x) {
                          return cond(
                              cx, jaxvjp_gt(cx, x, num(cx, 1)),
                              [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
                              [](auto cx, auto x) { return scale(cx, 7, x); }, x);
                        }));
          },
          [](auto cx, auto f) {
            return scalar_function(cx, [f](auto cx, auto x) {
              const Body body = [f](auto cx, auto c, auto) -> Step {
                return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
              };
              return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 3), 0);
            });
          }};
  for (const auto& program : programs)
    for (int32_t flags : {JAXVJP_SAVE_RULES, JAXVJP_SAVE_TEXT}) {
      Context cx, other;
      auto made = [&](jaxvjp_context* cx) {
        return program(cx, host_function(cx, "opaque", opaque_square()));
      };
      const std::string data = saved(cx, make_jaxpr(cx, made(cx), {spec(cx, {})}), flags);
      ASSERT_TRUE(no_error(cx));
      EXPECT_TRUE(fails(other, loaded(other, data), JAXVJP_UNLINKED, {"opaque"}));
      auto* j = loaded(other, data, {host_function(other, "opaque", opaque_square())});
      ASSERT_TRUE(no_error(other));
      auto *original = made(cx), *again = jaxvjp_function_of(other, j);
      for (double x : {0.5, 3.}) {
        EXPECT_EQ(numbers(other, jaxvjp_call1(other, again, num(other, x))),
                  numbers(cx, jaxvjp_call1(cx, original, num(cx, x))));
        EXPECT_EQ(numbers(other, jaxvjp_call1(other, vmap(other, jit(other, again), {}),
                                              vec(other, {x, 2 * x}))),
                  numbers(cx, jaxvjp_call1(cx, vmap(cx, original, {}), vec(cx, {x, 2 * x}))));
      }
    }
}

TEST(SaveLoad, a_loaded_host_function_is_differentiated) {
  Context cx, other;
  auto* f = host_function(cx, "opaque", opaque_square());
  auto* sine =
      scalar_function(cx, [f](auto cx, auto x) { return jaxvjp_call1(cx, f, jaxvjp_sin(cx, x)); });
  const std::string data = saved(cx, make_jaxpr(cx, sine, {spec(cx, {})}));
  auto* j = loaded(other, data, {host_function(other, "opaque", opaque_square())});
  auto* slope = grad(other, jaxvjp_function_of(other, j));
  const double at = 0.5, expected = 10 * std::sin(at) * std::cos(at);
  EXPECT_TRUE(near(other, jaxvjp_call1(other, slope, num(other, at)), expected));
  EXPECT_TRUE(fails(other, jaxvjp_call1(other, grad(other, slope), num(other, at)), JAXVJP_NO_RULE,
                    {"opaque", "order 2"}));
}

TEST(SaveLoad, a_host_function_that_does_not_fit) {
  Context cx, other;
  auto* f = host_function(cx, "opaque", opaque_square());
  const std::string value = saved(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  const std::string slope = saved(cx, make_jaxpr(cx, grad(cx, f), {spec(cx, {})}));
  auto with = [&](int32_t flags, bool bwd = true) {
    HostRule rule = opaque_square();
    rule.flags = flags;
    if (!bwd) rule.bwd = nullptr;
    return host_function(other, "opaque", rule);
  };
  EXPECT_TRUE(
      fails(other, loaded(other, value, {with(0)}), JAXVJP_INVALID_ARGUMENT, {"opaque", "PURE"}));
  const int32_t saving = JAXVJP_HOST_PURE | JAXVJP_HOST_SAVE_INPUTS;
  EXPECT_TRUE(fails(other, loaded(other, slope, {with(saving)}), JAXVJP_INVALID_ARGUMENT,
                    {"opaque", "saves"}));
  EXPECT_TRUE(fails(other, loaded(other, slope, {with(JAXVJP_HOST_PURE, false)}),
                    JAXVJP_INVALID_ARGUMENT, {"opaque", "bwd"}));
  auto* twice = with(JAXVJP_HOST_PURE);
  EXPECT_TRUE(
      fails(other, loaded(other, value, {twice, twice}), JAXVJP_INVALID_ARGUMENT, {"opaque"}));
}

double seven_times(unsigned, const double* x, double* grad, void*) {
  if (grad) grad[0] = 7;
  return x[0];
}

TEST(SaveLoad, adapters_are_linked_by_name) {
  Context cx, other;
  auto* f = jaxvjp_from_value_grad(cx, "seven", seven_times, nullptr, nullptr);
  const std::string data = saved(cx, make_jaxpr(cx, f, {spec(cx, {1})}));
  ASSERT_TRUE(no_error(cx));
  EXPECT_TRUE(fails(other, loaded(other, data), JAXVJP_UNLINKED, {"seven"}));
  auto* g = jaxvjp_from_value_grad(other, "seven", seven_times, nullptr, nullptr);
  auto* again = jaxvjp_function_of(other, loaded(other, data, {g}));
  EXPECT_TRUE(near(other, jaxvjp_call1(other, again, vec(other, {3})), 3.0));
  EXPECT_TRUE(near(other, jaxvjp_call1(other, grad(other, again), vec(other, {3})), {7}));
}

// Text in which a host function's bwd gets what its fwd did not make.
std::string hostile(const char* state_type, const char* state, const char* bwd) {
  std::string text = R"({ lambda ; a:f64[]. let
    b:f64[] c:opaque[] d:f32[0] = host_call[
      mapped=(False,) name=first out=(f64[],) pure=True size=-1 state=True ] a
    e:STATE_TYPE = STATE
    f:f64[] = host_bwd[
      in=(f64[],) inputs=False mapped=(False, False, False) name=BWD
      out=(f64[],) outputs=False size=-1 ] e d b
  in (f,) })";
  for (auto [word, with] : {std::pair{"STATE_TYPE", state_type}, {"STATE", state}, {"BWD", bwd}})
    for (size_t at; (at = text.find(word)) != text.npos;)
      text.replace(at, std::string(word).size(), with);
  return text;
}

TEST(SaveLoad, a_state_of_another_type_or_function) {
  Context cx;
  auto* first = host_function(cx, "first", opaque_square());
  auto* second = host_function(cx, "second", opaque_square());
  auto load = [&](const std::string& text) { return loaded(cx, text, {first, second}); };
  constexpr const char* same = "reshape[dimensions=None new_sizes=() sharding=None] c";
  auto* g = jaxvjp_function_of(cx, load(hostile("opaque[]", same, "first")));
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, jaxvjp_call1(cx, g, num(cx, 3)), 0), 270.0));
  EXPECT_TRUE(fails(cx, load(hostile("f64[]", "sin a", "first")), JAXVJP_DTYPE,
                    {"host_bwd", "operand 0", "opaque"}));
  auto* h = jaxvjp_function_of(cx, load(hostile("opaque[]", same, "second")));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, h, num(cx, 3)), JAXVJP_INVALID_ARGUMENT,
                    {"second", "state of first"}));
}

// A state is of this process: a pullback that holds one cannot be saved.
TEST(SaveLoad, a_state_cannot_be_saved) {
  Context cx;
  auto* f = host_function(cx, "opaque", opaque_square());
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {num(cx, 3)}, &pullback);
  auto* j = make_jaxpr(cx, pullback, {spec(cx, {})});
  ASSERT_TRUE(no_error(cx));
  size_t bytes = 0;
  EXPECT_TRUE(
      fails(cx, jaxvjp_save(cx, j, JAXVJP_SAVE_RULES, &bytes), JAXVJP_INVALID_ARGUMENT, {"state"}));
}

int32_t hundredfold(jaxvjp_context* cx, void*, int64_t, jaxvjp_value* const* args, size_t,
                    jaxvjp_value** out, jaxvjp_value** batched) {
  *out = scale(cx, 100, args[0]);
  *batched = jaxvjp_number(cx, 1);
  return jaxvjp_failed(cx);
}
int32_t twofold(jaxvjp_context* cx, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  *out = scale(cx, 2, args[0]);
  return jaxvjp_failed(cx);
}

// A rule for vmap stays at home: the loaded program is mapped by the one that is given, or refused.
TEST(SaveLoad, rules_for_vmap) {
  Context cx, other;
  auto made = [](jaxvjp_context* cx) {
    return jaxvjp_custom_vmap(cx, "twofold", twofold, hundredfold, nullptr, nullptr);
  };
  const std::string data = saved(cx, make_jaxpr(cx, made(cx), {spec(cx, {})}));
  auto* alone = jaxvjp_function_of(other, loaded(other, data));
  EXPECT_TRUE(near(other, jaxvjp_call1(other, alone, num(other, 3)), 6.0));
  EXPECT_TRUE(fails(other, jaxvjp_call1(other, vmap(other, alone, {}), vec(other, {1, 2})),
                    JAXVJP_NO_RULE, {"twofold"}));
  auto* linked = jaxvjp_function_of(other, loaded(other, data, {made(other)}));
  EXPECT_TRUE(
      near(other, jaxvjp_call1(other, vmap(other, linked, {}), vec(other, {1, 2})), {100, 200}));
}

TEST(SaveLoad, what_cannot_stand_in_for_a_rule_for_vmap) {
  Context cx, other;
  auto* f = jaxvjp_custom_vmap(cx, "twofold", twofold, hundredfold, nullptr, nullptr);
  const std::string data = saved(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  auto* plain =
      function(other, "twofold", [](auto cx, auto args) { return scale(cx, 2, args[0]); });
  auto* rule = custom_vjp(other, "twofold",
                          {.fwd = [](auto cx, auto args) -> Fwd {
                             return {scale(cx, 2, args[0]), args[0]};
                           },
                           .bwd = [](auto, auto res, auto, auto slots) { slots[0] = res; }});
  for (jaxvjp_function* g : {plain, rule, host_function(other, "twofold", opaque_square())})
    EXPECT_TRUE(fails(other, loaded(other, data, {g}), JAXVJP_INVALID_ARGUMENT, {"twofold"}));
}

TEST(FromJaxprs, a_rule_that_is_text) {
  Context cx, there;
  auto* rule = from_texts(cx, sin_text, sin_fwd, sin_bwd);
  auto first = [](jaxvjp_context* cx, jaxvjp_function* f) {
    return function(cx, "first", [f](auto cx, auto args) {
      return jaxvjp_get(cx, jaxvjp_call(cx, f, args.items, 1), 0);
    });
  };
  jaxvjp_value* x = num(cx, 3);
  auto* f = first(cx, rule);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), std::sin(3)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, f, NULL), x), 3));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, jit(cx, f), NULL), x), 3));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_hessian(cx, f, NULL), x), 1));
  EXPECT_TRUE(
      near(cx, jaxvjp_call1(cx, jaxvjp_vmap(cx, jaxvjp_grad(cx, f, NULL), NULL), vec(cx, {1, 2})),
           {1, 2}));
  auto* g = jaxvjp_function_of(there, loaded(there, saved(cx, jaxvjp_make_jaxpr(cx, f, &x, 1))));
  EXPECT_TRUE(near(there, jaxvjp_call1(there, jaxvjp_hessian(there, g, NULL), num(there, 5)), 1));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, vec(cx, {1, 2})), JAXVJP_SHAPE, {"texts", "f64[2]"}));
}

// JAX gives integers cotangents of float0; ours has none.
TEST(FromJaxprs, integers) {
  const char* primal = "{ lambda ; a:f64[] n:i32[2]. let b:f64[] = sin a in (b, n) }";
  const char* fwd = "{ lambda ; a:f64[] n:i32[2]. let b:f64[] = sin a in (b, n, a) }";
  for (const char* bwd :
       {"{ lambda ; a:f64[] b:f64[]. let c:f64[] = mul a b in (c,) }",
        "{ lambda ; a:f64[] b:f64[] d:float0[2]. let c:f64[] = mul a b in (c, d) }"}) {
    Context cx;
    auto* rule = from_texts(cx, primal, fwd, bwd);
    auto* f = function(cx, "first", [rule](auto cx, auto args) {
      jaxvjp_value* both[] = {args[0], jaxvjp_convert(cx, vec(cx, {1, 2}), JAXVJP_I32)};
      return jaxvjp_get(cx, jaxvjp_call(cx, rule, both, 2), 0);
    });
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, f, NULL), num(cx, 3)), 3));
  }
}

TEST(FromJaxprs, what_does_not_fit) {
  Context cx;
  struct Wrong {
    const char *fwd, *bwd;
    int32_t code;
    std::initializer_list<const char*> words;
  };
  const Wrong rows[] = {
      {"{ lambda ; a:f64[]. let in () }", sin_bwd, JAXVJP_FWD_TREE, {"texts", "fwd", "fewer", "1"}},
      {"{ lambda ; a:f64[] b:f64[]. let in (a, b) }", sin_bwd, JAXVJP_FWD_TREE, {"fwd", "2", "1"}},
      {"{ lambda ; a:f32[]. let in (a, a) }", sin_bwd, JAXVJP_FWD_AVAL, {"fwd", "f32[]", "f64[]"}},
      {sin_fwd, sin_text, JAXVJP_BWD_TREE, {"texts", "bwd", "1", "2"}},
      {sin_fwd, "{ lambda ; a:f64[] b:f64[]. let in (a, b) }", JAXVJP_BWD_TREE, {"bwd", "2", "1"}},
      {sin_fwd, "{ lambda ; a:f64[] b:f64[2]. let in (a,) }", JAXVJP_BWD_AVAL, {"f64[2]", "1"}},
      {sin_fwd, "{ lambda ; a:f64[] b:f64[]. let in (1:i32[],) }", JAXVJP_BWD_AVAL, {"i32[]"}},
  };
  for (const Wrong& row : rows)
    EXPECT_TRUE(fails(cx, from_texts(cx, sin_text, row.fwd, row.bwd), row.code, row.words));
}

// ------------------------------------------------------------------------------------ misuse

TEST(SaveLoad, bad_input) {
  Counts counts;
  Context cx;
  size_t bytes;
  jaxvjp_value* x = num(cx, 3);
  auto* j = jaxvjp_make_jaxpr(cx, square(cx, &counts), &x, 1);
  const std::string data = saved(cx, j);
  EXPECT_TRUE(fails(cx, jaxvjp_save(cx, j, 64, &bytes), JAXVJP_INVALID_ARGUMENT, {"64"}));
  EXPECT_TRUE(fails(cx, jaxvjp_save(cx, j, 0, NULL), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_load(cx, NULL, 3, NULL, 0), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(
      fails(cx, jaxvjp_load(cx, data.data(), data.size(), NULL, 1), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_load(cx, "", 0, NULL, 0), JAXVJP_PARSE));
  EXPECT_TRUE(fails(cx, loaded(cx, "no program"), JAXVJP_PARSE));
  for (size_t n = 0; n < data.size(); ++n) {
    EXPECT_EQ(jaxvjp_load(cx, data.data(), n, NULL, 0), nullptr) << n;
    jaxvjp_clear_error(cx);
    std::string flipped = data;
    flipped[n] = char(flipped[n] ^ 4);
    EXPECT_EQ(loaded(cx, flipped), nullptr) << n;
    jaxvjp_clear_error(cx);
  }
  std::string later = data;
  later[8] = 2;
  EXPECT_TRUE(fails(cx, loaded(cx, later), JAXVJP_ABI_MISMATCH, {"version 2"}));
}

TEST(SaveLoad, what_cannot_be_saved) {
  Counts counts;
  Context cx;
  size_t bytes;
  auto* f = square(cx, &counts);
  jaxvjp_value* args[] = {jaxvjp_from_function(cx, f), num(cx, 3)};
  auto* apply = function(cx, "apply", [](auto cx, auto args) {
    return jaxvjp_call1(cx, jaxvjp_as_function(cx, args[0]), args[1]);
  });
  EXPECT_TRUE(fails(cx, jaxvjp_save(cx, jaxvjp_make_jaxpr(cx, apply, args, 2), 0, &bytes),
                    JAXVJP_TREE, {"argument 0"}));
  auto* probed = function(cx, "probed", [](auto cx, auto args) {
    return jaxvjp_probe(
        cx, args[0], [](auto, auto, auto) -> int32_t { return 0; }, nullptr, nullptr);
  });
  EXPECT_TRUE(fails(cx, jaxvjp_save(cx, jaxvjp_make_jaxpr(cx, probed, &args[1], 1), 0, &bytes),
                    JAXVJP_INVALID_ARGUMENT, {"callback of a probe"}));
}

// Functions, pointers and the like among the residuals are built into bwd.
TEST(SaveLoad, residuals_that_are_no_arrays) {
  Counts counts;
  static double factor = 10;
  Context here, there;
  auto* f = custom_vjp(
      here, "pointed",
      {.fwd = [](auto cx, auto args) -> Fwd {
         jaxvjp_function* pullback = nullptr;
         auto* sine = function(cx, "sin", [](auto cx, auto a) { return jaxvjp_sin(cx, a[0]); });
         jaxvjp_value* y = jaxvjp_vjp(cx, sine, args.items, 1, &pullback);
         return {y,
                 tuple(cx, {jaxvjp_from_function(cx, pullback), jaxvjp_opaque(cx, &factor, NULL)})};
       },
       .bwd =
           [](auto cx, auto res, auto ct, auto slots) {
             auto* pullback = jaxvjp_as_function(cx, jaxvjp_get(cx, res, 0));
             auto* factor = static_cast<double*>(jaxvjp_as_pointer(cx, jaxvjp_get(cx, res, 1)));
             slots[0] = scale(cx, *factor, jaxvjp_get(cx, jaxvjp_call1(cx, pullback, ct), 0));
           },
       .counts = &counts});
  jaxvjp_value* x = num(here, 1);
  auto data = saved(here, jaxvjp_make_jaxpr(here, f, &x, 1));
  factor = 0;
  auto* g = jaxvjp_function_of(there, loaded(there, data));
  EXPECT_TRUE(near(there, jaxvjp_call1(there, jaxvjp_grad(there, g, NULL), num(there, 2)),
                   10 * std::cos(2)));
}

}  // namespace
}  // namespace conformance

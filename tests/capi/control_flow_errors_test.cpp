// Control flow that is used wrongly: carries and branches that change their type, predicates and
// indices of another type, rows that do not fit. Each gives its code and says what was expected and
// what came, at once and under jit; the context works afterwards, and every function is destroyed
// once. What goes wrong inside the functions is in control_flow_bodies_test.cpp.

#include "bench.hpp"

namespace conformance {
namespace {

jaxvjp_value* two(jaxvjp_context* cx) { return vec(cx, {1, 2}); }
jaxvjp_value* three(jaxvjp_context* cx) { return vec(cx, {1, 2, 3}); }
jaxvjp_value* yes(jaxvjp_context* cx) { return jaxvjp_lt(cx, num(cx, 0), num(cx, 1)); }
jaxvjp_value* none(jaxvjp_context* cx) { return jaxvjp_none(cx); }
jaxvjp_value* pair(jaxvjp_context* cx) { return tuple(cx, {num(cx, 1), two(cx)}); }

// ------------------------------------------------------------------------------------------
// carries

// What a carry of f64[2] may not become.
struct Wrong {
  const char* what;
  int32_t code;
  Words words;
  Bench::Make carry;
};
const Wrong wrongs[] = {
    {"structure", JAXVJP_TREE, {"carry", "(*, *)", "expected"}, pair},
    {"none", JAXVJP_TREE, {"carry", "None", "expected"}, none},
    {"shape", JAXVJP_SHAPE, {"carry", "f64[3]", "expected", "f64[2]"}, three},
    {"rank",
     JAXVJP_SHAPE,
     {"carry", "f64[]", "expected", "f64[2]"},
     [](auto cx) { return num(cx, 1); }},
    {"dtype",
     JAXVJP_DTYPE,
     {"carry", "f32[2]", "expected", "f64[2]"},
     [](auto cx) { return jaxvjp_convert(cx, two(cx), JAXVJP_F32); }},
};

template <class Run>
void expect_wrong_carries(const char* loop, Run run) {
  for (const Wrong& wrong : wrongs) {
    SCOPED_TRACE(loop);
    expect_row({wrong.what, wrong.code, wrong.words,
                [&](auto cx, auto& bench) { return run(cx, bench, wrong.carry); }});
    expect_row({wrong.what, wrong.code, {loop}, [&](auto cx, auto& bench) {
                  return run(cx, bench, wrong.carry);
                }});
  }
}

TEST(ControlFlowErrors, carries_that_change) {
  expect_wrong_carries("scan", [](auto cx, Bench& bench, Bench::Make carry) {
    auto* body = bench.gives(cx, "body", [carry](auto cx) {
      return tuple(cx, {carry(cx), jaxvjp_none(cx)});
    });
    return jaxvjp_scan(cx, body, two(cx), three(cx), -1, 0);
  });
  expect_wrong_carries("while_loop", [](auto cx, Bench& bench, Bench::Make carry) {
    return jaxvjp_while_loop(cx, bench.gives(cx, "go", yes), bench.gives(cx, "body", carry),
                             two(cx));
  });
  expect_wrong_carries("fori_loop", [](auto cx, Bench& bench, Bench::Make carry) {
    return jaxvjp_fori_loop(cx, jaxvjp_i64(cx, 0), jaxvjp_i64(cx, 3),
                            bench.gives(cx, "body", carry), two(cx));
  });
}

// The leaf is named by its path.
TEST(ControlFlowErrors, a_leaf_of_a_carry_that_changes) {
  expect_row({"dict", JAXVJP_SHAPE, {"['b']", "[1]", "f64[3]", "f64[2]"}, [](auto cx, auto& bench) {
                auto* body = bench.gives(cx, "body", [](auto cx) {
                  jaxvjp_value* b = tuple(cx, {num(cx, 1), three(cx)});
                  return tuple(cx, {dict(cx, {{"a", num(cx, 1)}, {"b", b}}), num(cx, 1)});
                });
                jaxvjp_value* init = dict(cx, {{"a", num(cx, 1)}, {"b", pair(cx)}});
                return jaxvjp_scan(cx, body, init, three(cx), -1, 0);
              }});
}

TEST(ControlFlowErrors, a_scans_body_gives_a_pair) {
  for (Bench::Make make : {Bench::Make(two), Bench::Make(none), Bench::Make([](auto cx) {
                             return tuple(cx, {two(cx), two(cx), two(cx)});
                           }),
                           Bench::Make([](auto cx) {
                             return list(cx, {two(cx), two(cx)});
                           })})
    expect_row(
        {"body", JAXVJP_TREE, {"scan", "(carry, y)", "structure"}, [make](auto cx, auto& bench) {
           return jaxvjp_scan(cx, bench.gives(cx, "body", make), two(cx), three(cx), -1, 0);
         }});
}

// -----------------------------------------------------------------------------------------
// branches

TEST(ControlFlowErrors, branches_that_disagree) {
  const Wrong rows[] = {
      {"structure", JAXVJP_TREE, {"(*, *)", "expected", "odd"}, pair},
      {"shape", JAXVJP_SHAPE, {"f64[3]", "expected", "f64[2]", "odd"}, three},
      {"dtype",
       JAXVJP_DTYPE,
       {"f32[2]", "expected", "f64[2]", "odd"},
       [](auto cx) { return jaxvjp_convert(cx, two(cx), JAXVJP_F32); }},
  };
  for (const Wrong& wrong : rows) {
    expect_row({wrong.what, wrong.code, wrong.words, [&](auto cx, auto& bench) {
                  return jaxvjp_cond(cx, yes(cx), bench.gives(cx, "odd", wrong.carry),
                                     bench.gives(cx, "even", two), nullptr, 0);
                }});
    expect_row({wrong.what, wrong.code, wrong.words, [&](auto cx, auto& bench) {
                  jaxvjp_function* branches[] = {bench.gives(cx, "a", two),
                                                 bench.gives(cx, "b", two),
                                                 bench.gives(cx, "odd", wrong.carry)};
                  return jaxvjp_switch(cx, jaxvjp_i64(cx, 0), branches, 3, nullptr, 0);
                }});
  }
}

jaxvjp_value* cond_on(jaxvjp_context* cx, Bench& bench, jaxvjp_value* pred) {
  return jaxvjp_cond(cx, pred, bench.gives(cx, "a", two), bench.gives(cx, "b", two), nullptr, 0);
}
jaxvjp_value* switch_on(jaxvjp_context* cx, Bench& bench, jaxvjp_value* index) {
  jaxvjp_function* branches[] = {bench.gives(cx, "a", two), bench.gives(cx, "b", two)};
  return jaxvjp_switch(cx, index, branches, 2, nullptr, 0);
}
jaxvjp_value* many_yes(jaxvjp_context* cx) { return jaxvjp_lt(cx, two(cx), num(cx, 9)); }

TEST(ControlFlowErrors, predicates_and_indices) {
  const Row rows[] = {
      {"f64 predicate",
       JAXVJP_DTYPE,
       {"cond", "predicate", "bool[]", "f64[]"},
       [](auto cx, auto& bench) { return cond_on(cx, bench, num(cx, 1)); }},
      {"integer predicate",
       JAXVJP_DTYPE,
       {"cond", "predicate", "bool[]", "i64[]"},
       [](auto cx, auto& bench) { return cond_on(cx, bench, jaxvjp_i64(cx, 1)); }},
      {"array of predicates",
       JAXVJP_SHAPE,
       {"cond", "predicate", "scalar", "bool[2]"},
       [](auto cx, auto& bench) { return cond_on(cx, bench, many_yes(cx)); }},
      {"tuple as predicate",
       JAXVJP_TREE,
       {"cond"},
       [](auto cx, auto& bench) { return cond_on(cx, bench, tuple(cx, {yes(cx)})); }},
      {"f64 index",
       JAXVJP_DTYPE,
       {"switch", "index", "integer", "f64[]"},
       [](auto cx, auto& bench) { return switch_on(cx, bench, num(cx, 1)); }},
      {"bool index",
       JAXVJP_DTYPE,
       {"switch", "index", "integer", "bool[]"},
       [](auto cx, auto& bench) { return switch_on(cx, bench, yes(cx)); }},
      {"array of indices",
       JAXVJP_SHAPE,
       {"switch", "index", "scalar", "f64[2]"},
       [](auto cx, auto& bench) { return switch_on(cx, bench, two(cx)); }},
      {"fraction as index",
       JAXVJP_DTYPE,
       {"switch"},
       [](auto cx, auto& bench) { return switch_on(cx, bench, jaxvjp_number(cx, 0.5)); }},
      {"no branches",
       JAXVJP_INVALID_ARGUMENT,
       {"switch", "branches"},
       [](auto cx, auto&) { return jaxvjp_switch(cx, jaxvjp_i64(cx, 0), nullptr, 0, nullptr, 0); }},
  };
  for (const Row& row : rows) expect_row(row);
}

// -------------------------------------------------------------------------- conditions and bounds

TEST(ControlFlowErrors, conditions_of_a_while_loop) {
  const Wrong rows[] = {
      {"array", JAXVJP_SHAPE, {"while_loop", "condition", "bool[]", "bool[2]"}, many_yes},
      {"f64",
       JAXVJP_DTYPE,
       {"while_loop", "condition", "bool[]", "f64[]"},
       [](auto cx) { return num(cx, 1); }},
      {"tuple",
       JAXVJP_TREE,
       {"while_loop", "condition", "bool[]", "(*,)"},
       [](auto cx) { return tuple(cx, {yes(cx)}); }},
      {"none", JAXVJP_TREE, {"while_loop", "condition", "bool[]", "None"}, none},
  };
  for (const Wrong& wrong : rows)
    expect_row({wrong.what, wrong.code, wrong.words, [&](auto cx, auto& bench) {
                  return jaxvjp_while_loop(cx, bench.gives(cx, "go", wrong.carry),
                                           bench.gives(cx, "body", two), two(cx));
                }});
}

TEST(ControlFlowErrors, bounds_of_a_fori_loop) {
  const struct {
    const char* what;
    int32_t code;
    Words words;
    Bench::Make lower, upper;
  } rows[] = {
      {"floats",
       JAXVJP_DTYPE,
       {"fori_loop", "integers", "f64[]"},
       [](auto cx) { return num(cx, 0); },
       [](auto cx) { return jaxvjp_i64(cx, 3); }},
      {"two integers",
       JAXVJP_DTYPE,
       {"fori_loop", "i32[]", "i64[]"},
       [](auto cx) { return jaxvjp_number(cx, 0); },
       [](auto cx) { return jaxvjp_i64(cx, 3); }},
      {"array",
       JAXVJP_SHAPE,
       {"fori_loop", "upper", "scalar", "f64[2]"},
       [](auto cx) { return jaxvjp_i64(cx, 0); },
       two},
  };
  for (const auto& row : rows)
    expect_row({row.what, row.code, row.words, [&](auto cx, auto& bench) {
                  return jaxvjp_fori_loop(cx, row.lower(cx), row.upper(cx),
                                          bench.gives(cx, "body", two), two(cx));
                }});
}

// ---------------------------------------------------------------------------------------------
// rows

jaxvjp_value* scan_over(jaxvjp_context* cx, Bench& bench, jaxvjp_value* xs, int64_t length) {
  auto* body = bench.fn(cx, "body", [](auto cx, auto args) {
    return tuple(cx, {args[0], jaxvjp_none(cx)});
  });
  return jaxvjp_scan(cx, body, two(cx), xs, length, 0);
}
jaxvjp_value* map_over(jaxvjp_context* cx, Bench& bench, jaxvjp_value* xs, int64_t batch_size) {
  auto* f = bench.fn(cx, "f", [](auto, auto args) { return args[0]; });
  return jaxvjp_map(cx, f, xs, batch_size);
}
jaxvjp_value* uneven(jaxvjp_context* cx) { return tuple(cx, {two(cx), three(cx)}); }

TEST(ControlFlowErrors, rows_that_do_not_fit) {
  const Row rows[] = {
      {"lengths differ",
       JAXVJP_SHAPE,
       {"scan", "xs[1]", "f64[3]", "2 rows"},
       [](auto cx, auto& bench) { return scan_over(cx, bench, uneven(cx), -1); }},
      {"rank 0",
       JAXVJP_SHAPE,
       {"scan", "xs", "f64[]", "rows"},
       [](auto cx, auto& bench) { return scan_over(cx, bench, num(cx, 1), -1); }},
      {"no rows and no length",
       JAXVJP_INVALID_ARGUMENT,
       {"scan", "length"},
       [](auto cx, auto& bench) { return scan_over(cx, bench, none(cx), -1); }},
      {"another length",
       JAXVJP_SHAPE,
       {"scan", "f64[3]", "4 rows"},
       [](auto cx, auto& bench) { return scan_over(cx, bench, three(cx), 4); }},
      {"negative length",
       JAXVJP_INVALID_ARGUMENT,
       {"scan", "length", "-2"},
       [](auto cx, auto& bench) { return scan_over(cx, bench, three(cx), -2); }},
      {"map: lengths differ",
       JAXVJP_SHAPE,
       {"map", "xs[1]", "f64[3]", "2 rows"},
       [](auto cx, auto& bench) { return map_over(cx, bench, uneven(cx), 0); }},
      {"map: rank 0",
       JAXVJP_SHAPE,
       {"map", "xs", "f64[]", "rows"},
       [](auto cx, auto& bench) { return map_over(cx, bench, num(cx, 1), 0); }},
      {"map: nothing",
       JAXVJP_INVALID_ARGUMENT,
       {"map"},
       [](auto cx, auto& bench) { return map_over(cx, bench, none(cx), 0); }},
      {"map: negative batch size",
       JAXVJP_INVALID_ARGUMENT,
       {"map", "batch size", "-2"},
       [](auto cx, auto& bench) { return map_over(cx, bench, three(cx), -2); }},
      {"a spec as rows",
       JAXVJP_TREE,
       {},
       [](auto cx, auto& bench) { return scan_over(cx, bench, spec(cx, {3}), -1); }},
      {"a zero as rows",
       JAXVJP_TREE,
       {},
       [](auto cx, auto& bench) { return scan_over(cx, bench, jaxvjp_zero(cx), 3); }},
  };
  for (const Row& row : rows) expect_row(row);
}

}  // namespace
}  // namespace conformance

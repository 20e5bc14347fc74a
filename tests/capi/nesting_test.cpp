// Nesting ends at 256 with an error that says so: of pytrees, of transformations, of programs
// within programs, of the parser's input. 200 deep is fine; far more is never a crash.

#include "../conformance/loops.hpp"

namespace conformance {
namespace {

constexpr int fine = 200, too_deep = 300;

// Failed, with a message that names the limit.
AssertionResult refused(jaxvjp_context* cx, const void* result) {
  const int32_t code = jaxvjp_failed(cx);
  if (code == 0) return AssertionFailure() << "accepted";
  if (code == JAXVJP_INTERNAL) return AssertionFailure() << jaxvjp_error_text(cx);
  return fails(cx, result, code, {"256"});
}

enum Container { tuples, lists, dicts };
jaxvjp_value* nested(jaxvjp_context* cx, Container container, int depth) {
  jaxvjp_value* v = jaxvjp_f64(cx, 1);
  for (int i = 0; i < depth && v; i++) {
    if (container == tuples) v = tuple(cx, {v});
    if (container == lists) v = list(cx, {v, v});
    if (container == dicts) v = dict(cx, {{"k", v}});
  }
  return v;
}

TEST(Nesting, pytrees) {
  Context cx;
  auto* f = function(
      cx, "f", [](auto cx, auto args) { return jaxvjp_square(cx, jaxvjp_leaf(cx, args[0], 0)); });
  for (Container container : {tuples, dicts}) {
    SCOPED_TRACE(container);
    jaxvjp_value* v = nested(cx, container, fine);
    EXPECT_EQ(jaxvjp_leaf_count(v), 1u);
    EXPECT_NE(jaxvjp_to_string(cx, v), nullptr);
    for (auto [g, how] : eager_and_jit(cx, grad(cx, f))) {
      SCOPED_TRACE(how);
      jaxvjp_value* gradient = jaxvjp_call1(cx, g, v);
      EXPECT_TRUE(no_error(cx));
      EXPECT_EQ(jaxvjp_same_structure(gradient, v), 1);
      EXPECT_TRUE(near(cx, jaxvjp_leaf(cx, gradient, 0), 2.0));
    }
    EXPECT_TRUE(refused(cx, nested(cx, container, too_deep)));
  }
}

// A list of twice the same list, and so on: as a tree it has 2^40 leaves. Refused or counted, but
// neither in memory nor in time that grows with them.
TEST(Nesting, shared_subtrees_are_no_bomb) {
  Context cx;
  jaxvjp_value* v = nested(cx, lists, 40);
  if (jaxvjp_failed(cx)) {
    EXPECT_NE(jaxvjp_failed(cx), JAXVJP_INTERNAL) << jaxvjp_error_text(cx);
    jaxvjp_clear_error(cx);
  } else {
    EXPECT_EQ(jaxvjp_leaf_count(v), size_t{1} << 40);
  }
}

using Transformation = jaxvjp_function* (*)(jaxvjp_context*, jaxvjp_function*);

TEST(Nesting, transformations) {
  const struct {
    const char* what;
    Transformation apply;
  } rows[] = {
      {"jit", jit},
      {"grad", grad},
      {"vmap", [](auto cx, auto f) { return vmap(cx, f, {JAXVJP_AXIS_NONE}, 0, 1); }},
      {"jacfwd", [](auto cx, auto f) { return jaxvjp_jacfwd(cx, f, nullptr); }},
      {"jit and vmap",
       [](auto cx, auto f) { return jit(cx, vmap(cx, f, {JAXVJP_AXIS_NONE}, 0, 1)); }},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    Context cx;
    auto* f = function(cx, "f", [](auto, auto args) { return args[0]; });
    jaxvjp_function* g = f;
    for (int i = 0; i < too_deep && g; i++) g = row.apply(cx, g);
    jaxvjp_value* result = jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1));
    EXPECT_TRUE(refused(cx, result));
    EXPECT_NE(jaxvjp_call1(cx, row.apply(cx, f), jaxvjp_f64(cx, 1)), nullptr);
    EXPECT_TRUE(no_error(cx));
  }
}

TEST(Nesting, many_jits_are_fine) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); });
  jaxvjp_function* g = f;
  for (int i = 0; i < fine; i++) g = jit(cx, g);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, g), jaxvjp_f64(cx, 3)), 6.0));
}

// f_n calls jit(f_{n-1}) in its callback: programs within programs.
TEST(Nesting, programs_within_programs) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); });
  for (int i = 0; i < too_deep; i++)
    f = function(cx, "caller", [inner = jit(cx, f)](auto cx, auto args) {
      return jaxvjp_call1(cx, inner, args[0]);
    });
  EXPECT_TRUE(refused(cx, jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 3))));
  EXPECT_TRUE(refused(cx, make_jaxpr(cx, f, {spec(cx, {})})));
}

// What is inside is simplified once, however deep: twice a level would never end.
TEST(Nesting, loops_and_branches_within_each_other) {
  using Wrap = std::function<Scalar(Scalar)>;
  const Wrap in_cond = [](Scalar f) -> Scalar {
    return [f](auto cx, auto x) {
      return cond(
          cx, jaxvjp_gt(cx, x, num(cx, -9)), f, [](auto cx, auto x) { return jaxvjp_cos(cx, x); },
          x);
    };
  };
  const Wrap in_scan = [](Scalar f) -> Scalar {
    return [f](auto cx, auto x) {
      const Body body = [f](auto cx, auto c, auto) -> Step { return {f(cx, c), jaxvjp_none(cx)}; };
      return jaxvjp_get(cx, scan(cx, body, x, jaxvjp_none(cx), 1), 0);
    };
  };
  for (bool branches : {true, false}) {
    Context cx;
    Scalar f = [](auto cx, auto x) { return jaxvjp_sin(cx, x); };
    for (int i = 0; i < 40; ++i) f = branches ? in_cond(f) : in_scan(f);
    auto* g = scalar_function(cx, f);
    for (auto [h, how] : eager_and_jit(cx, g))
      EXPECT_TRUE(near(cx, jaxvjp_call1(cx, h, num(cx, 0.5)), std::sin(0.5))) << how;
    if (!branches) continue;
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, grad(cx, g)), num(cx, 0.5)), std::cos(0.5)));
    EXPECT_TRUE(
        near(cx, jaxvjp_call1(cx, jit(cx, vmap(cx, g, {})), vec(cx, {0.5})), {std::sin(0.5)}));
  }
}

// A rule whose fwd differentiates the function itself, without end.
TEST(Nesting, a_rule_that_calls_itself_for_ever) {
  Context cx;
  Rule rule = tenfold_square();
  rule.primal = nullptr;
  rule.fwd = [](auto cx, auto args) -> Fwd {
    return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), args[0]};
  };
  auto* f = custom_vjp(cx, "endless", std::move(rule));
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(refused(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1))));
    EXPECT_TRUE(refused(cx, jaxvjp_call1(cx, grad(cx, g), jaxvjp_f64(cx, 1))));
  }
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; i++) result += text;
  return result;
}

TEST(Nesting, programs_within_programs_in_text) {
  const std::string open = "{ lambda ; a:f32[]. let b:f32[] = jit[name=f jaxpr=";
  const std::string close = "] a in (b,) }", innermost = "{ lambda ; a:f32[]. let  in (a,) }";
  Context cx;
  const std::string shallow = repeated(open, 100) + innermost + repeated(close, 100);
  EXPECT_NE(jaxvjp_parse(cx, shallow.c_str()), nullptr);
  EXPECT_TRUE(no_error(cx));
  for (int depth : {too_deep, 100000}) {
    SCOPED_TRACE(depth);
    const std::string deep = repeated(open, depth) + innermost + repeated(close, depth);
    EXPECT_TRUE(refused(cx, jaxvjp_parse(cx, deep.c_str())));
  }
}

TEST(Nesting, hostile_texts) {
  Context cx;
  const std::string start = "{ lambda ; a:f32[2]. let b:f32[] = reduce_sum[axes=";
  const std::vector<std::string> texts = {
      start + repeated("(", 100000),
      start + repeated("[", 100000),
      start + repeated("(1,", 100000),
      repeated("{", 100000),
      repeated("{ lambda ; . let ", 100000),
      "{ lambda ; a:f32[" + repeated("9", 100000) + "]",
      "{ lambda ; a:f32[" + repeated("2,", 100000) + "2]. let  in (a,) }",
      repeated("a", 100000),
      std::string(),
      std::string(100000, ' '),
      "{ lambda ; a:f32[9223372036854775807,9223372036854775807]. let  in (a,) }"};
  for (const std::string& text : texts) {
    SCOPED_TRACE(text.substr(0, 40) + "...");
    jaxvjp_jaxpr* j = jaxvjp_parse(cx, text.c_str());
    EXPECT_NE(jaxvjp_failed(cx), JAXVJP_INTERNAL) << jaxvjp_error_text(cx);
    EXPECT_EQ(j == nullptr, jaxvjp_failed(cx) != 0);
    jaxvjp_clear_error(cx);
  }
  EXPECT_TRUE(fails(cx, jaxvjp_parse(cx, ""), JAXVJP_PARSE));
}

}  // namespace
}  // namespace conformance

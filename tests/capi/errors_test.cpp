// Every error code that can be reached, reached once: a table of {code, program, words of the
// message}. The law: the failing call gives NULL, the message is one line, the notes name what the
// row says, the place is the user's, the context does nothing more until the error is cleared, and
// works afterwards. OUT_OF_MEMORY is in allocation_failure_test.cpp; INTERNAL cannot be reached.

#include <cstring>

#include "../conformance/higher_order.hpp"

namespace conformance {
namespace {

using Words = std::vector<const char*>;

struct Row {
  int32_t code;
  const char* name;
  void (*run)(jaxvjp_context*);
  Words message;  // in the one-line message
  Words text;     // anywhere in the text: function, transformation, equation
};

jaxvjp_function* square_with(jaxvjp_context* cx, BwdFn bwd) {
  Rule rule = tenfold_square();
  rule.bwd = std::move(bwd);
  return custom_vjp(cx, "rule", std::move(rule));
}
void grad_at_2(jaxvjp_context* cx, jaxvjp_function* f) {
  jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 2));
}

// ------------------------------------------------------------------------------------- programs

void unknown_axis(jaxvjp_context* cx) {
  const int64_t axis = 7;
  jaxvjp_sum(cx, vec(cx, {1, 2}), &axis, 1);
}
void no_such_key(jaxvjp_context* cx) {
  jaxvjp_lookup(cx, dict(cx, {{"weight", jaxvjp_f64(cx, 1)}}), "bias");
}
void no_such_primitive(jaxvjp_context* cx) {
  jaxvjp_value* x = jaxvjp_f64(cx, 1);
  jaxvjp_bind(cx, "sine", &x, 1, nullptr);
}
void shapes(jaxvjp_context* cx) {
  auto* f = function(cx, "model", [](auto cx, auto a) { return jaxvjp_add(cx, a[0], a[1]); });
  jaxvjp_call2(cx, f, vec(cx, {1, 2, 3}), vec(cx, {1, 2, 3, 4}));
}
void dtypes(jaxvjp_context* cx) { jaxvjp_add(cx, jaxvjp_f32(cx, 1), jaxvjp_f64(cx, 1)); }
void trees(jaxvjp_context* cx) {
  auto* f = function(cx, "f", [](auto, auto args) { return args[0]; });
  jaxvjp_value* both[] = {tuple(cx, {jaxvjp_f64(cx, 1)}), jaxvjp_f64(cx, 1)};
  jaxvjp_tree_map(cx, f, both, 2);
}
void read_under_jit(jaxvjp_context* cx) {
  auto* f = function(cx, "reader",
                     [](auto cx, auto args) { return jaxvjp_f64(cx, jaxvjp_item(cx, args[0])); });
  jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 1));
}
void read_under_vmap(jaxvjp_context* cx) {
  auto* f = function(cx, "reader",
                     [](auto cx, auto args) { return jaxvjp_f64(cx, jaxvjp_item(cx, args[0])); });
  jaxvjp_call1(cx, vmap(cx, f, {}), vec(cx, {1, 2}));
}
void read_under_grad(jaxvjp_context* cx) {
  auto* f = function(cx, "reader",
                     [](auto cx, auto args) { return jaxvjp_f64(cx, jaxvjp_item(cx, args[0])); });
  grad_at_2(cx, f);
}
void stale(jaxvjp_context* cx) {
  jaxvjp_value* leaked = nullptr;
  auto* f = function(cx, "leaky", [&leaked](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_sin(cx, args[0]);
    jaxvjp_update(&leaked, y);
    return y;
  });
  jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 1));
  jaxvjp_add(cx, leaked, jaxvjp_f64(cx, 1));
  jaxvjp_release(leaked);
}
void forward_mode(jaxvjp_context* cx) {
  jaxvjp_value* tangent = nullptr;
  auto* f = custom_vjp(cx, "rule", tenfold_square());
  jvp(cx, f, {jaxvjp_f64(cx, 1)}, {jaxvjp_f64(cx, 1)}, &tangent);
}
void not_linear(jaxvjp_context* cx) {
  auto* f = function(cx, "curved", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  jaxvjp_value* like = spec(cx, {});
  jaxvjp_linear_transpose(cx, f, &like, 1);
}
void closes_over(jaxvjp_context* cx) {
  auto* f = function(cx, "outer", [](auto cx, auto args) {
    Rule rule = tenfold_square();
    jaxvjp_value* x = args[0];
    rule.fwd = [x](auto cx, auto args) -> Fwd { return {jaxvjp_mul(cx, args[0], x), args[0]}; };
    rule.primal = nullptr;
    return jaxvjp_call1(cx, custom_vjp(cx, "rule", std::move(rule)), x);
  });
  grad_at_2(cx, f);
}
void fwd_unset(jaxvjp_context* cx) {
  Rule rule = tenfold_square();
  rule.fwd = [](auto, auto args) -> Fwd { return {args[0], nullptr}; };
  grad_at_2(cx, custom_vjp(cx, "rule", std::move(rule)));
}
void fwd_other(jaxvjp_context* cx, FwdFn fwd) {
  Rule rule = tenfold_square();
  rule.fwd = std::move(fwd);
  jaxvjp_function *f = jit(cx, custom_vjp(cx, "rule", std::move(rule))), *pullback = nullptr;
  vjp(cx, f, {jaxvjp_f64(cx, 2)}, &pullback);
}
void fwd_tree(jaxvjp_context* cx) {
  fwd_other(cx, [](auto cx, auto args) -> Fwd { return {tuple(cx, {args[0]}), args[0]}; });
}
void fwd_aval(jaxvjp_context* cx) {
  fwd_other(cx, [](auto cx, auto args) -> Fwd { return {vec(cx, {1, 2}), args[0]}; });
}
void bwd_unset(jaxvjp_context* cx) {
  grad_at_2(cx, square_with(cx, [](auto, auto, auto, auto) {}));
}
void bwd_tree(jaxvjp_context* cx) {
  grad_at_2(
      cx, square_with(cx, [](auto cx, auto, auto ct, auto slots) { slots[0] = tuple(cx, {ct}); }));
}
void bwd_aval(jaxvjp_context* cx) {
  grad_at_2(cx, square_with(cx, [](auto cx, auto, auto, auto slots) {
              slots[0] = vec(cx, {1, 2});
            }));
}
void cotangent(jaxvjp_context* cx, jaxvjp_value* ct) {
  auto* f = function(cx, "wave", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  jaxvjp_function* pullback = nullptr;
  vjp(cx, f, {vec(cx, {1, 2, 3})}, &pullback);
  jaxvjp_call1(cx, pullback, ct);
}
void ct_tree(jaxvjp_context* cx) { cotangent(cx, tuple(cx, {vec(cx, {1, 1, 1})})); }
void ct_aval(jaxvjp_context* cx) { cotangent(cx, vec(cx, {1, 1})); }
void not_scalar(jaxvjp_context* cx) {
  auto* f = function(cx, "wave", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  jaxvjp_call1(cx, grad(cx, f), vec(cx, {1, 2, 3}));
}
void in_dtype(jaxvjp_context* cx) {
  auto* f = function(cx, "square", [](auto cx, auto args) { return jaxvjp_square(cx, args[0]); });
  jaxvjp_call1(cx, grad(cx, f), jaxvjp_i64(cx, 3));
}
void out_dtype(jaxvjp_context* cx) {
  auto* f = function(cx, "rounded",
                     [](auto cx, auto args) { return jaxvjp_convert(cx, args[0], JAXVJP_I32); });
  grad_at_2(cx, f);
}
void callback(jaxvjp_context* cx) {
  auto* f = function(cx, "forgetful", [](auto, auto) { return nullptr; });
  jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1));
}
void wrong_rule(jaxvjp_context* cx) {
  jaxvjp_value* x = jaxvjp_f64(cx, 2);
  jaxvjp_check_vjp(cx, custom_vjp(cx, "rule", tenfold_square()), &x, 1, nullptr);
}
void unparsable(jaxvjp_context* cx) { jaxvjp_parse(cx, "{ lambda ; a:f32[]. let\n    b:f32[ = "); }
void newer_options(jaxvjp_context* cx) {
  struct {
    jaxvjp_grad_options known;
    int64_t later;
  } options{};
  options.known.struct_size = sizeof options;
  options.later = 1;
  auto* f = function(cx, "f", [](auto, auto args) { return args[0]; });
  jaxvjp_grad(cx, f, &options.known);
}
// What is saved by name must be given to whoever loads it.
void unlinked(jaxvjp_context* cx) {
  size_t bytes = 0;
  jaxvjp_jaxpr* j = jaxvjp_parse(cx, R"({ lambda ; a:f64[]. let
    b:f64[] = custom_vjp_call[name=theirs call_jaxpr={ lambda ; a:f64[]. let in (a,) } num_consts=0
      fwd=f bwd=g] a
  in (b,) })");
  const void* data = jaxvjp_save(cx, j, JAXVJP_SAVE_RULES, &bytes);
  jaxvjp_load(cx, data, bytes, nullptr, 0);
}

// A rule that was printed and parsed has lost its callbacks: never the derivative of its primal.
void parsed_rule(jaxvjp_context* cx) {
  auto* f = custom_vjp(cx, "rule", tenfold_square());
  const char* text = jaxvjp_jaxpr_text(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  auto* parsed = jaxvjp_function_of(cx, jaxvjp_parse(cx, text));
  grad_at_2(cx, item_of(cx, parsed, 0));
}

const Row rows[] = {
    {JAXVJP_INVALID_ARGUMENT, "axis", unknown_axis, {"7", "sum", "f64[2]"}, {}},
    {JAXVJP_NOT_FOUND, "key", no_such_key, {"bias", "weight"}, {}},
    {JAXVJP_NOT_FOUND, "primitive", no_such_primitive, {"sine"}, {}},
    {JAXVJP_SHAPE, "operands", shapes, {"add", "f64[3]", "f64[4]"}, {"model"}},
    {JAXVJP_DTYPE, "operands", dtypes, {"add", "f32[]", "f64[]"}, {"convert"}},
    {JAXVJP_TREE, "structures", trees, {}, {}},
    {JAXVJP_CONCRETE, "jit", read_under_jit, {"jit"}, {"reader"}},
    {JAXVJP_CONCRETE, "vmap", read_under_vmap, {"vmap"}, {"reader"}},
    {JAXVJP_CONCRETE, "grad", read_under_grad, {"grad"}, {"reader"}},
    {JAXVJP_STALE_TRACER, "leaked", stale, {}, {}},
    {JAXVJP_NO_RULE, "parsed", parsed_rule, {"rule"}, {}},
    {JAXVJP_FWD_MODE, "jvp", forward_mode, {"rule"}, {}},
    {JAXVJP_NO_TRANSPOSE, "sin", not_linear, {"sin"}, {"curved"}},
    {JAXVJP_CLOSURE_DIFF, "fwd", closes_over, {"rule"}, {"argument"}},
    {JAXVJP_FWD_UNSET, "residuals", fwd_unset, {"rule", "residuals"}, {}},
    {JAXVJP_FWD_TREE, "tuple", fwd_tree, {"rule"}, {}},
    {JAXVJP_FWD_AVAL, "shape", fwd_aval, {"rule", "f64[]", "f64[2]"}, {}},
    {JAXVJP_BWD_UNSET, "slot", bwd_unset, {"rule"}, {"grad"}},
    {JAXVJP_BWD_TREE, "slot", bwd_tree, {"rule"}, {"grad"}},
    {JAXVJP_BWD_AVAL, "slot", bwd_aval, {"rule", "f64[]", "f64[2]"}, {"grad"}},
    {JAXVJP_CT_TREE, "tuple", ct_tree, {}, {"wave"}},
    {JAXVJP_CT_AVAL, "shape", ct_aval, {"f64[3]", "f64[2]"}, {"wave"}},
    {JAXVJP_NOT_SCALAR, "vector", not_scalar, {"wave", "f64[3]"}, {"grad"}},
    {JAXVJP_IN_DTYPE, "i64", in_dtype, {"i64[]"}, {"square"}},
    {JAXVJP_OUT_DTYPE, "i32", out_dtype, {"rounded", "i32[]"}, {}},
    {JAXVJP_CALLBACK, "unset", callback, {"forgetful", "out"}, {}},
    {JAXVJP_UNLINKED, "load", unlinked, {"theirs"}, {}},
    {JAXVJP_PARSE, "text", unparsable, {"2"}, {}},
    {JAXVJP_ABI_MISMATCH, "options", newer_options, {}, {}},
};

// check_vjp computes, so it has no place in a callback that is being recorded.
const Row outermost_rows[] = {
    {JAXVJP_CHECK, "wrong", wrong_rule, {"rule", "got 20", "expected 4"}, {}},
};

// -------------------------------------------------------------------------------------------- law

class Errors : public testing::TestWithParam<Row> {};
class NestedErrors : public testing::TestWithParam<Row> {};

void expect_words(const char* text, const Words& words) {
  for (const char* word : words)
    EXPECT_NE(std::strstr(text, word), nullptr) << '"' << word << "\" is not in: " << text;
}

TEST_P(Errors, says_what_was_wrong) {
  const Row& row = GetParam();
  Context cx;
  jaxvjp_set_location(cx, "model.c", 42);
  row.run(cx);
  ASSERT_EQ(jaxvjp_failed(cx), row.code) << jaxvjp_error_text(cx);
  const std::string text = jaxvjp_error_text(cx);
  EXPECT_NE(text.find("model.c"), text.npos) << text;
  EXPECT_NE(text.find("42"), text.npos) << text;
  expect_words(text.c_str(), row.text);
  jaxvjp_error* error = jaxvjp_take_error(cx);
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(jaxvjp_failed(cx), 0);
  EXPECT_EQ(jaxvjp_error_code(error), row.code);
  const std::string message = jaxvjp_error_message(error);
  EXPECT_FALSE(message.empty());
  EXPECT_EQ(message.find('\n'), message.npos) << message;
  EXPECT_EQ(text.find(message) != text.npos, true) << message << "\nis not in\n" << text;
  expect_words(message.c_str(), row.message);
  int32_t line = 0;
  const char* file = jaxvjp_error_file(error, &line);
  EXPECT_STREQ(file, "model.c");
  EXPECT_EQ(line, 42);
  size_t notes = 0;
  while (const char* note = jaxvjp_error_note(error, notes)) {
    EXPECT_EQ(std::strchr(note, '\n'), nullptr) << note;
    EXPECT_NE(text.find(note), text.npos) << note;
    notes++;
  }
  EXPECT_EQ(jaxvjp_error_note(error, notes + 1000), nullptr);
  jaxvjp_error_free(error);
}

TEST_P(Errors, stop_the_context_until_cleared) {
  const Row& row = GetParam();
  Context cx;
  jaxvjp_value* kept = jaxvjp_f64(cx, 3);
  jaxvjp_function* f = function(cx, "f", [](auto cx, auto a) { return jaxvjp_sin(cx, a[0]); });
  row.run(cx);
  ASSERT_EQ(jaxvjp_failed(cx), row.code);
  const std::string text = jaxvjp_error_text(cx);
  EXPECT_EQ(jaxvjp_f64(cx, 1), nullptr);
  EXPECT_EQ(jaxvjp_call1(cx, f, kept), nullptr);
  EXPECT_EQ(jaxvjp_grad(cx, f, nullptr), nullptr);
  EXPECT_EQ(jaxvjp_scope_open(cx), 0u);
  EXPECT_EQ(jaxvjp_fail(cx, 77, "a second error"), row.code);
  EXPECT_EQ(text, jaxvjp_error_text(cx));
  jaxvjp_clear_error(cx);
  EXPECT_EQ(jaxvjp_failed(cx), 0);
  EXPECT_STREQ(jaxvjp_error_text(cx), "");
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, kept), std::sin(3.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, grad(cx, f)), kept), std::cos(3.0)));
}

// Inside a callback under every transformation: the outer call fails with the code, and the same
// function works again where the callback does not fail.
TEST_P(NestedErrors, come_out_of_every_nesting) {
  const Row& row = GetParam();
  Context cx;
  auto run = row.run;
  auto* inner = function(cx, "inner", [run](auto cx, auto args) -> jaxvjp_value* {
    run(cx);
    return args[0];
  });
  jaxvjp_value *one = jaxvjp_f64(cx, 1), *many = vec(cx, {1, 2});
  const struct {
    const char* what;
    jaxvjp_function* f;
    jaxvjp_value* at;
  } nestings[] = {{"plain", inner, one},
                  {"jit", jit(cx, inner), one},
                  {"grad", grad(cx, inner), one},
                  {"vmap", vmap(cx, inner, {}), many},
                  {"jit of vmap of grad", jit(cx, vmap(cx, grad(cx, inner), {})), many}};
  for (const auto& nesting : nestings) {
    SCOPED_TRACE(nesting.what);
    jaxvjp_value* result = jaxvjp_call1(cx, nesting.f, nesting.at);
    EXPECT_TRUE(fails(cx, result, row.code, {"inner"}));
  }
}

std::string row_name(const testing::TestParamInfo<Row>& info) {
  return "code_" + std::to_string(info.param.code) + "_" + info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Codes, Errors, testing::ValuesIn(rows), row_name);
INSTANTIATE_TEST_SUITE_P(Outermost, Errors, testing::ValuesIn(outermost_rows), row_name);
INSTANTIATE_TEST_SUITE_P(Codes, NestedErrors, testing::ValuesIn(rows), row_name);

}  // namespace
}  // namespace conformance

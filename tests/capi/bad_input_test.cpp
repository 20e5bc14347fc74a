// Wrong shapes, dtypes, structures, counts and flags; values of another session; tracers that are
// stale; numbers that are not there; callbacks that fail or return garbage. Each gives its code,
// and the context works afterwards. NULL is in null_handles_test.cpp.

#include "misuse.hpp"

namespace conformance {
namespace {

// ------------------------------------------------------------- shapes, dtypes, structures, counts

struct Row {
  const char* what;
  int32_t code;
  std::function<const void*(jaxvjp_context*)> run;  // returns what the failed call returned
};

void expect_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Context cx;
    const void* result = row.run(cx);
    EXPECT_TRUE(fails(cx, result, row.code));
    EXPECT_TRUE(works(cx));
  }
}
// For calls that answer with a status.
const void* status(int32_t code) { return code == 0 ? "answered 0" : nullptr; }

TEST(BadInput, arrays) {
  static const int64_t two[2] = {2, 3}, negative[1] = {-1};
  static const double data[6] = {};
  expect_rows({
      {"dtype 0", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_array(cx, 0, two, 2, data); }},
      {"dtype that is none", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_array(cx, 0x7777, two, 2, data); }},
      {"array of FLOAT0", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_array(cx, JAXVJP_FLOAT0, two, 2, data); }},
      {"negative size", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_array(cx, JAXVJP_F64, negative, 1, data); }},
      {"negative size of a spec", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_spec(cx, JAXVJP_F64, negative, 1); }},
      {"negative size of an adopted array", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_array_adopt(cx, JAXVJP_F64, negative, 1, nullptr, data, nullptr, nullptr);
       }},
      {"too few bytes", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         double d[2];
         return status(jaxvjp_read(cx, vec(cx, {1, 2, 3}), d, sizeof d));
       }},
      {"item of three", JAXVJP_SHAPE,
       [](auto cx) {
         return std::isnan(jaxvjp_item(cx, vec(cx, {1, 2, 3}))) ? nullptr : "number";
       }},
      {"item of a tuple", JAXVJP_TREE,
       [](auto cx) { return std::isnan(jaxvjp_item(cx, tuple(cx, {}))) ? nullptr : "number"; }},
      {"integer item of a float", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_item_i64(cx, jaxvjp_f64(cx, 1)) == 0 ? nullptr : "number"; }},
      {"truth of a float", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_truth(cx, jaxvjp_f64(cx, 1)) == -1 ? nullptr : "answer"; }},
      {"number out of range", JAXVJP_DTYPE,
       [](auto cx) {
         jaxvjp_value* small = jaxvjp_convert(cx, jaxvjp_f64(cx, 1), JAXVJP_I8);
         return jaxvjp_add(cx, small, jaxvjp_number(cx, 1000));
       }},
      {"fraction for an integer", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_add(cx, jaxvjp_i64(cx, 1), jaxvjp_number(cx, 0.5)); }},
      {"number that overflows", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_add(cx, jaxvjp_f32(cx, 1), jaxvjp_number(cx, 1e300)); }},
  });
}

TEST(BadInput, operations) {
  expect_rows({
      {"shapes that do not broadcast", JAXVJP_SHAPE,
       [](auto cx) {
         return jaxvjp_add(cx, vec(cx, {1, 2, 3}), vec(cx, {1, 2}));
       }},
      {"matmul of 2x3 and 2x3", JAXVJP_SHAPE,
       [](auto cx) {
         jaxvjp_value* m = array(cx, {2, 3}, {1, 2, 3, 4, 5, 6});
         return jaxvjp_matmul(cx, m, m);
       }},
      {"solve with a matrix that is not square", JAXVJP_SHAPE,
       [](auto cx) {
         return jaxvjp_solve(cx, array(cx, {2, 3}, {1, 2, 3, 4, 5, 6}), vec(cx, {1, 2}));
       }},
      {"transpose of a vector", JAXVJP_SHAPE,
       [](auto cx) {
         return jaxvjp_matrix_transpose(cx, vec(cx, {1, 2}));
       }},
      {"two dtypes", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_mul(cx, jaxvjp_i64(cx, 1), jaxvjp_f64(cx, 1)); }},
      {"sine of an integer", JAXVJP_DTYPE,
       [](auto cx) { return jaxvjp_sin(cx, jaxvjp_i64(cx, 1)); }},
      {"conversion to a dtype that is none", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_convert(cx, jaxvjp_f64(cx, 1), 12345); }},
      {"a tuple as an operand", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_sin(cx, tuple(cx, {jaxvjp_f64(cx, 1)})); }},
      {"none as an operand", JAXVJP_TREE, [](auto cx) { return jaxvjp_sin(cx, jaxvjp_none(cx)); }},
      {"jaxvjp_zero as an operand", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_sin(cx, jaxvjp_zero(cx)); }},
      {"a spec as an operand", JAXVJP_TREE, [](auto cx) { return jaxvjp_sin(cx, spec(cx, {})); }},
      {"bind: one operand too many", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_value* xs[] = {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)};
         return jaxvjp_bind(cx, "sin", xs, 2, nullptr);
       }},
      {"bind: a parameter that sin has not", JAXVJP_PARSE,
       [](auto cx) {
         jaxvjp_value* x = jaxvjp_f64(cx, 1);
         return jaxvjp_bind(cx, "sin", &x, 1, "axes=(0,)");
       }},
      {"bind: parameters that cannot be read", JAXVJP_PARSE,
       [](auto cx) {
         jaxvjp_value* x = vec(cx, {1});
         return jaxvjp_bind(cx, "reduce_sum", &x, 1, "axes=((((");
       }},
      {"bind: an axis that is not there", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_value* x = vec(cx, {1});
         return jaxvjp_bind(cx, "reduce_sum", &x, 1, "axes=(3,)");
       }},
      {"bind does not broadcast", JAXVJP_SHAPE,
       [](auto cx) {
         jaxvjp_value* xs[] = {vec(cx, {1, 2}), jaxvjp_f64(cx, 2)};
         return jaxvjp_bind(cx, "add", xs, 2, nullptr);
       }},
  });
}

TEST(BadInput, trees) {
  static const char* const twice[2] = {"a", "a"};
  expect_rows({
      {"get past the end", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_get(cx, tuple(cx, {jaxvjp_f64(cx, 1)}), 1); }},
      {"get of a leaf", JAXVJP_TREE, [](auto cx) { return jaxvjp_get(cx, jaxvjp_f64(cx, 1), 0); }},
      {"lookup in a tuple", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_lookup(cx, tuple(cx, {jaxvjp_f64(cx, 1)}), "a"); }},
      {"a key twice", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_value* items[] = {jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 2)};
         return jaxvjp_dict(cx, twice, items, 2);
       }},
      {"leaf past the end", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_leaf(cx, jaxvjp_f64(cx, 1), 1); }},
      {"too few leaves", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value* leaf = jaxvjp_f64(cx, 1);
         return jaxvjp_unflatten(cx, tuple(cx, {leaf, leaf}), &leaf, 1);
       }},
      {"a container as a leaf", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value* inner = tuple(cx, {});
         return jaxvjp_unflatten(cx, jaxvjp_f64(cx, 1), &inner, 1);
       }},
      {"tree_map over other structures", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value* trees[] = {tuple(cx, {jaxvjp_f64(cx, 1)}), list(cx, {jaxvjp_f64(cx, 1)})};
         return jaxvjp_tree_map(cx, sine(cx), trees, 2);
       }},
      {"an array as a function", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_as_function(cx, jaxvjp_f64(cx, 1)); }},
      {"an array as a pointer", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_as_pointer(cx, jaxvjp_f64(cx, 1)); }},
      {"an opaque pointer as a function", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_as_function(cx, jaxvjp_opaque(cx, cx, nullptr)); }},
      {"calling with a spec", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_call1(cx, sine(cx), spec(cx, {})); }},
      {"calling with a zero", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_call1(cx, sine(cx), jaxvjp_zero(cx)); }},
  });
}

TEST(BadInput, transformations) {
  expect_rows({
      {"unknown flag of grad", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return with(jaxvjp_grad, cx, sine(cx), {}, 1 << 20); }},
      {"unknown flag of jit", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_jit_options options{};
         options.struct_size = sizeof options;
         options.flags = 1;
         return jaxvjp_jit(cx, sine(cx), &options);
       }},
      {"struct_size 0", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         const jaxvjp_grad_options options{};
         return jaxvjp_grad(cx, sine(cx), &options);
       }},
      {"argnum past the end", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, with(jaxvjp_grad, cx, sine(cx), {3}), jaxvjp_f64(cx, 1));
       }},
      {"argnum twice", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, with(jaxvjp_grad, cx, sine(cx), {0, 0}), jaxvjp_f64(cx, 1));
       }},
      {"grad without arguments", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_call(cx, grad(cx, sine(cx)), nullptr, 0); }},
      {"has_aux without a pair", JAXVJP_TREE,
       [](auto cx) {
         auto* g = with(jaxvjp_grad, cx, sine(cx), {}, JAXVJP_HAS_AUX);
         return jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1));
       }},
      {"vmap: wrong number of axes", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, vmap(cx, sine(cx), {0, 0}), vec(cx, {1, 2}));
       }},
      {"vmap: axis out of range", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, vmap(cx, sine(cx), {1}), vec(cx, {1, 2}));
       }},
      {"vmap: out_axis out of range", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, vmap(cx, sine(cx), {0}, 5), vec(cx, {1, 2}));
       }},
      {"vmap: a scalar has no axis 0", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_call1(cx, vmap(cx, sine(cx), {}), jaxvjp_f64(cx, 1)); }},
      {"vmap: nothing mapped", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         return jaxvjp_call1(cx, vmap(cx, sine(cx), {JAXVJP_AXIS_NONE}), vec(cx, {1, 2}));
       }},
      {"vmap: sizes differ", JAXVJP_SHAPE,
       [](auto cx) {
         auto* f = function(cx, "f", [](auto cx, auto a) { return jaxvjp_add(cx, a[0], a[1]); });
         return jaxvjp_call2(cx, vmap(cx, f, {}), vec(cx, {1, 2}), vec(cx, {1, 2, 3}));
       }},
      {"vmap: axis_size differs", JAXVJP_SHAPE,
       [](auto cx) {
         return jaxvjp_call1(cx, vmap(cx, sine(cx), {0}, 0, 5), vec(cx, {1, 2}));
       }},
      {"vmap: negative axis_size", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) -> const void* {
         auto* f = vmap(cx, sine(cx), {JAXVJP_AXIS_NONE}, 0, -2);
         return jaxvjp_call1(cx, f, vec(cx, {1, 2}));
       }},
      {"jvp: tangent of another structure", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value *out = nullptr, *x = jaxvjp_f64(cx, 1);
         return jvp(cx, sine(cx), {x}, {tuple(cx, {x})}, &out);
       }},
      {"jvp: tangent of another shape", JAXVJP_SHAPE,
       [](auto cx) {
         jaxvjp_value* out = nullptr;
         return jvp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, {vec(cx, {1, 2})}, &out);
       }},
      {"jvp: tangent of another dtype", JAXVJP_DTYPE,
       [](auto cx) {
         jaxvjp_value* out = nullptr;
         return jvp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, {jaxvjp_f32(cx, 1)}, &out);
       }},
      {"linear: too many tangents", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_function* linear = nullptr;
         linearize(cx, sine(cx), {jaxvjp_f64(cx, 1)}, &linear);
         return jaxvjp_call2(cx, linear, jaxvjp_f64(cx, 1), jaxvjp_f64(cx, 1));
       }},
      {"program: another shape", JAXVJP_SHAPE,
       [](auto cx) {
         auto* f = jaxvjp_function_of(cx, make_jaxpr(cx, sine(cx), {spec(cx, {3})}));
         return jaxvjp_call1(cx, f, vec(cx, {1, 2}));
       }},
      {"program: another dtype", JAXVJP_DTYPE,
       [](auto cx) {
         auto* f = jaxvjp_function_of(cx, make_jaxpr(cx, sine(cx), {spec(cx, {})}));
         return jaxvjp_call1(cx, f, jaxvjp_f32(cx, 2));
       }},
      {"program: another structure", JAXVJP_TREE,
       [](auto cx) {
         auto* f = jaxvjp_function_of(cx, make_jaxpr(cx, sine(cx), {spec(cx, {})}));
         return jaxvjp_call1(cx, f, tuple(cx, {jaxvjp_f64(cx, 2)}));
       }},
      {"program: one argument too many", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         auto* f = jaxvjp_function_of(cx, make_jaxpr(cx, sine(cx), {spec(cx, {})}));
         return jaxvjp_call2(cx, f, jaxvjp_f64(cx, 2), jaxvjp_f64(cx, 2));
       }},
      {"rule: named arguments fix their number", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         Rule rule = tenfold_square();
         rule.arg_names = {"x", "y"};
         return jaxvjp_call1(cx, custom_vjp(cx, "f", std::move(rule)), jaxvjp_f64(cx, 1));
       }},
      {"rule: unknown flag", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         Rule rule = tenfold_square();
         rule.flags = 1 << 20;
         return custom_vjp(cx, "f", std::move(rule));
       }},
      {"rule: unknown forward mode", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         Rule rule = tenfold_square();
         rule.forward = 99;
         return custom_vjp(cx, "f", std::move(rule));
       }},
      {"check_vjp: order 3", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) {
         jaxvjp_check_options options{};
         options.struct_size = sizeof options;
         options.order = 3;
         jaxvjp_value* x = jaxvjp_f64(cx, 1);
         return status(jaxvjp_check_vjp(cx, sine(cx), &x, 1, &options));
       }},
      {"stat of nothing", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_stat(cx, 99) == -1 ? nullptr : "number"; }},
      {"closing a scope that is not open", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_scope_close(cx, 12345, nullptr); }},
      {"closing scope 0", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_scope_close(cx, 0, nullptr); }},
  });
}

TEST(BadInput, a_running_program) {
  const auto print = [](const char* format, std::vector<double> numbers) {
    return [=](jaxvjp_context* cx) -> const void* {
      std::vector<jaxvjp_value*> values;
      for (double x : numbers) values.push_back(jaxvjp_f64(cx, x));
      return status(jaxvjp_debug_print(cx, format, values.data(), values.size()));
    };
  };
  static const jaxvjp_probe_fn probe = [](auto, auto, auto) -> int32_t { return 0; };
  expect_rows({
      {"print: too few values", JAXVJP_INVALID_ARGUMENT, print("{} {}", {1})},
      {"print: too many values", JAXVJP_INVALID_ARGUMENT, print("{}", {1, 2})},
      {"print: a brace that is not closed", JAXVJP_INVALID_ARGUMENT, print("{ {}", {1})},
      {"print: a brace at the end", JAXVJP_INVALID_ARGUMENT, print("{} {", {1})},
      {"print: a brace that is not opened", JAXVJP_INVALID_ARGUMENT, print("{}}", {1})},
      {"print: a name", JAXVJP_INVALID_ARGUMENT, print("{x}", {1})},
      {"print: a container", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value* v = tuple(cx, {});
         return status(jaxvjp_debug_print(cx, "{}", &v, 1));
       }},
      {"print: a spec", JAXVJP_TREE,
       [](auto cx) {
         jaxvjp_value* v = spec(cx, {});
         return status(jaxvjp_debug_print(cx, "{}", &v, 1));
       }},
      {"probe: a spec", JAXVJP_TREE,
       [](auto cx) { return jaxvjp_probe(cx, spec(cx, {}), probe, nullptr, nullptr); }},
      {"emit: outside of a rule", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return status(jaxvjp_emit(cx, "x", jaxvjp_f64(cx, 1))); }},
      {"call_emitted: no pullback", JAXVJP_INVALID_ARGUMENT,
       [](auto cx) { return jaxvjp_call_emitted(cx, sine(cx), jaxvjp_f64(cx, 1)); }},
      {"text: a print without a format", JAXVJP_PARSE,
       [](auto cx) { return jaxvjp_parse(cx, "{ lambda ; . let debug_print[] in () }"); }},
      {"text: a format that does not end", JAXVJP_PARSE,
       [](auto cx) { return jaxvjp_parse(cx, "{ lambda ; . let debug_print[fmt=\"x] in () }"); }},
      {"text: a format for other values", JAXVJP_PARSE,
       [](auto cx) {
         return jaxvjp_parse(cx, "{ lambda ; . let debug_print[fmt=\"{}\"] in () }");
       }},
      {"text: a callback", JAXVJP_PARSE,
       [](auto cx) { return jaxvjp_parse(cx, "{ lambda ; . let debug_callback[] in () }"); }},
      {"bind: a print", JAXVJP_NOT_FOUND,
       [](auto cx) { return jaxvjp_bind(cx, "debug_print", nullptr, 0, "fmt=\"x\""); }},
  });
}

TEST(BadInput, context_options) {
  const struct {
    const char* what;
    jaxvjp_context_options options;
    int32_t code;
  } rows[] = {
      {"unknown flag",
       {sizeof(jaxvjp_context_options), 1 << 20, nullptr, nullptr, nullptr, nullptr},
       JAXVJP_INVALID_ARGUMENT},
      {"alloc without dealloc",
       {sizeof(jaxvjp_context_options), 0, [](void*, size_t, size_t) -> void* { return nullptr; },
        nullptr, nullptr, nullptr},
       JAXVJP_INVALID_ARGUMENT},
      {"struct_size 0", {0, 0, nullptr, nullptr, nullptr, nullptr}, JAXVJP_INVALID_ARGUMENT},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    jaxvjp_context* cx = jaxvjp_context_new(&row.options);
    ASSERT_NE(cx, nullptr);
    EXPECT_EQ(jaxvjp_failed(cx), row.code);
    jaxvjp_context_free(cx);
  }
}

// A larger struct is a newer header: fine while its tail is zero, ABI_MISMATCH where it asks.
TEST(BadInput, larger_options) {
  for (int64_t tail : {0, 1}) {
    SCOPED_TRACE(tail);
    Context cx;
    struct {
      jaxvjp_custom_vjp_options known;
      int64_t tail[2];
    } options{};
    options.known.struct_size = sizeof options;
    options.tail[1] = tail;
    static const jaxvjp_fwd_fn fwd = [](auto, auto, auto args, auto, auto out, auto residuals) {
      *out = *residuals = args[0];
      return int32_t{0};
    };
    static const jaxvjp_bwd_fn bwd = [](auto, auto, auto, auto ct, auto slots, auto) {
      slots[0] = ct;
      return int32_t{0};
    };
    auto* f = jaxvjp_custom_vjp(cx, "f", fwd, bwd, nullptr, nullptr, &options.known);
    if (tail == 0) EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 2)), 2.0));
    else EXPECT_TRUE(fails(cx, f, JAXVJP_ABI_MISMATCH));
  }
}

}  // namespace
}  // namespace conformance

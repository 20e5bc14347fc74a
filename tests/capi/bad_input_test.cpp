// Wrong shapes, dtypes, structures, counts and flags; values of another session; tracers that are
// stale; numbers that are not there; callbacks that fail or return garbage. Each gives its code,
// and the context works afterwards. NULL is in null_handles_test.cpp.

#include "../conformance/higher_order.hpp"

namespace conformance {
namespace {

jaxvjp_function* sine(jaxvjp_context* cx) {
  return function(cx, "sine", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
}

AssertionResult works(jaxvjp_context* cx) {
  return near(cx, jaxvjp_call1(cx, grad(cx, sine(cx)), jaxvjp_f64(cx, 0)), 1.0);
}

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
      {"bind: a parameter that sin has not", JAXVJP_INVALID_ARGUMENT,
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
         const jaxvjp_jit_options options = {sizeof options, 1};
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

TEST(BadInput, context_options) {
  const struct {
    const char* what;
    jaxvjp_context_options options;
    int32_t code;
  } rows[] = {
      {"unknown flag",
       {sizeof(jaxvjp_context_options), 1 << 20, nullptr, nullptr, nullptr},
       JAXVJP_INVALID_ARGUMENT},
      {"alloc without dealloc",
       {sizeof(jaxvjp_context_options), 0, [](void*, size_t, size_t) -> void* { return nullptr; },
        nullptr, nullptr},
       JAXVJP_INVALID_ARGUMENT},
      {"struct_size 0", {0, 0, nullptr, nullptr, nullptr}, JAXVJP_INVALID_ARGUMENT},
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

// -------------------------------------------------------------------- other sessions, stale values

using Use = const void* (*)(jaxvjp_context*, jaxvjp_value*);
const struct {
  const char* what;
  Use use;
} uses[] = {
    {"operand",
     [](auto cx, auto v) -> const void* { return jaxvjp_add(cx, v, jaxvjp_f64(cx, 1)); }},
    {"second operand",
     [](auto cx, auto v) -> const void* { return jaxvjp_add(cx, jaxvjp_f64(cx, 1), v); }},
    {"argument", [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, sine(cx), v); }},
    {"argument of jit",
     [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, jit(cx, sine(cx)), v); }},
    {"argument of grad",
     [](auto cx, auto v) -> const void* { return jaxvjp_call1(cx, grad(cx, sine(cx)), v); }},
    {"captured",
     [](auto cx, auto v) -> const void* {
       auto* f = function(cx, "f", [v](auto cx, auto a) { return jaxvjp_mul(cx, a[0], v); });
       return jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 1));
     }},
    {"result of a callback",
     [](auto cx, auto v) -> const void* {
       auto* f = function(cx, "f", [v](auto, auto) { return v; });
       return jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1));
     }},
    {"tangent",
     [](auto cx, auto v) -> const void* {
       jaxvjp_value* out = nullptr;
       return jvp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, {v}, &out);
     }},
    {"cotangent",
     [](auto cx, auto v) -> const void* {
       jaxvjp_function* pullback = nullptr;
       vjp(cx, sine(cx), {jaxvjp_f64(cx, 1)}, &pullback);
       return jaxvjp_call1(cx, pullback, v);
     }},
    {"what bwd writes",
     [](auto cx, auto v) -> const void* {
       Rule rule = tenfold_square();
       rule.bwd = [v](auto, auto, auto, auto slots) { slots[0] = v; };
       return jaxvjp_call1(cx, grad(cx, custom_vjp(cx, "f", std::move(rule))), jaxvjp_f64(cx, 1));
     }},
    {"residual",
     [](auto cx, auto v) -> const void* {
       Rule rule = tenfold_square();
       rule.fwd = [v](auto, auto args) -> Fwd { return {args[0], v}; };
       return jaxvjp_call1(cx, grad(cx, custom_vjp(cx, "f", std::move(rule))), jaxvjp_f64(cx, 1));
     }},
    {"read", [](auto cx, auto v) -> const void* { return jaxvjp_data(cx, v); }},
};

TEST(BadInput, values_of_another_session) {
  for (const auto& row : uses) {
    SCOPED_TRACE(row.what);
    Context other, cx;
    jaxvjp_value* foreign = jaxvjp_f64(other, 2);
    const void* result = row.use(cx, foreign);
    EXPECT_TRUE(fails(cx, result, JAXVJP_INVALID_ARGUMENT, {"session"}));
    EXPECT_TRUE(works(cx));
    EXPECT_TRUE(near(other, foreign, 2.0));
  }
}

TEST(BadInput, functions_and_programs_of_another_session) {
  Context other, cx;
  auto* f = sine(other);
  auto* j = make_jaxpr(other, f, {spec(other, {})});
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1)), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_grad(cx, f, nullptr), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_from_function(cx, f), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_function_of(cx, j), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(fails(cx, jaxvjp_simplify(cx, j), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(works(cx));
  EXPECT_TRUE(works(other));
}

// Contexts forked from one another are one session.
TEST(BadInput, values_of_a_fork_are_welcome) {
  Context cx;
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  jaxvjp_value* v = jaxvjp_retain(jaxvjp_f64(fork, 2));
  jaxvjp_context_free(fork);
  EXPECT_TRUE(near(cx, jaxvjp_add(cx, v, jaxvjp_f64(cx, 1)), 3.0));
  jaxvjp_release(v);
}

// A tracer that left its callback, retained.
jaxvjp_value* leaked(jaxvjp_context* cx,
                     jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*),
                     jaxvjp_value* at) {
  jaxvjp_value* held = nullptr;
  auto* f = function(cx, "leaky", [&held](auto cx, auto args) {
    jaxvjp_value* y = jaxvjp_sin(cx, args[0]);
    jaxvjp_update(&held, y);
    return y;
  });
  jaxvjp_call1(cx, transformation(cx, f), at);
  EXPECT_TRUE(no_error(cx));
  return held;
}

TEST(BadInput, stale_tracers) {
  const struct {
    const char* what;
    jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*);
    bool mapped;
  } origins[] = {{"jit", jit, false},
                 {"grad", grad, false},
                 {"vmap", [](auto cx, auto f) { return vmap(cx, f, {}); }, true}};
  for (const auto& origin : origins)
    for (const auto& row : uses) {
      SCOPED_TRACE(std::string(origin.what) + ", as " + row.what);
      Context cx;
      jaxvjp_value* at = origin.mapped ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 1);
      jaxvjp_value* stale = leaked(cx, origin.transformation, at);
      const void* result = row.use(cx, stale);
      EXPECT_TRUE(fails(cx, result, JAXVJP_STALE_TRACER));
      EXPECT_EQ(jaxvjp_dtype(stale), JAXVJP_F64);  // answers for ever
      EXPECT_EQ(jaxvjp_ndim(stale), 0u);
      EXPECT_TRUE(works(cx));
      jaxvjp_release(stale);
    }
}

// An inner tracer with the outer context: the context does not hold its trace.
TEST(BadInput, a_tracer_with_the_outer_context) {
  Context cx;
  jaxvjp_context* outer = cx;
  auto* f = function(cx, "f", [outer](auto, auto args) { return jaxvjp_sin(outer, args[0]); });
  for (auto [g, how] : std::vector<Mode>{{jit(cx, f), "jit"}, {grad(cx, f), "grad"}}) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), JAXVJP_STALE_TRACER));
  }
  EXPECT_TRUE(works(cx));
}

// ----------------------------------------------------------------------------------------- reading

// Every way to read, of what has no numbers or must not show them.
TEST(BadInput, reading) {
  using Read = bool (*)(jaxvjp_context*, jaxvjp_value*);  // did it answer with failure?
  const struct {
    const char* what;
    Read read;
  } reads[] = {
      {"data", [](auto cx, auto v) { return jaxvjp_data(cx, v) == nullptr; }},
      {"read",
       [](auto cx, auto v) {
         double d;
         return jaxvjp_read(cx, v, &d, sizeof d) != 0;
       }},
      {"item", [](auto cx, auto v) { return std::isnan(jaxvjp_item(cx, v)); }},
  };
  const struct {
    const char* what;
    jaxvjp_function* (*transformation)(jaxvjp_context*, jaxvjp_function*);
    const char* named;  // by the error
    bool mapped;
  } places[] = {
      {"staged", jit, "jit", false},
      {"differentiated", grad, "grad", false},
      {"differentiated twice", [](auto cx, auto f) { return grad(cx, grad(cx, f)); }, "grad",
       false},
      {"forward mode", [](auto cx, auto f) { return jaxvjp_jacfwd(cx, f, nullptr); }, "jacfwd",
       false},
      {"mapped", [](auto cx, auto f) { return vmap(cx, f, {}); }, "vmap", true},
      {"mapped and differentiated", [](auto cx, auto f) { return vmap(cx, grad(cx, f), {}); },
       "grad", true},
  };
  for (const auto& place : places)
    for (const auto& read : reads) {
      SCOPED_TRACE(std::string(read.what) + " of a value that is " + place.what);
      Context cx;
      auto* f = function(cx, "reader", [&](auto cx, auto args) -> jaxvjp_value* {
        EXPECT_TRUE(read.read(cx, args[0]));
        return args[0];
      });
      jaxvjp_value* at = place.mapped ? vec(cx, {1, 2}) : jaxvjp_f64(cx, 1);
      jaxvjp_value* result = jaxvjp_call1(cx, place.transformation(cx, f), at);
      EXPECT_TRUE(fails(cx, result, JAXVJP_CONCRETE, {place.named}));
      EXPECT_TRUE(works(cx));
    }
  for (const auto& read : reads) {
    SCOPED_TRACE(std::string(read.what) + " of a spec");
    Context cx;
    EXPECT_TRUE(read.read(cx, spec(cx, {})));
    EXPECT_TRUE(failed_with(cx, JAXVJP_CONCRETE));
  }
}

TEST(BadInput, truth_and_text_are_always_shown_where_there_are_numbers) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    EXPECT_NE(std::string(jaxvjp_to_string(cx, args[0])).find("2.5"), std::string::npos);
    const bool positive = jaxvjp_truth(cx, jaxvjp_gt(cx, args[0], jaxvjp_number(cx, 0)));
    return times(cx, positive ? 3 : 5, args[0]);
  });
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, f), jaxvjp_f64(cx, 2.5)), 3.0));
  auto* g = function(cx, "g", [](auto cx, auto args) -> jaxvjp_value* {
    EXPECT_EQ(jaxvjp_truth(cx, jaxvjp_gt(cx, args[0], jaxvjp_number(cx, 0))), -1);
    return args[0];
  });
  jaxvjp_value* result = jaxvjp_call1(cx, jit(cx, g), jaxvjp_f64(cx, 2.5));
  EXPECT_TRUE(fails(cx, result, JAXVJP_CONCRETE, {"jit"}));
}

// --------------------------------------------------------------------------------------- callbacks

enum Role { primal_role, fwd_role, bwd_role, jvp_role, function_role };
const char* const role_names[] = {"primal", "fwd", "bwd", "jvp", "callback"};

// Calls a function whose callback of this role ends with `end`: what it returns in C.
void run_role(jaxvjp_context* cx, Role role, int32_t (*end)(jaxvjp_context*), bool jitted) {
  struct User {
    Role role;
    int32_t (*end)(jaxvjp_context*);
    int32_t ends(jaxvjp_context* cx, Role here) { return here == role ? end(cx) : 0; }
  };
  static const auto user_of = [](void* user) { return static_cast<User*>(user); };
  const jaxvjp_call_fn primal = [](auto cx, auto user, auto args, auto, auto out) {
    *out = args[0];
    const Role role = user_of(user)->role;
    return user_of(user)->ends(cx, role == function_role ? function_role : primal_role);
  };
  const jaxvjp_fwd_fn fwd = [](auto cx, auto user, auto args, auto, auto out, auto residuals) {
    *out = *residuals = args[0];
    return user_of(user)->ends(cx, fwd_role);
  };
  const jaxvjp_bwd_fn bwd = [](auto cx, auto user, auto, auto ct, auto slots, auto) {
    slots[0] = ct;
    return user_of(user)->ends(cx, bwd_role);
  };
  const jaxvjp_jvp_fn jvp_rule = [](auto cx, auto user, auto primals, auto tangents, auto, auto out,
                                    auto tangent) {
    *out = primals[0];
    *tangent = tangents[0];
    return user_of(user)->ends(cx, jvp_role);
  };
  const jaxvjp_destroy_fn destroy = [](void* user) { delete user_of(user); };
  User* user = new User{role, end};
  jaxvjp_custom_vjp_options options{};
  options.struct_size = sizeof options;
  options.primal = primal;
  jaxvjp_function* f = nullptr;
  if (role == function_role) f = jaxvjp_function_new(cx, "culprit", primal, user, destroy);
  if (role == jvp_role) f = jaxvjp_custom_jvp(cx, "culprit", primal, jvp_rule, user, destroy);
  if (!f) f = jaxvjp_custom_vjp(cx, "culprit", fwd, bwd, user, destroy, &options);
  if (role != function_role && role != primal_role) f = grad(cx, f);
  EXPECT_EQ(jaxvjp_call1(cx, jitted ? jit(cx, f) : f, jaxvjp_f64(cx, 1)), nullptr);
}

TEST(BadInput, callbacks_that_fail) {
  const struct {
    const char* what;
    int32_t (*end)(jaxvjp_context*);
    int32_t code;
    const char* word;
  } ends[] = {
      {"with a code of the list", [](auto cx) { return jaxvjp_fail(cx, JAXVJP_SHAPE, "my words"); },
       JAXVJP_SHAPE, "my words"},
      {"with a code of its own", [](auto cx) { return jaxvjp_fail(cx, 4242, "my words"); }, 4242,
       "my words"},
      {"with code 0", [](auto cx) { return jaxvjp_fail(cx, 0, "my words"); }, JAXVJP_CALLBACK,
       "my words"},
      {"and returns 0 all the same",
       [](auto cx) -> int32_t { return jaxvjp_fail(cx, 4242, "my words"), 0; }, 4242, "my words"},
      {"and returns another code",
       [](auto cx) -> int32_t { return jaxvjp_fail(cx, 4242, "my words"), 5; }, 4242, "my words"},
      {"with %s in its words", [](auto cx) { return jaxvjp_fail(cx, 4242, "100%s %n words"); },
       4242, "100%s %n words"},
      {"by an operation",
       [](auto cx) -> int32_t { return jaxvjp_lookup(cx, tuple(cx, {}), "x"), 0; }, JAXVJP_TREE,
       "culprit"},
  };
  for (const auto& end : ends)
    for (Role role : {primal_role, fwd_role, bwd_role, jvp_role, function_role})
      for (bool jitted : {false, true}) {
        SCOPED_TRACE(std::string(role_names[role]) + " fails " + end.what +
                     (jitted ? ", jit" : ", eager"));
        Context cx;
        run_role(cx, role, end.end, jitted);
        const bool rule = role != function_role;
        EXPECT_TRUE(
            failed_with(cx, end.code, {end.word, "culprit", rule ? role_names[role] : "culprit"}));
        EXPECT_TRUE(works(cx));
      }
}

// A code without words behind it is passed on, or is CALLBACK; the text says which function, and
// the number. (A binding's callback that failed to run returns anything.)
TEST(BadInput, callbacks_that_return_garbage) {
  const struct {
    int32_t (*end)(jaxvjp_context*);
    int32_t code;
  } ends[] = {
      {[](auto) -> int32_t { return -1; }, -1},
      {[](auto) -> int32_t { return 123456789; }, 123456789},
      {[](auto) -> int32_t { return INT32_MIN; }, INT32_MIN},
      {[](auto cx) -> int32_t {
         jaxvjp_fail(cx, 4242, "my words");
         jaxvjp_clear_error(cx);
         return 4242;
       },
       4242},
  };
  for (const auto& end : ends)
    for (Role role : {primal_role, fwd_role, bwd_role, jvp_role, function_role})
      for (bool jitted : {false, true}) {
        const std::string number = std::to_string(end.code);
        SCOPED_TRACE(std::string(role_names[role]) + " returns " + number +
                     (jitted ? ", jit" : ", eager"));
        Context cx;
        run_role(cx, role, end.end, jitted);
        const int32_t code = jaxvjp_failed(cx);
        EXPECT_TRUE(code == JAXVJP_CALLBACK || code == end.code) << code;
        EXPECT_TRUE(failed_with(cx, code, {"culprit", number.c_str()}));
        EXPECT_TRUE(works(cx));
      }
}

}  // namespace
}  // namespace conformance

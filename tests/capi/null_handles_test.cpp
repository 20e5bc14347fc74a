// NULL in every place of every function that takes a handle: a failure value and INVALID_ARGUMENT,
// never a crash, and the context works afterwards. A NULL context gives the failure value alone.
// The table is complete: a test reads the headers and looks for what is missing.

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "../conformance/support.hpp"

namespace conformance {
namespace {

// One valid handle of each kind.
struct Handles {
  Context cx;
  jaxvjp_value* v = array(cx, {2, 2}, {1, 2, 3, 4});
  jaxvjp_value* d = dict(cx, {{"a", v}});
  jaxvjp_value* s = spec(cx, {2, 2});
  jaxvjp_value* vs[2] = {v, v};
  jaxvjp_value* holed[2] = {v, nullptr};
  int64_t leaf = 0;
  const char* keys[2] = {"a", "b"};
  const char* holed_keys[2] = {"a", nullptr};
  jaxvjp_function* f =
      function(cx, "f", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); });
  jaxvjp_jaxpr* j = make_jaxpr(cx, f, {s});
  jaxvjp_value* out = nullptr;
  jaxvjp_function* fs[1] = {f};
  jaxvjp_function* no_fs[1] = {nullptr};
  jaxvjp_function* fout = nullptr;
  double data[4] = {};
  size_t bytes = 0;
};

int32_t noop(jaxvjp_context*, void*, jaxvjp_value* const*, size_t, jaxvjp_value**) { return 0; }
int32_t noop_fwd(jaxvjp_context*, void*, jaxvjp_value* const*, size_t, jaxvjp_value**,
                 jaxvjp_value**) {
  return 0;
}
int32_t noop_bwd(jaxvjp_context*, void*, jaxvjp_value*, jaxvjp_value*, jaxvjp_value**, size_t) {
  return 0;
}
int32_t noop_jvp(jaxvjp_context*, void*, jaxvjp_value* const*, jaxvjp_value* const*, size_t,
                 jaxvjp_value**, jaxvjp_value**) {
  return 0;
}
int32_t noop_host(jaxvjp_context*, void*, const jaxvjp_buffer* const*, size_t,
                  const jaxvjp_buffer* const*, size_t, void**) {
  return 0;
}
double noop_value_grad(unsigned, const double*, double*, void*) { return 0; }
int32_t noop_jacobian(size_t, size_t, const double*, double*, double*, void*) { return 0; }
double noop_partials(size_t, const double*, double*, void*) { return 0; }
int32_t noop_batch(jaxvjp_context*, void*, int64_t, jaxvjp_value* const*, size_t, jaxvjp_value**,
                   jaxvjp_value**) {
  return 0;
}

int32_t noop_probe(jaxvjp_context*, void*, jaxvjp_value*) { return 0; }

// Is this what a failed call answers? One overload a kind of result.
template <class T>
bool is_failure(T* result) {
  return result == nullptr;
}
bool is_failure(double result) { return std::isnan(result); }
bool is_status_failure(int32_t result) { return result != 0; }

struct Row {
  const char* function;
  const char* call;
  bool (*failed)(Handles&);
};

// A call with one NULL that must fail; STATUS: it returns a code; ZERO: it fails as 0; MINUS: as
// -1.
#define CALL(name, ...)                              \
  {                                                  \
    "jaxvjp_" #name, #__VA_ARGS__, [](Handles& h) {  \
      (void)h;                                       \
      return is_failure(jaxvjp_##name(__VA_ARGS__)); \
    }                                                \
  }
#define STATUS(name, ...)                                   \
  {                                                         \
    "jaxvjp_" #name, #__VA_ARGS__, [](Handles& h) {         \
      (void)h;                                              \
      return is_status_failure(jaxvjp_##name(__VA_ARGS__)); \
    }                                                       \
  }
#define ZERO(name, ...)                             \
  {                                                 \
    "jaxvjp_" #name, #__VA_ARGS__, [](Handles& h) { \
      (void)h;                                      \
      return jaxvjp_##name(__VA_ARGS__) == 0;       \
    }                                               \
  }
#define MINUS(name, ...)                            \
  {                                                 \
    "jaxvjp_" #name, #__VA_ARGS__, [](Handles& h) { \
      (void)h;                                      \
      return jaxvjp_##name(__VA_ARGS__) == -1;      \
    }                                               \
  }
#define NOTHING(name, ...)                          \
  {                                                 \
    "jaxvjp_" #name, #__VA_ARGS__, [](Handles& h) { \
      (void)h;                                      \
      jaxvjp_##name(__VA_ARGS__);                   \
      return true;                                  \
    }                                               \
  }

// clang-format off
const Row failing[] = {
    CALL(give, h.cx, nullptr),
    CALL(array, h.cx, JAXVJP_F64, nullptr, 1, h.data),
    CALL(array, h.cx, JAXVJP_F64, nullptr, 0, nullptr),
    CALL(array_adopt, h.cx, JAXVJP_F64, nullptr, 0, nullptr, nullptr, nullptr, nullptr),
    CALL(spec, h.cx, JAXVJP_F64, nullptr, 1),
    CALL(data, h.cx, nullptr),
    STATUS(read, h.cx, nullptr, h.data, sizeof h.data), STATUS(read, h.cx, h.v, nullptr, sizeof h.data),
    CALL(item, h.cx, nullptr),
    ZERO(item_i64, h.cx, nullptr),
    MINUS(truth, h.cx, nullptr),
    CALL(to_string, h.cx, nullptr),
    CALL(tuple, h.cx, nullptr, 1), CALL(tuple, h.cx, h.holed, 2),
    CALL(list, h.cx, nullptr, 1), CALL(list, h.cx, h.holed, 2),
    CALL(dict, h.cx, nullptr, h.vs, 2), CALL(dict, h.cx, h.keys, nullptr, 2),
    CALL(dict, h.cx, h.holed_keys, h.vs, 2), CALL(dict, h.cx, h.keys, h.holed, 2),
    CALL(from_function, h.cx, nullptr),
    CALL(as_function, h.cx, nullptr),
    CALL(as_pointer, h.cx, nullptr),
    CALL(get, h.cx, nullptr, 0),
    CALL(lookup, h.cx, nullptr, "a"), CALL(lookup, h.cx, h.d, nullptr),
    CALL(leaf, h.cx, nullptr, 0),
    CALL(unflatten, h.cx, nullptr, h.vs, 1), CALL(unflatten, h.cx, h.d, nullptr, 1),
    CALL(unflatten, h.cx, h.d, h.holed + 1, 1),
    CALL(tree_map, h.cx, nullptr, h.vs, 1), CALL(tree_map, h.cx, h.f, nullptr, 1),
    CALL(tree_map, h.cx, h.f, h.holed, 2),
    CALL(zeros_like, h.cx, nullptr),
    CALL(function_new, h.cx, "f", nullptr, nullptr, nullptr),
    CALL(function_of, h.cx, nullptr),
    CALL(call, h.cx, nullptr, h.vs, 1), CALL(call, h.cx, h.f, nullptr, 1), CALL(call, h.cx, h.f, h.holed, 2),
    CALL(call1, h.cx, nullptr, h.v), CALL(call1, h.cx, h.f, nullptr),
    CALL(call2, h.cx, nullptr, h.v, h.v), CALL(call2, h.cx, h.f, nullptr, h.v), CALL(call2, h.cx, h.f, h.v, nullptr),
    CALL(jit, h.cx, nullptr, nullptr),
    STATUS(debug_print, h.cx, nullptr, h.vs, 2), STATUS(debug_print, h.cx, "{}", nullptr, 1),
    STATUS(debug_print, h.cx, "{}{}", h.holed, 2),
    CALL(probe, h.cx, nullptr, noop_probe, nullptr, nullptr), CALL(probe, h.cx, h.v, nullptr, nullptr, nullptr),
    STATUS(emit, h.cx, nullptr, h.v), STATUS(emit, h.cx, "x", nullptr),
    CALL(call_emitted, h.cx, nullptr, h.v), CALL(call_emitted, h.cx, h.f, nullptr),
    CALL(grad, h.cx, nullptr, nullptr),
    CALL(value_and_grad, h.cx, nullptr, nullptr),
    CALL(vmap, h.cx, nullptr, nullptr),
    CALL(jacfwd, h.cx, nullptr, nullptr),
    CALL(jacrev, h.cx, nullptr, nullptr),
    CALL(hessian, h.cx, nullptr, nullptr),
    CALL(jvp, h.cx, nullptr, h.vs, h.vs, 1, &h.out), CALL(jvp, h.cx, h.f, nullptr, h.vs, 1, &h.out),
    CALL(jvp, h.cx, h.f, h.vs, nullptr, 1, &h.out), CALL(jvp, h.cx, h.f, h.vs, h.vs, 1, nullptr),
    CALL(jvp, h.cx, h.f, h.holed + 1, h.vs, 1, &h.out), CALL(jvp, h.cx, h.f, h.vs, h.holed + 1, 1, &h.out),
    CALL(vjp, h.cx, nullptr, h.vs, 1, &h.fout), CALL(vjp, h.cx, h.f, nullptr, 1, &h.fout),
    CALL(vjp, h.cx, h.f, h.holed + 1, 1, &h.fout), CALL(vjp, h.cx, h.f, h.vs, 1, nullptr),
    CALL(linearize, h.cx, nullptr, h.vs, 1, &h.fout), CALL(linearize, h.cx, h.f, nullptr, 1, &h.fout),
    CALL(linearize, h.cx, h.f, h.holed + 1, 1, &h.fout), CALL(linearize, h.cx, h.f, h.vs, 1, nullptr),
    CALL(linear_transpose, h.cx, nullptr, h.vs, 1), CALL(linear_transpose, h.cx, h.f, nullptr, 1),
    CALL(linear_transpose, h.cx, h.f, h.holed + 1, 1),
    CALL(custom_vjp, h.cx, "f", nullptr, noop_bwd, nullptr, nullptr, nullptr),
    CALL(custom_vjp, h.cx, "f", noop_fwd, nullptr, nullptr, nullptr, nullptr),
    CALL(custom_jvp, h.cx, "f", nullptr, noop_jvp, nullptr, nullptr),
    CALL(custom_jvp, h.cx, "f", noop, nullptr, nullptr, nullptr),
    CALL(host_function, h.cx, "f", nullptr, noop_host, nullptr, nullptr, nullptr),
    CALL(host_function, h.cx, "f", noop, nullptr, nullptr, nullptr, nullptr),
    CALL(from_value_grad, h.cx, "f", nullptr, nullptr, nullptr),
    CALL(from_residual_jacobian, h.cx, "f", 1, nullptr, nullptr, nullptr),
    CALL(from_partials, h.cx, "f", nullptr, nullptr, nullptr),
    CALL(custom_vmap, h.cx, "f", nullptr, noop_batch, nullptr, nullptr),
    CALL(custom_vmap, h.cx, "f", noop, nullptr, nullptr, nullptr),
    CALL(sequential_vmap, h.cx, nullptr),
    CALL(linear_call, h.cx, nullptr, h.f, h.v, h.v), CALL(linear_call, h.cx, h.f, nullptr, h.v, h.v),
    CALL(linear_call, h.cx, h.f, h.f, nullptr, h.v), CALL(linear_call, h.cx, h.f, h.f, h.v, nullptr),
    CALL(closure_convert, h.cx, nullptr, h.vs, 1), CALL(closure_convert, h.cx, h.f, nullptr, 1),
    CALL(closure_convert, h.cx, h.f, h.holed + 1, 1),
    STATUS(residual_source, h.cx, nullptr, 0, &h.leaf), STATUS(residual_source, h.cx, h.f, 0, nullptr),
    CALL(self, h.cx),                       // outside a rule
    CALL(cond, h.cx, nullptr, h.f, h.f, h.vs, 1), CALL(cond, h.cx, h.v, nullptr, h.f, h.vs, 1),
    CALL(cond, h.cx, h.v, h.f, nullptr, h.vs, 1), CALL(cond, h.cx, h.v, h.f, h.f, nullptr, 1),
    CALL(switch, h.cx, nullptr, h.fs, 1, h.vs, 1), CALL(switch, h.cx, h.v, nullptr, 1, h.vs, 1),
    CALL(switch, h.cx, h.v, h.no_fs, 1, h.vs, 1), CALL(switch, h.cx, h.v, h.fs, 1, nullptr, 1),
    CALL(while_loop, h.cx, nullptr, h.f, h.v), CALL(while_loop, h.cx, h.f, nullptr, h.v),
    CALL(while_loop, h.cx, h.f, h.f, nullptr),
    CALL(fori_loop, h.cx, nullptr, h.v, h.f, h.v), CALL(fori_loop, h.cx, h.v, nullptr, h.f, h.v),
    CALL(fori_loop, h.cx, h.v, h.v, nullptr, h.v), CALL(fori_loop, h.cx, h.v, h.v, h.f, nullptr),
    CALL(scan, h.cx, nullptr, h.v, h.v, -1, 0), CALL(scan, h.cx, h.f, nullptr, h.v, -1, 0),
    CALL(scan, h.cx, h.f, h.v, nullptr, -1, 0),
    CALL(map, h.cx, nullptr, h.v, 0), CALL(map, h.cx, h.f, nullptr, 0),
    CALL(custom_linear_solve, h.cx, nullptr, h.v, h.f, nullptr),
    CALL(custom_linear_solve, h.cx, h.f, nullptr, h.f, nullptr),
    CALL(custom_linear_solve, h.cx, h.f, h.v, nullptr, nullptr),
    CALL(custom_root, h.cx, nullptr, h.v, h.f, h.f, nullptr), CALL(custom_root, h.cx, h.f, nullptr, h.f, h.f, nullptr),
    CALL(custom_root, h.cx, h.f, h.v, nullptr, h.f, nullptr), CALL(custom_root, h.cx, h.f, h.v, h.f, nullptr, nullptr),
    CALL(fixed_point, h.cx, nullptr, h.v, h.v, nullptr), CALL(fixed_point, h.cx, h.f, nullptr, h.v, nullptr),
    CALL(fixed_point, h.cx, h.f, h.v, nullptr, nullptr),
    CALL(checkpoint, h.cx, nullptr, 0), CALL(checkpoint, h.cx, h.f, 3),
    CALL(checkpoint_name, h.cx, nullptr, "a"), CALL(checkpoint_name, h.cx, h.v, nullptr),
    MINUS(is_perturbed, h.cx, nullptr), MINUS(is_perturbed, h.cx, h.v),
    MINUS(is_needed, h.cx, 0),
    MINUS(is_batched, h.cx, nullptr), MINUS(is_batched, h.cx, h.v),
    CALL(make_jaxpr, h.cx, nullptr, h.vs, 1), CALL(make_jaxpr, h.cx, h.f, nullptr, 1),
    CALL(make_jaxpr, h.cx, h.f, h.holed + 1, 1),
    CALL(jaxpr_text, h.cx, nullptr),
    CALL(parse, h.cx, nullptr),
    CALL(simplify, h.cx, nullptr),
    CALL(save, h.cx, nullptr, 0, &h.bytes), CALL(save, h.cx, h.j, 0, nullptr),
    CALL(load, h.cx, nullptr, 1, nullptr, 0), CALL(load, h.cx, "x", 1, nullptr, 1), CALL(load, h.cx, "x", 1, h.no_fs, 1),
    CALL(custom_vjp_from_jaxprs, h.cx, "f", nullptr, h.j, h.j), CALL(custom_vjp_from_jaxprs, h.cx, "f", h.j, nullptr, h.j),
    CALL(custom_vjp_from_jaxprs, h.cx, "f", h.j, h.j, nullptr),
    STATUS(check_vjp, h.cx, nullptr, h.vs, 1, nullptr), STATUS(check_vjp, h.cx, h.f, nullptr, 1, nullptr),
    STATUS(check_vjp, h.cx, h.f, h.holed + 1, 1, nullptr),
    CALL(bind, h.cx, nullptr, h.vs, 1, nullptr), CALL(bind, h.cx, "sin", nullptr, 1, nullptr),
    CALL(bind, h.cx, "sin", h.holed + 1, 1, nullptr),
};

// Without a context there is nowhere to leave an error: the failure value, or nothing.
const Row without_context[] = {
    CALL(context_fork, nullptr),
    NOTHING(context_free, nullptr),
    ZERO(scope_open, nullptr),
    CALL(scope_close, nullptr, 1, nullptr),
    NOTHING(set_location, nullptr, "file.c", 1),
    MINUS(stat, nullptr, JAXVJP_STAT_BYTES),
    STATUS(failed, nullptr),
    NOTHING(error_text, nullptr),
    NOTHING(clear_error, nullptr),
    CALL(take_error, nullptr),
    STATUS(fail, nullptr, JAXVJP_CALLBACK, "x"),
    NOTHING(fail_with, h.cx, nullptr),  // below: an error that does not wait
    ZERO(error_code, nullptr),
    CALL(error_message, nullptr),
    CALL(error_file, nullptr, nullptr),
    CALL(error_note, nullptr, 0),
    CALL(error_take_payload, nullptr, nullptr),
    NOTHING(error_free, nullptr),
    CALL(retain, nullptr), NOTHING(release, nullptr), CALL(take, nullptr), NOTHING(update, nullptr, h.v), NOTHING(update, &h.out, nullptr),
    CALL(function_retain, nullptr), CALL(function_take, nullptr), NOTHING(function_release, nullptr),
    CALL(jaxpr_retain, nullptr), CALL(jaxpr_take, nullptr), NOTHING(jaxpr_release, nullptr),
    CALL(array, nullptr, JAXVJP_F64, nullptr, 0, h.data),
    CALL(array_adopt, nullptr, JAXVJP_F64, nullptr, 0, nullptr, h.data, nullptr, nullptr),
    CALL(number, nullptr, 1), CALL(f32, nullptr, 1), CALL(f64, nullptr, 1), CALL(i64, nullptr, 1),
    CALL(spec, nullptr, JAXVJP_F64, nullptr, 0),
    ZERO(dtype, nullptr), ZERO(ndim, nullptr), CALL(shape, nullptr), ZERO(size, nullptr), ZERO(is_concrete, nullptr),
    CALL(data, nullptr, h.v), STATUS(read, nullptr, h.v, h.data, sizeof h.data), CALL(item, nullptr, h.v),
    ZERO(item_i64, nullptr, h.v), MINUS(truth, nullptr, h.v), CALL(to_string, nullptr, h.v),
    CALL(none, nullptr), CALL(tuple, nullptr, h.vs, 2), CALL(list, nullptr, h.vs, 2), CALL(dict, nullptr, h.keys, h.vs, 2),
    CALL(opaque, nullptr, h.data, nullptr), CALL(from_function, nullptr, h.f), CALL(as_function, nullptr, h.v),
    CALL(as_pointer, nullptr, h.v),
    ZERO(kind, nullptr), ZERO(count, nullptr), CALL(key, nullptr, 0), ZERO(leaf_count, nullptr),
    ZERO(same_structure, nullptr, h.v), ZERO(same_structure, h.v, nullptr), ZERO(is_zero, nullptr),
    CALL(get, nullptr, h.d, 0), CALL(lookup, nullptr, h.d, "a"), CALL(leaf, nullptr, h.v, 0),
    CALL(unflatten, nullptr, h.d, h.vs, 1), CALL(tree_map, nullptr, h.f, h.vs, 1), CALL(zeros_like, nullptr, h.v),
    CALL(zero, nullptr),
    CALL(function_new, nullptr, "f", noop, nullptr, nullptr), CALL(function_of, nullptr, h.j),
    CALL(call, nullptr, h.f, h.vs, 1), CALL(call1, nullptr, h.f, h.v), CALL(call2, nullptr, h.f, h.v, h.v),
    STATUS(debug_print, nullptr, "hello", nullptr, 0), CALL(probe, nullptr, h.v, noop_probe, nullptr, nullptr),
    STATUS(emit, nullptr, "x", h.v), CALL(call_emitted, nullptr, h.f, h.v),
    CALL(jit, nullptr, h.f, nullptr), CALL(grad, nullptr, h.f, nullptr), CALL(value_and_grad, nullptr, h.f, nullptr),
    CALL(vmap, nullptr, h.f, nullptr), CALL(jacfwd, nullptr, h.f, nullptr), CALL(jacrev, nullptr, h.f, nullptr),
    CALL(hessian, nullptr, h.f, nullptr),
    CALL(jvp, nullptr, h.f, h.vs, h.vs, 1, &h.out), CALL(vjp, nullptr, h.f, h.vs, 1, &h.fout),
    CALL(linearize, nullptr, h.f, h.vs, 1, &h.fout), CALL(linear_transpose, nullptr, h.f, h.vs, 1),
    CALL(custom_vjp, nullptr, "f", noop_fwd, noop_bwd, nullptr, nullptr, nullptr),
    CALL(custom_jvp, nullptr, "f", noop, noop_jvp, nullptr, nullptr),
    CALL(host_function, nullptr, "f", noop, noop_host, nullptr, nullptr, nullptr),
    CALL(from_value_grad, nullptr, "f", noop_value_grad, nullptr, nullptr),
    CALL(from_residual_jacobian, nullptr, "f", 1, noop_jacobian, nullptr, nullptr),
    CALL(from_partials, nullptr, "f", noop_partials, nullptr, nullptr),
    CALL(custom_vmap, nullptr, "f", noop, noop_batch, nullptr, nullptr), CALL(sequential_vmap, nullptr, h.f),
    CALL(linear_call, nullptr, h.f, h.f, h.v, h.v), CALL(closure_convert, nullptr, h.f, h.vs, 1),
    STATUS(residual_source, nullptr, h.f, 0, &h.leaf), MINUS(is_batched, nullptr, h.v),
    CALL(cond, nullptr, h.v, h.f, h.f, h.vs, 1), CALL(switch, nullptr, h.v, h.fs, 1, h.vs, 1),
    CALL(while_loop, nullptr, h.f, h.f, h.v), CALL(fori_loop, nullptr, h.v, h.v, h.f, h.v),
    CALL(scan, nullptr, h.f, h.v, h.v, -1, 0), CALL(map, nullptr, h.f, h.v, 0),
    CALL(custom_linear_solve, nullptr, h.f, h.v, h.f, nullptr), CALL(custom_root, nullptr, h.f, h.v, h.f, h.f, nullptr),
    CALL(fixed_point, nullptr, h.f, h.v, h.v, nullptr),
    CALL(checkpoint, nullptr, h.f, 0), CALL(checkpoint_name, nullptr, h.v, "a"),
    CALL(self, nullptr), MINUS(is_perturbed, nullptr, h.v), MINUS(is_needed, nullptr, 0),
    CALL(make_jaxpr, nullptr, h.f, h.vs, 1), CALL(jaxpr_text, nullptr, h.j), CALL(parse, nullptr, "{ lambda ; . let  in () }"),
    ZERO(jaxpr_count, nullptr, "sin"), CALL(simplify, nullptr, h.j),
    CALL(save, nullptr, h.j, 0, &h.bytes), CALL(load, nullptr, "x", 1, nullptr, 0),
    CALL(custom_vjp_from_jaxprs, nullptr, "f", h.j, h.j, h.j),
    STATUS(check_vjp, nullptr, h.f, h.vs, 1, nullptr), CALL(bind, nullptr, "sin", h.vs, 1, nullptr),
};
// clang-format on

// The functions that take no handle.
const std::set<std::string> exempt = {"jaxvjp_version", "jaxvjp_abi", "jaxvjp_build_info",
                                      "jaxvjp_context_new", "jaxvjp_error_new"};

std::string described(const Row& row) { return std::string(row.function) + "(" + row.call + ")"; }

TEST(NullHandles, operands) {
  for (const Row& row : failing) {
    SCOPED_TRACE(described(row));
    Handles h;
    EXPECT_TRUE(row.failed(h)) << "the call did not answer with failure";
    EXPECT_TRUE(failed_with(h.cx, JAXVJP_INVALID_ARGUMENT));
    EXPECT_TRUE(near_shaped(h.cx, jaxvjp_call1(h.cx, h.f, jaxvjp_f64(h.cx, 0)), {}, {0}));
  }
}

TEST(NullHandles, without_a_context) {
  for (const Row& row : without_context) {
    SCOPED_TRACE(described(row));
    Handles h;
    EXPECT_TRUE(row.failed(h)) << "the call did not answer with failure";
    if (std::string(row.function) == "jaxvjp_fail_with") jaxvjp_clear_error(h.cx);
    EXPECT_TRUE(no_error(h.cx));
  }
}

// --------------------------------------------------------------------------------- the operations

// An argument of each type that an operation takes. Lists hold two values of one shape.
template <class T>
struct Argument;
template <>
struct Argument<jaxvjp_context*> {
  static jaxvjp_context* of(Handles& h) { return h.cx; }
};
template <>
struct Argument<jaxvjp_value*> {
  static jaxvjp_value* of(Handles& h) { return h.v; }
};
template <>
struct Argument<jaxvjp_value* const*> {
  static jaxvjp_value* const* of(Handles& h) { return h.vs; }
};
template <>
struct Argument<const int64_t*> {
  static const int64_t* of(Handles&) {
    static const int64_t axes[2] = {0, 1};
    return axes;
  }
};
template <class T>
requires std::is_arithmetic_v<T>
struct Argument<T> {
  static T of(Handles&) { return std::is_same_v<T, int32_t> ? T(JAXVJP_F64) : T(1); }
};

struct Operation {
  const char* name;
  // Calls it with each of its handles NULL in turn; how many there were.
  size_t (*check)();
};

template <auto f, class... P, size_t... I>
size_t check_operation(jaxvjp_value* (*)(P...), std::index_sequence<I...>) {
  size_t checked = 0;
  for (size_t hole = 0; hole < sizeof...(P); hole++) {
    Handles h;
    std::tuple<P...> args{Argument<P>::of(h)...};
    bool handle = false;
    (([&] {
       if constexpr (std::is_same_v<P, jaxvjp_context*> || std::is_same_v<P, jaxvjp_value*> ||
                     std::is_same_v<P, jaxvjp_value* const*>)
         if (I == hole) std::get<I>(args) = nullptr, handle = true;
     }()),
     ...);
    if (!handle) continue;
    checked++;
    SCOPED_TRACE("argument " + std::to_string(hole));
    EXPECT_EQ(std::apply(f, args), nullptr);
    EXPECT_TRUE(failed_with(h.cx, hole == 0 ? 0 : JAXVJP_INVALID_ARGUMENT));
  }
  return checked;
}
template <auto f, class... P>
size_t check_all(jaxvjp_value* (*signature)(P...)) {
  return check_operation<f>(signature, std::index_sequence_for<P...>());
}
#define OP(name)                                                              \
  Operation {                                                                 \
    "jaxvjp_" #name, [] { return check_all<&jaxvjp_##name>(&jaxvjp_##name); } \
  }

const Operation operations[] = {
#include "operations.inc"
};

TEST(NullHandles, operations) {
  for (const Operation& op : operations) {
    SCOPED_TRACE(op.name);
    EXPECT_GE(op.check(), 1u);
  }
}

// ------------------------------------------------------------------------------------ completeness

std::set<std::string> declared_in(const char* header) {
  std::ifstream file(std::string(TESTS_DIR "/../include/jaxvjp/") + header);
  EXPECT_TRUE(file.good()) << header;
  std::stringstream text;
  text << file.rdbuf();
  const std::string source = text.str();
  const std::regex declaration(R"(JAXVJP_API\([^)]*\)\s*(jaxvjp_\w+)\()");
  std::set<std::string> names;
  for (std::sregex_iterator it(source.begin(), source.end(), declaration), end; it != end; ++it)
    names.insert((*it)[1]);
  return names;
}

TEST(NullHandles, the_tables_are_complete) {
  std::set<std::string> seen = exempt, seen_operations;
  for (const Row& row : failing) seen.insert(row.function);
  for (const Row& row : without_context) seen.insert(row.function);
  for (const Operation& op : operations) seen_operations.insert(op.name);
  EXPECT_EQ(declared_in("jaxvjp.h"), seen);
  EXPECT_EQ(declared_in("ops.h"), seen_operations);
}

}  // namespace
}  // namespace conformance

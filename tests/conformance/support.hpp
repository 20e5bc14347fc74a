// What the conformance tests share: the C interface with C++ lambdas as callbacks, braces where it
// takes a pointer and a length, and results that gtest can print. Nothing here computes: a test
// still calls jaxvjp_grad, jaxvjp_jit and the operations itself.
//
//   Counts counts;                        // before the context: destroy callbacks write to it
//   Context cx;                           // fails the test if an error is left on it
//   auto* f = custom_vjp(cx, "f", {
//       .fwd = [](auto cx, auto args) -> Fwd { return {jaxvjp_sin(cx, args[0]), args[0]}; },
//       .bwd = [](auto cx, auto x, auto ct, auto slots) { slots[0] = jaxvjp_mul(cx, x, ct); },
//       .counts = &counts});
//   EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_grad(cx, f, NULL), jaxvjp_f64(cx, 3)), 3.0));
//   EXPECT_TRUE(fails(cx, call(cx, f, {x, y}), JAXVJP_TREE, {"f", "2"}));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "jaxvjp/jaxvjp.h"

namespace conformance {

using Values = std::initializer_list<jaxvjp_value*>;
using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

using Lines = std::vector<std::string>;

// A session of one test. Handle checks are on, so a handle that is used after its scope is found.
class Context {
 public:
  explicit Context(int32_t flags = 0) : Context(nullptr, flags) {}
  // What is printed goes to `lines`.
  explicit Context(Lines& lines) : Context(&lines, 0) {}
  ~Context() { free(); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  operator jaxvjp_context*() const { return cx_; }

  // Ends the session now, for tests that look at what was destroyed.
  void free() {
    if (!cx_) return;
    EXPECT_EQ(jaxvjp_failed(cx_), 0) << "left over: " << jaxvjp_error_text(cx_);
    jaxvjp_context_free(std::exchange(cx_, nullptr));
  }

 private:
  Context(Lines* lines, int32_t flags) {
    jaxvjp_context_options options{};
    options.struct_size = sizeof options;
    options.flags = JAXVJP_CHECK_HANDLES | flags;
    options.user = lines;
    if (lines) options.print = add_line;
    cx_ = jaxvjp_context_new(&options);
  }
  static void add_line(void* lines, const char* text) {
    static_cast<Lines*>(lines)->push_back(text);
  }
  jaxvjp_context* cx_;
};

// ------------------------------------------------------------------------------------- callbacks

struct Args {  // what a callback is given
  jaxvjp_value* const* items;
  size_t n;
  jaxvjp_value* operator[](size_t i) const { return items[i]; }
};
struct Slots {  // where bwd writes one cotangent an argument
  jaxvjp_value** items;
  size_t n;
  jaxvjp_value*& operator[](size_t i) const { return items[i]; }
};
struct Fwd {  // what a fwd writes
  jaxvjp_value *out, *residuals;
};
struct Jvp {  // what a jvp rule writes
  jaxvjp_value *out, *tangent;
};

// A callback fails by jaxvjp_fail; what it returns then does not matter.
using CallFn = std::function<jaxvjp_value*(jaxvjp_context*, Args)>;
using FwdFn = std::function<Fwd(jaxvjp_context*, Args)>;
using BwdFn =
    std::function<void(jaxvjp_context*, jaxvjp_value* residuals, jaxvjp_value* ct, Slots)>;
using JvpFn = std::function<Jvp(jaxvjp_context*, Args primals, Args tangents)>;

struct Counts {  // how often each callback ran
  int primal = 0, fwd = 0, bwd = 0, jvp = 0, destroyed = 0;
  bool operator==(const Counts&) const = default;
};
inline std::ostream& operator<<(std::ostream& os, const Counts& c) {
  return os << "{primal " << c.primal << ", fwd " << c.fwd << ", bwd " << c.bwd << ", jvp " << c.jvp
            << ", destroyed " << c.destroyed << "}";
}

// A rule and its options; a callback left out is NULL in the C call.
struct Rule {
  FwdFn fwd = nullptr;
  BwdFn bwd = nullptr;
  CallFn primal = nullptr;
  JvpFn jvp = nullptr;
  int32_t forward = JAXVJP_FORWARD_REFUSE;
  int32_t flags = 0;
  std::vector<const char*> arg_names = {};
  Counts* counts = nullptr;
};

namespace detail {

inline Rule& rule(void* user) { return *static_cast<Rule*>(user); }
inline void bump(Rule& rule, int Counts::*role) {
  if (rule.counts) ++(rule.counts->*role);
}
inline int32_t primal(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                      jaxvjp_value** out) {
  bump(rule(user), &Counts::primal);
  *out = rule(user).primal(cx, {args, n});
  return jaxvjp_failed(cx);
}
inline int32_t fwd(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                   jaxvjp_value** out, jaxvjp_value** residuals) {
  bump(rule(user), &Counts::fwd);
  const Fwd result = rule(user).fwd(cx, {args, n});
  *out = result.out;
  *residuals = result.residuals;
  return jaxvjp_failed(cx);
}
inline int32_t bwd(jaxvjp_context* cx, void* user, jaxvjp_value* residuals, jaxvjp_value* ct,
                   jaxvjp_value** arg_cts, size_t n) {
  bump(rule(user), &Counts::bwd);
  rule(user).bwd(cx, residuals, ct, {arg_cts, n});
  return jaxvjp_failed(cx);
}
inline int32_t jvp(jaxvjp_context* cx, void* user, jaxvjp_value* const* primals,
                   jaxvjp_value* const* tangents, size_t n, jaxvjp_value** out,
                   jaxvjp_value** tangent_out) {
  bump(rule(user), &Counts::jvp);
  const Jvp result = rule(user).jvp(cx, {primals, n}, {tangents, n});
  *out = result.out;
  *tangent_out = result.tangent;
  return jaxvjp_failed(cx);
}
inline void destroy(void* user) {
  bump(rule(user), &Counts::destroyed);
  delete static_cast<Rule*>(user);
}

}  // namespace detail

inline jaxvjp_function* function(jaxvjp_context* cx, const char* name, CallFn call,
                                 Counts* counts = nullptr) {
  Rule* user = new Rule{.primal = std::move(call), .counts = counts};
  return jaxvjp_function_new(cx, name, detail::primal, user, detail::destroy);
}

inline jaxvjp_function* custom_vjp(jaxvjp_context* cx, const char* name, Rule rule) {
  Rule* user = new Rule(std::move(rule));
  jaxvjp_custom_vjp_options options{};
  options.struct_size = sizeof options;
  options.primal = user->primal ? detail::primal : nullptr;
  options.jvp = user->jvp ? detail::jvp : nullptr;
  options.forward = user->forward;
  options.flags = user->flags;
  options.arg_names = user->arg_names.data();
  options.n_arg_names = user->arg_names.size();
  return jaxvjp_custom_vjp(cx, name, user->fwd ? detail::fwd : nullptr,
                           user->bwd ? detail::bwd : nullptr, user, detail::destroy, &options);
}

inline jaxvjp_function* custom_jvp(jaxvjp_context* cx, const char* name, CallFn primal, JvpFn jvp,
                                   Counts* counts = nullptr) {
  Rule* user = new Rule{.primal = std::move(primal), .jvp = std::move(jvp), .counts = counts};
  return jaxvjp_custom_jvp(cx, name, detail::primal, detail::jvp, user, detail::destroy);
}

// ------------------------------------------------------- braces for a pointer and its length

inline jaxvjp_value* call(jaxvjp_context* cx, jaxvjp_function* f, Values args) {
  return jaxvjp_call(cx, f, args.begin(), args.size());
}
inline jaxvjp_value* call(jaxvjp_context* cx, jaxvjp_function* f, Args args) {
  return jaxvjp_call(cx, f, args.items, args.n);
}
inline jaxvjp_value* vjp(jaxvjp_context* cx, jaxvjp_function* f, Values args,
                         jaxvjp_function** pullback) {
  return jaxvjp_vjp(cx, f, args.begin(), args.size(), pullback);
}
inline jaxvjp_value* jvp(jaxvjp_context* cx, jaxvjp_function* f, Values primals, Values tangents,
                         jaxvjp_value** tangent_out) {
  return jaxvjp_jvp(cx, f, primals.begin(), tangents.begin(), primals.size(), tangent_out);
}
inline jaxvjp_value* linearize(jaxvjp_context* cx, jaxvjp_function* f, Values args,
                               jaxvjp_function** linear) {
  return jaxvjp_linearize(cx, f, args.begin(), args.size(), linear);
}
inline jaxvjp_jaxpr* make_jaxpr(jaxvjp_context* cx, jaxvjp_function* f, Values specs) {
  return jaxvjp_make_jaxpr(cx, f, specs.begin(), specs.size());
}

// with(jaxvjp_grad, cx, f, {0, 1}): any of the derivatives that take jaxvjp_grad_options. No
// argnums: of argument 0, bare.
using Derivative = jaxvjp_function* (*)(jaxvjp_context*, jaxvjp_function*,
                                        const jaxvjp_grad_options*);
inline jaxvjp_function* with(Derivative derivative, jaxvjp_context* cx, jaxvjp_function* f,
                             std::initializer_list<int64_t> argnums, int32_t flags = 0) {
  jaxvjp_grad_options options{};
  options.struct_size = sizeof options;
  if (argnums.size()) options.argnums = argnums.begin();
  options.n_argnums = argnums.size();
  options.flags = flags;
  return derivative(cx, f, &options);
}
inline jaxvjp_function* vmap(jaxvjp_context* cx, jaxvjp_function* f,
                             std::initializer_list<int64_t> in_axes, int64_t out_axis = 0,
                             int64_t axis_size = 0) {
  jaxvjp_vmap_options options{};
  options.struct_size = sizeof options;
  if (in_axes.size()) options.in_axes = in_axes.begin();
  options.n_in_axes = in_axes.size();
  options.out_axis = out_axis;
  options.axis_size = axis_size;
  return jaxvjp_vmap(cx, f, &options);
}

// The same function twice: for (auto [g, how] : eager_and_jit(cx, f)) { SCOPED_TRACE(how); ... }
struct Mode {
  jaxvjp_function* f;
  const char* how;
};
inline std::vector<Mode> eager_and_jit(jaxvjp_context* cx, jaxvjp_function* f) {
  return {{f, "eager"}, {jaxvjp_jit(cx, f, nullptr), "jit"}};
}

// ------------------------------------------------------------------------------ values and trees

inline jaxvjp_value* array(jaxvjp_context* cx, const std::vector<int64_t>& shape,
                           const std::vector<double>& numbers, int32_t dtype = JAXVJP_F64) {
  jaxvjp_value* v = jaxvjp_array(cx, JAXVJP_F64, shape.data(), shape.size(), numbers.data());
  return dtype == JAXVJP_F64 ? v : jaxvjp_convert(cx, v, dtype);
}
inline jaxvjp_value* vec(jaxvjp_context* cx, const std::vector<double>& numbers,
                         int32_t dtype = JAXVJP_F64) {
  return array(cx, {static_cast<int64_t>(numbers.size())}, numbers, dtype);
}
inline jaxvjp_value* spec(jaxvjp_context* cx, std::initializer_list<int64_t> shape,
                          int32_t dtype = JAXVJP_F64) {
  return jaxvjp_spec(cx, dtype, shape.begin(), shape.size());
}
inline jaxvjp_value* tuple(jaxvjp_context* cx, Values items) {
  return jaxvjp_tuple(cx, items.begin(), items.size());
}
inline jaxvjp_value* list(jaxvjp_context* cx, Values items) {
  return jaxvjp_list(cx, items.begin(), items.size());
}
inline jaxvjp_value* dict(jaxvjp_context* cx,
                          std::initializer_list<std::pair<const char*, jaxvjp_value*>> entries) {
  std::vector<const char*> keys;
  std::vector<jaxvjp_value*> items;
  for (const auto& [key, item] : entries) keys.push_back(key), items.push_back(item);
  return jaxvjp_dict(cx, keys.data(), items.data(), items.size());
}
inline jaxvjp_value* sum(jaxvjp_context* cx, jaxvjp_value* x) {
  return jaxvjp_sum(cx, x, nullptr, 0);
}
inline void print(jaxvjp_context* cx, const char* format, Values values = {}) {
  jaxvjp_debug_print(cx, format, values.begin(), values.size());
}
inline std::vector<int64_t> shape(const jaxvjp_value* v) {
  const int64_t* s = jaxvjp_shape(v);
  return s ? std::vector<int64_t>(s, s + jaxvjp_ndim(v)) : std::vector<int64_t>{};
}

// ---------------------------------------------------------------------------------- expectations

// The error that waits on the context, if any; clears it, so that one failure is reported once.
inline AssertionResult no_error(jaxvjp_context* cx) {
  if (!jaxvjp_failed(cx)) return AssertionSuccess();
  auto result = AssertionFailure()
                << "error " << jaxvjp_failed(cx) << ": " << jaxvjp_error_text(cx);
  jaxvjp_clear_error(cx);
  return result;
}

// The numbers of an array as doubles, whatever its dtype.
inline std::vector<double> numbers(jaxvjp_context* cx, jaxvjp_value* v) {
  std::vector<double> data(jaxvjp_size(v));
  if (jaxvjp_dtype(v) != JAXVJP_F64) v = jaxvjp_convert(cx, v, JAXVJP_F64);
  jaxvjp_read(cx, v, data.data(), data.size() * sizeof(double));
  return data;
}
inline double default_tolerance(int32_t dtype) {
  return dtype == JAXVJP_F64 ? 1e-12 : dtype == JAXVJP_F32 ? 2e-6 : 1e-2;
}
inline bool close(double got, double expected, double tolerance) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return true;
  return std::abs(got - expected) <= tolerance * std::max(1.0, std::abs(expected));
}

// An array of this shape with these numbers; a tolerance of 0 is the dtype's.
inline AssertionResult near_shaped(jaxvjp_context* cx, jaxvjp_value* got,
                                   const std::vector<int64_t>& expected_shape,
                                   const std::vector<double>& expected, double tolerance = 0) {
  if (auto ok = no_error(cx); !ok) return ok;
  if (!got) return AssertionFailure() << "NULL without an error";
  if (jaxvjp_kind(got) != JAXVJP_ARRAY || shape(got) != expected_shape)
    return AssertionFailure() << "expected an array of shape "
                              << testing::PrintToString(expected_shape) << ", got "
                              << jaxvjp_to_string(cx, got);
  if (jaxvjp_dtype(got) == JAXVJP_FLOAT0) return AssertionSuccess();
  const std::vector<double> found = numbers(cx, got);
  if (auto ok = no_error(cx); !ok) return ok;
  if (tolerance == 0) tolerance = default_tolerance(jaxvjp_dtype(got));
  for (size_t i = 0; i < expected.size(); ++i)
    if (!close(found[i], expected[i], tolerance))
      return AssertionFailure() << "element " << i << ": expected "
                                << testing::PrintToString(expected[i]) << ", got "
                                << testing::PrintToString(found[i]) << " in "
                                << testing::PrintToString(found);
  return AssertionSuccess();
}
inline AssertionResult near(jaxvjp_context* cx, jaxvjp_value* got, double expected,
                            double tolerance = 0) {
  return near_shaped(cx, got, {}, {expected}, tolerance);
}
inline AssertionResult near(jaxvjp_context* cx, jaxvjp_value* got,
                            std::initializer_list<double> expected, double tolerance = 0) {
  return near_shaped(cx, got, {static_cast<int64_t>(expected.size())}, expected, tolerance);
}

// The same tree: kinds, keys, dtypes, shapes, and numbers up to the tolerance.
inline AssertionResult same(jaxvjp_context* cx, jaxvjp_value* got, jaxvjp_value* expected,
                            double tolerance = 0) {
  if (auto ok = no_error(cx); !ok) return ok;
  if (!got || !expected) return AssertionFailure() << "NULL without an error";
  if (jaxvjp_kind(got) != jaxvjp_kind(expected) || jaxvjp_count(got) != jaxvjp_count(expected) ||
      jaxvjp_dtype(got) != jaxvjp_dtype(expected))
    return AssertionFailure() << "expected " << jaxvjp_to_string(cx, expected) << ", got "
                              << jaxvjp_to_string(cx, got);
  if (jaxvjp_kind(got) == JAXVJP_ARRAY) {
    const bool has_numbers = jaxvjp_dtype(got) != JAXVJP_FLOAT0;
    const auto data = has_numbers ? numbers(cx, expected) : std::vector<double>{};
    return near_shaped(cx, got, shape(expected), data, tolerance);
  }
  for (size_t i = 0; i < jaxvjp_count(got); ++i) {
    if (jaxvjp_kind(got) == JAXVJP_DICT &&
        std::string(jaxvjp_key(got, i)) != jaxvjp_key(expected, i))
      return AssertionFailure() << "expected key " << jaxvjp_key(expected, i) << ", got "
                                << jaxvjp_key(got, i);
    auto ok = same(cx, jaxvjp_get(cx, got, i), jaxvjp_get(cx, expected, i), tolerance);
    if (!ok) return ok << " (item " << i << ")";
  }
  return AssertionSuccess();
}

// The context failed with this code, and the text says all of `words`. The error is cleared.
inline AssertionResult failed_with(jaxvjp_context* cx, int32_t code,
                                   std::initializer_list<const char*> words = {}) {
  const int32_t got = jaxvjp_failed(cx);
  const std::string text = jaxvjp_error_text(cx);
  jaxvjp_clear_error(cx);
  if (got != code)
    return AssertionFailure() << "expected code " << code << ", got " << got << ": " << text;
  for (const char* word : words)
    if (text.find(word) == std::string::npos)
      return AssertionFailure() << "\"" << word << "\" is not in: " << text;
  return AssertionSuccess();
}
// ... and the call that failed returned NULL.
inline AssertionResult fails(jaxvjp_context* cx, const void* result, int32_t code,
                             std::initializer_list<const char*> words = {}) {
  auto ok = failed_with(cx, code, words);
  if (ok && result) return AssertionFailure() << "the failed call returned a handle";
  return ok;
}

}  // namespace conformance

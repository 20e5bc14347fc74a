// Rules for vmap. A rule gives something else than the function, so that a test can tell whether it
// was asked: sin, whose rule is cos.
#pragma once

#include "loops.hpp"

namespace conformance {

// What a batching rule gives.
struct Batched {
  jaxvjp_value *out, *flags;
};
using BatchFn = std::function<Batched(jaxvjp_context*, int64_t size, Args)>;
struct VmapRule {
  CallFn primal;
  BatchFn batch;
  int primals = 0, batches = 0;  // how often each ran
};

inline VmapRule& rule(void* user) { return *static_cast<VmapRule*>(user); }
inline int32_t run_primal(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                          jaxvjp_value** out) {
  ++rule(user).primals;
  *out = rule(user).primal(cx, {args, n});
  return jaxvjp_failed(cx);
}
inline int32_t run_batch(jaxvjp_context* cx, void* user, int64_t size, jaxvjp_value* const* args,
                         size_t n, jaxvjp_value** out, jaxvjp_value** flags) {
  ++rule(user).batches;
  const Batched result = rule(user).batch(cx, size, {args, n});
  *out = result.out;
  *flags = result.flags;
  return jaxvjp_failed(cx);
}
inline jaxvjp_function* custom_vmap(jaxvjp_context* cx, VmapRule& r, const char* name = "f") {
  return jaxvjp_custom_vmap(cx, name, run_primal, run_batch, &r, nullptr);
}

inline jaxvjp_value* flag(jaxvjp_context* cx, bool batched) { return jaxvjp_number(cx, batched); }
inline jaxvjp_value* is_batched(jaxvjp_context* cx, jaxvjp_value* v) {
  return flag(cx, jaxvjp_is_batched(cx, v) == 1);
}

// sin x, whose rule is cos x.
inline VmapRule sine_by_cosine() {
  return {[](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
          [](auto cx, auto, auto args) -> Batched {
            return {jaxvjp_cos(cx, args[0]), is_batched(cx, args[0])};
          }};
}

// Of f's value at each number, eager and compiled.
inline void expect_each(jaxvjp_context* cx, jaxvjp_function* f, const std::vector<double>& xs,
                        double (*value)(double)) {
  std::vector<double> expected;
  for (double x : xs) expected.push_back(value(x));
  for (auto [g, how] : eager_and_jit(cx, f)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, vec(cx, xs)), {int64_t(xs.size())}, expected));
  }
}
inline const std::vector<double> points = {0.1, -1.3, 2.5};
inline double sine_of(double x) { return std::sin(x); }
inline double cosine_of(double x) { return std::cos(x); }
inline double minus_sine_of(double x) { return -std::sin(x); }

}  // namespace conformance

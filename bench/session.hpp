// What the benchmarks have in common: a context that is freed, a scope an iteration, a lambda as a
// function, and the programs that several of them measure.
#pragma once
#include <jaxvjp/jaxvjp.h>

#include <cstdio>
#include <cstdlib>

namespace bench {

// A context for the life of a benchmark. An error ends the program: a figure of something that
// failed would be worse than none.
class Session {
 public:
  Session() : cx_(jaxvjp_context_new(nullptr)) {}
  ~Session() {
    check();
    jaxvjp_context_free(cx_);
  }
  Session(const Session&) = delete;
  operator jaxvjp_context*() const { return cx_; }
  void check() const {
    if (!jaxvjp_failed(cx_)) return;
    std::fprintf(stderr, "%s\n", jaxvjp_error_text(cx_));
    std::exit(1);
  }

 private:
  jaxvjp_context* cx_;
};

class Scope {
 public:
  explicit Scope(jaxvjp_context* cx) : cx_(cx), scope_(jaxvjp_scope_open(cx)) {}
  ~Scope() { jaxvjp_scope_close(cx_, scope_, nullptr); }
  Scope(const Scope&) = delete;

 private:
  jaxvjp_context* cx_;
  size_t scope_;
};

// sin(x) x + exp(x)
inline int32_t wave(jaxvjp_context* cx, void*, jaxvjp_value* const* args, size_t,
                    jaxvjp_value** out) {
  jaxvjp_value* x = args[0];
  *out = jaxvjp_add(cx, jaxvjp_mul(cx, jaxvjp_sin(cx, x), x), jaxvjp_exp(cx, x));
  return 0;
}

// A chain of `length` equations: every second one a sine, the others products with the input, so
// that the chain stays within [-x, x] and the input's cotangent has many terms.
struct Chain {
  size_t length;

  static int32_t call(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t,
                      jaxvjp_value** out) {
    jaxvjp_value* y = args[0];
    for (size_t i = 0; i < static_cast<Chain*>(user)->length; ++i)
      y = i % 2 ? jaxvjp_mul(cx, y, args[0]) : jaxvjp_sin(cx, y);
    *out = y;
    return 0;
  }
  jaxvjp_function* function(jaxvjp_context* cx) {
    return jaxvjp_function_new(cx, "chain", call, this, nullptr);
  }
};

}  // namespace bench

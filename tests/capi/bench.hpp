// Misuse that is tried at once and under jit, with functions that are counted.
#pragma once

#include "../conformance/loops.hpp"
#include "misuse.hpp"

namespace conformance {

// A context whose functions are counted.
struct Bench {
  Counts counts;
  int made = 0;
  Context cx;

  jaxvjp_function* fn(jaxvjp_context* cx, const char* name, CallFn f) {
    made++;
    return function(cx, name, std::move(f), &counts);
  }
  // A function that gives what `make` gives, whatever its arguments.
  using Make = std::function<jaxvjp_value*(jaxvjp_context*)>;
  jaxvjp_function* gives(jaxvjp_context* cx, const char* name, Make make) {
    return fn(cx, name, [make](auto cx, auto) { return make(cx); });
  }
  void expect_all_destroyed() {
    cx.free();
    EXPECT_EQ(counts.destroyed, made);
  }
};

using Words = std::initializer_list<const char*>;
struct Row {
  const char* what;
  int32_t code;
  Words words;
  std::function<jaxvjp_value*(jaxvjp_context*, Bench&)> run;
};

// At once, and inside a function that is compiled.
inline void expect_row(const Row& row) {
  for (bool jitted : {false, true}) {
    SCOPED_TRACE(std::string(row.what) + (jitted ? ", jit" : ""));
    Bench bench;
    jaxvjp_context* cx = bench.cx;
    auto* f = bench.fn(cx, "outer", [&](auto cx, auto) { return row.run(cx, bench); });
    if (jitted) f = jit(cx, f);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, num(cx, 1)), row.code, row.words));
    EXPECT_TRUE(works(cx));
    bench.expect_all_destroyed();
  }
}

}  // namespace conformance

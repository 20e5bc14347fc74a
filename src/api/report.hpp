// Looking at a program while it runs: debug_print, probe, emit.
#pragma once
#include "api/transform.hpp"

namespace jv {

void debug_print(View& cx, const std::string& format, Operands values);

using ProbeFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* ct);
// What a probe calls, and destroys when nothing holds it any more.
struct ProbeCallback final : RefCounted {
  ProbeFn call = nullptr;
  void* user = nullptr;
  void (*destroy)(void*) = nullptr;
  ~ProbeCallback() override {
    if (destroy) destroy(user);
  }
};
// x itself; the callback sees the cotangent that passes it.
ValueRef probe(View& cx, const Value& x, Ref<const ProbeCallback> callback);

// In bwd: gives v to who called the pullback by call_emitted.
void emit(View& cx, const std::string& name, const Value& v);

}  // namespace jv

// Looking at a running program.
#include "api/report.hpp"

#include "capi/wrap.hpp"

using namespace jv;
using namespace jv::capi;

// 0, or the code of the error that waits now.
template <class F>
static int32_t status(jaxvjp_context* cx, const char* who, F&& f) {
  guard(cx, who, 0, [&](View& view) {
    f(view);
    return 0;
  });
  return jaxvjp_failed(cx);
}

int32_t jaxvjp_debug_print(jaxvjp_context* cx, const char* format, jaxvjp_value* const* values,
                           size_t n) {
  return status(cx, "debug_print", [&](View& view) {
    if (n && !values) fail_null("values");
    Tracers x;
    operands(view, {values, n}, x);
    debug_print(view, &required(format, "the format"), x);
  });
}

jaxvjp_value* jaxvjp_probe(jaxvjp_context* cx, jaxvjp_value* x, jaxvjp_probe_fn callback,
                           void* user, jaxvjp_destroy_fn destroy) {
  User owned(user, destroy);
  return guard(cx, "probe", static_cast<jaxvjp_value*>(nullptr), [&](View& view) {
    if (!callback) fail_null("the callback");
    Value& v = value(view, x, "the value");
    auto held = make_ref<ProbeCallback>();
    held->call = callback;
    held->user = user;
    held->destroy = destroy;
    owned.given();
    return keep(view, probe(view, v, held));
  });
}

int32_t jaxvjp_emit(jaxvjp_context* cx, const char* name, jaxvjp_value* v) {
  return status(cx, "emit", [&](View& view) {
    Value& what = value(view, v, "the value");
    emit(view, &required(name, "the name"), what);
  });
}

jaxvjp_value* jaxvjp_call_emitted(jaxvjp_context* cx, jaxvjp_function* pullback, jaxvjp_value* ct) {
  return guard(cx, "call_emitted", static_cast<jaxvjp_value*>(nullptr), [&](View& view) {
    Function& f = function(view, pullback, "the pullback");
    return keep(view, call_emitted(view, f, ValueRef(&value(view, ct, "the cotangent"))));
  });
}

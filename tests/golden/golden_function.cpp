// The base function, then its transformations from the inside out. jvp, vjp and their like are
// functions with a callback.
#include "golden_function.hpp"

namespace golden {
namespace {

using Call = int32_t (*)(jaxvjp_context*, void*, jaxvjp_value* const*, size_t, jaxvjp_value**);

int32_t call_named(jaxvjp_context* cx, void* op, jaxvjp_value* const* args, size_t n,
                   jaxvjp_value** out) try {
  *out = call_op(cx, *static_cast<const Op*>(op), args, n);
  return jaxvjp_failed(cx);
} catch (const SyntaxError& error) {
  return jaxvjp_fail(cx, JAXVJP_INVALID_ARGUMENT, error.what());
}

// A parsed program returns a tuple even of one output; grad wants that output itself.
int32_t call_program(jaxvjp_context* cx, void* f, jaxvjp_value* const* args, size_t n,
                     jaxvjp_value** out) {
  *out = jaxvjp_call(cx, static_cast<jaxvjp_function*>(f), args, n);
  if (*out && jaxvjp_kind(*out) == JAXVJP_TUPLE && jaxvjp_count(*out) == 1)
    *out = jaxvjp_get(cx, *out, 0);
  return jaxvjp_failed(cx);
}

// The transformations at a point, as functions: f with what it is applied to.
struct AtPoint {
  jaxvjp_function* f;
  size_t args;  // how many of the arguments are f's; 0: the first half
};

size_t primals(const AtPoint& at, size_t n) { return at.args ? at.args : n / 2; }

jaxvjp_value* pair(jaxvjp_context* cx, jaxvjp_value* first, jaxvjp_value* second) {
  jaxvjp_value* const items[] = {first, second};
  return jaxvjp_tuple(cx, items, 2);
}

int32_t call_jvp(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                 jaxvjp_value** out) {
  const auto& at = *static_cast<AtPoint*>(user);
  const size_t k = primals(at, n);
  jaxvjp_value* dy = nullptr;
  jaxvjp_value* y = jaxvjp_jvp(cx, at.f, args, args + k, k, &dy);
  *out = pair(cx, y, dy);
  return jaxvjp_failed(cx);
}

int32_t call_linearize(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                       jaxvjp_value** out) {
  const auto& at = *static_cast<AtPoint*>(user);
  const size_t k = primals(at, n);
  jaxvjp_function* linear = nullptr;
  jaxvjp_value* y = jaxvjp_linearize(cx, at.f, args, k, &linear);
  *out = pair(cx, y, jaxvjp_call(cx, linear, args + k, n - k));
  return jaxvjp_failed(cx);
}

int32_t call_vjp(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                 jaxvjp_value** out) {
  const auto& at = *static_cast<AtPoint*>(user);
  const size_t k = primals(at, n);
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* y = jaxvjp_vjp(cx, at.f, args, k, &pullback);
  *out = pair(cx, y, jaxvjp_call1(cx, pullback, jaxvjp_unflatten(cx, y, args + k, n - k)));
  return jaxvjp_failed(cx);
}

int32_t call_linear_transpose(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                              jaxvjp_value** out) {
  const auto& at = *static_cast<AtPoint*>(user);
  const size_t k = primals(at, n);
  jaxvjp_value* ct = jaxvjp_unflatten(cx, jaxvjp_call(cx, at.f, args, k), args + k, n - k);
  *out = jaxvjp_call1(cx, jaxvjp_linear_transpose(cx, at.f, args, k), ct);
  return jaxvjp_failed(cx);
}

struct NamedCall {
  const char* name;
  Call call;
};
constexpr NamedCall at_point_table[] = {{"jvp", call_jvp},
                                        {"linearize", call_linearize},
                                        {"vjp", call_vjp},
                                        {"linear_transpose", call_linear_transpose}};

using Derivative = jaxvjp_function* (*)(jaxvjp_context*, jaxvjp_function*,
                                        const jaxvjp_grad_options*);
struct NamedDerivative {
  const char* name;
  Derivative make;
};
constexpr NamedDerivative derivative_table[] = {{"grad", jaxvjp_grad},
                                                {"value_and_grad", jaxvjp_value_and_grad},
                                                {"jacfwd", jaxvjp_jacfwd},
                                                {"jacrev", jaxvjp_jacrev},
                                                {"hessian", jaxvjp_hessian}};

jaxvjp_function* derivative(jaxvjp_context* cx, jaxvjp_function* f, const Spec& spec,
                            Derivative make) {
  jaxvjp_grad_options options = {};
  options.struct_size = sizeof options;
  if (const auto* argnums = spec.list("argnums")) {
    options.argnums = argnums->data();
    options.n_argnums = argnums->size();
  }
  if (spec.integer("has_aux", 0)) options.flags |= JAXVJP_HAS_AUX;
  if (spec.integer("allow_int", 0)) options.flags |= JAXVJP_ALLOW_INT;
  return make(cx, f, &options);
}

jaxvjp_function* vmap(jaxvjp_context* cx, jaxvjp_function* f, const Spec& spec) {
  static_assert(none == JAXVJP_AXIS_NONE);
  jaxvjp_vmap_options options = {};
  options.struct_size = sizeof options;
  if (const auto* in_axes = spec.list("in_axes")) {
    options.in_axes = in_axes->data();
    options.n_in_axes = in_axes->size();
  }
  options.out_axis = spec.integer("out_axis", 0);
  options.axis_size = spec.integer("axis_size", 0);
  return jaxvjp_vmap(cx, f, &options);
}

jaxvjp_function* transform(jaxvjp_context* cx, jaxvjp_function* base, const Spec& spec) {
  if (spec.is_f()) return base;
  jaxvjp_function* f = transform(cx, base, spec.of());
  if (spec.name == "jit") return jaxvjp_jit(cx, f, nullptr);
  if (spec.name == "vmap") return vmap(cx, f, spec);
  for (const auto& row : derivative_table)
    if (spec.name == row.name) return derivative(cx, f, spec, row.make);
  for (const auto& row : at_point_table) {
    if (spec.name != row.name) continue;
    auto* at = new AtPoint{jaxvjp_function_retain(f), static_cast<size_t>(spec.integer("args", 0))};
    return jaxvjp_function_new(cx, row.name, row.call, at, [](void* user) {
      auto* at = static_cast<AtPoint*>(user);
      jaxvjp_function_release(at->f);
      delete at;
    });
  }
  throw SyntaxError("no transformation `" + spec.name + "`");
}

}  // namespace

jaxvjp_function* function_of_case(jaxvjp_context* cx, const Case& c) {
  jaxvjp_function* base;
  if (c.jaxpr.empty()) {
    base = jaxvjp_function_new(cx, c.op.name.c_str(), call_named, const_cast<Op*>(&c.op), nullptr);
  } else {
    jaxvjp_function* program = jaxvjp_function_of(cx, jaxvjp_parse(cx, c.jaxpr.c_str()));
    base = jaxvjp_function_new(cx, "f", call_program, program, nullptr);
  }
  return transform(cx, base, c.spec);
}

}  // namespace golden

// Functions, transformations, custom rules, jaxprs, checks.
#include <algorithm>

#include "api/check.hpp"
#include "capi/wrap.hpp"
#include "primitives/registry.hpp"
#include "text/parse.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_value* no_value = nullptr;
static constexpr jaxvjp_function* no_function = nullptr;

jaxvjp_function* jaxvjp_function_new(jaxvjp_context* cx, const char* name, jaxvjp_call_fn callback,
                                     void* user, jaxvjp_destroy_fn destroy) {
  User owned(user, destroy);
  return guard(cx, "function_new", no_function, [&](View& view) {
    if (!callback) fail_null("the callback");
    FunctionRef f = callback_function(view, name ? name : "f", callback, user, destroy);
    owned.given();
    return keep(view, std::move(f));
  });
}

jaxvjp_value* jaxvjp_call(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* args,
                          size_t n) {
  return guard(cx, "call", no_value, [&](View& view) {
    Function& fn = function(view, f, "the function");
    return keep(view, fn.call(view, values(view, args, n, "args")));
  });
}
jaxvjp_value* jaxvjp_call1(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* x) {
  return jaxvjp_call(cx, f, &x, 1);
}
jaxvjp_value* jaxvjp_call2(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* x,
                           jaxvjp_value* y) {
  jaxvjp_value* args[] = {x, y};
  return jaxvjp_call(cx, f, args, 2);
}

// ---- transformations

static GradOptions grad_options(const jaxvjp_grad_options* given, const char* who) {
  auto o = read_options(given, who);
  check_flags(o.flags, JAXVJP_HAS_AUX | JAXVJP_ALLOW_INT, who);
  auto argnums = ints(o.argnums, o.argnums ? o.n_argnums : 0, "argnums");
  if (!o.argnums && o.n_argnums) fail_null("argnums");
  if (o.argnums && !o.n_argnums) fail(Code::invalid_argument, who, ": no argnums");
  for (size_t i = 0; i < argnums.size(); ++i)
    if (std::find(argnums.begin(), argnums.begin() + i, argnums[i]) != argnums.begin() + i)
      fail(Code::invalid_argument, who, ": argnum ", argnums[i], " is given twice");
  return {{argnums.begin(), argnums.end()},
          (o.flags & JAXVJP_HAS_AUX) != 0,
          (o.flags & JAXVJP_ALLOW_INT) != 0};
}

static jaxvjp_function* derivative(jaxvjp_context* cx, const char* who,
                                   FunctionRef (*make)(FunctionRef, GradOptions),
                                   jaxvjp_function* f, const jaxvjp_grad_options* options) {
  return guard(cx, who, no_function, [&](View& view) {
    FunctionRef inner(&function(view, f, "the function"));
    return keep(view, make(std::move(inner), grad_options(options, who)));
  });
}
jaxvjp_function* jaxvjp_grad(jaxvjp_context* cx, jaxvjp_function* f,
                             const jaxvjp_grad_options* options) {
  return derivative(cx, "grad", grad, f, options);
}
jaxvjp_function* jaxvjp_value_and_grad(jaxvjp_context* cx, jaxvjp_function* f,
                                       const jaxvjp_grad_options* options) {
  return derivative(cx, "value_and_grad", value_and_grad, f, options);
}
jaxvjp_function* jaxvjp_jacfwd(jaxvjp_context* cx, jaxvjp_function* f,
                               const jaxvjp_grad_options* options) {
  return derivative(cx, "jacfwd", jacfwd, f, options);
}
jaxvjp_function* jaxvjp_jacrev(jaxvjp_context* cx, jaxvjp_function* f,
                               const jaxvjp_grad_options* options) {
  return derivative(cx, "jacrev", jacrev, f, options);
}
jaxvjp_function* jaxvjp_hessian(jaxvjp_context* cx, jaxvjp_function* f,
                                const jaxvjp_grad_options* options) {
  return derivative(cx, "hessian", hessian, f, options);
}

jaxvjp_function* jaxvjp_jit(jaxvjp_context* cx, jaxvjp_function* f,
                            const jaxvjp_jit_options* options) {
  return guard(cx, "jit", no_function, [&](View& view) {
    jaxvjp_jit_options o = read_options(options, "jit");
    check_flags(o.flags, 0, "jit");
    auto places = ints(o.static_args, o.n_static_args, "static_args");
    return keep(
        view, jit(FunctionRef(&function(view, f, "the function")), {places.begin(), places.end()}));
  });
}

jaxvjp_function* jaxvjp_vmap(jaxvjp_context* cx, jaxvjp_function* f,
                             const jaxvjp_vmap_options* given) {
  return guard(cx, "vmap", no_function, [&](View& view) {
    auto o = read_options(given, "vmap");
    auto axes = ints(o.in_axes, o.in_axes ? o.n_in_axes : 0, "in_axes");
    if (o.axis_size < 0) fail(Code::invalid_argument, "vmap: axis_size is ", o.axis_size);
    return keep(view, vmap(FunctionRef(&function(view, f, "the function")),
                           {{axes.begin(), axes.end()}, o.out_axis, o.axis_size}));
  });
}

// ---- at a point

jaxvjp_value* jaxvjp_jvp(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* primals,
                         jaxvjp_value* const* tangents, size_t n, jaxvjp_value** tangent_out) {
  if (tangent_out) *tangent_out = nullptr;
  return guard(cx, "jvp", no_value, [&](View& view) {
    ValueRef tangent,
        y = jvp(view, function(view, f, "the function"), values(view, primals, n, "primals"),
                values(view, tangents, n, "tangents"), tangent);
    required(tangent_out, "tangent_out") = keep(view, std::move(tangent));
    return keep(view, std::move(y));
  });
}

using AtPoint = ValueRef (*)(View&, Function&, Args, FunctionRef&);
static jaxvjp_value* at_point(jaxvjp_context* cx, const char* who, AtPoint transform,
                              jaxvjp_function* f, jaxvjp_value* const* args, size_t n,
                              jaxvjp_function** linear) {
  if (linear) *linear = nullptr;
  return guard(cx, who, no_value, [&](View& view) {
    FunctionRef derived;
    required(linear, "the function to write");
    ValueRef y =
        transform(view, function(view, f, "the function"), values(view, args, n, "args"), derived);
    *linear = keep(view, std::move(derived));
    return keep(view, std::move(y));
  });
}
jaxvjp_value* jaxvjp_vjp(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* args,
                         size_t n, jaxvjp_function** pullback) {
  return at_point(cx, "vjp", vjp, f, args, n, pullback);
}
jaxvjp_value* jaxvjp_linearize(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* args,
                               size_t n, jaxvjp_function** linear) {
  return at_point(cx, "linearize", linearize, f, args, n, linear);
}
jaxvjp_function* jaxvjp_linear_transpose(jaxvjp_context* cx, jaxvjp_function* f,
                                         jaxvjp_value* const* specs, size_t n) {
  return guard(cx, "linear_transpose", no_function, [&](View& view) {
    return keep(view, linear_transpose(view, function(view, f, "the function"),
                                       values(view, specs, n, "specs")));
  });
}

int32_t jaxvjp_residual_source(jaxvjp_context* cx, jaxvjp_function* linear, size_t i,
                               int64_t* leaf) {
  guard(cx, "residual_source", 0, [&](View& view) {
    required(leaf, "the leaf to write") =
        residual_source(function(view, linear, "the function"), i);
    return 0;
  });
  return jaxvjp_failed(cx);
}
jaxvjp_function* jaxvjp_closure_convert(jaxvjp_context* cx, jaxvjp_function* f,
                                        jaxvjp_value* const* specs, size_t n) {
  return guard(cx, "closure_convert", no_function, [&](View& view) {
    return keep(view, closure_convert(view, function(view, f, "the function"),
                                      values(view, specs, n, "specs")));
  });
}

// ---- custom rules

static Ref<Rule> new_rule(const char* name, void* user, jaxvjp_destroy_fn destroy, User& owned) {
  auto rule = make_ref<Rule>();
  rule->name = name ? name : "f";
  rule->user = user;
  rule->destroy = destroy;
  owned.given();
  return rule;
}

jaxvjp_function* jaxvjp_custom_vjp(jaxvjp_context* cx, const char* name, jaxvjp_fwd_fn fwd,
                                   jaxvjp_bwd_fn bwd, void* user, jaxvjp_destroy_fn destroy,
                                   const jaxvjp_custom_vjp_options* given) {
  User owned(user, destroy);
  return guard(cx, "custom_vjp", no_function, [&](View& view) {
    auto o = read_options(given, "custom_vjp");
    check_flags(o.flags, JAXVJP_SYMBOLIC_ZEROS | JAXVJP_RUN_ON_ZERO | JAXVJP_WIDEN, "custom_vjp");
    if (o.forward != JAXVJP_FORWARD_REFUSE && o.forward != JAXVJP_FORWARD_TRANSPOSE_BWD)
      fail(Code::invalid_argument, "custom_vjp: forward is ", o.forward);
    if (!fwd && !o.primal)
      fail(Code::invalid_argument, "custom_vjp ", name ? name : "f",
           ": neither fwd nor a primal is given");
    if (!bwd && !o.jvp)
      fail(Code::invalid_argument, "custom_vjp ", name ? name : "f",
           ": neither bwd nor a jvp rule is given");
    Ref<Rule> rule = new_rule(name, user, destroy, owned);
    rule->primal = o.primal;
    rule->fwd = fwd;
    rule->bwd = bwd;
    rule->jvp = o.jvp;
    rule->batch = o.batch;
    rule->transpose_bwd = o.forward == JAXVJP_FORWARD_TRANSPOSE_BWD;
    rule->symbolic_zeros = o.flags & JAXVJP_SYMBOLIC_ZEROS;
    rule->run_on_zero = o.flags & JAXVJP_RUN_ON_ZERO;
    rule->widen = o.flags & JAXVJP_WIDEN;
    if (o.n_arg_names && !o.arg_names) fail_null("arg_names");
    for (size_t i = 0; i < o.n_arg_names; ++i)
      rule->arg_names.push_back(&required(o.arg_names[i], "an argument's name"));
    return keep(view, custom_function(view, rule));
  });
}

jaxvjp_function* jaxvjp_custom_jvp(jaxvjp_context* cx, const char* name, jaxvjp_call_fn primal,
                                   jaxvjp_jvp_fn jvp, void* user, jaxvjp_destroy_fn destroy) {
  User owned(user, destroy);
  return guard(cx, "custom_jvp", no_function, [&](View& view) {
    if (!jvp) fail_null("the jvp rule");
    if (!primal) fail_null("the primal");
    Ref<Rule> rule = new_rule(name, user, destroy, owned);
    rule->primal = primal;
    rule->jvp = jvp;
    rule->is_custom_jvp = true;
    return keep(view, custom_function(view, rule));
  });
}

jaxvjp_function* jaxvjp_custom_vmap(jaxvjp_context* cx, const char* name, jaxvjp_call_fn primal,
                                    jaxvjp_batch_fn batch, void* user, jaxvjp_destroy_fn destroy) {
  User owned(user, destroy);
  return guard(cx, "custom_vmap", no_function, [&](View& view) {
    if (!primal) fail_null("the primal");
    if (!batch) fail_null("the batching rule");
    Ref<Rule> rule = new_rule(name, user, destroy, owned);
    rule->primal = primal;
    rule->batch = batch;
    rule->is_custom_vmap = true;
    return keep(view, custom_function(view, rule));
  });
}

jaxvjp_function* jaxvjp_sequential_vmap(jaxvjp_context* cx, jaxvjp_function* f) {
  return guard(cx, "sequential_vmap", no_function, [&](View& view) {
    return keep(view, sequential_vmap(FunctionRef(&function(view, f, "the function"))));
  });
}

static RuleFrame& frame_of(View& cx, const char* who) {
  if (!cx.rule) fail(Code::invalid_argument, who, ": this is no rule's context");
  return *cx.rule;
}

jaxvjp_function* jaxvjp_self(jaxvjp_context* cx) {
  return guard(cx, "self", no_function, [](View& view) {
    return keep(view, custom_function(view, frame_of(view, "self").rule));
  });
}

int32_t jaxvjp_is_perturbed(jaxvjp_context* cx, const jaxvjp_value* v) {
  return guard(cx, "is_perturbed", int32_t{-1}, [&](View& view) {
    RuleFrame& frame = frame_of(view, "is_perturbed");
    if (!frame.in_fwd) fail(Code::invalid_argument, "is_perturbed: this is no fwd's context");
    int found = any_marked(frame.args, frame.perturbed, required(unwrap(v), "the value"));
    if (found < 0)
      fail(Code::invalid_argument, "is_perturbed: the value is no argument of this fwd");
    return int32_t(found);
  });
}

int32_t jaxvjp_is_batched(jaxvjp_context* cx, const jaxvjp_value* v) {
  return guard(cx, "is_batched", int32_t{-1}, [&](View& view) {
    RuleFrame& frame = frame_of(view, "is_batched");
    if (!frame.in_batch)
      fail(Code::invalid_argument, "is_batched: this is no batching rule's context");
    int found = any_marked(frame.args, frame.batched, required(unwrap(v), "the value"));
    if (found < 0)
      fail(Code::invalid_argument, "is_batched: the value is no argument of this batching rule");
    return int32_t(found);
  });
}

int32_t jaxvjp_is_needed(jaxvjp_context* cx, size_t arg) {
  return guard(cx, "is_needed", int32_t{-1}, [&](View& view) {
    RuleFrame& frame = frame_of(view, "is_needed");
    if (!frame.in_bwd) fail(Code::invalid_argument, "is_needed: this is no bwd's context");
    if (arg >= frame.needed.size())
      fail(Code::invalid_argument, "is_needed: argument ", arg, " of ", frame.needed.size());
    return int32_t(frame.needed[arg]);
  });
}

// ---- checks, and any primitive

int32_t jaxvjp_check_vjp(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* args,
                         size_t n, const jaxvjp_check_options* given) {
  guard(cx, "check_vjp", 0, [&](View& view) {
    auto o = read_options(given, "check_vjp");
    check_flags(o.flags, JAXVJP_CHECK_NONLINEAR_OK, "check_vjp");
    if (o.order < 0 || o.order > 2) fail(Code::invalid_argument, "check_vjp: order is ", o.order);
    if (!(o.tolerance >= 0)) fail(Code::invalid_argument, "check_vjp: tolerance is ", o.tolerance);
    CheckOptions options{o.order ? o.order : 1, o.seed, o.tolerance,
                         (o.flags & JAXVJP_CHECK_NONLINEAR_OK) != 0};
    check_vjp(view, function(view, f, "the function"), values(view, args, n, "args"), options);
    return 0;
  });
  return jaxvjp_failed(cx);
}

jaxvjp_value* jaxvjp_bind(jaxvjp_context* cx, const char* primitive, jaxvjp_value* const* handles,
                          size_t n, const char* params) {
  return guard(cx, "bind", no_value, [&](View& view) {
    const Primitive* p = find_primitive(&required(primitive, "the primitive's name"));
    if (!p || p->internal) fail(Code::not_found, "bind: there is no primitive ", primitive);
    if (n && !handles) fail_null("operands");
    Tracers x;
    operands(view, {handles, n}, x);
    ParamsRef parsed = parse_params(view.session(), *p, params ? params : "");
    if (!p->sig.accepts(n))
      fail(Code::invalid_argument, "bind: ", p->name, " takes ", p->sig.n_operands,
           " operands, got ", n);
    Values items;
    for (const Tracer& t : bind_at(view.place(), *p, x, parsed))
      items.push_back(value_of(view.session(), t));
    return keep(view, items.size() == 1 ? items[0] : tuple_of(view, items));
  });
}

// Control flow, linear_call and checkpoint.
#include "api/loops.hpp"

#include "capi/wrap.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_value* no_value = nullptr;

static ValueRef held(View& cx, jaxvjp_value* v, const char* what) {
  return ValueRef(&value(cx, v, what));
}

jaxvjp_value* jaxvjp_cond(jaxvjp_context* cx, jaxvjp_value* pred, jaxvjp_function* on_true,
                          jaxvjp_function* on_false, jaxvjp_value* const* args, size_t n) {
  return guard(cx, "cond", no_value, [&](View& view) {
    return keep(view,
                cond(view, value(view, pred, "the predicate"), function(view, on_true, "on_true"),
                     function(view, on_false, "on_false"), values(view, args, n, "args")));
  });
}

jaxvjp_value* jaxvjp_switch(jaxvjp_context* cx, jaxvjp_value* index,
                            jaxvjp_function* const* branches, size_t n_branches,
                            jaxvjp_value* const* args, size_t n) {
  return guard(cx, "switch", no_value, [&](View& view) {
    if (n_branches && !branches) fail_null("branches");
    std::vector<FunctionRef> all;
    for (size_t k = 0; k < n_branches; ++k)
      all.emplace_back(&function(view, branches[k], "a branch"));
    return keep(view, switch_case(view, value(view, index, "the index"), all,
                                  values(view, args, n, "args")));
  });
}

jaxvjp_value* jaxvjp_while_loop(jaxvjp_context* cx, jaxvjp_function* condition,
                                jaxvjp_function* body, jaxvjp_value* init) {
  return guard(cx, "while_loop", no_value, [&](View& view) {
    return keep(view, while_loop(view, function(view, condition, "the condition"),
                                 function(view, body, "the body"), held(view, init, "init")));
  });
}

jaxvjp_value* jaxvjp_fori_loop(jaxvjp_context* cx, jaxvjp_value* lower, jaxvjp_value* upper,
                               jaxvjp_function* body, jaxvjp_value* init) {
  return guard(cx, "fori_loop", no_value, [&](View& view) {
    return keep(view, fori_loop(view, value(view, lower, "lower"), value(view, upper, "upper"),
                                function(view, body, "the body"), held(view, init, "init")));
  });
}

jaxvjp_value* jaxvjp_scan(jaxvjp_context* cx, jaxvjp_function* body, jaxvjp_value* init,
                          jaxvjp_value* xs, int64_t length, int32_t reverse) {
  return guard(cx, "scan", no_value, [&](View& view) {
    return keep(view, scan(view, function(view, body, "the body"), held(view, init, "init"),
                           held(view, xs, "xs"), length, reverse != 0));
  });
}

jaxvjp_value* jaxvjp_map(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* xs,
                         int64_t batch_size) {
  return guard(cx, "map", no_value, [&](View& view) {
    return keep(view, map(view, FunctionRef(&function(view, f, "the function")),
                          held(view, xs, "xs"), batch_size));
  });
}

jaxvjp_value* jaxvjp_linear_call(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_function* t,
                                 jaxvjp_value* residual, jaxvjp_value* linear) {
  return guard(cx, "linear_call", no_value, [&](View& view) {
    return keep(
        view, linear_call(view, function(view, f, "the function"),
                          function(view, t, "the transpose"), held(view, residual, "the residual"),
                          held(view, linear, "the linear argument")));
  });
}

// ---- checkpoint

jaxvjp_function* jaxvjp_checkpoint(jaxvjp_context* cx, jaxvjp_function* f, int32_t policy) {
  return guard(cx, "checkpoint", static_cast<jaxvjp_function*>(nullptr), [&](View& view) {
    if (policy < JAXVJP_CHECKPOINT_NOTHING || policy > JAXVJP_CHECKPOINT_NAMED)
      fail(Code::invalid_argument, "checkpoint: there is no policy ", policy);
    return keep(view, checkpointed(FunctionRef(&function(view, f, "the function")), Keep(policy)));
  });
}

jaxvjp_value* jaxvjp_checkpoint_name(jaxvjp_context* cx, jaxvjp_value* v, const char* name) {
  return guard(cx, "checkpoint_name", no_value, [&](View& view) {
    return keep(view,
                checkpoint_name(view, held(view, v, "the value"), &required(name, "the name")));
  });
}

// Jaxprs: recorded, printed, read, saved, loaded.
#include "api/module.hpp"
#include "capi/wrap.hpp"
#include "text/print.hpp"
#include "transforms/simplify.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_jaxpr* no_jaxpr = nullptr;
static constexpr jaxvjp_function* no_function = nullptr;

jaxvjp_jaxpr* jaxvjp_make_jaxpr(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* const* specs,
                                size_t n) {
  return guard(cx, "make_jaxpr", no_jaxpr, [&](View& view) {
    return keep(
        view, make_jaxpr(view, function(view, f, "the function"), values(view, specs, n, "specs")));
  });
}
const char* jaxvjp_jaxpr_text(jaxvjp_context* cx, jaxvjp_jaxpr* j) {
  return guard(cx, "jaxpr_text", static_cast<const char*>(nullptr), [&](View& view) {
    return keep(view, to_string(*jaxpr(view, j, "the jaxpr").jaxpr));
  });
}
jaxvjp_jaxpr* jaxvjp_parse(jaxvjp_context* cx, const char* text) {
  return guard(cx, "parse", no_jaxpr,
               [&](View& view) { return keep(view, parse(view, &required(text, "the text"))); });
}
size_t jaxvjp_jaxpr_count(const jaxvjp_jaxpr* j, const char* primitive) {
  return j ? count_eqns(*unwrap(j)->jaxpr, primitive ? primitive : "") : 0;
}
jaxvjp_jaxpr* jaxvjp_simplify(jaxvjp_context* cx, jaxvjp_jaxpr* j) {
  return guard(cx, "simplify", no_jaxpr, [&](View& view) {
    auto typed = make_ref<TypedJaxpr>(jaxpr(view, j, "the jaxpr"));
    typed->jaxpr = simplify(typed->jaxpr);
    return keep(view, std::move(typed));
  });
}
jaxvjp_function* jaxvjp_function_of(jaxvjp_context* cx, jaxvjp_jaxpr* j) {
  return guard(cx, "function_of", no_function, [&](View& view) {
    return keep(
        view, typed_jaxpr_function(Ref<TypedJaxpr>(&jaxpr(view, j, "the jaxpr")), view.session()));
  });
}

// ---- saved programs

const void* jaxvjp_save(jaxvjp_context* cx, jaxvjp_jaxpr* j, int32_t flags, size_t* bytes) {
  if (bytes) *bytes = 0;
  return guard(cx, "save", static_cast<const void*>(nullptr), [&](View& view) -> const void* {
    check_flags(flags, JAXVJP_SAVE_PRIMAL | JAXVJP_SAVE_TEXT, "save");
    std::string data = save(view, jaxpr(view, j, "the jaxpr"), !(flags & JAXVJP_SAVE_PRIMAL),
                            flags & JAXVJP_SAVE_TEXT);
    required(bytes, "the number of bytes") = data.size();
    return keep(view, std::move(data));
  });
}
jaxvjp_jaxpr* jaxvjp_load(jaxvjp_context* cx, const void* data, size_t bytes,
                          jaxvjp_function* const* functions, size_t n) {
  return guard(cx, "load", no_jaxpr, [&](View& view) {
    auto* begin = static_cast<const char*>(data);
    if (!begin) fail_null("the data");
    if (n && !functions) fail_null("functions");
    std::vector<FunctionRef> given;
    for (size_t i = 0; i < n; ++i)
      given.emplace_back(&function(view, functions[i], "a function to link"));
    return keep(view, load(view, {begin, bytes}, given));
  });
}
jaxvjp_function* jaxvjp_custom_vjp_from_jaxprs(jaxvjp_context* cx, const char* name,
                                               jaxvjp_jaxpr* primal, jaxvjp_jaxpr* fwd,
                                               jaxvjp_jaxpr* bwd) {
  return guard(cx, "custom_vjp_from_jaxprs", no_function, [&](View& view) {
    Ref<TypedJaxpr> f(&jaxpr(view, primal, "the primal"));
    const JaxprRef& forward = jaxpr(view, fwd, "fwd").jaxpr;
    return keep(view, custom_vjp_from_jaxprs(view, name ? name : "f", std::move(f), forward,
                                             jaxpr(view, bwd, "bwd").jaxpr));
  });
}

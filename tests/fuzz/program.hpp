// What a fuzzer does with a module that was accepted: it typechecks, prints as text that means the
// same, survives the other form, and runs where it is small.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../inside/support.hpp"
#include "core/error.hpp"
#include "text/encode.hpp"
#include "text/print.hpp"
#include "trace/trace.hpp"

namespace fuzz {

using jv::Session;

inline void expect(bool ok, const char* what, const std::string& a = "",
                   const std::string& b = "") {
  if (ok) return;
  std::fprintf(stderr, "%s\n%s\n%s\n", what, a.c_str(), b.c_str());
  std::abort();
}

// Few equations, small arrays, no loops that may last.
inline bool is_small(const jv::Jaxpr& j) {
  bool small = j.eqns.size() < 200;
  for (jv::Aval aval : j.vars) small = small && aval->size < 5000;
  for (const jv::Eqn& e : j.eqns) {
    std::string_view name = e.primitive->name;
    small = small && name != "while" && name != "scan";
    jv::for_sub_jaxprs(*e.params, [&](const jv::Jaxpr& sub) { small = small && is_small(sub); });
  }
  return small;
}

inline void run(Session& session, const jv::Jaxpr& j) {
  jv::Context cx(session);
  jv::Tracers in;
  for (jv::Var v : j.invars) {
    jv::Array a = jv::Array::allocate(session, j.vars[v]);
    if (a.aval()->bytes()) std::memset(a.mutable_data<char>(), 0, a.aval()->bytes());
    in.push_back(cx.tracer(std::move(a)));
  }
  try {
    jv::eval_jaxpr(cx, j, in);
  } catch (const jv::Error&) {  // a rule that is not linked, say
  }
}

// Text may call rules that no table has; bytes may not.
inline bool in_table(const jv::JaxprRef& j) {
  bool all = true;
  if (!j) return all;
  edit_calls(j, [&](const jv::Jaxpr&, jv::Eqn& e, std::vector<jv::Param>&) {
    const jv::Callee* callee = jv::callee_of(*e.params);
    all = all && callee && callee->slot() != jv::Callee::no_slot;
    return false;
  });
  return all;
}
inline bool in_table(const jv::Module& m) {
  bool all = in_table(m.main);
  for (const jv::SavedRule& r : m.rules)
    all = all && in_table(r.primal) && in_table(r.fwd) && in_table(r.bwd) && in_table(r.jvp);
  return all;
}

inline void check(Session& session, const jv::ModuleRef& m) {
  if (jv::count_eqns(*m->main, "") > 2000) return;  // what is shared is printed each time
  check_module(*m);
  std::string text = to_string(*m);
  if (text.size() > 1 << 20) return;
  jv::ModuleRef read = parse_module(session, text, jv::find_primitive);
  expect(to_string(*read) == text, "printed otherwise", text, to_string(*read));
  if (in_table(*m)) {
    std::string bytes = encode(*m);
    jv::ModuleRef decoded = decode(session, bytes, jv::find_primitive);
    expect(encode(*decoded) == bytes, "encoded otherwise", text, to_string(*decoded));
  }
  if (is_small(*m->main)) run(session, *m->main);
}

}  // namespace fuzz

// The verifier between stages: every variable is defined before it is used, and every equation's
// results have the types that its primitive says.
#include <unordered_set>

#include "core/error.hpp"
#include "core/jaxpr.hpp"

namespace jv {
namespace {

void check_atoms(const Jaxpr& j, std::span<const Atom> atoms, const std::vector<bool>& defined,
                 const char* where) {
  for (Atom a : atoms) {
    bool ok = a.is_literal() ? a.index() < j.literals.size()
                             : a.index() < j.vars.size() && defined[a.index()];
    if (!ok) fail(Code::internal, "typecheck: ", where, " uses a variable that is not defined yet");
  }
}

using Seen = std::unordered_set<const Jaxpr*>;  // a jaxpr that many equations hold is checked once
void check(const Jaxpr& j, Seen& seen);

void check_eqn(const Jaxpr& j, const Eqn& e, Seen& seen) {
  const char* name = e.primitive->name;
  if (!e.primitive->sig.accepts(e.n_operands))
    fail(Code::internal, "typecheck: ", name, " has ", e.n_operands, " operands");
  for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) {
    if (!sub.constvars.empty() && !e.primitive->holds_functions)
      fail(Code::internal, "typecheck: ", name, " holds a jaxpr with constants");
    if (seen.insert(&sub).second) check(sub, seen);
  });
  Avals out;
  e.primitive->abstract_eval(*j.session, operand_avals(j, e), *e.params, out);
  if (out.size() != e.n_results)
    fail(Code::internal, "typecheck: ", name, " has ", e.n_results, " results, not ", out.size());
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != j.vars[e.first_result + i])
      fail(Code::internal, "typecheck: result ", i, " of ", name, " is ", to_string(out[i]),
           ", recorded as ", to_string(j.vars[e.first_result + i]));
}

void check(const Jaxpr& j, Seen& seen) {
  std::vector<bool> defined(j.vars.size());
  auto define = [&](Var v) {
    if (v >= j.vars.size() || defined[v])
      fail(Code::internal, "typecheck: variable ", v, " is defined twice");
    defined[v] = true;
  };
  if (j.constvars.size() != j.consts.size())
    fail(Code::internal, "typecheck: constants and their variables differ in number");
  for (size_t i = 0; i < j.consts.size(); ++i) {
    define(j.constvars[i]);
    if (j.vars[j.constvars[i]] != j.consts[i].aval())
      fail(Code::internal, "typecheck: constant ", i, " has another type");
  }
  for (Var v : j.invars) define(v);
  Effects effects = Effects::none;
  for (const Eqn& e : j.eqns) {
    effects = std::max(effects, effects_of(e));
    check_atoms(j, j.operands(e), defined, e.primitive->name);
    check_eqn(j, e, seen);
    for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) define(v);
  }
  check_atoms(j, j.outs, defined, "the result");
  if (effects != j.effects) fail(Code::internal, "typecheck: the effects are not the equations'");
}

}  // namespace

void typecheck(const Jaxpr& j) {
  Seen seen;
  check(j, seen);
}

}  // namespace jv

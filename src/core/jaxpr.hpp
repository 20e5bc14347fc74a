// Jaxpr: a closed, typed program as flat arrays. A variable is the index of its type; an atom is a
// variable or a literal; the results of an equation are consecutive variables. A jaxpr is built
// once, in order, and immutable afterwards.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "core/primitive.hpp"
#include "core/session.hpp"

namespace jv {

using Var = uint32_t;

class Atom {
 public:
  Atom() = default;
  static Atom var(Var v) { return Atom(v); }
  static Atom literal(uint32_t i) { return Atom(i | tag); }
  static Atom from_bits(uint32_t bits) { return Atom(bits); }
  bool is_literal() const { return bits_ & tag; }
  uint32_t index() const { return bits_ & ~tag; }
  uint32_t bits() const { return bits_; }
  bool operator==(const Atom&) const = default;

 private:
  static constexpr uint32_t tag = 1u << 31;
  explicit Atom(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

struct Eqn {
  const Primitive* primitive;
  const Params* params;
  uint32_t first_operand, n_operands;
  Var first_result;
  uint32_t n_results;
};
static_assert(sizeof(Eqn) == 32);

class Jaxpr final : public RefCounted {
 public:
  explicit Jaxpr(Session& session) : session(&session) {}

  std::span<const Atom> operands(const Eqn& e) const {
    return {atoms.data() + e.first_operand, e.n_operands};
  }
  Aval aval(Atom a) const { return a.is_literal() ? literals[a.index()].aval() : vars[a.index()]; }

  // Building.
  Var add_var(Aval aval) { return vars.push_back(aval), Var(vars.size() - 1); }
  Var add_input(Aval aval) { return invars.push_back(add_var(aval)), invars.back(); }
  Atom add_literal(Array value) {
    return literals.push_back(std::move(value)), Atom::literal(uint32_t(literals.size() - 1));
  }
  // Appends an equation; its results' types are `out`. Returns the first result.
  Var add_eqn(const Primitive& p, std::span<const Atom> operands, const Params& params,
              std::span<const Aval> out, uint32_t location);

  Ref<Session> session;
  std::vector<Aval> vars;
  std::vector<Var> constvars;  // bound to `consts`; only a whole function has them
  std::vector<Array> consts;
  std::vector<Var> invars;
  std::vector<Eqn> eqns;
  std::vector<uint32_t> locations;  // of each equation: Session::location
  std::vector<Atom> atoms;          // operands of all equations
  std::vector<Atom> outs;
  std::vector<Array> literals;      // rank 0
  std::vector<ParamsRef> held;      // parameters that are not interned
  Effects effects = Effects::none;  // of all equations together
};
using JaxprRef = Ref<const Jaxpr>;

Avals in_avals(const Jaxpr& j);
Avals out_avals(const Jaxpr& j);
Avals operand_avals(const Jaxpr& j, const Eqn& e);
Avals result_avals(const Jaxpr& j, const Eqn& e);

inline const Jaxpr& jaxpr_param(const Params& p, std::string_view name) {
  return p.object<Jaxpr>(name);
}
// Several jaxprs as one parameter: the branches of cond.
struct JaxprList final : RefCounted {
  explicit JaxprList(std::vector<JaxprRef> items) : items(std::move(items)) {}
  const std::vector<JaxprRef> items;
};
// Calls f(jaxpr) for each jaxpr among the parameters.
template <class F>
void for_sub_jaxprs(const Params& p, F&& f) {
  for (size_t i = 0; i < p.values.size(); ++i) {
    ParamKind kind = p.signature->params[i].kind;
    auto* object = std::get_if<Object>(&p.values[i]);
    if (!object) continue;
    if (kind == ParamKind::jaxpr) f(static_cast<const Jaxpr&>(**object));
    if (kind == ParamKind::jaxprs)
      for (const JaxprRef& j : static_cast<const JaxprList&>(**object).items) f(*j);
  }
}
// Puts f(jaxpr) in the place of each jaxpr among the values. Says whether that changed any.
template <class F>
bool map_sub_jaxprs(const Signature& signature, std::vector<Param>& values, F&& f) {
  bool changed = false;
  for (size_t i = 0; i < values.size(); ++i) {
    ParamKind kind = signature.params[i].kind;
    auto* object = std::get_if<Object>(&values[i]);
    Object before = object ? *object : Object();
    if (object && kind == ParamKind::jaxpr) *object = f(static_cast<const Jaxpr&>(*before));
    if (object && kind == ParamKind::jaxprs) {
      auto& list = static_cast<const JaxprList&>(*before);
      std::vector<JaxprRef> items;
      for (const JaxprRef& j : list.items) items.push_back(f(*j));
      if (items != list.items) *object = make_ref<JaxprList>(std::move(items));
    }
    changed |= object && object->get() != before.get();
  }
  return changed;
}
// The same parameters with f(jaxpr) in place of each jaxpr.
template <class F>
ParamsRef map_sub_jaxprs(Session& session, const Params& p, F&& f) {
  std::vector<Param> values = p.values;
  map_sub_jaxprs(*p.signature, values, f);
  return session.params().make(*p.signature, std::move(values));
}
// Of an equation: its primitive's, and those of the jaxprs that it holds. Asked at every bind.
Effects effects_inside(const Params& params);
inline Effects effects_of(const Primitive& p, const Params& params) {
  Effects own = p.effects_of ? p.effects_of(params) : p.effects;
  return params.plain() ? own : std::max(own, effects_inside(params));
}
inline Effects effects_of(const Eqn& e) { return effects_of(*e.primitive, *e.params); }
inline bool has_effects(const Jaxpr& j, const Eqn& e) {
  return j.effects != Effects::none && effects_of(e) != Effects::none;
}
// Equations of this primitive (null: all), nested ones included.
size_t count_eqns(const Jaxpr& j, std::string_view primitive);

// Types, order and scopes of everything in the jaxpr; an Error (INTERNAL) names the equation.
// Linear in its size.
void typecheck(const Jaxpr& j);
#ifdef JV_TYPECHECK
inline void verify(const Jaxpr& j) { typecheck(j); }
#else
inline void verify(const Jaxpr&) {}
#endif

}  // namespace jv

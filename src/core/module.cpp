#include "core/module.hpp"

#include <algorithm>
#include <unordered_map>

#include "core/error.hpp"

namespace jv {

static const Object* object_of(const Params& params) {
  for (size_t i = 0; i < params.values.size(); ++i)
    if (params.signature->params[i].kind == ParamKind::object)
      return std::get_if<Object>(&params.values[i]);
  return nullptr;
}

const Callee* callee_of(const Params& params) {
  const Object* object = object_of(params);
  return object ? dynamic_cast<const Callee*>(object->get()) : nullptr;
}

namespace {

// A walk over equations and the jaxprs that they hold; recursion over nesting, not over length.
class CallEditor {
 public:
  explicit CallEditor(const EditCall& edit) : edit_(edit) {}

  JaxprRef edit(const JaxprRef& j) {
    auto [it, fresh] = done_.try_emplace(j.get());
    if (!fresh) return it->second;
    JaxprRef result = copy(j);
    done_[j.get()] = result;
    return result;
  }

 private:
  JaxprRef copy(const JaxprRef& j) {
    Ref<Jaxpr> changed;
    std::vector<ParamsRef> fresh;
    for (size_t k = 0; k < j->eqns.size(); ++k) {
      Eqn e = j->eqns[k];
      if (e.params->plain()) continue;
      std::vector<Param> values = e.params->values;
      bool any = edit_bodies(*e.params, values);
      if (object_of(*e.params)) any |= edit_(*j, e, values);
      if (!any) continue;
      if (!changed) changed = make_ref<Jaxpr>(*j);
      fresh.push_back(j->session->params().make(e.primitive->sig, std::move(values)));
      e.params = fresh.back().get();
      changed->eqns[k] = e;
    }
    if (!changed) return j;
    changed->held.clear();  // nothing of the old callees stays
    changed->effects = Effects::none;
    for (const Eqn& e : changed->eqns) {
      if (!e.params->plain()) changed->held.push_back(ParamsRef(e.params));
      changed->effects = std::max(changed->effects, effects_of(e));
    }
    return changed;
  }

  bool edit_bodies(const Params& params, std::vector<Param>& values) {
    bool any = false;
    for (size_t i = 0; i < values.size(); ++i) {
      ParamKind kind = params.signature->params[i].kind;
      auto* object = std::get_if<Object>(&values[i]);
      if (object && kind == ParamKind::jaxpr) {
        Object body = edit(JaxprRef(static_cast<const Jaxpr*>(object->get())));
        any |= body.get() != object->get();
        *object = body;
      } else if (object && kind == ParamKind::jaxprs) {
        any |= edit_list(*object);
      }
    }
    return any;
  }

  bool edit_list(Object& object) {
    const auto& list = static_cast<const JaxprList&>(*object);
    std::vector<JaxprRef> items;
    for (const JaxprRef& j : list.items) items.push_back(edit(j));
    if (items == list.items) return false;
    object = make_ref<JaxprList>(std::move(items));
    return true;
  }

  const EditCall& edit_;
  std::unordered_map<const Jaxpr*, JaxprRef> done_;
};

Avals avals_of(const Jaxpr& j, std::span<const Var> vars) {
  Avals avals;
  for (Var v : vars) avals.push_back(j.vars[v]);
  return avals;
}
Avals avals_of(const Jaxpr& j, std::span<const Atom> atoms) {
  Avals avals;
  for (Atom a : atoms) avals.push_back(j.aval(a));
  return avals;
}

// The types that one function of a rule has, against those that another asks for.
class RuleChecker {
 public:
  explicit RuleChecker(const SavedRule& r) : r_(r) {
    in_ = avals_of(first(), std::span<const Var>(first().invars));
    if (&first() == r.jvp.get()) in_.resize(n_primals());
    auto outs = avals_of(first(), std::span<const Atom>(first().outs));
    if (outs.size() < r.n_out)
      refuse(Code::fwd_tree, "fwd", "gives ", outs.size(), " results, fewer than the ", r.n_out,
             " outputs");
    out_ = Avals(std::span<const Aval>(outs).subspan(0, r.n_out));
  }

  void check() {
    if (r_.primal) check_primal();
    if (r_.fwd) check_fwd();
    if (r_.bwd) check_bwd();
    if (r_.jvp) check_jvp();
  }

  const Avals& in() const { return in_; }
  const Avals& out() const { return out_; }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(Code code, const char* function, const Parts&... parts) const {
    fail(code, r_.name, ": ", function, " ", parts...);
  }
  struct Codes {
    const char* function;
    Code count, type;
  };

  // What says the signature.
  const Jaxpr& first() const {
    const JaxprRef& j = r_.primal ? r_.primal : r_.fwd ? r_.fwd : r_.jvp;
    if (!j) fail(Code::no_rule, r_.name, ": the rule has neither fwd nor a jvp rule");
    return *j;
  }

  // (args, one tangent a floating arg): the number of args.
  size_t n_primals() const {
    const Jaxpr& j = *r_.jvp;
    size_t n = 0, total = 0;
    while (n < j.invars.size() && total < j.invars.size())
      total += 1 + j.vars[j.invars[n++]]->is_float();
    return n;
  }

  void same(const Codes& c, const char* what, std::span<const Aval> got,
            std::span<const Aval> want) const {
    if (got.size() != want.size())
      refuse(c.count, c.function, "has ", got.size(), " ", what, "s, expected ", want.size());
    for (size_t i = 0; i < got.size(); ++i)
      if (got[i] != want[i])
        refuse(c.type, c.function, "has the ", what, " ", i, " ", to_string(got[i]), ", expected ",
               to_string(want[i]));
  }

  Avals tangents(std::span<const Aval> avals) const {
    Avals some;
    for (Aval aval : avals)
      if (aval->is_float()) some.push_back(aval);
    return some;
  }

  // Those that a function says it gives, which are floating ones.
  Avals given(const Codes& c, const Flags& gives, std::span<const Aval> avals) const {
    Avals some;
    if (gives.size() != avals.size())
      refuse(c.count, c.function, "says of ", gives.size(),
             " derivatives whether it gives them, of ", avals.size());
    for (size_t i = 0; i < gives.size(); ++i) {
      if (gives[i] && !avals[i]->is_float())
        refuse(c.type, c.function, "gives a derivative of a ", to_string(avals[i]));
      if (gives[i]) some.push_back(avals[i]);
    }
    return some;
  }

  void check_primal() const {
    Codes c{"the primal", Code::fwd_tree, Code::fwd_aval};
    same(c, "output", avals_of(*r_.primal, std::span<const Atom>(r_.primal->outs)), out_);
  }

  void check_fwd() const {
    Codes c{"fwd", Code::fwd_tree, Code::fwd_aval};
    same(c, "input", avals_of(*r_.fwd, std::span<const Var>(r_.fwd->invars)), in_);
    auto outs = avals_of(*r_.fwd, std::span<const Atom>(r_.fwd->outs));
    if (outs.size() < r_.n_out)
      refuse(Code::fwd_tree, "fwd", "gives ", outs.size(), " results, fewer than the ", r_.n_out,
             " outputs");
    same(c, "output", std::span<const Aval>(outs).subspan(0, r_.n_out), out_);
  }

  void check_bwd() const {
    Codes c{"bwd", Code::bwd_tree, Code::bwd_aval};
    if (!r_.fwd) refuse(Code::no_rule, "bwd", "has no fwd to its side");
    auto outs = avals_of(*r_.fwd, std::span<const Atom>(r_.fwd->outs));
    Avals inputs(std::span<const Aval>(outs).subspan(r_.n_out));
    inputs.append(tangents(out_));
    same(c, "input", avals_of(*r_.bwd, std::span<const Var>(r_.bwd->invars)), inputs);
    same(c, "result", avals_of(*r_.bwd, std::span<const Atom>(r_.bwd->outs)),
         given(c, r_.bwd_gives, in_));
  }

  void check_jvp() const {
    Codes c{"the jvp rule", Code::tree, Code::dtype};
    Avals inputs = in_, results = out_;
    inputs.append(tangents(in_));
    results.append(given(c, r_.jvp_gives, out_));
    same(c, "input", avals_of(*r_.jvp, std::span<const Var>(r_.jvp->invars)), inputs);
    same(c, "result", avals_of(*r_.jvp, std::span<const Atom>(r_.jvp->outs)), results);
  }

  const SavedRule& r_;
  Avals in_, out_;
};

// ---- the whole module

class ModuleChecker {
 public:
  explicit ModuleChecker(const Module& m) : m_(m) {
    for (const SavedRule& r : m.rules) add(r);
  }

  void check() {
    for (const SavedRule& r : m_.rules)
      for (const JaxprRef& j : {r.primal, r.fwd, r.bwd, r.jvp})
        if (j) check(j);
    if (!m_.main) return;
    check(m_.main);
    if (!m_.out) return;
    size_t n = 0;
    for (const Tree& t : m_.in) n += t->n_leaves;
    if (n != m_.main->invars.size() || m_.out->n_leaves != m_.main->outs.size())
      fail(Code::parse, "the structures are of ", n, " inputs and ", m_.out->n_leaves,
           " results, the program has ", m_.main->invars.size(), " and ", m_.main->outs.size());
  }

 private:
  struct Signature {
    Avals in, out;
  };

  void add(const SavedRule& r) {
    Signature s;
    if (r.form == Saved::whole) {
      RuleChecker rule(r);
      rule.check();
      s = {rule.in(), rule.out()};
    }
    signatures_.push_back(std::move(s));
  }

  void check(const JaxprRef& j) {
    typecheck(*j);
    edit_calls(j, [&](const Jaxpr& at, Eqn& e, std::vector<Param>&) {
      const Callee* callee = callee_of(*e.params);
      if (callee && callee->slot() < m_.rules.size()) check_call(at, e, callee->slot());
      else if (callee && callee->slot() != Callee::no_slot)
        fail(Code::parse, e.primitive->name, " calls rule ", callee->slot(), " of ",
             m_.rules.size());
      return false;
    });
  }

  // The equation's operands and results are the rule's; what its primal closes over leads them.
  void check_call(const Jaxpr& j, const Eqn& e, size_t slot) {
    const SavedRule& r = m_.rules[slot];
    Avals in = avals_of(j, j.operands(e)), out;
    in = Avals(std::span<const Aval>(in).subspan(n_captured(*e.params)));
    for (size_t i = 0; i < e.n_results; ++i) out.push_back(j.vars[e.first_result + i]);
    size_t n = 0;
    for (const Tree& t : r.arguments) n += t->n_leaves;
    if (r.replaceable && n != in.size())
      fail(Code::parse, r.name, " takes ", n, " leaves, a call has ", in.size());
    const Signature& s = signatures_[slot];
    if (r.form == Saved::whole && (!(s.in == in) || !(s.out == out)))
      fail(Code::parse, r.name, ": a call has other types than the rule");
  }

  const Module& m_;
  std::vector<Signature> signatures_;
};

}  // namespace

JaxprRef edit_calls(const JaxprRef& j, const EditCall& edit) { return CallEditor(edit).edit(j); }

size_t n_captured(const Params& params) {
  size_t i = params.signature->find("num_consts");
  return i < params.values.size() ? size_t(std::get<int64_t>(params.values[i])) : 0;
}

void check_rule(const SavedRule& rule) { RuleChecker(rule).check(); }

void check_module(const Module& module) {
  try {
    ModuleChecker(module).check();
  } catch (Error& e) {
    e.becomes(Code::parse);
    throw;
  }
}

}  // namespace jv

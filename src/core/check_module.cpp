// Does everything in a module fit: the functions of each rule each other, calls what they call?
#include <unordered_set>

#include "core/error.hpp"
#include "core/module.hpp"

namespace jv {
namespace {

// The types that one function of a rule has, against those that another asks for.
class RuleChecker {
 public:
  explicit RuleChecker(const SavedRule& r) : r_(r) {
    in_ = in_avals(first());
    if (&first() == r.jvp.get()) in_.resize(n_primals());
    out_ = outputs(first(), r.primal ? "the primal" : r.fwd ? "fwd" : "the jvp rule");
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

  // The leading results.
  Avals outputs(const Jaxpr& j, const char* function) const {
    Avals outs = out_avals(j);
    if (outs.size() < r_.n_out)
      refuse(Code::fwd_tree, function, "gives ", outs.size(), " results, fewer than the ", r_.n_out,
             " outputs");
    return Avals(outs.subspan(0, r_.n_out));
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
    same(c, "output", out_avals(*r_.primal), out_);
  }

  void check_fwd() const {
    Codes c{"fwd", Code::fwd_tree, Code::fwd_aval};
    same(c, "input", in_avals(*r_.fwd), in_);
    same(c, "output", outputs(*r_.fwd, c.function), out_);
  }

  void check_bwd() const {
    Codes c{"bwd", Code::bwd_tree, Code::bwd_aval};
    if (!r_.fwd) refuse(Code::no_rule, "bwd", "has no fwd to its side");
    Avals outs = out_avals(*r_.fwd), inputs(outs.subspan(r_.n_out));
    inputs.append(tangents(out_));
    same(c, "input", in_avals(*r_.bwd), inputs);
    same(c, "result", out_avals(*r_.bwd), given(c, r_.bwd_gives, in_));
  }

  void check_jvp() const {
    Codes c{"the jvp rule", Code::tree, Code::dtype};
    Avals inputs = in_, results = out_;
    inputs.append(tangents(in_));
    results.append(given(c, r_.jvp_gives, out_));
    same(c, "input", in_avals(*r_.jvp), inputs);
    same(c, "result", out_avals(*r_.jvp), results);
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
    check_calls(*j);
  }

  void check_calls(const Jaxpr& j) {
    if (!seen_.insert(&j).second) return;
    for (const Eqn& e : j.eqns) {
      if (e.params->plain()) continue;
      for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) { check_calls(sub); });
      const Callee* callee = callee_of(*e.params);
      if (callee && callee->slot() < m_.rules.size()) check_call(j, e, callee->slot());
      else if (callee && callee->slot() != Callee::no_slot)
        fail(Code::parse, e.primitive->name, " calls rule ", callee->slot(), " of ",
             m_.rules.size());
    }
  }

  // The equation's operands and results are the rule's; what its primal closes over leads them.
  void check_call(const Jaxpr& j, const Eqn& e, size_t slot) {
    const SavedRule& r = m_.rules[slot];
    Avals operands = operand_avals(j, e), in(operands.subspan(n_captured(*e.params)));
    size_t n = 0;
    for (const Tree& t : r.arguments) n += t->n_leaves;
    if (r.replaceable && n != in.size())
      fail(Code::parse, r.name, " takes ", n, " leaves, a call has ", in.size());
    const Signature& s = signatures_[slot];
    if (r.form == Saved::whole && (!(s.in == in) || !(s.out == result_avals(j, e))))
      fail(Code::parse, r.name, ": a call has other types than the rule");
  }

  const Module& m_;
  std::unordered_set<const Jaxpr*> seen_;
  std::vector<Signature> signatures_;
};

}  // namespace

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

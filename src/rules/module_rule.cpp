// A rule whose functions are jaxprs: one of a module. It is linked to the rules that they call when
// they run, and not before: a rule that calls itself would keep itself alive.
#include "control/flow.hpp"
#include "rules/module.hpp"

namespace jv {
namespace {

class ModuleRule final : public CustomRule {
 public:
  ModuleRule(ModuleRef module, size_t slot)
      : module_(std::move(module)), rule_(module_->rules[slot]), slot_(slot) {}

  const std::string& name() const override { return rule_.name; }
  Saved saved() const override { return rule_.form; }
  const std::vector<Tree>* arguments() const override {
    return rule_.replaceable ? &rule_.arguments : nullptr;
  }
  bool symbolic_zeros() const override { return rule_.symbolic_zeros; }
  bool run_on_zero() const override { return rule_.run_on_zero; }
  // Of one that was left out everything is asked, and refused by name.
  bool has_forward() const override { return rule_.jvp || rule_.form != Saved::whole; }
  bool has_reverse() const override { return rule_.fwd && rule_.bwd; }
  bool same(const CustomRule& other) const override {
    auto* o = dynamic_cast<const ModuleRule*>(&other);
    return o && o->module_ == module_ && o->slot_ == slot_;
  }

  Tracers primal(Context& cx, Operands args) const override {
    if (rule_.primal) return run(cx, rule_.primal, args);
    if (rule_.fwd) return outputs(run(cx, rule_.fwd, args));
    return jvp(cx, args, Tracers(args.size())).y;
  }

  Residuals fwd(Context& cx, Operands args, std::span<const bool>, Tracers& out) const override {
    Tracers all = run(cx, need(rule_.fwd, "fwd"), args);
    out = outputs(all);
    return {Tracers(all.subspan(rule_.n_out)), nullptr, nullptr};
  }

  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts,
              std::span<const Aval> out_avals, std::span<const bool>) const override {
    const JaxprRef& j = need(rule_.bwd, "bwd");
    Tracers all = whole(cx, cts, out_avals, residuals.leaves);
    return spread(rule_.bwd_gives, run(cx, j, join(residuals.leaves, all)));
  }

  Dual jvp(Context& cx, Operands x, Operands dx) const override {
    const JaxprRef& j = need(rule_.jvp, "jvp rule");
    Tracers all = run(cx, j, join(x, whole(cx, dx, avals_of(x), x)));
    return {outputs(all), spread(rule_.jvp_gives, all.subspan(rule_.n_out))};
  }

 private:
  const JaxprRef& need(const JaxprRef& j, const char* function) const {
    if (rule_.form != Saved::whole)
      fail(Code::no_rule, rule_.name,
           ": the program was saved without its derivative; it cannot be differentiated");
    if (!j)
      fail(Code::no_rule, rule_.name, ": has no ", function, "; it cannot be differentiated so");
    return j;
  }

  Tracers run(Context& cx, const JaxprRef& j, Operands args) const {
    return eval_jaxpr(cx, *link(module_, j), args);
  }

  Tracers outputs(Operands all) const { return Tracers(all.subspan(0, rule_.n_out)); }

  // The derivatives of floating values, zeros where they are null.
  static Tracers whole(Context& cx, Operands d, std::span<const Aval> avals, Operands beside) {
    return filled(d, floats(avals), avals, home_of(cx, join(beside, d)));
  }

  ModuleRef module_;
  const SavedRule& rule_;
  size_t slot_;
};

}  // namespace

CustomRuleRef module_rule(const ModuleRef& module, size_t slot) {
  return make_ref<const ModuleRule>(module, slot);
}

JaxprRef link(const ModuleRef& module, const JaxprRef& j) {
  return edit_calls(j, [&](const Jaxpr&, Eqn& e, std::vector<Param>& values) {
    auto* callee = dynamic_cast<const CustomRule*>(callee_of(*e.params));
    if (!callee || callee->slot() == Callee::no_slot) return false;  // others are linked by name
    values[e.params->signature->object()] = Object(module_rule(module, callee->slot()));
    return true;
  });
}

}  // namespace jv

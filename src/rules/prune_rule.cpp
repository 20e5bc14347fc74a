// A rule of which some outputs are not used any more: the functions run whole, and what nobody
// needs is dropped.
#include "control/flow.hpp"
#include "rules/rule.hpp"

namespace jv {
namespace {

class PrunedRule final : public DerivedRule {
 public:
  PrunedRule(CustomRuleRef rule, Flags kept, Avals all)
      : DerivedRule(std::move(rule)), kept_(std::move(kept)), all_(std::move(all)) {}

  bool same(const CustomRule& other) const override {
    auto* o = dynamic_cast<const PrunedRule*>(&other);
    return o && o->kept_ == kept_ && o->all_ == all_ && rule_->same(*o->rule_);
  }

  Tracers primal(Context& cx, Operands args) const override {
    return pick(rule_->primal(cx, args), kept_);
  }

  Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                Tracers& out) const override {
    Tracers all;
    Residuals r = rule_->fwd(cx, args, perturbed, all);
    out = pick(all, kept_);
    return r;
  }

  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts, std::span<const Aval>,
              std::span<const bool> needed) const override {
    return rule_->bwd(cx, residuals, spread(kept_, cts), all_, needed);
  }

  Dual jvp(Context& cx, Operands x, Operands dx) const override {
    Dual d = rule_->jvp(cx, x, dx);
    return {pick(d.y, kept_), pick(d.dy, kept_)};
  }

 private:
  Flags kept_;
  Avals all_;
};

}  // namespace

CustomRuleRef prune_rule(CustomRuleRef rule, Flags kept, Avals all_outputs) {
  return make_ref<const PrunedRule>(std::move(rule), std::move(kept), std::move(all_outputs));
}

}  // namespace jv

// A custom rule as the transformations see it: flat lists of values in, flat lists out. Who makes
// one (the api, from C callbacks; or batching, from another rule) deals with structure.
#pragma once
#include "core/module.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace jv {

// What the calls of all kinds of rule have: a name, and what is computed where no rule is asked.
class CallRule : public Callee {
 public:
  virtual Tracers primal(Context& cx, Operands args) const = 0;
};

// A derivative.
class CustomRule : public CallRule {
 public:
  // What fwd keeps for bwd: values, and whatever else belongs to them.
  struct Residuals {
    Tracers leaves;
    Ref<const RefCounted> structure;
    Ref<const Trace> differentiating;  // what the call's arguments were differentiated by
  };

  virtual bool symbolic_zeros() const { return false; }
  virtual bool run_on_zero() const { return false; }
  virtual bool has_forward() const = 0;  // is there a forward mode?
  // What the user may do where there is none.
  virtual const char* how_forward() const {
    return "give a jvp rule or JAXVJP_FORWARD_TRANSPOSE_BWD";
  }
  virtual bool has_reverse() const { return true; }
  // Do both the same for the same arguments?
  virtual bool same(const CustomRule& other) const { return this == &other; }

  virtual Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                        Tracers& out) const = 0;
  // Cotangents of the arguments from those of the outputs; null is zero, in and out. `needed`: the
  // slots that anybody will use.
  virtual Tracers bwd(Context& cx, const Residuals& residuals, Operands cts,
                      std::span<const Aval> out_avals, std::span<const bool> needed) const = 0;
  // Forward mode. Null tangents are zero, in and out.
  virtual Dual jvp(Context& cx, Operands x, Operands dx) const = 0;
};
using CustomRuleRef = Ref<const CustomRule>;

// A rule made of another one: what it does not change is the other's.
class DerivedRule : public CustomRule {
 public:
  const std::string& name() const final { return rule_->name(); }
  // A name would stand for the other rule, which takes other arguments or gives other results.
  Saved saved() const final {
    return rule_->saved() == Saved::whole ? Saved::whole : Saved::without;
  }
  bool symbolic_zeros() const final { return rule_->symbolic_zeros(); }
  bool run_on_zero() const final { return rule_->run_on_zero(); }
  bool has_forward() const final { return rule_->has_forward(); }
  const char* how_forward() const final { return rule_->how_forward(); }
  bool has_reverse() const final { return rule_->has_reverse(); }

 protected:
  explicit DerivedRule(CustomRuleRef rule) : rule_(std::move(rule)) {}
  const CustomRuleRef rule_;
};

// A batched form.
class VmapRule : public CallRule {
 public:
  // The results for `size` examples, of arguments some of which are mapped; none may be, where
  // another vmap maps what comes out.
  virtual Batched batch(Context& cx, int64_t size, MappedOperands args) const = 0;
  Saved saved() const override { return Saved::by_name; }
};
using VmapRuleRef = Ref<const VmapRule>;

// The rule of the function mapped over its arguments that `mapped` marks. All its outputs are
// mapped. `by`: the trace that maps it now, where its functions may close over values of that.
CustomRuleRef batch_rule(CustomRuleRef rule, Flags mapped, int64_t size, BatchTrace* by = nullptr);
// The rule of the function with only some of its outputs; bwd gets zeros for the others.
CustomRuleRef prune_rule(CustomRuleRef rule, Flags kept, Avals all_outputs);
// What stands for a rule that only has a name: there is a primal, and differentiating it is
// NO_RULE.
CustomRuleRef unlinked_rule(std::string name, size_t slot = Callee::no_slot);
// The rule of a jaxpr whose examples are done one after the other, by a scan.
VmapRuleRef sequential_rule(std::string name, JaxprRef jaxpr);
// Forward mode of a rule whose bwd is linear in the cotangents: y from fwd, dy from the transpose
// of bwd.
Dual jvp_by_transpose(Context& cx, const CustomRule& rule, Operands x, Operands dx);
// What a batched rule's fwd keeps beside its leaves, of which `mapped` are mapped.
Ref<const RefCounted> batch_residuals(Ref<const RefCounted> structure, Flags mapped);

Tracers custom_vjp_call(const CustomRuleRef& rule, Context& cx, Operands args, Trace& at);
Tracers custom_jvp_call(const CustomRuleRef& rule, Context& cx, Operands args, Trace& at);
Tracers custom_vmap_call(const VmapRuleRef& rule, Context& cx, Operands args, Trace& at);

// FWD_MODE where the trace differentiates forward and the rule has no forward mode.
void check_forward(const JvpTrace& t, const CustomRule& rule);
// The tangents of a rule's results y, from what its fwd kept: the linear half of the call.
Tracers custom_tangents(JvpTrace& t, const CustomRuleRef& rule, CustomRule::Residuals residuals,
                        Operands x, Operands dx, Operands y);

}  // namespace jv

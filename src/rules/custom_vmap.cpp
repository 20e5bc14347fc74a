// Functions with a batching rule. A call stays a call until vmap meets it; then the rule gives the
// results. Forward mode goes through the rule: the derivative of a call is a call whose primal is
// the primal's jvp, and whose rule is the rule's. There is no reverse mode: how a rule's residuals
// would be batched is known to nobody. Within a custom_vjp, fwd and bwd are the reverse mode.
#include "control/flow.hpp"
#include "control/scan.hpp"
#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "transforms/simplify.hpp"

namespace jv {

namespace {

VmapRuleRef rule_of(const Params& p) { return VmapRuleRef(&p.object<VmapRule>("rule")); }

// Values, then tangents of those that are floats: zeros where there is none.
Tracers joined(const Dual& d) {
  Tracers all = d.y;
  for (size_t i = 0; i < d.y.size(); ++i)
    if (is_float(d.y[i].dtype())) all.push_back(d.dy[i] ? d.dy[i] : zeros_like(d.y[i]));
  return all;
}

// The number of values among what `joined` gave.
size_t n_values(Operands all) {
  size_t n = 0;
  for (size_t total = 0; total < all.size(); ++n) total += 1 + is_float(all[n].dtype());
  return n;
}

// The derivative of a rule's function: takes its arguments, then tangents of those that have one.
class DualRule final : public VmapRule {
 public:
  DualRule(VmapRuleRef rule, Flags perturbed)
      : rule_(std::move(rule)), perturbed_(std::move(perturbed)) {}

  const std::string& name() const override { return rule_->name(); }

  Tracers primal(Context& cx, Operands args) const override {
    return apply(cx, args, [&](Operands x) { return rule_->primal(cx, x); });
  }

  // An argument is mapped for the rule where both it and its tangent are. Where none is, the rule
  // is asked about one example, and that is mapped: over the directions of a Jacobian, say. Else
  // what is not mapped is repeated.
  Batched batch(Context& cx, int64_t size, MappedOperands args) const override {
    Flags given, none(perturbed_.size(), false);
    if (!any_mapped_twice(args)) {
      auto results = jv::batch(
          cx, [&](Operands a) { return by_rule(cx, size, a, none, given); }, args, size);
      if (!any(given)) return results;
    }
    Batched in(args), out;
    Flags mapped = repeat(in, size);
    Tracers all = by_rule(cx, size, values_of(in), mapped, given);
    for (size_t i = 0; i < given.size(); ++i) out.push_back({all[i], given[i]});
    for (size_t i = 0, k = given.size(); i < given.size(); ++i)
      if (is_float(all[i].dtype())) out.push_back({all[k++], given[i]});
    return out;
  }

 private:
  template <class F>
  Tracers apply(Context& cx, Operands args, F&& f) const {
    size_t n = perturbed_.size();
    return joined(jvp(cx, f, args.subspan(0, n), spread(perturbed_, args.subspan(n))));
  }

  // Values and tangents of the rule's results; `given`: which values it says are mapped.
  Tracers by_rule(Context& cx, int64_t size, Operands args, const Flags& mapped,
                  Flags& given) const {
    return apply(cx, args, [&](Operands x) {
      auto y = rule_->batch(cx, size, mapped_where(x, mapped));
      given = mapped_of(y);
      return values_of(y);
    });
  }

  bool any_mapped_twice(MappedOperands args) const {
    bool any = false;
    for (size_t i = 0, k = perturbed_.size(); i < perturbed_.size(); ++i) {
      bool tangent = !perturbed_[i] || args[k++].mapped;
      any = any || (args[i].mapped && tangent);
    }
    return any;
  }

  // Maps an argument and its tangent where one of them is; returns the arguments that are mapped.
  Flags repeat(Batched& in, int64_t size) const {
    Flags mapped;
    for (size_t i = 0, k = perturbed_.size(); i < perturbed_.size(); ++i) {
      Mapped* dx = perturbed_[i] ? &in[k++] : nullptr;
      mapped.push_back(in[i].mapped || (dx && dx->mapped));
      if (!mapped.back()) continue;
      in[i] = {materialise(in[i], size), true};
      if (dx) *dx = {materialise(*dx, size), true};
    }
    return mapped;
  }

  VmapRuleRef rule_;
  Flags perturbed_;
};

// What stands for a rule that cannot be asked.
class RefusingRule final : public VmapRule {
 public:
  RefusingRule(std::string name, const char* why, size_t slot = no_slot)
      : name_(std::move(name)), why_(why), slot_(slot) {}
  const std::string& name() const override { return name_; }
  size_t slot() const override { return slot_; }
  Tracers primal(Context&, Operands) const override { refuse(); }
  Batched batch(Context&, int64_t, MappedOperands) const override { refuse(); }

 private:
  [[noreturn]] void refuse() const { fail(Code::no_rule, name_, ": ", why_); }
  std::string name_;
  const char* why_;
  size_t slot_;
};

class SequentialRule final : public VmapRule {
 public:
  SequentialRule(std::string name, JaxprRef jaxpr)
      : name_(std::move(name)), jaxpr_(std::move(jaxpr)) {}
  const std::string& name() const override { return name_; }

  Tracers primal(Context& cx, Operands args) const override { return Interpret{cx, *jaxpr_}(args); }

  Batched batch(Context& cx, int64_t size, MappedOperands args) const override {
    Flags mapped = mapped_of(args);
    if (any(mapped)) return each_mapped(in_turn(cx, size, args, Interpret{cx, *jaxpr_}));
    Tracers out = primal(cx, values_of(args));
    return mapped_where(out, Flags(out.size(), false));
  }

 private:
  std::string name_;
  JaxprRef jaxpr_;
};

// The primal's derivative as a jaxpr.
StageTrace::Closed dual_jaxpr(JvpTrace& t, const VmapRule& rule, const Jaxpr* j, Operands operands,
                              Operands dx) {
  Retracing retracing(t);
  auto f = [&](Operands v) { return j ? eval_jaxpr(t.cx, *j, v) : rule.primal(t.cx, v); };
  auto closed = stage(t.cx, avals_of(operands), [&](Operands a) {
    Tracers tangents = spread(nonzero(dx), a.subspan(dx.size()));
    return joined(jvp(t.cx, f, a.subspan(0, dx.size()), tangents));
  });
  if (t.linearizing()) closed.jaxpr = silent_again(rule.name(), "its primal", *closed.jaxpr);
  return closed;
}

// The call of the derivative.
Tracers bind_dual(JvpTrace& t, Operands x, Operands dx, const Params& params) {
  size_t n = n_captured(params);
  VmapRuleRef rule = rule_of(params);
  const Jaxpr* j = primal_jaxpr(params);
  Tracers operands = join(x, present(dx));
  StageTrace::Closed primal;
  if (j || t.linearizing()) {
    primal = dual_jaxpr(t, *rule, j, operands, dx);
    operands = join(primal.captured, operands);
    primal.captured.append(x.subspan(0, n));
  }
  VmapRuleRef dual = make_ref<const DualRule>(rule, nonzero(dx.subspan(n)));
  ParamsRef p = call_params(t.cx, custom_vmap_call_p.sig, dual, primal);
  return bind_at(home_of(t.cx, operands), custom_vmap_call_p, operands, p);
}

// In linearize the values run below, and the tangents' equation holds the whole derivative.
Dual vmap_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                    const Params& params) {
  refuse_consts(t, params, dx);
  const std::string& name = rule_of(params)->name();
  Dual d;
  {
    RunningRule running(t.cx, name, "primal", t.depth, t.depth);
    Tracers all = bind_dual(t, x, dx, params);
    size_t n = n_values(all);
    d.y = t.linearizing() ? bind_at(home_of(t.cx, x), p, x, ParamsRef(&params))
                          : Tracers(all.subspan(0, n));
    d.dy = spread(floats(avals_of(d.y)), all.subspan(n));
  }
  below(t, d.y, name, "primal");
  below(t, d.dy, name, "primal");
  return d;
}

Batched vmap_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  auto args = in.subspan(n_captured(params));
  if (any(mapped_of(args))) {
    VmapRuleRef rule = rule_of(params);
    RunningRule running(t.cx, rule->name(), "batching rule", t.depth + 1, t.cx.top().depth);
    return rule->batch(t.cx, t.size, args);
  }
  // The primal alone uses values that are mapped: the rule has nothing to say about them.
  VmapRuleRef refusing = make_ref<const RefusingRule>(
      params.word("name"),
      "its primal uses a value that another vmap maps, which its batching rule does not get; pass "
      "it as an argument");
  return each_mapped(bind_batched(t, p, refusing, in, params));
}

// The rule gives all results, so all stay.
Pruned vmap_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  const Jaxpr& j = *primal_jaxpr(params);
  Flags results(used.size(), true), operands(j.invars.size(), true);
  JaxprRef simple = s.prune(j, results, operands).jaxpr;
  return {with_param(s.session, params, "call_jaxpr", Object(simple)), operands, results};
}

Object unlinked(const std::string& name, size_t slot) {
  return make_ref<const RefusingRule>(
      name, "the program was saved or printed, which leaves its batching rule out", slot);
}

}  // namespace

VmapRuleRef sequential_rule(std::string name, JaxprRef jaxpr) {
  return make_ref<const SequentialRule>(std::move(name), std::move(jaxpr));
}

Tracers custom_vmap_call(const VmapRuleRef& rule, Context& cx, Operands args, Trace& at) {
  ParamsRef params = call_params(cx, custom_vmap_call_p.sig, rule, {});
  return bind_at(at, custom_vmap_call_p, args, params);
}

constexpr Primitive custom_vmap_call_p = define({
    .name = "custom_vmap_call",
    .signature = "operands..., call_jaxpr: jaxpr, name: word, num_consts: int, rule: object",
    .doc = "A function with a batching rule of the user's.",
    .abstract_eval = custom_aval,
    .expand = custom_expand,
    .stage = custom_stage,
    .linearize = vmap_linearize,
    .batch_all = vmap_batch,
    .dce = vmap_dce,
    .unlinked = unlinked,
    .no_transpose = "a batching rule has no reverse mode; make a function with a derivative rule "
                    "of it, by custom_vjp",
    .internal = true,
});

}  // namespace jv

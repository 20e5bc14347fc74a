// Functions with a batching rule. A call stays a call until vmap meets it; then the rule gives the
// results. Forward mode goes through the rule: the derivative of a call is a call whose primal is
// the primal's jvp, and whose rule is the rule's. There is no reverse mode: how a rule's residuals
// would be batched is known to nobody. Within a custom_vjp, fwd and bwd are the reverse mode.
#include <algorithm>

#include "control/flow.hpp"
#include "control/scan.hpp"
#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "transforms/simplify.hpp"

namespace jv {

extern const Primitive custom_vmap_call_p;

namespace {

VmapRuleRef rule_of(const Params& p) { return VmapRuleRef(&p.object<VmapRule>("rule")); }

bool any(std::span<const bool> flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

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
  Small<Mapped, 2> batch(Context& cx, int64_t size, std::span<const Mapped> args) const override {
    Flags given, none(perturbed_.size(), false);
    if (!any_mapped_twice(args)) {
      auto results = jv::batch(
          cx, [&](Operands a) { return by_rule(cx, size, a, none, given); }, args, size);
      if (!any(given)) return results;
    }
    Small<Mapped, 4> in(args.begin(), args.end());
    Flags mapped = repeat(in, size);
    Tracers all = by_rule(cx, size, values_of(in), mapped, given);
    Small<Mapped, 2> out;
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

  bool any_mapped_twice(std::span<const Mapped> args) const {
    bool any = false;
    for (size_t i = 0, k = perturbed_.size(); i < perturbed_.size(); ++i) {
      bool tangent = !perturbed_[i] || args[k++].mapped;
      any = any || (args[i].mapped && tangent);
    }
    return any;
  }

  // Maps an argument and its tangent where one of them is; returns the arguments that are mapped.
  Flags repeat(Small<Mapped, 4>& in, int64_t size) const {
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
  Small<Mapped, 2> batch(Context&, int64_t, std::span<const Mapped>) const override { refuse(); }

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

  Tracers primal(Context& cx, Operands args) const override {
    return eval_jaxpr(cx, *jaxpr_, args);
  }

  Small<Mapped, 2> batch(Context& cx, int64_t size, std::span<const Mapped> args) const override {
    Tracers xs, values = values_of(args);
    Avals rows;
    for (const Mapped& m : args)
      if (m.mapped) xs.push_back(m.value), rows.push_back(element_of(cx.session(), m.value.aval()));
    Small<Mapped, 2> out;
    if (xs.empty()) {
      for (Tracer& y : primal(cx, values)) out.push_back({std::move(y), false});
      return out;
    }
    auto body = stage(cx, rows, [&](Operands row) {
      Tracers all = values;
      size_t k = 0;
      for (size_t i = 0; i < all.size(); ++i)
        if (args[i].mapped) all[i] = row[k++];
      return eval_jaxpr(cx, *jaxpr_, all);
    });
    for (Tracer& ys : scan(cx, home_of(cx, values), body, {}, xs, {size}))
      out.push_back({std::move(ys), true});
    return out;
  }

 private:
  std::string name_;
  JaxprRef jaxpr_;
};

// The values have run where this is asked for: what only has an effect does not happen again.
JaxprRef silent_again(const std::string& name, const Jaxpr& j) {
  JaxprRef quiet = silent(j);
  if (quiet->effects != Effects::none)
    fail(Code::effect, name, ": linearize runs its primal again with tangents, and what has an ",
         "effect and results cannot run again; use jvp");
  return quiet;
}

// The primal's derivative as a jaxpr.
StageTrace::Closed dual_jaxpr(JvpTrace& t, const VmapRule& rule, const Jaxpr* j, Operands operands,
                              Operands dx) {
  Retracing retracing(t);
  auto closed = stage(t.cx, avals_of(operands), [&](Operands a) {
    return joined(jvp(
        t.cx, [&](Operands v) { return j ? eval_jaxpr(t.cx, *j, v) : rule.primal(t.cx, v); },
        a.subspan(0, dx.size()), spread(nonzero(dx), a.subspan(dx.size()))));
  });
  if (t.linearizing()) closed.jaxpr = silent_again(rule.name(), *closed.jaxpr);
  return closed;
}

// The call of the derivative.
Tracers bind_dual(JvpTrace& t, Operands x, Operands dx, const Params& params) {
  size_t n = n_consts(params);
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
void vmap_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params,
                    Tracers& y, Tracers& dy) {
  refuse_consts(t, params, dx);
  const std::string& name = rule_of(params)->name();
  Tracers all;
  {
    RunningRule running(t.cx, name, "primal", t.depth, t.depth);
    all = bind_dual(t, x, dx, params);
    size_t n = n_values(all);
    y = t.linearizing() ? bind_at(home_of(t.cx, x), p, x, ParamsRef(&params))
                        : Tracers(Operands(all).subspan(0, n));
    for (size_t i = 0, k = n; i < n; ++i)
      dy.push_back(is_float(y[i].dtype()) ? all[k++] : Tracer());
  }
  below(t, y, name, "primal");
  below(t, dy, name, "primal");
}

// The primal alone uses values that are mapped: the rule has nothing to say about them.
Tracers map_consts(BatchTrace& t, const Primitive& p, std::span<const Mapped> in,
                   const Params& params) {
  VmapRuleRef rule = make_ref<const RefusingRule>(
      params.word("name"),
      "its primal uses a value that another vmap maps, which its batching rule does not get; pass "
      "it as an argument");
  return bind_batched(t, p, rule, in, params);
}

void vmap_batch(BatchTrace& t, const Primitive& p, std::span<const Mapped> in, const Params& params,
                Small<Mapped, 2>& out) {
  auto args = in.subspan(n_consts(params));
  if (!any(mapped_of(args))) {
    for (Tracer& y : map_consts(t, p, in, params)) out.push_back({std::move(y), true});
    return;
  }
  VmapRuleRef rule = rule_of(params);
  RunningRule running(t.cx, rule->name(), "batching rule", t.depth + 1, t.cx.top().depth);
  out = rule->batch(t.cx, t.size, args);
}

// The rule gives all results, so all stay.
Pruned vmap_dce(Session& session, const Params& params, std::span<const bool> used) {
  JaxprRef j(primal_jaxpr(params));
  return {with_param(session, params, "call_jaxpr", Object(simplify(j))),
          Small<bool, 4>(j->invars.size(), true), Small<bool, 4>(used.size(), true)};
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

// A batched rule is again a rule: primal, fwd, bwd and jvp run on one element's values, mapped.
#include "control/emit.hpp"
#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "rules/rule.hpp"

namespace jv {
namespace {

struct BatchedResiduals final : RefCounted {
  BatchedResiduals(Ref<const RefCounted> structure, Flags mapped)
      : structure(std::move(structure)), mapped(std::move(mapped)) {}
  Ref<const RefCounted> structure;
  Flags mapped;
};

bool records_inside(const Trace& top, const Trace& outer) {
  for (const Trace* t = &top; t && t != &outer; t = t->below.get())
    if (auto* stage = dynamic_cast<const StageTrace*>(t); stage && !stage->linear()) return true;
  return false;
}

class BatchedRule final : public DerivedRule {
 public:
  BatchedRule(CustomRuleRef rule, Flags mapped, int64_t size, BatchTrace* by)
      : DerivedRule(std::move(rule)), mapped_(std::move(mapped)), size_(size), by_(by) {}

  bool same(const CustomRule& other) const override {
    auto* o = dynamic_cast<const BatchedRule*>(&other);
    return o && o->size_ == size_ && o->mapped_ == mapped_ && rule_->same(*o->rule_);
  }

  Tracers primal(Context& cx, Operands args) const override {
    auto f = [&](Operands a) { return rule_->primal(cx, a); };
    return all_mapped(map(cx, f, mapped_where(args, mapped_)));
  }

  Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                Tracers& out) const override {
    Residuals r;
    size_t n_out = 0;
    auto f = [&](Operands a) {
      Tracers y;
      r = rule_->fwd(cx, a, perturbed, y);
      n_out = y.size();
      return join(y, r.leaves);
    };
    Batched results = map(cx, f, mapped_where(args, mapped_));
    out = all_mapped(results.subspan(0, n_out));
    r.leaves = values_of(results.subspan(n_out));
    r.structure = batch_residuals(std::move(r.structure), mapped_of(results.subspan(n_out)));
    return r;
  }

  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts,
              std::span<const Aval> out_avals, std::span<const bool> needed) const override {
    auto& kept = static_cast<const BatchedResiduals&>(*residuals.structure);
    Batched in = mapped_where(residuals.leaves, kept.mapped);
    in.append(each_mapped(present(cts)));
    Avals elements;
    for (Aval aval : out_avals) elements.push_back(element_of(cx.session(), aval));
    Flags found;
    EmittedInside emitted(cx);
    auto f = [&](Operands a) {
      size_t n = kept.mapped.size();
      Residuals one{Tracers(a.subspan(0, n)), kept.structure, residuals.differentiating};
      Tracers ct = spread(nonzero(cts), a.subspan(n));
      Tracers all = emitted.during([&] { return rule_->bwd(cx, one, ct, elements, needed); });
      found = nonzero(all);
      return join(present(all), emitted.values());
    };
    Batched results = map(cx, f, in);
    Tracers back;
    emitted.pass_on(all_mapped(results.subspan(count_of(found))));
    for (size_t i = 0, k = 0; i < found.size(); ++i)
      back.push_back(found[i] ? argument_ct(results[k++], mapped_[i]) : Tracer());
    return back;
  }

  Dual jvp(Context& cx, Operands x, Operands dx) const override {
    Batched in = mapped_where(x, mapped_);
    for (size_t i = 0; i < dx.size(); ++i)
      if (dx[i]) in.push_back({dx[i], mapped_[i]});
    size_t n_out = 0;
    Flags found;
    auto f = [&](Operands a) {
      Tracers tangents = spread(nonzero(dx), a.subspan(x.size()));
      Dual d = rule_->jvp(cx, a.subspan(0, x.size()), tangents);
      n_out = d.y.size();
      found = nonzero(d.dy);
      return join(d.y, present(d.dy));
    };
    Tracers all = all_mapped(map(cx, f, in));
    return {Tracers(all.subspan(0, n_out)), spread(found, all.subspan(n_out))};
  }

 private:
  // f for all elements. While the trace that maps the call is there, f runs in that, since what it
  // closes over may be mapped by it too; not where what f does is recorded further inside, or where
  // it gives values of a trace further inside.
  template <class F>
  Batched map(Context& cx, F&& f, MappedOperands in) const {
    if (!by_ || !by_->alive() || records_inside(cx.top(), *by_)) return batch(cx, f, in, size_);
    Tracers args;
    Batched out;
    for (const Mapped& m : in) args.push_back(by_->put(m));
    for (const Tracer& t : f(Operands(args))) {
      if (t.trace().depth > by_->depth) return batch(cx, f, in, size_);
      out.push_back(by_->get(t));
    }
    return out;
  }

  Tracers all_mapped(MappedOperands results) const { return materialised(results, size_); }

  // An argument that is the same for every element collects the cotangents of all.
  Tracer argument_ct(const Mapped& ct, bool argument_mapped) const {
    if (argument_mapped) return materialise(ct, size_);
    return ct.mapped ? reduce_sum(ct.value, {0}) : double(size_) * ct.value;
  }

  Flags mapped_;
  int64_t size_;
  Ref<BatchTrace> by_;
};

}  // namespace

CustomRuleRef batch_rule(CustomRuleRef rule, Flags mapped, int64_t size, BatchTrace* by) {
  return make_ref<const BatchedRule>(std::move(rule), std::move(mapped), size, by);
}

Ref<const RefCounted> batch_residuals(Ref<const RefCounted> structure, Flags mapped) {
  return make_ref<const BatchedResiduals>(std::move(structure), std::move(mapped));
}

}  // namespace jv

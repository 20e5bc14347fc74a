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

class BatchedRule final : public CustomRule {
 public:
  BatchedRule(RuleRef rule, Flags mapped, int64_t size)
      : rule_(std::move(rule)), mapped_(std::move(mapped)), size_(size) {}

  const std::string& name() const override { return rule_->name(); }
  bool symbolic_zeros() const override { return rule_->symbolic_zeros(); }
  bool run_on_zero() const override { return rule_->run_on_zero(); }
  bool has_forward() const override { return rule_->has_forward(); }
  bool has_reverse() const override { return rule_->has_reverse(); }
  bool same(const CustomRule& other) const override {
    auto* o = dynamic_cast<const BatchedRule*>(&other);
    return o && o->size_ == size_ && o->mapped_ == mapped_ && rule_->same(*o->rule_);
  }

  Tracers primal(Context& cx, Operands args) const override {
    return all_mapped(batch(
        cx, [&](Operands a) { return rule_->primal(cx, a); }, mapped_where(args, mapped_), size_));
  }

  Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                Tracers& out) const override {
    Residuals r;
    size_t n_out = 0;
    auto results = batch(
        cx,
        [&](Operands a) {
          Tracers y;
          r = rule_->fwd(cx, a, perturbed, y);
          n_out = y.size();
          y.append(r.leaves);
          return y;
        },
        mapped_where(args, mapped_), size_);
    std::span<const Mapped> all(results.data(), results.size());
    out = all_mapped(all.subspan(0, n_out));
    r.leaves = values_of(all.subspan(n_out));
    r.structure = batch_residuals(std::move(r.structure), mapped_of(all.subspan(n_out)));
    return r;
  }

  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts,
              std::span<const Aval> out_avals, std::span<const bool> needed) const override {
    auto& kept = static_cast<const BatchedResiduals&>(*residuals.structure);
    Small<Mapped, 4> in = mapped_where(residuals.leaves, kept.mapped);
    for (const Tracer& ct : cts)
      if (ct) in.push_back({ct, true});
    Avals elements;
    for (Aval aval : out_avals) elements.push_back(element_of(cx.session(), aval));
    Flags found;
    EmittedInside emitted(cx);
    auto results = batch(
        cx,
        [&](Operands a) {
          Residuals one{Tracers(a.subspan(0, kept.mapped.size())), kept.structure,
                        residuals.differentiating};
          Tracers each;
          size_t k = kept.mapped.size();
          for (const Tracer& ct : cts) each.push_back(ct ? a[k++] : Tracer());
          Tracers all = emitted.during([&] { return rule_->bwd(cx, one, each, elements, needed); });
          found = nonzero(all);
          return join(present(all), emitted.values());
        },
        in, size_);
    Tracers back;
    emitted.pass_on(all_mapped(
        std::span<const Mapped>(results.data(), results.size()).subspan(count_of(found))));
    size_t k = 0;
    for (size_t i = 0; i < found.size(); ++i)
      back.push_back(found[i] ? argument_ct(results[k++], mapped_[i]) : Tracer());
    return back;
  }

  void jvp(Context& cx, Operands x, Operands dx, Tracers& y, Tracers& dy) const override {
    Small<Mapped, 4> in = mapped_where(x, mapped_);
    for (size_t i = 0; i < dx.size(); ++i)
      if (dx[i]) in.push_back({dx[i], mapped_[i]});
    size_t n_out = 0;
    Flags found;
    auto results = batch(
        cx,
        [&](Operands a) {
          Tracers tangents, out, out_dx;
          size_t k = x.size();
          for (const Tracer& t : dx) tangents.push_back(t ? a[k++] : Tracer());
          rule_->jvp(cx, a.subspan(0, x.size()), tangents, out, out_dx);
          n_out = out.size();
          for (const Tracer& t : out_dx) {
            found.push_back(bool(t));
            if (t) out.push_back(t);
          }
          return out;
        },
        in, size_);
    Tracers all = all_mapped(results);
    for (size_t i = 0, k = n_out; i < n_out; ++i)
      y.push_back(all[i]), dy.push_back(found[i] ? all[k++] : Tracer());
  }

 private:
  Tracers all_mapped(std::span<const Mapped> results) const {
    Tracers out;
    for (const Mapped& m : results) out.push_back(materialise(m, size_));
    return out;
  }

  // An argument that is the same for every element collects the cotangents of all.
  Tracer argument_ct(const Mapped& ct, bool argument_mapped) const {
    if (argument_mapped) return materialise(ct, size_);
    return ct.mapped ? reduce_sum(ct.value, {0}) : double(size_) * ct.value;
  }

  RuleRef rule_;
  Flags mapped_;
  int64_t size_;
};

}  // namespace

RuleRef batch_rule(RuleRef rule, Flags mapped, int64_t size) {
  return make_ref<const BatchedRule>(std::move(rule), std::move(mapped), size);
}

Ref<const RefCounted> batch_residuals(Ref<const RefCounted> structure, Flags mapped) {
  return make_ref<const BatchedResiduals>(std::move(structure), std::move(mapped));
}

}  // namespace jv

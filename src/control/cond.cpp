// cond holds its branches as jaxprs of the same inputs and outputs. Its rules call `cond` again
// with transformed branches; in linearize all branches give the residuals of all, zeros for the
// others'.
#include "control/cond.hpp"

#include <algorithm>

#include "control/emit.hpp"
#include "primitives/define.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

// Branches that were traced one by one, on their way to equal inputs and outputs.
class Branches {
 public:
  Branches(Context& cx, size_t n, Operands args, const BranchFn& branch)
      : cx_(cx), in_(avals_of(args)) {
    for (size_t k = 0; k < n; ++k)
      closed_.push_back(stage(
          cx, in_,
          [&](Operands a) {
            Tracers all = branch(k, a);
            note(all);
            return present(all);
          },
          "cond"));
    for (size_t k = 0; k < n; ++k) {
      has_[k].resize(any_.size(), false);
      if (has_[k] != any_) fill(k);
    }
    for (auto& c : closed_)
      for (const Tracer& t : c.captured) add_captured(t);
  }

  const Flags& outputs() const { return any_; }  // those that some branch gives
  const Tracers& captured() const { return captured_; }
  Object jaxprs() const {
    std::vector<JaxprRef> all;
    for (auto& c : closed_) all.push_back(with_inputs(c));
    return make_ref<JaxprList>(std::move(all));
  }

 private:
  void note(Operands outs) {
    has_.push_back(nonzero(outs));
    if (any_.size() < outs.size())
      types_.resize(outs.size(), nullptr), any_.resize(outs.size(), false);
    for (size_t i = 0; i < outs.size(); ++i)
      if (outs[i]) types_[i] = outs[i].aval(), any_[i] = true;
  }

  void fill(size_t k) {
    StageTrace::Closed c = std::move(closed_[k]);
    closed_[k] = stage(cx_, in_, [&](Operands a) {
      Tracers outs = eval_jaxpr(cx_, *c.jaxpr, join(c.captured, a));
      return filled(spread(has_[k], outs), any_, types_, cx_.top());
    });
  }

  void add_captured(const Tracer& t) {
    auto same = [&](const Tracer& c) { return c.same(t); };
    if (std::none_of(captured_.begin(), captured_.end(), same)) captured_.push_back(t);
  }

  // The branch with what all branches captured as its leading inputs.
  JaxprRef with_inputs(const StageTrace::Closed& c) const {
    auto j = make_ref<Jaxpr>(*c.jaxpr);
    j->invars.clear();
    for (const Tracer& t : captured_) {
      size_t i = place_of(c, t);
      j->invars.push_back(i < c.captured.size() ? c.jaxpr->invars[i] : j->add_var(t.aval()));
    }
    auto& all = c.jaxpr->invars;
    j->invars.insert(j->invars.end(), all.begin() + ptrdiff_t(c.captured.size()), all.end());
    return j;
  }
  static size_t place_of(const StageTrace::Closed& c, const Tracer& t) {
    size_t i = 0;
    while (i < c.captured.size() && !c.captured[i].same(t)) ++i;
    return i;
  }
  Context& cx_;
  Avals in_, types_;
  std::vector<StageTrace::Closed> closed_;
  std::vector<Flags> has_;
  Flags any_;
  Tracers captured_;
};

}  // namespace

Tracers cond(Context& cx, Trace& at, const Tracer& index, size_t n, Operands args,
             const BranchFn& branch) {
  Branches b(cx, n, args, branch);
  Tracers operands = join(Operands(&index, 1), b.captured(), args);
  ParamsRef params = cx.session().params().make(cond_p.sig, {b.jaxprs()});
  return spread(b.outputs(), bind_at(at, cond_p, operands, params));
}

namespace {

const std::vector<JaxprRef>& branches(const Params& p) {
  return p.object<JaxprList>("branches").items;
}

void cond_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  auto& all = branches(params);
  if (all.empty()) fail(Code::invalid_argument, "cond: has no branches");
  if (in[0]->dtype != DType::i32 || in[0]->ndim())
    fail(in[0]->ndim() ? Code::shape : Code::dtype, "cond: the index is i32[], got ",
         to_string(in[0]));
  for (const JaxprRef& j : all) check_call("cond", *j, in.subspan(1));
  out = out_avals(*all[0]);
  for (const JaxprRef& j : all)
    if (Avals other = out_avals(*j);
        !std::equal(out.begin(), out.end(), other.begin(), other.end()))
      fail(Code::tree, "cond: the branches' results differ in number or type");
}

Tracers cond_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  auto& all = branches(params);
  int64_t index = element_i64(operands[0].array(), 0);
  size_t k = size_t(std::clamp<int64_t>(index, 0, int64_t(all.size()) - 1));
  return run_jaxpr(cx, *all[k], operands.subspan(1));
}

Dual cond_jvp(JvpTrace& t, Operands x, Operands dx, const Params& params) {
  auto& all = branches(params);
  Operands args = x.subspan(1);
  Flags perturbed = nonzero(dx.subspan(1));
  size_t n = args.size(), n_out = all[0]->outs.size();
  Tracers operands = join(args, present(dx));
  Tracers both =
      cond(t.cx, home_of(t.cx, operands), x[0], all.size(), operands, [&](size_t k, Operands a) {
        Tracers tangents = spread(perturbed, a.subspan(n));
        Dual d = jvp(t.cx, Interpret{t.cx, *all[k]}, a.subspan(0, n), tangents, t.verb());
        return join(d.y, d.dy);
      });
  return {Tracers(both.subspan(0, n_out)), Tracers(both.subspan(n_out))};
}

// One branch, linearized on its own.
struct Split {
  Linearized linear;
  Forwarded residuals;  // in a list of the operands, then those that are made inside
  size_t first;         // the result that is the first of these
};

Dual cond_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx, const Params& params) {
  Retracing retracing(t);
  if (!t.linearizing()) return cond_jvp(t, x, dx, params);
  auto& all = branches(params);
  Context& cx = t.cx;
  Operands args = x.subspan(1);
  Flags perturbed = nonzero(dx.subspan(1));
  std::vector<uint32_t> origins = t.origins();
  origins.erase(origins.begin());
  std::vector<Split> s(all.size());
  size_t n_out = all[0]->outs.size(), n = n_out;
  Tracers outs = cond(cx, home_of(cx, x), x[0], all.size(), args, [&](size_t k, Operands a) {
    s[k].linear = linearize(cx, Interpret{cx, *all[k]}, a, perturbed, t.verb(), origins);
    Tracers list(a), results = s[k].linear.out;
    s[k].residuals = forward_residuals(s[k].linear.residuals, cx.top(), list);
    s[k].first = n;
    results.resize(n);  // holes for those of the branches before
    results.append(list.subspan(a.size()));
    n = results.size();
    return results;
  });
  Operands inside = outs.subspan(n_out);
  Tracers operands = join(inside, present(dx));
  Tracers dy =
      cond(cx, home_of(cx, operands), x[0], all.size(), operands, [&](size_t k, Operands a) {
        Tracers residuals = s[k].residuals.all(join(args, a.subspan(s[k].first - n_out)));
        residuals.append(a.subspan(inside.size()));
        return spread(s[k].linear.has_tangent, eval_jaxpr(cx, *s[k].linear.linear, residuals));
      });
  return {Tracers(outs.subspan(0, n_out)), dy};
}

void cond_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                    const Params& params, Tracers& back) {
  auto& all = branches(params);
  Operands args = x.subspan(1);
  Tracers known = present(args), operands = join(known, present(ct));
  std::vector<EmittedInside> emitted(all.size(), EmittedInside(cx));
  Tracers found =
      cond(cx, home_of(cx, operands), x[0], all.size(), operands, [&](size_t k, Operands a) {
        Tracers cts = emitted[k].during([&] {
          return transpose(cx, *all[k], spread(nonzero(args), a.subspan(0, known.size())),
                           spread(nonzero(ct), a.subspan(known.size())));
        });
        emitted[k].arrange_as(emitted[0]);
        return join(cts, emitted[k].values());
      });
  back.push_back(Tracer());
  back.append(found.subspan(0, args.size()));
  emitted[0].pass_on(found.subspan(args.size()));
}

// The operands as branch k sees them where each element has its own index: the same numbers, but no
// derivative comes back from elements that take another branch. There it may be infinite, and zero
// times that is NaN.
Batched operands_of(BatchTrace& t, MappedOperands in, const Tracer& index, size_t k) {
  Tracer number = full_like(index, double(k)), here = eq(index, number);
  Batched args;
  for (const Mapped& m : in) {
    if (!is_float(m.value.dtype())) {
      args.push_back(m);
      continue;
    }
    Tracer x = materialise(m, t.size);
    Tracer fixed = stop_gradient(x);
    Tracer at = broadcast_in_dim(here, Ints(x.shape()), {0});
    args.push_back({select(at, x, fixed), true});
  }
  return args;
}

// Each element has its own index: all branches run, and the results are chosen from.
Batched choose(BatchTrace& t, MappedOperands in, const std::vector<JaxprRef>& all) {
  Tracer first = zeros_like(in[0].value), last = full_like(in[0].value, double(all.size() - 1));
  Tracer index = maximum(in[0].value, first);
  index = minimum(index, last);
  std::vector<Tracers> results;
  Tracers chosen;
  for (size_t k = 0; k < all.size(); ++k) {
    auto args = operands_of(t, in.subspan(1), index, k);
    results.push_back(eval_mapped(t, *all[k], args));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    Tracers cases;
    for (Tracers& values : results) cases.push_back(values[i]);
    Tracer which = broadcast_in_dim(index, Ints(cases[0].shape()), {0});
    chosen.push_back(select_n(which, cases));
  }
  return each_mapped(chosen);
}

Batched cond_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  auto& all = branches(params);
  if (in[0].mapped && all.size() > 1) {
    refuse_to_act(effects_of(p, params), p.name, "an index", "every branch");
    return choose(t, in, all);
  }
  Tracers operands = values_of(in.subspan(1));
  Flags in_mapped = mapped_of(in.subspan(1)), mapped(all[0]->outs.size(), false);
  std::vector<StageTrace::Closed> parts;
  std::vector<Flags> found;
  for (const JaxprRef& j : all)
    parts.push_back(stage(t.cx, avals_of(operands), [&](Operands a) {
      Batched results = batch(t.cx, Interpret{t.cx, *j}, mapped_where(a, in_mapped), t.size);
      found.push_back(mapped_of(results));
      for (size_t i = 0; i < results.size(); ++i) mapped[i] = mapped[i] || results[i].mapped;
      return values_of(results);
    }));
  Tracer index = in[0].mapped ? t.cx.number(DType::i32, 0) : in[0].value;
  Tracers whole = join(Operands(&index, 1), operands);
  Tracers results =
      cond(t.cx, home_of(t.cx, whole), index, all.size(), operands, [&](size_t k, Operands a) {
        Tracers values = eval_jaxpr(t.cx, *parts[k].jaxpr, join(parts[k].captured, a));
        return materialised(mapped_where(values, found[k]), mapped, t.size);
      });
  return mapped_where(results, mapped);
}

Pruned cond_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  auto& all = branches(params);
  Flags inputs(all[0]->invars.size(), false);
  for (const JaxprRef& j : all) {
    Flags needed = s.needed_inputs(*j, used);
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = inputs[i] || needed[i];
  }
  std::vector<JaxprRef> parts;
  for (const JaxprRef& j : all) parts.push_back(s.prune(*j, used, inputs).jaxpr);
  inputs.insert(0, true);  // the index
  Object list = make_ref<JaxprList>(std::move(parts));
  return {s.session.params().make(cond_p.sig, {list}), inputs, Flags(used)};
}

void check_branches(const Params& params, std::span<const bool> known) {
  for (const JaxprRef& j : branches(params)) check_transposable(*j, known.subspan(1));
}

}  // namespace

constexpr Primitive cond_p = define({
    .name = "cond",
    .signature = "index, operands'..., branches: jaxprs",
    .doc = "Runs one of several jaxprs.",
    .linearity = Linearity::linear,
    .abstract_eval = cond_aval,
    .expand = cond_expand,
    .linearize = cond_linearize,
    .transpose_all = cond_transpose,
    .batch_all = cond_batch,
    .dce = cond_dce,
    .check_transpose = check_branches,
    .internal = true,
});

}  // namespace jv

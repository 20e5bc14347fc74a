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
    for (size_t k = 0; k < n; ++k)
      if (has_[k] != any_) fill(k);
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
    if (types_.empty()) types_ = Avals(outs.size(), nullptr), any_ = Flags(outs.size(), false);
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

void cond_expand(Context& cx, const Primitive&, Operands operands, const Params& params,
                 Tracers& out) {
  auto& all = branches(params);
  int64_t index = element_i64(operands[0].array(), 0);
  size_t k = size_t(std::clamp<int64_t>(index, 0, int64_t(all.size()) - 1));
  out = run_jaxpr(cx, *all[k], operands.subspan(1));
}

void cond_jvp(JvpTrace& t, Operands x, Operands dx, const Params& params, Tracers& y, Tracers& dy) {
  auto& all = branches(params);
  Operands args = x.subspan(1);
  Flags perturbed = nonzero(dx.subspan(1));
  size_t n = args.size(), n_out = all[0]->outs.size();
  Tracers operands = join(args, present(dx));
  Tracers both =
      cond(t.cx, home_of(t.cx, operands), x[0], all.size(), operands, [&](size_t k, Operands a) {
        Dual d = jvp(
            t.cx, [&](Operands v) { return eval_jaxpr(t.cx, *all[k], v); }, a.subspan(0, n),
            spread(perturbed, a.subspan(n)), t.verb());
        return join(d.y, d.dy);
      });
  y = Tracers(Operands(both).subspan(0, n_out));
  dy = Tracers(Operands(both).subspan(n_out));
}

// One branch, linearized on its own.
struct Split {
  StageTrace::Closed primal;  // -> results, then residuals that are made inside
  Linearized linear;
  Tracers residuals;  // those known outside: operands, and values of outer traces; else null
};

Split split(JvpTrace& t, const Jaxpr& j, Operands args, std::span<const bool> perturbed,
            std::span<const uint32_t> origins) {
  Split s;
  s.primal = stage(t.cx, avals_of(args), [&](Operands a) {
    Trace& here = t.cx.top();
    s.linear = linearize(
        t.cx, [&](Operands v) { return eval_jaxpr(t.cx, j, v); }, a, perturbed, t.verb(), origins);
    Tracers outs = s.linear.out;
    for (const Tracer& r : s.linear.residuals) {
      size_t i = 0;
      while (i < a.size() && !a[i].same(r)) ++i;
      s.residuals.push_back(i < a.size() ? args[i] : &r.trace() == &here ? Tracer() : r);
      if (!s.residuals.back()) outs.push_back(r);
    }
    return outs;
  });
  return s;
}

size_t n_inside(const Split& s) { return s.residuals.size() - present(s.residuals).size(); }

void cond_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx, const Params& params,
                    Tracers& y, Tracers& dy) {
  Retracing retracing(t);
  if (!t.linearizing()) return cond_jvp(t, x, dx, params, y, dy);
  auto& all = branches(params);
  Context& cx = t.cx;
  Operands args = x.subspan(1);
  Flags perturbed = nonzero(dx.subspan(1));
  std::vector<uint32_t> origins = t.origins();
  origins.erase(origins.begin());
  std::vector<Split> s;
  for (const JaxprRef& j : all) s.push_back(split(t, *j, args, perturbed, origins));
  size_t n_out = all[0]->outs.size();
  Trace& home = home_of(cx, x);
  Tracers outs = cond(cx, home, x[0], all.size(), args, [&](size_t k, Operands a) {
    Tracers own = eval_jaxpr(cx, *s[k].primal.jaxpr, join(s[k].primal.captured, a));
    Tracers list(Operands(own).subspan(0, n_out));
    for (size_t other = 0; other < s.size(); ++other)
      for (size_t i = 0; i < n_inside(s[other]); ++i)
        list.push_back(other == k ? own[n_out + i] : Tracer());
    return list;
  });
  y = Tracers(Operands(outs).subspan(0, n_out));
  Operands inside = Operands(outs).subspan(n_out);
  Tracers operands = join(inside, present(dx));
  dy = cond(cx, home_of(cx, operands), x[0], all.size(), operands, [&](size_t k, Operands a) {
    size_t first = 0;
    for (size_t other = 0; other < k; ++other) first += n_inside(s[other]);
    Tracers in;
    for (const Tracer& r : s[k].residuals) in.push_back(r ? r : a[first++]);
    in.append(a.subspan(inside.size()));
    return spread(s[k].linear.has_tangent, eval_jaxpr(cx, *s[k].linear.linear, in));
  });
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
  back.append(Operands(found).subspan(0, args.size()));
  emitted[0].pass_on(Operands(found).subspan(args.size()));
}

// The operands as branch k sees them where each element has its own index: the same numbers, but no
// derivative comes back from elements that take another branch. There it may be infinite, and zero
// times that is NaN.
Small<Mapped, 4> operands_of(BatchTrace& t, std::span<const Mapped> in, const Tracer& index,
                             size_t k) {
  Tracer number = full_like(index, double(k)), here = eq(index, number);
  Small<Mapped, 4> args;
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
void choose(BatchTrace& t, std::span<const Mapped> in, const std::vector<JaxprRef>& all,
            Small<Mapped, 2>& out) {
  Tracer first = zeros_like(in[0].value), last = full_like(in[0].value, double(all.size() - 1));
  Tracer index = maximum(in[0].value, first);
  index = minimum(index, last);
  std::vector<Tracers> results;
  for (size_t k = 0; k < all.size(); ++k) {
    auto args = operands_of(t, in.subspan(1), index, k);
    results.push_back(eval_mapped(t, *all[k], args));
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    Tracers cases;
    for (Tracers& values : results) cases.push_back(values[i]);
    Tracer which = broadcast_in_dim(index, Ints(cases[0].shape()), {0});
    out.push_back({select_n(which, cases), true});
  }
}

void cond_batch(BatchTrace& t, const Primitive& p, std::span<const Mapped> in, const Params& params,
                Small<Mapped, 2>& out) {
  auto& all = branches(params);
  if (in[0].mapped && all.size() > 1) {
    refuse_to_act(effects_of(p, params), p.name, "an index", "every branch");
    return choose(t, in, all, out);
  }
  Tracers operands = values_of(in.subspan(1));
  Flags in_mapped = mapped_of(in.subspan(1));
  Flags mapped;
  auto run = [&](size_t k, Operands a) {
    auto args = mapped_where(a, in_mapped);
    return batch(
        t.cx, [&](Operands b) { return eval_jaxpr(t.cx, *all[k], b); }, args, t.size);
  };
  for (size_t k = 0; k < all.size(); ++k)
    stage(t.cx, avals_of(operands), [&](Operands a) {
      auto results = run(k, a);
      mapped.resize(results.size());
      for (size_t i = 0; i < results.size(); ++i) mapped[i] = mapped[i] || results[i].mapped;
      return Tracers();
    });
  Tracer index = in[0].mapped ? t.cx.number(DType::i32, 0) : in[0].value;
  Tracers whole = join(Operands(&index, 1), operands);
  Tracers results =
      cond(t.cx, home_of(t.cx, whole), index, all.size(), operands, [&](size_t k, Operands a) {
        Tracers outs;
        auto each = run(k, a);
        for (size_t i = 0; i < each.size(); ++i)
          outs.push_back(mapped[i] ? materialise(each[i], t.size) : each[i].value);
        return outs;
      });
  for (size_t i = 0; i < results.size(); ++i) out.push_back({results[i], mapped[i]});
}

Pruned cond_dce(Session& session, const Params& params, std::span<const bool> used) {
  auto& all = branches(params);
  Small<bool, 4> inputs(all[0]->invars.size(), false);
  for (const JaxprRef& j : all) {
    Small<bool, 4> needed = needed_inputs(*j, used);
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = inputs[i] || needed[i];
  }
  std::vector<JaxprRef> parts;
  for (const JaxprRef& j : all) {
    Small<bool, 4> keep = inputs;
    parts.push_back(prune(*j, used, keep));
  }
  Pruned p;
  p.results = Small<bool, 4>(used);
  p.operands.push_back(true);
  p.operands.append(inputs);
  p.params = session.params().make(cond_p.sig, {Object(make_ref<JaxprList>(std::move(parts)))});
  return p;
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

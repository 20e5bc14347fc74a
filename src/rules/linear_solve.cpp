// A custom_linear_solve holds A and A^T as jaxprs beside what solves with them. Differentiating
// A x = b gives A dx = db - dA x: the same equation with another right side, so that every order
// meets this rule again. Transposing exchanges the two products and the two solves.
#include "rules/linear_solve.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {
namespace {

// What an equation's parameters say, and how its operands divide: what each jaxpr captured, and b.
struct Parts {
  enum Which { matvec, vecmat, solve, transpose_solve };

  explicit Parts(const Params& p) {
    for (int64_t n : p.ints("const_lengths")) lengths.push_back(size_t(n));
    auto& all = p.object<JaxprList>("jaxprs").items;
    if (all.size() == 4) jaxprs = all;
    else jaxprs = {all[0], nullptr, all[1], nullptr};
  }

  const Jaxpr& operator[](Which which) const { return *jaxprs[which]; }
  bool has_transpose() const { return jaxprs[transpose_solve].get(); }
  size_t n_unknowns() const { return jaxprs[matvec]->outs.size(); }
  size_t first_unknown() const { return lengths[0] + lengths[1] + lengths[2] + lengths[3]; }

  auto consts(const auto& all, Which which) const {
    size_t first = 0;
    for (int i = 0; i < which; ++i) first += lengths[size_t(i)];
    return all.subspan(first, lengths[which]);
  }
  auto unknowns(const auto& all) const { return all.subspan(first_unknown()); }

  // The same jaxprs closed over operands.
  StageTrace::Closed closed(Operands x, Which which) const {
    return {jaxprs[which], Tracers(consts(x, which))};
  }

  std::vector<JaxprRef> jaxprs;
  std::vector<size_t> lengths;
};

ParamsRef solve_params(Session& session, const Ints& lengths, std::vector<JaxprRef> jaxprs) {
  if (!jaxprs[Parts::transpose_solve]) jaxprs = {jaxprs[Parts::matvec], jaxprs[Parts::solve]};
  return session.params().make(custom_linear_solve_p.sig,
                               {lengths, Object(make_ref<JaxprList>(std::move(jaxprs)))});
}

// ---- types

void check_params(const Params& params, size_t n_operands) {
  const Ints& lengths = params.ints("const_lengths");
  size_t n = params.object<JaxprList>("jaxprs").items.size();
  if (lengths.size() != 4 || (n != 2 && n != 4))
    fail(Code::invalid_argument, "custom_linear_solve: expected 4 lengths and 2 or 4 jaxprs, got ",
         lengths.size(), " and ", n);
  size_t rest = n_operands;
  for (int64_t length : lengths) {
    if (length < 0 || size_t(length) > rest)
      fail(Code::invalid_argument, "custom_linear_solve: const_lengths do not fit ", n_operands,
           " operands");
    rest -= size_t(length);
  }
}

void check_results(const char* who, const Jaxpr& j, std::span<const Aval> b, bool aux) {
  Avals out = out_avals(j);
  bool fits = aux ? out.size() >= b.size() : out.size() == b.size();
  if (!fits || !std::equal(b.begin(), b.end(), out.begin()))
    fail(Code::tree, "custom_linear_solve: the results of ", who, " are not of b's types");
}

void solve_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  check_params(params, in.size());
  Parts s(params);
  std::span<const Aval> b = s.unknowns(in);
  constexpr const char* names[] = {"matvec", "vecmat", "solve", "transpose_solve"};
  for (Parts::Which which : {Parts::matvec, Parts::vecmat, Parts::solve, Parts::transpose_solve}) {
    if (!s.jaxprs[which]) continue;
    Avals all(s.consts(in, which));
    all.append(b);
    check_call("custom_linear_solve", s[which], all);
    check_results(names[which], s[which], b, which >= Parts::solve);
  }
  out = out_avals(s[Parts::solve]);
}

Tracers solve_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  Parts s(params);
  Tracers in = join(s.consts(operands, Parts::solve), s.unknowns(operands));
  return run_jaxpr(cx, s[Parts::solve], in);
}

// ---- derivatives

// dA x, where what A was made of has tangents; null where zero.
Tracers product_tangent(JvpTrace& t, const Parts& s, Operands x, Operands dx, Operands solution) {
  Operands consts = s.consts(x, Parts::matvec), dconsts = s.consts(dx, Parts::matvec);
  if (present(dconsts).empty()) return Tracers(solution.size());
  std::vector<uint32_t> origins = t.origins();
  origins.resize(consts.size() + solution.size());
  return push(t, Interpret{t.cx, s[Parts::matvec]}, join(consts, solution),
              join(dconsts, Tracers(solution.size())), origins)
      .dy;
}

// db - dA x
Tracers right_side(Operands db, Operands product) {
  Tracers rhs;
  for (size_t i = 0; i < db.size(); ++i) {
    Tracer minus = product[i] ? neg(product[i]) : Tracer();
    rhs.push_back(!minus ? db[i] : db[i] ? add(db[i], minus) : minus);
  }
  return rhs;
}

// An effect of the solve does not happen again in that of the tangent.
ParamsRef without_effects(Session& session, const Primitive& p, const Params& params) {
  if (effects_of(p, params) == Effects::none) return ParamsRef(&params);
  return map_sub_jaxprs(session, params, silent);
}

Dual solve_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                     const Params& params) {
  Retracing retracing(t);
  ParamsRef quiet = without_effects(t.cx.session(), p, params);
  Parts s(*quiet);
  Tracers y = bind_at(home_of(t.cx, x), p, x, ParamsRef(&params)), dy(y.size());
  Operands solution = y.subspan(0, s.n_unknowns());
  Tracers rhs = right_side(s.unknowns(dx), product_tangent(t, s, x, dx, solution));
  if (present(rhs).empty()) return {y, dy};
  Avals types = tangent_avals(t.cx.session(), avals_of(solution));
  Trace& home = home_of(t.cx, join(x, dx));
  Tracers operands(x.subspan(0, s.first_unknown()));
  operands.append(filled(rhs, types, home));
  Tracers found = bind_at(home, p, operands, quiet);
  for (size_t i = 0; i < solution.size(); ++i) dy[i] = found[i];
  return {y, dy};
}

void check_solve(const Params& params, std::span<const bool> known) {
  Parts s(params);
  std::span<const bool> consts = known.subspan(0, s.first_unknown());
  if (std::find(consts.begin(), consts.end(), false) != consts.end())
    fail(Code::no_transpose, "custom_linear_solve: is not linear in what matvec uses");
  if (!s.has_transpose())
    fail(Code::no_transpose,
         "custom_linear_solve: reverse mode needs a transpose_solve, and there is none; a "
         "fixed_point has one where its f has a reverse mode");
}

void solve_transpose(Context& cx, const Primitive&, Operands ct, Operands x,
                     std::span<const Aval> in, const Params& params, Tracers& back) {
  Parts s(params);
  size_t n = s.n_unknowns();
  check_solve(params, nonzero(x));
  if (!present(ct.subspan(n)).empty())
    fail(Code::no_transpose, "custom_linear_solve: auxiliary results have no derivative");
  Tracers known = present(x);
  Trace& home = home_of(cx, join(known, present(ct)));
  Tracers b = filled(ct.subspan(0, n), s.unknowns(in), home);
  LinearSolve other{s.closed(x, Parts::vecmat), s.closed(x, Parts::matvec),
                    s.closed(x, Parts::transpose_solve), s.closed(x, Parts::solve)};
  Tracers found = linear_solve(cx, home, other, b);
  back = join(Tracers(s.first_unknown()), found.subspan(0, n));
}

// ---- batch

// The jaxpr of one element as that of all: unknowns and results are mapped.
StageTrace::Closed batched(BatchTrace& t, const Parts& s, Parts::Which which, MappedOperands in,
                           std::span<const Aval> unknowns) {
  if (!s.jaxprs[which]) return {};
  auto consts = s.consts(in, which);
  return stage(t.cx, unknowns, [&](Operands a) {
    Batched args(consts);
    args.append(each_mapped(a));
    return eval_mapped(t, s[which], args);
  });
}

Batched solve_batch(BatchTrace& t, const Primitive&, MappedOperands in, const Params& params) {
  Parts s(params);
  Trace& home = home_of(t.cx, values_of(in));
  Tracers b = materialised(s.unknowns(in), t.size);
  Avals types = avals_of(b);
  LinearSolve all{batched(t, s, Parts::matvec, in, types), batched(t, s, Parts::vecmat, in, types),
                  batched(t, s, Parts::solve, in, types),
                  batched(t, s, Parts::transpose_solve, in, types)};
  return each_mapped(linear_solve(t.cx, home, all, b));
}

// ---- dead code

// Auxiliary results that nobody uses go, and with them what a jaxpr captured for them alone.
Pruned solve_dce(Simplifier& simplifier, const Params& params, std::span<const bool> used) {
  Parts s(params);
  Pruned p;
  Ints lengths;
  for (Parts::Which which : {Parts::matvec, Parts::vecmat, Parts::solve, Parts::transpose_solve}) {
    JaxprRef& j = s.jaxprs[which];
    size_t n = j ? s.lengths[which] : 0;
    Flags kept(j ? j->invars.size() : 0, true);
    if (j) {
      Flags outs(j->outs.size(), true);
      for (size_t i = s.n_unknowns(); i < outs.size(); ++i)
        outs[i] = which == Parts::solve && used[i];
      for (size_t i = 0; i < n; ++i) kept[i] = false;
      Part part = simplifier.prune(*j, outs, kept);
      j = part.jaxpr, kept = part.inputs;
    }
    std::span<const bool> consts = kept.subspan(0, n);
    lengths.push_back(int64_t(count_of(consts)));
    p.operands.append(consts);
  }
  for (size_t i = 0; i < used.size(); ++i) p.results.push_back(i < s.n_unknowns() || used[i]);
  p.operands.append(Flags(s.n_unknowns(), true));
  p.params = solve_params(simplifier.session, lengths, s.jaxprs);
  return p;
}

}  // namespace

Tracers linear_solve(Context& cx, Trace& at, const LinearSolve& s, Operands b) {
  Tracers operands;
  Ints lengths;
  for (const StageTrace::Closed* c : {&s.matvec, &s.vecmat, &s.solve, &s.transpose_solve}) {
    operands.append(c->captured);
    lengths.push_back(int64_t(c->captured.size()));
  }
  operands.append(b);
  ParamsRef params =
      solve_params(cx.session(), lengths,
                   {s.matvec.jaxpr, s.vecmat.jaxpr, s.solve.jaxpr, s.transpose_solve.jaxpr});
  return bind_at(at, custom_linear_solve_p, operands, params);
}

constexpr Primitive custom_linear_solve_p = define({
    .name = "custom_linear_solve",
    .signature = "operands'..., const_lengths: ints, jaxprs: jaxprs",
    .doc = "Solves a linear equation as its jaxprs say.",
    .linearity = Linearity::linear,
    .abstract_eval = solve_aval,
    .expand = solve_expand,
    .linearize = solve_linearize,
    .transpose_all = solve_transpose,
    .batch_all = solve_batch,
    .dce = solve_dce,
    .check_transpose = check_solve,
    .internal = true,
});

}  // namespace jv

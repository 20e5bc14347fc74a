#include "rules/implicit.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {

// The tangent of f(captured, solution) at a fixed solution; null where zero. By linearize, since a
// rule in f may have no forward mode while all that is asked for is the transpose.
Tracers ImplicitRule::change(Context& cx, Operands args, Operands dargs, Operands solution) const {
  Flags perturbed = nonzero(captured(dargs));
  perturbed.append(Flags(solution.size(), false));
  JaxprRef quiet = silent(f());
  Linearized l = linearize(
      cx, [&](Operands a) { return eval_jaxpr(cx, *quiet, a); }, join(captured(args), solution),
      perturbed);
  simplify_linear(l);
  Tracers tangents = present(captured(dargs));
  return spread(l.has_tangent, eval_jaxpr(cx, *l.linear, join(l.residuals, tangents)));
}

// The solution is that of the same rule, so that it is differentiated again by it.
void ImplicitRule::jvp(Context& cx, Operands x, Operands dx, Tracers& y, Tracers& dy) const {
  y = custom_jvp_call(RuleRef(this), cx, x, home_of(cx, x));
  dy = Tracers(y.size());
  if (present(captured(dx)).empty()) return;
  Operands solution = Operands(y).subspan(0, n_unknowns());
  Tracers df = change(cx, x, dx, solution);
  if (present(df).empty()) return;
  Avals types = tangent_avals(cx.session(), avals_of(solution));
  Trace& home = home_of(cx, join(x, present(df)));
  df = filled(df, Flags(df.size(), true), types, home);
  Tracers found = tangent(cx, x, solution, df);
  std::copy(found.begin(), found.end(), dy.begin());
}

namespace {

class RootRule final : public ImplicitRule {
 public:
  explicit RootRule(const RootSolve& r)
      : ImplicitRule("custom_root", r.f.jaxpr, r.f.captured.size()),
        solve_(r.solve.jaxpr),
        tangent_(r.tangent.jaxpr),
        n_f_(r.f.captured.size()),
        n_solve_(r.solve.captured.size()),
        n_tangent_(r.tangent.captured.size()) {}

  Tracers primal(Context& cx, Operands args) const override {
    return eval_jaxpr(cx, *solve_, join(args.subspan(n_f_, n_solve_), guess(args)));
  }

 private:
  Tracers tangent(Context& cx, Operands args, Operands x, Operands df) const override {
    return eval_jaxpr(cx, *tangent_, join(args.subspan(n_f_ + n_solve_, n_tangent_), x, df));
  }

  JaxprRef solve_, tangent_;
  size_t n_f_, n_solve_, n_tangent_;
};

}  // namespace

Tracers custom_root(Context& cx, Trace& at, const RootSolve& s, Operands guess) {
  Tracers operands = join(s.f.captured, s.solve.captured, s.tangent.captured);
  operands.append(guess);
  return custom_jvp_call(make_ref<const RootRule>(s), cx, operands, at);
}

}  // namespace jv

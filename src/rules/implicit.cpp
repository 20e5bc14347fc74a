#include "rules/implicit.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {

Linearized ImplicitRule::linearized(Context& cx, Operands args, Operands solution,
                                    const Flags& perturbed) const {
  JaxprRef quiet = silent(f());
  Linearized l = linearize(cx, Interpret{cx, *quiet}, join(captured(args), solution), perturbed);
  simplify_linear(l);
  return l;
}

// The tangent of f(captured, solution) at a fixed solution; null where zero. By linearize, since a
// rule in f may have no forward mode while all that is asked for is the transpose.
Tracers ImplicitRule::change(Context& cx, Operands args, Operands dargs, Operands solution) const {
  Tracers tangents = present(captured(dargs));
  Flags perturbed = nonzero(join(captured(dargs), Tracers(solution.size())));
  Linearized l = linearized(cx, args, solution, perturbed);
  return spread(l.has_tangent, eval_jaxpr(cx, *l.linear, join(l.residuals, tangents)));
}

// The solution is that of the same rule, so that it is differentiated again by it.
Dual ImplicitRule::jvp(Context& cx, Operands x, Operands dx) const {
  Tracers y = custom_jvp_call(CustomRuleRef(this), cx, x, home_of(cx, x)), dy(y.size());
  if (present(captured(dx)).empty()) return {y, dy};
  Operands solution = y.subspan(0, n_unknowns());
  Tracers df = change(cx, x, dx, solution);
  if (present(df).empty()) return {y, dy};
  Avals types = tangent_avals(cx.session(), avals_of(solution));
  df = filled(df, types, home_of(cx, join(x, df)));
  Tracers found = tangent(cx, x, solution, df);
  std::copy(found.begin(), found.end(), dy.begin());
  return {y, dy};
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

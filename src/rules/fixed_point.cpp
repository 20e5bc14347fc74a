// x = f(x) by iteration. With J = df/dx, the tangent solves v = df + J v and the cotangent
// w = ct + J^T w: fixed points again, found in the same way, which converges where x did.
#include <algorithm>
#include <cmath>
#include <functional>

#include "control/while.hpp"
#include "primitives/define.hpp"
#include "rules/implicit.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

using Step = std::function<Tracers(Operands x)>;

// Norms are of the widest dtype among the values, f32 at least.
DType norm_dtype(Operands x) {
  for (const Tracer& t : x)
    if (t.dtype() == DType::f64) return DType::f64;
  return DType::f32;
}

// The distance of 1 to the next number.
double precision(DType dtype) {
  switch (dtype) {
    case DType::f64: return 0x1p-52;
    case DType::f32: return 0x1p-23;
    case DType::f16: return 0x1p-10;
    default: return 0x1p-7;
  }
}

double tolerance(const Iteration& how, Operands x) {
  if (how.tolerance > 0) return how.tolerance;
  double least = 0;
  for (const Tracer& t : x) least = std::max(least, precision(t.dtype()));
  return std::pow(least, 0.75);
}

// The largest absolute value, or `so_far` where that is larger.
Tracer largest(Tracer so_far, Operands x) {
  for (const Tracer& t : x) {
    if (t.aval()->size == 0) continue;
    Ints axes;
    for (size_t i = 0; i < t.shape().size(); ++i) axes.push_back(int64_t(i));
    Tracer norm = abs(t);
    if (!axes.empty()) norm = reduce_max(norm, axes);
    if (norm.dtype() != so_far.dtype()) norm = convert_element_type(norm, so_far.dtype());
    so_far = maximum(so_far, norm);
  }
  return so_far;
}

// By how much the step from x to y is too large: positive, or NaN where there is no saying.
Tracer excess(Operands x, Operands y, const Iteration& how, const Tracer& zero) {
  Tracers steps;
  for (size_t i = 0; i < x.size(); ++i) steps.push_back(sub(y[i], x[i]));
  Tracer step = largest(zero, steps), size = largest(zero, y);
  return step - (size * tolerance(how, y) + how.absolute);
}

// The last of x, step(x), step(step(x)) ...: NaN where it did not settle.
Tracers iterate(Context& cx, const Step& step, Operands init, const Iteration& how) {
  Session& session = cx.session();
  DType norm = norm_dtype(init);
  Trace& home = home_of(cx, init);
  Tracer start[] = {zeros(home, session.aval(DType::i64, {})),
                    full(home, session.aval(norm, {}), HUGE_VAL)};
  Tracers carry = join(start, init);
  Avals types = avals_of(carry);
  auto go_on = stage(cx, types, [&](Operands a) {
    Tracer limit = full_like(a[0], double(how.limit)), more = lt(a[0], limit);
    Tracer far = gt(a[1], zeros_like(a[1]));
    return Tracers{bitwise_and(more, far)};
  });
  auto next = stage(cx, types, [&](Operands a) {
    Tracers y = step(a.subspan(2));
    Tracer head[] = {a[0] + 1, excess(a.subspan(2), y, how, zeros_like(a[1]))};
    return join(head, y);
  });
  next.jaxpr = simplify(next.jaxpr);
  Tracers found = while_loop(cx, home, go_on, next, carry);
  Tracers x(found.subspan(2));
  if (how.keep_last) return x;
  Tracer settled = le(found[1], zeros_like(found[1]));
  for (Tracer& t : x) {
    Tracer here = settled, none = full_like(t, NAN);
    if (!t.shape().empty()) here = broadcast_in_dim(here, Ints(t.shape()), {});
    t = select(here, t, none);
  }
  return x;
}

// ---- the linear equations of the derivative: v - J v = b, and w - J^T w = b

Tracers sum_of(Operands x, Operands y) {
  Tracers all;
  for (size_t i = 0; i < x.size(); ++i) all.push_back(y[i] ? add(x[i], y[i]) : x[i]);
  return all;
}
Tracers difference(Operands x, Operands y) {
  Tracers all;
  for (size_t i = 0; i < x.size(); ++i) all.push_back(y[i] ? sub(x[i], y[i]) : x[i]);
  return all;
}

StageTrace::Closed product(Context& cx, std::span<const Aval> types, const Step& j) {
  auto c = stage(cx, types, [&](Operands v) { return difference(v, j(v)); });
  c.jaxpr = simplify(c.jaxpr);
  return c;
}

// No absolute tolerance: a small cotangent has a small solution, and is no less exact.
StageTrace::Closed by_iteration(Context& cx, std::span<const Aval> types, const Step& j,
                                Iteration how) {
  how.absolute = 0;
  return stage(cx, types, [&](Operands b) {
    return iterate(
        cx, [&](Operands v) { return sum_of(b, j(v)); }, b, how);
  });
}

bool has_transpose(const Linearized& l) {
  try {
    check_transposable(*l.linear, l.residuals.size());
    return true;
  } catch (const Error& e) {
    if (!e.is(Code::no_transpose)) throw;
    return false;
  }
}

class FixedPointRule final : public ImplicitRule {
 public:
  FixedPointRule(const StageTrace::Closed& f, const Iteration& how)
      : ImplicitRule("fixed_point", f.jaxpr, f.captured.size()), how_(how) {}

  Tracers primal(Context& cx, Operands args) const override {
    return iterate(
        cx, [&](Operands x) { return eval_jaxpr(cx, f(), join(captured(args), x)); }, guess(args),
        how_);
  }

 private:
  Tracers tangent(Context& cx, Operands args, Operands x, Operands df) const override {
    Flags perturbed(captured(args).size(), false);
    perturbed.append(Flags(x.size(), true));
    Linearized l = linearized(cx, args, x, perturbed);
    const Step push = [&](Operands v) {
      return spread(l.has_tangent, eval_jaxpr(cx, *l.linear, join(l.residuals, v)));
    };
    const Step pull = [&](Operands w) {
      Tracers cts = pick(w, l.has_tangent);
      Tracers back = transpose(cx, *l.linear, join(l.residuals, Tracers(w.size())), cts);
      return Tracers(back.subspan(l.residuals.size()));
    };
    Avals types = tangent_avals(cx.session(), avals_of(x));
    LinearSolve s;
    s.matvec = product(cx, types, push);
    s.solve = by_iteration(cx, types, push, how_);
    if (has_transpose(l)) {
      s.vecmat = product(cx, types, pull);
      s.transpose_solve = by_iteration(cx, types, pull, how_);
    }
    return linear_solve(cx, home_of(cx, join(args, x, df)), s, df);
  }

  Iteration how_;
};

}  // namespace

Tracers fixed_point(Context& cx, Trace& at, const StageTrace::Closed& f, Operands guess,
                    const Iteration& iteration) {
  return custom_jvp_call(make_ref<const FixedPointRule>(f, iteration), cx, join(f.captured, guess),
                         at);
}

}  // namespace jv

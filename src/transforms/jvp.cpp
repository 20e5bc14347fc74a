#include "transforms/jvp.hpp"

#include <utility>

#include "primitives/define.hpp"
#include "transforms/batch.hpp"

namespace jv {

Flags nonzero(Operands t) {
  Flags flags;
  for (const Tracer& x : t) flags.push_back(bool(x));
  return flags;
}

Tracer JvpTrace::put(Tracer x, Tracer dx, uint32_t location) {
  if (dx && !is_float(x.dtype())) dx = Tracer();
  pairs_.push_back({std::move(x), std::move(dx), location ? location : cx.location});
  return Tracer(*this, uint32_t(pairs_.size() - 1));
}

std::vector<uint32_t> JvpTrace::origins() const {
  std::vector<uint32_t> places;
  for (const Tracer& t : operands_) places.push_back(origin(t));
  return places;
}

Tracer JvpTrace::put_inside(Tracer x, Tracer dx) {
  Trace& inner = dx && dx.trace().depth > x.trace().depth ? dx.trace() : x.trace();
  if (inner.depth <= depth || &inner == linear_) return put(std::move(x), std::move(dx));
  auto* batch = dynamic_cast<BatchTrace*>(&inner);
  if (!batch) return put(std::move(x), std::move(dx));
  Tracer y = materialise(batch->get(x), batch->size);
  return batch->put(
      {put_inside(y, dx ? materialise(batch->get(dx), batch->size) : Tracer()), true});
}

void JvpTrace::check_closures(Operands used, std::string_view rule, const char* function) const {
  int first = cx.retracing ? cx.retracing : depth;
  for (const Tracer& t : used)
    if (t && t.trace().depth >= first && t.trace().depth <= depth && t.trace().perturbed(t))
      fail_closure(t, rule, function);
}

// A primitive that is linear in all its marked operands together: the same equation on their
// tangents.
static Tracer linear_tangent(const Primitive& p, Operands x, Operands dx, const ParamsRef& params) {
  Tracers t;
  for (size_t i = 0; i < x.size(); ++i)
    t.push_back(!p.sig.operand(i).linear ? x[i] : dx[i] ? dx[i] : zeros_like(x[i]));
  return bind1(p, t, params);
}

// ... or in one operand, the others fixed.
static Tracer bilinear_tangent(const Primitive& p, Operands x, size_t which, const Tracer& dx,
                               const ParamsRef& params) {
  Tracers t(x);
  t[which] = dx;
  return bind1(p, t, params);
}

// The tangent of the one result, by the primitive's rules; null where it is zero.
static Tracer tangent(const Primitive& p, Operands x, Operands dx, Operands y,
                      const ParamsRef& params) {
  if (p.linearity == Linearity::linear && !p.jvp) return linear_tangent(p, x, dx, params);
  Tracer sum;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!dx[i]) continue;
    Tracer t;
    if (p.linearity == Linearity::bilinear && p.sig.operand(i).linear)
      t = bilinear_tangent(p, x, i, dx[i], params);
    else if (p.jvp) t = p.jvp(x, i, dx[i], y, *params);
    else fail(Code::no_rule, p.name, ": has no derivative with respect to ", p.sig.operand(i).name);
    if (t) sum = sum ? add(sum, t) : t;
  }
  return sum;
}

// While it lives, these are the operands of the equation whose `linearize` runs: a rule binds
// others.
class JvpTrace::CurrentOperands {
 public:
  CurrentOperands(JvpTrace& t, Operands now) : t_(t), before_(std::exchange(t.operands_, now)) {}
  ~CurrentOperands() { t_.operands_ = before_; }
  CurrentOperands(const CurrentOperands&) = delete;

 private:
  JvpTrace& t_;
  Operands before_;
};

void JvpTrace::bind(const Primitive& p, Operands operands, const ParamsRef& params, Tracers& out) {
  Tracers x, dx;
  Dual d;
  bool any = false;
  for (const Tracer& t : operands) {
    x.push_back(this->x(t));
    dx.push_back(this->dx(t));
    any |= bool(dx.back());
  }
  if (any && cx.rule_call)
    for (const Tracer& t : operands)
      if (has_tangent(t)) check_rule_calls(cx, t);
  if (any && p.linearize) {
    CurrentOperands current(*this, operands);
    d = p.linearize(*this, p, x, dx, *params);
  } else {
    bind_place(x[0].trace(), p, x, *params).bind(p, x, params, d.y);
    d.dy.resize(d.y.size());
    if (any && p.differentiable) d.dy[0] = tangent(p, x, dx, d.y, params);
  }
  for (size_t i = 0; i < d.y.size(); ++i)
    out.push_back(put_inside(std::move(d.y[i]), std::move(d.dy[i])));
}

}  // namespace jv

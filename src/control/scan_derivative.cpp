// The derivative of a scan: in forward mode a scan of values and tangents; in linearize a scan that
// also gives the residuals, and a linear one that reads them.
#include <algorithm>

#include "control/scan_parts.hpp"
#include "primitives/ops.hpp"

namespace jv {
namespace {

// ---- forward mode

// Carries, then their tangents; elements, then theirs.
void scan_jvp(JvpTrace& t, const Scan& s, Operands x, Operands dx, Tracers& y, Tracers& dy) {
  Context& cx = t.cx;
  Avals inside = s.in_avals(), types = tangent_avals(cx.session(), inside);
  Tracers dconsts = present(s.consts(dx)), dxs = present(s.xs(dx));
  Trace& home = home_of(cx, join(x, present(dx)));
  StageTrace::Closed body;
  Flags y_tangents;
  Flow flow = settle(nonzero(dx), s.n_consts, s.n_carry, [&](const Flags& in) {
    std::span<const bool> carried = s.carry(std::span<const bool>(in));
    Avals avals(s.carry(std::span<const Aval>(inside)));
    for (size_t i = 0; i < s.n_carry; ++i)
      if (carried[i]) avals.push_back(types[s.n_consts + i]);
    size_t n_carries = avals.size();
    avals.append(s.xs(std::span<const Aval>(inside)));
    for (const Tracer& d : dxs) avals.push_back(element_of(cx.session(), d.aval()));
    Flags found;
    body = stage(cx, avals, [&](Operands a) {
      Operands c = a.subspan(0, n_carries), e = a.subspan(n_carries);
      size_t n_xs = s.xs(x).size();
      Tracers tangents = join(dconsts, c.subspan(s.n_carry), e.subspan(n_xs));
      Dual d = jvp(
          cx, [&](Operands v) { return eval_jaxpr(cx, s.body, v); },
          join(s.consts(x), c.subspan(0, s.n_carry), e.subspan(0, n_xs)), spread(in, tangents),
          t.verb());
      found = nonzero(d.dy);
      Operands all_y = d.y, all_dy = d.dy;
      Tracers outs(all_y.subspan(0, s.n_carry));
      outs.append(filled(all_dy.subspan(0, s.n_carry), carried,
                         s.carry(std::span<const Aval>(types)), home));
      outs.append(all_y.subspan(s.n_carry));
      outs.append(present(all_dy.subspan(s.n_carry)));
      return outs;
    });
    return found;
  });
  std::span<const bool> carried = s.carry(std::span<const bool>(flow.in));
  Tracers dinit = filled(s.carry(dx), carried, s.carry(std::span<const Aval>(types)), home);
  Tracers all = scan(cx, home, body, join(s.carry(x), dinit), join(s.xs(x), dxs), s.loop);
  Operands rest = all;
  auto next = [&](size_t n) {
    Operands part = rest.subspan(0, n);
    rest = rest.subspan(n);
    return part;
  };
  y = Tracers(next(s.n_carry));
  Tracers tangents(next(dinit.size()));
  y.append(next(s.n_outs() - s.n_carry));
  tangents.append(rest);
  dy = spread(flow.out, tangents);
}

// ---- linearize

// The body linearized, and where its residuals are to be found afterwards.
struct Split {
  StageTrace::Closed primal;  // -> carry, ys, and residuals that differ from step to step
  Linearized linear;
  struct Residual {
    Tracer same;     // in every step: a value of the parent; else null
    size_t element;  // the x it is, or
    size_t output;   // the output of the primal scan that holds it
  };
  std::vector<Residual> residuals;
};
constexpr size_t none = SIZE_MAX;

size_t place_of(const Tracer& t, Operands among) {
  size_t i = 0;
  while (i < among.size() && !among[i].same(t)) ++i;
  return i < among.size() ? i : none;
}

Split split(JvpTrace& t, const Scan& s, Operands x, const Flags& in,
            std::span<const uint32_t> origins) {
  Split r;
  Avals inside = s.in_avals();
  r.primal = stage(t.cx, std::span<const Aval>(inside).subspan(s.n_consts), [&](Operands a) {
    Trace& here = t.cx.top();
    r.linear = linearize(
        t.cx, [&](Operands v) { return eval_jaxpr(t.cx, s.body, v); }, join(s.consts(x), a), in,
        t.verb(), origins);
    Tracers outs = r.linear.out;
    for (const Tracer& res : r.linear.residuals) {
      Split::Residual at{Tracer(), none, none};
      if (res.is_concrete() || &res.trace() != &here) at.same = res;
      else if (at.element = place_of(res, a.subspan(s.n_carry)); at.element == none) {
        size_t y = place_of(res, Operands(outs).subspan(s.n_carry));
        at.output = y == none ? outs.size() : s.n_carry + y;
        if (y == none) outs.push_back(res);
      }
      r.residuals.push_back(at);
    }
    return outs;
  });
  return r;
}

}  // namespace

void scan_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx, const Params& params,
                    Tracers& y, Tracers& dy) {
  Retracing retracing(t);
  Scan s(params);
  if (!t.linearizing()) return scan_jvp(t, s, x, dx, y, dy);
  Context& cx = t.cx;
  std::vector<uint32_t> origins = t.origins();
  Split r;
  Flow flow = settle(nonzero(dx), s.n_consts, s.n_carry, [&](const Flags& in) {
    r = split(t, s, x, in, origins);
    return r.linear.has_tangent;
  });
  Trace& home = home_of(cx, x);
  Tracers outs = scan(cx, home, r.primal, s.carry(x), s.xs(x), s.loop);
  y = Tracers(Operands(outs).subspan(0, s.n_outs()));
  if (std::find(flow.out.begin(), flow.out.end(), true) == flow.out.end()) {
    dy = Tracers(y.size());
    return;
  }
  // The tangents' scan: it reads the residuals that differ, and the tangents of xs.
  Avals inside = s.in_avals(), types = tangent_avals(cx.session(), inside), avals;
  std::span<const bool> carried = s.carry(std::span<const bool>(flow.in));
  Tracers dinit = filled(s.carry(dx), carried, s.carry(std::span<const Aval>(types)), home);
  Tracers rows;
  for (const Split::Residual& at : r.residuals)
    if (!at.same) rows.push_back(at.element != none ? s.xs(x)[at.element] : outs[at.output]);
  rows.append(present(s.xs(dx)));
  for (const Tracer& d : dinit) avals.push_back(d.aval());
  for (const Tracer& row : rows) avals.push_back(element_of(cx.session(), row.aval()));
  Tracers dconsts = present(s.consts(dx));
  Avals out_types = tangent_avals(cx.session(), out_avals(s.body));
  auto body = stage(cx, avals, [&](Operands a) {
    Operands dcarry = a.subspan(0, dinit.size()), row = a.subspan(dinit.size());
    Tracers in;
    for (const Split::Residual& at : r.residuals) {
      in.push_back(at.same ? at.same : row[0]);
      if (!at.same) row = row.subspan(1);
    }
    in.append(join(dconsts, dcarry, row));
    Tracers tangents = eval_jaxpr(cx, *r.linear.linear, in);
    return filled(spread(r.linear.has_tangent, tangents), flow.out, out_types, home);
  });
  dy = spread(flow.out, scan(cx, home, body, dinit, rows, s.loop));
}

}  // namespace jv

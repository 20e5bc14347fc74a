#include "control/call.hpp"

#include "control/emit.hpp"
#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

Avals avals_of(Operands t) {
  Avals avals;
  for (const Tracer& x : t) avals.push_back(x.aval());
  return avals;
}

Avals out_avals(const Jaxpr& j) {
  Avals avals;
  for (Atom a : j.outs) avals.push_back(j.aval(a));
  return avals;
}

static const Jaxpr& body(const Params& params) { return jaxpr_param(params, "jaxpr"); }

Tracers call_again(Context& cx, const Primitive& p, const Params& params,
                   const StageTrace::Closed& f, Operands args) {
  Tracers operands = join(f.captured, args);
  return bind_at(home_of(cx, operands), p, operands,
                 with_param(cx.session(), params, "jaxpr", Object(f.jaxpr)));
}

void check_call(const char* name, const Jaxpr& j, std::span<const Aval> in) {
  if (in.size() != j.invars.size())
    fail(Code::invalid_argument, name, ": takes ", j.invars.size(), " operands, got ", in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    Aval want = j.vars[j.invars[i]];
    if (in[i] != want)
      fail(in[i]->dtype == want->dtype ? Code::shape : Code::dtype, name, ": operand ", i, " is ",
           to_string(in[i]), ", expected ", to_string(want));
  }
}

void call_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  check_call("call", body(params), in);
  out = out_avals(body(params));
}

void call_expand(Context& cx, const Primitive&, Operands operands, const Params& params,
                 Tracers& out) {
  out = run_jaxpr(cx, body(params), operands);
}

// Forward mode: one call that computes values and tangents.
void call_jvp(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params,
              Tracers& y, Tracers& dy) {
  const Jaxpr& j = body(params);
  Tracers operands(x), tangents = present(dx);
  operands.append(tangents);
  Dual d;
  auto closed = stage(t.cx, avals_of(operands), [&](Operands a) {
    d = jvp(
        t.cx, [&](Operands args) { return eval_jaxpr(t.cx, j, args); }, a.subspan(0, x.size()),
        spread(nonzero(dx), a.subspan(x.size())));
    Tracers outs = d.y;
    outs.append(present(d.dy));
    return outs;
  });
  Tracers out = call_again(t.cx, p, params, closed, operands);
  y = Tracers(Operands(out).subspan(0, d.y.size()));
  dy = spread(nonzero(d.dy), Operands(out).subspan(d.y.size()));
}

// How the residuals of a split body reach the linear call: those that are its inputs, outputs, or
// values of outer traces are forwarded; the others become results, once each.
static Tracers forward_residuals(const Linearized& l, Operands args, Operands x, Tracers& outs,
                                 std::vector<size_t>& from_outs) {
  Tracers residuals;
  for (const Tracer& r : l.residuals) {
    residuals.push_back(r);
    from_outs.push_back(SIZE_MAX);
    if (r.is_concrete() || &r.trace() != &args[0].trace()) continue;
    size_t i = 0;
    while (i < args.size() && !args[i].same(r)) ++i;
    if (i < args.size()) {
      residuals.back() = x[i];
      continue;
    }
    for (i = 0; i < outs.size() && !outs[i].same(r);) ++i;
    if (i == outs.size()) outs.push_back(r);
    from_outs.back() = i;
  }
  return residuals;
}

static void call_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                           const Params& params, Tracers& y, Tracers& dy) {
  Retracing retracing(t);
  if (!t.linearizing()) return call_jvp(t, p, x, dx, params, y, dy);
  const Jaxpr& j = body(params);
  Flags perturbed = nonzero(dx);
  Linearized l;
  Tracers residuals;
  std::vector<size_t> from_outs;
  std::vector<uint32_t> origins = t.origins();
  auto closed = stage(t.cx, avals_of(x), [&](Operands args) {
    l = linearize(
        t.cx, [&](Operands a) { return eval_jaxpr(t.cx, j, a); }, args, perturbed, t.verb(),
        origins);
    Tracers outs = l.out;
    residuals = forward_residuals(l, args, x, outs, from_outs);
    return outs;
  });
  Tracers out = call_again(t.cx, p, params, closed, x);
  for (size_t i = 0; i < residuals.size(); ++i)
    if (from_outs[i] != SIZE_MAX) residuals[i] = out[from_outs[i]];
  residuals.append(present(dx));
  Tracers tangents = call_again(t.cx, p, params, {l.linear, {}}, residuals);
  y = Tracers(Operands(out).subspan(0, l.out.size()));
  for (size_t i = 0, k = 0; i < y.size(); ++i)
    dy.push_back(l.has_tangent[i] ? tangents[k++] : Tracer());
}

void call_transpose(Context& cx, const Primitive& p, Operands ct, Operands x, std::span<const Aval>,
                    const Params& params, Tracers& back) {
  const Jaxpr& j = body(params);
  Tracers known = present(x), operands = known, found;
  operands.append(present(ct));
  EmittedInside emitted(cx);
  auto closed = stage(cx, avals_of(operands), [&](Operands a) {
    found = emitted.during([&] {
      return transpose(cx, j, spread(nonzero(x), a.subspan(0, known.size())),
                       spread(nonzero(ct), a.subspan(known.size())));
    });
    return join(present(found), emitted.values());
  });
  Tracers out = call_again(cx, p, params, closed, operands);
  Flags given = nonzero(found);
  back = spread(given, out);
  emitted.pass_on(Operands(out).subspan(count_of(given)));
}

void call_batch(BatchTrace& t, const Primitive& p, std::span<const Mapped> in, const Params& params,
                Small<Mapped, 2>& out) {
  const Jaxpr& j = body(params);
  Tracers operands = values_of(in);
  Small<Mapped, 2> results;
  auto closed = stage(t.cx, avals_of(operands), [&](Operands a) {
    auto args = mapped_where(a, mapped_of(in));
    results = batch(
        t.cx, [&](Operands b) { return eval_jaxpr(t.cx, j, b); }, args, t.size);
    Tracers outs;
    for (const Mapped& m : results) outs.push_back(m.value);
    return outs;
  });
  Tracers values = call_again(t.cx, p, params, closed, operands);
  for (size_t i = 0; i < values.size(); ++i) out.push_back({values[i], results[i].mapped});
}

Pruned call_dce(Session& session, const Params& params, std::span<const bool> used) {
  Pruned p;
  p.results = Small<bool, 4>(used);
  JaxprRef part = prune(body(params), used, p.operands);
  p.params = with_param(session, params, "jaxpr", Object(part));
  return p;
}

constexpr Primitive call_p = define({
    .name = "jit",
    .signature = "operands'..., jaxpr: jaxpr, name: word",
    .doc = "Runs a jaxpr.",
    .linearity = Linearity::linear,
    .abstract_eval = call_aval,
    .expand = call_expand,
    .linearize = call_linearize,
    .transpose_all = call_transpose,
    .batch_all = call_batch,
    .dce = call_dce,
    .internal = true,
});

}  // namespace jv

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

static const Jaxpr& body(const Params& params) { return jaxpr_param(params, "jaxpr"); }

Tracers call_again(Context& cx, const Primitive& p, const Params& params,
                   const StageTrace::Closed& f, Operands args) {
  Tracers operands = join(f.captured, args);
  return bind_at(home_of(cx, operands), p, operands,
                 with_param(cx.session(), params, "jaxpr", Object(f.jaxpr)));
}

void check_call(const char* name, std::span<const Aval> wanted, std::span<const Aval> in) {
  if (in.size() != wanted.size())
    fail(Code::invalid_argument, name, ": takes ", wanted.size(), " operands, got ", in.size());
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i] != wanted[i])
      fail(in[i]->dtype == wanted[i]->dtype ? Code::shape : Code::dtype, name, ": operand ", i,
           " is ", to_string(in[i]), ", expected ", to_string(wanted[i]));
}

void check_call(const char* name, const Jaxpr& j, std::span<const Aval> in) {
  check_call(name, in_avals(j), in);
}

void call_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  check_call("call", body(params), in);
  out = out_avals(body(params));
}

Tracers call_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  return run_jaxpr(cx, body(params), operands);
}

// The same equation around what f traces. What f leaves null is null in the result.
template <class F>
static Tracers call_with(Context& cx, const Primitive& p, const Params& params, Operands args,
                         F&& f) {
  Flags given;
  auto closed = stage(cx, avals_of(args), [&](Operands a) {
    Tracers all = f(a);
    given = nonzero(all);
    return present(all);
  });
  return spread(given, call_again(cx, p, params, closed, args));
}

// Forward mode: one call that computes values and tangents.
Dual call_jvp(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params) {
  const Jaxpr& j = body(params);
  size_t n_in = x.size(), n_out = j.outs.size();
  Tracers both = call_with(t.cx, p, params, join(x, present(dx)), [&](Operands a) {
    Tracers tangents = spread(nonzero(dx), a.subspan(n_in));
    Dual d = jvp(t.cx, Interpret{t.cx, j}, a.subspan(0, n_in), tangents);
    return join(d.y, d.dy);
  });
  return {Tracers(both.subspan(0, n_out)), Tracers(both.subspan(n_out))};
}

static Dual call_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                           const Params& params) {
  Retracing retracing(t);
  if (!t.linearizing()) return call_jvp(t, p, x, dx, params);
  std::vector<uint32_t> origins = t.origins();
  Linearized l;
  Forwarded residuals;
  auto closed = stage(t.cx, avals_of(x), [&](Operands a) {
    l = linearize(t.cx, Interpret{t.cx, body(params)}, a, nonzero(dx), t.verb(), origins);
    Tracers list = join(a, l.out);
    residuals = forward_residuals(l.residuals, t.cx.top(), list);
    return Tracers(list.subspan(a.size()));
  });
  Tracers y = call_again(t.cx, p, params, closed, x);
  Tracers operands = join(residuals.all(join(x, y)), present(dx));
  Tracers tangents = call_again(t.cx, p, params, {l.linear, {}}, operands);
  y.resize(l.out.size());
  return {y, spread(l.has_tangent, tangents)};
}

void call_transpose(Context& cx, const Primitive& p, Operands ct, Operands x, std::span<const Aval>,
                    const Params& params, Tracers& back) {
  const Jaxpr& j = body(params);
  Tracers known = present(x);
  EmittedInside emitted(cx);
  Tracers found = call_with(cx, p, params, join(known, present(ct)), [&](Operands a) {
    Tracers cts = emitted.during([&] {
      return transpose(cx, j, spread(nonzero(x), a.subspan(0, known.size())),
                       spread(nonzero(ct), a.subspan(known.size())));
    });
    return join(cts, emitted.values());
  });
  back = Tracers(found.subspan(0, x.size()));
  emitted.pass_on(found.subspan(x.size()));
}

Batched call_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  Flags mapped;
  Tracers values = call_with(t.cx, p, params, values_of(in), [&](Operands a) {
    Batched out =
        batch(t.cx, Interpret{t.cx, body(params)}, mapped_where(a, mapped_of(in)), t.size);
    mapped = mapped_of(out);
    return values_of(out);
  });
  return mapped_where(values, mapped);
}

Pruned call_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  Part part = s.prune(body(params), used);
  return {with_param(s.session, params, "jaxpr", Object(part.jaxpr)), part.inputs, Flags(used)};
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

// scan holds its body as a jaxpr of constants, carry and elements. Its rules trace the body again
// and call `scan` with it. Constants enter that trace as the parent's own values, so that their
// derivatives happen in the parent, once; what depends on others alone is taken out before.
#include "control/scan.hpp"

#include <cstring>

#include "control/emit.hpp"
#include "primitives/define.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

// What a scan's parameters say, and how its operands divide.
struct Scan : LoopBody {
  explicit Scan(const Params& p)
      : LoopBody{jaxpr_param(p, "jaxpr"), size_t(p.integer("num_consts")),
                 size_t(p.integer("num_carry"))},
        loop{p.integer("length"), p.flag("reverse")} {}

  Loop loop;
};

static ParamsRef scan_params(Session& session, JaxprRef body, size_t n_consts, size_t n_carry,
                             Loop loop) {
  Ints linear;
  for (size_t i = 0; i < body->invars.size(); ++i) linear.push_back(0);
  return session.params().make(
      scan_p.sig, {false, Object(body), loop.length, linear, int64_t(n_carry), int64_t(n_consts),
                   loop.reverse, int64_t(1)});
}

Tracers scan(Context& cx, Trace& at, const StageTrace::Closed& body, Operands init, Operands xs,
             Loop loop) {
  Tracers operands = join(body.captured, init, xs);
  ParamsRef params = scan_params(cx.session(), body.jaxpr, body.captured.size(), init.size(), loop);
  return bind_at(at, scan_p, operands, params);
}

namespace {

void scan_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out) {
  if (params.integer("num_consts") < 0 || params.integer("num_carry") < 0 ||
      params.integer("num_consts") + params.integer("num_carry") > int64_t(in.size()))
    fail(Code::invalid_argument, "scan: num_consts and num_carry do not fit ", in.size(),
         " operands");
  Scan s(params);
  if (params.ints("linear").size() != in.size())
    fail(Code::invalid_argument, "scan: linear has ", params.ints("linear").size(), " entries for ",
         in.size(), " operands");
  if (s.loop.length < 0) fail(Code::invalid_argument, "scan: the length is ", s.loop.length);
  Avals inside(in.subspan(0, s.n_consts + s.n_carry));
  for (Aval x : s.xs(in)) {
    if (x->ndim() == 0 || x->shape[0] != s.loop.length)
      fail(Code::shape, "scan: xs of length ", s.loop.length, " expected, got ", to_string(x));
    inside.push_back(element_of(session, x));
  }
  check_call("scan", s.body, inside);
  Avals outs = out_avals(s.body);
  for (size_t i = 0; i < outs.size(); ++i) {
    if (i >= s.n_carry) {
      out.push_back(stacked(session, outs[i], s.loop.length));
      continue;
    }
    if (outs[i] != inside[s.n_consts + i])
      fail(Code::tree, "scan: carry ", i, " is ", to_string(inside[s.n_consts + i]),
           ", the body gives ", to_string(outs[i]));
    out.push_back(outs[i]);
  }
  if (outs.size() < s.n_carry) fail(Code::tree, "scan: the body gives no carry ", outs.size());
}

// ---- running

Array row_of(Session& session, const Array& all, Aval element, int64_t i) {
  Array row = Array::allocate(session, element);
  if (size_t bytes = element->bytes())
    std::memcpy(row.mutable_data(), all.data<char>() + size_t(i) * bytes, bytes);
  if (element->dtype == DType::opaque) retain_elements(row, 0, element->size);
  return row;
}

void put_row(Array& all, const Array& row, int64_t i) {
  if (size_t bytes = row.aval()->bytes())
    std::memcpy(all.mutable_data<char>() + size_t(i) * bytes, row.data(), bytes);
  size_t n = row.aval()->size;
  if (row.aval()->dtype == DType::opaque) retain_elements(all, size_t(i) * n, n);
}

Tracers scan_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  Scan s(params);
  Session& session = cx.session();
  Avals avals = in_avals(s.body), outs = out_avals(s.body);
  Arrays in, xs, ys;
  for (const Tracer& t : operands.subspan(0, s.n_consts + s.n_carry)) in.push_back(t.array());
  for (const Tracer& t : s.xs(operands)) xs.push_back(t.array());
  for (size_t i = s.n_carry; i < outs.size(); ++i)
    ys.push_back(Array::allocate(session, stacked(session, outs[i], s.loop.length)));
  for (int64_t step = 0; step < s.loop.length; ++step) {
    int64_t row = s.loop.reverse ? s.loop.length - 1 - step : step;
    in.resize(s.n_consts + s.n_carry);
    for (const Array& x : xs) in.push_back(row_of(session, x, avals[in.size()], row));
    Arrays results;
    session.executor().run(cx, s.body, in, results);
    for (size_t i = 0; i < s.n_carry; ++i) in[s.n_consts + i] = std::move(results[i]);
    for (size_t i = 0; i < ys.size(); ++i) put_row(ys[i], results[s.n_carry + i], row);
  }
  Tracers out;
  for (size_t i = 0; i < s.n_carry; ++i) out.push_back(cx.tracer(in[s.n_consts + i]));
  for (Array& y : ys) out.push_back(cx.tracer(std::move(y)));
  return out;
}

// ---- derivative

// In forward mode a scan of values and tangents; in linearize a scan that also gives the residuals,
// and a linear one that reads them.

Dual scan_jvp(JvpTrace& t, const Scan& s, Operands x, Operands dx) {
  Trace& home = home_of(t.cx, join(x, dx));
  DualBody d = dual_body(t, s, x, dx, home);
  Tracers all = scan(t.cx, home, d.body, d.init, join(s.xs(x), present(s.xs(dx))), s.loop);
  Operands carry = all.subspan(0, d.init.size()), ys = all.subspan(d.init.size());
  size_t n_ys = s.body.outs.size() - s.n_carry;
  return {join(carry.subspan(0, s.n_carry), ys.subspan(0, n_ys)),
          spread(d.flow.out, join(carry.subspan(s.n_carry), ys.subspan(n_ys)))};
}

Dual linearize_steps(JvpTrace& t, const Scan& s, Operands x, Operands dx,
                     std::span<const uint32_t> origins) {
  Context& cx = t.cx;
  Avals inside = in_avals(s.body), types = tangent_avals(cx.session(), inside);
  StageTrace::Closed primal;  // -> carry, ys, and residuals that differ from step to step
  Linearized l;
  Forwarded residuals;  // in a list of xs, then ys
  Flow flow = settle(nonzero(dx), s.n_consts, s.n_carry, [&](const Flags& in) {
    primal = stage(cx, inside.subspan(s.n_consts), [&](Operands a) {
      l = linearize(cx, Interpret{cx, s.body}, join(s.consts(x), a), in, t.verb(), origins);
      Operands out = l.out, xs = a.subspan(s.n_carry);
      Tracers list = join(xs, out.subspan(s.n_carry));
      residuals = forward_residuals(l.residuals, cx.top(), list);
      return join(out.subspan(0, s.n_carry), list.subspan(xs.size()));
    });
    return l.has_tangent;
  });
  Trace& home = home_of(cx, x);
  Tracers outs = scan(cx, home, primal, s.carry(x), s.xs(x), s.loop);
  Tracers y(outs.subspan(0, s.body.outs.size()));
  if (!any(flow.out)) return {y, Tracers(y.size())};
  // The tangents' scan: it reads the residuals that differ, and the tangents of xs.
  std::span<const bool> carried = s.carry(flow.in);
  Tracers dinit = filled(s.carry(dx), carried, s.carry(types), home);
  Tracers list = join(s.xs(x), outs.subspan(s.n_carry));
  Tracers rows = join(residuals.inside(list), present(s.xs(dx)));
  Avals avals = avals_of(dinit), out_types = tangent_avals(cx.session(), out_avals(s.body));
  for (const Tracer& row : rows) avals.push_back(element_of(cx.session(), row.aval()));
  Tracers dconsts = present(s.consts(dx));
  auto body = stage(cx, avals, [&](Operands a) {
    Operands dcarry = a.subspan(0, dinit.size()), row = a.subspan(dinit.size());
    Tracers in = join(plug(residuals.outer, row), dconsts, dcarry);
    in.append(row.subspan(residuals.places.size()));
    Tracers tangents = eval_jaxpr(cx, *l.linear, in);
    return filled(spread(l.has_tangent, tangents), flow.out, out_types, home);
  });
  return {y, spread(flow.out, scan(cx, home, body, dinit, rows, s.loop))};
}

// What is the same in each step is computed once, and is not a residual of every step.
Dual scan_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx, const Params& params) {
  Retracing retracing(t);
  Scan s(params);
  if (!t.linearizing()) return scan_jvp(t, s, x, dx);
  std::vector<uint32_t> origins = t.origins();
  if (s.loop.length == 0) return linearize_steps(t, s, x, dx, origins);
  SplitBody split = split_invariants(s.body, s.n_consts, s.n_carry, nonzero(s.consts(dx)));
  Tracers same = eval_jaxpr(t.cx, *split.before, x.subspan(0, s.n_consts + s.n_carry));
  ParamsRef inside =
      scan_params(t.cx.session(), split.step, s.n_consts + same.size(), s.n_carry, s.loop);
  origins.insert(origins.begin() + ptrdiff_t(s.n_consts), same.size(), 0);
  return linearize_steps(t, Scan(*inside), join(s.consts(x), same, x.subspan(s.n_consts)),
                         join(s.consts(dx), Tracers(same.size()), dx.subspan(s.n_consts)), origins);
}

// ---- transpose

// The scan runs backwards. Carried: the carries' cotangents, and the sums of those of the linear
// constants. A step reads its residuals and its ys' cotangents, and yields those of its linear xs.
// All carries are linear: one that is known is a zero.
void scan_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                    const Params& params, Tracers& back) {
  Scan s(params);
  Operands ct_ys = ct.subspan(s.n_carry);
  Tracers known_xs = present(s.xs(x)), rows = join(known_xs, present(ct_ys));
  Flags sums, linear_xs, every(s.n_carry, true);
  for (const Tracer& c : s.consts(x)) sums.push_back(!c);
  for (const Tracer& e : s.xs(x)) linear_xs.push_back(!e);
  Avals inside = in_avals(s.body);
  Trace& home = home_of(cx, join(present(x), present(ct)));
  Tracers init = filled(ct.subspan(0, s.n_carry), every, s.carry(inside), home);
  init.append(filled(Tracers(s.n_consts), sums, s.consts(inside), home));
  Avals avals = avals_of(init);
  for (const Tracer& row : rows) avals.push_back(element_of(cx.session(), row.aval()));
  EmittedInside emitted(cx);
  auto body = stage(cx, avals, [&](Operands a) {
    Operands row = a.subspan(init.size());
    Tracers cts =
        join(a.subspan(0, s.n_carry), spread(nonzero(ct_ys), row.subspan(known_xs.size())));
    Tracers known = join(s.consts(x), Tracers(s.n_carry),
                         spread(nonzero(s.xs(x)), row.subspan(0, known_xs.size())));
    Tracers found = emitted.during([&] { return transpose(cx, s.body, known, cts); });
    Operands all = found;
    Tracers outs = filled(s.carry(all), every, s.carry(inside), home);
    for (size_t i = 0, k = s.n_carry; i < s.n_consts; ++i)
      if (sums[i]) {
        outs.push_back(found[i] ? add(a[k], found[i]) : a[k]);
        ++k;
      }
    outs.append(filled(s.xs(all), linear_xs, s.xs(inside), home));
    outs.append(emitted.values());
    return outs;
  });
  Tracers outs = scan(cx, home, body, init, rows, {s.loop.length, !s.loop.reverse});
  size_t n_sums = init.size() - s.n_carry;
  emitted.pass_on(outs.subspan(init.size() + count_of(linear_xs)));
  back = spread(sums, outs.subspan(s.n_carry, n_sums));
  for (size_t i = 0; i < s.n_carry; ++i) back.push_back(x[s.n_consts + i] ? Tracer() : outs[i]);
  back.append(spread(linear_xs, outs.subspan(s.n_carry + n_sums)));
}

// ---- batch

Batched scan_batch(BatchTrace& t, const Primitive&, MappedOperands in, const Params& params) {
  Scan s(params);
  Context& cx = t.cx;
  Tracers values = values_of(in), xs;
  Avals inside = in_avals(s.body);
  StageTrace::Closed body;
  Flow flow = settle(mapped_of(in), s.n_consts, s.n_carry, [&](const Flags& at) {
    Avals avals = stacked_where(cx.session(), inside, at, t.size);
    Flags found;
    body = stage(cx, avals.subspan(s.n_consts), [&](Operands a) {
      Batched args = mapped_where(join(s.consts(values), a), at);
      Batched outs = batch(cx, Interpret{cx, s.body}, args, t.size);
      Flags whole = found = mapped_of(outs);
      for (size_t i = 0; i < s.n_carry; ++i) whole[i] = whole[i] || at[s.n_consts + i];
      return materialised(outs, whole, t.size);
    });
    return found;
  });
  Tracers init = materialised(s.carry(in), flow.out, t.size);
  for (const Mapped& m : s.xs(in)) xs.push_back(m.mapped ? swap_leading(m.value) : m.value);
  Tracers outs = scan(cx, home_of(cx, values), body, init, xs, s.loop);
  for (size_t i = s.n_carry; i < outs.size(); ++i)
    if (flow.out[i]) outs[i] = swap_leading(outs[i]);
  return mapped_where(outs, flow.out);
}

// ---- dead code

// A carry is needed when its result is, or when the body needs it for what is needed.
Pruned scan_dce(Simplifier& simplifier, const Params& params, std::span<const bool> used) {
  Scan s(params);
  Flags needed(used);
  Flags inputs = needed_in_loop(simplifier, s.body, s.n_consts, s.n_carry, needed);
  JaxprRef body = simplifier.prune(s.body, needed, inputs).jaxpr;
  size_t n_consts = count_of(s.consts(inputs)), n_carry = count_of(s.carry(inputs));
  return {scan_params(simplifier.session, body, n_consts, n_carry, s.loop), inputs, needed};
}

// A carry that is known is a zero: what it becomes is linear.
void check_body(const Params& params, std::span<const bool> known) {
  Scan s(params);
  Flags inside(known);
  for (size_t i = 0; i < s.n_carry; ++i) inside[s.n_consts + i] = false;
  check_transposable(s.body, inside);
}

}  // namespace

constexpr Primitive scan_p = define({
    .name = "scan",
    .signature = "operands'..., _split_transpose: bool, jaxpr: jaxpr, length: int, linear: bools, "
                 "num_carry: int, num_consts: int, reverse: bool, unroll: int",
    .doc = "Runs a jaxpr for each row of its inputs, carrying values from one to the next.",
    .linearity = Linearity::linear,
    .abstract_eval = scan_aval,
    .expand = scan_expand,
    .linearize = scan_linearize,
    .transpose_all = scan_transpose,
    .batch_all = scan_batch,
    .dce = scan_dce,
    .check_transpose = check_body,
    .internal = true,
});

}  // namespace jv

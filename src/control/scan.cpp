// scan holds its body as a jaxpr of constants, carry and elements. Its rules trace the body again
// and call `scan` with it. Constants enter that trace as the parent's own values, so that what
// depends on them alone happens in the parent, once: that is all there is to hoisting.
#include <algorithm>
#include <cstring>

#include "control/emit.hpp"
#include "control/scan_parts.hpp"
#include "primitives/define.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

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

void scan_expand(Context& cx, const Primitive&, Operands operands, const Params& params,
                 Tracers& out) {
  Scan s(params);
  Session& session = cx.session();
  Avals avals = s.in_avals(), outs = out_avals(s.body);
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
  for (size_t i = 0; i < s.n_carry; ++i) out.push_back(cx.tracer(in[s.n_consts + i]));
  for (Array& y : ys) out.push_back(cx.tracer(std::move(y)));
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
  Flags sums, linear_xs, every(s.n_carry, true), zeros_in(s.n_consts, false);
  for (const Tracer& c : s.consts(x)) sums.push_back(!c);
  for (const Tracer& e : s.xs(x)) linear_xs.push_back(!e);
  Avals inside = s.in_avals();
  std::span<const Aval> types = inside;
  Trace& home = home_of(cx, join(present(x), present(ct)));
  Tracers init = filled(ct.subspan(0, s.n_carry), every, s.carry(types), home);
  init.append(filled(Tracers(s.n_consts), sums, s.consts(types), home));
  Avals avals;
  for (const Tracer& c : init) avals.push_back(c.aval());
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
    Tracers outs = filled(s.carry(all), every, s.carry(types), home);
    for (size_t i = 0, k = s.n_carry; i < s.n_consts; ++i)
      if (sums[i]) {
        outs.push_back(found[i] ? add(a[k], found[i]) : a[k]);
        ++k;
      }
    outs.append(filled(s.xs(all), linear_xs, s.xs(types), home));
    outs.append(emitted.values());
    return outs;
  });
  Tracers outs = scan(cx, home, body, init, rows, {s.loop.length, !s.loop.reverse});
  size_t n_sums = init.size() - s.n_carry;
  emitted.pass_on(Operands(outs).subspan(init.size() + count_of(linear_xs)));
  back = spread(sums, Operands(outs).subspan(s.n_carry, n_sums));
  for (size_t i = 0; i < s.n_carry; ++i) back.push_back(x[s.n_consts + i] ? Tracer() : outs[i]);
  back.append(spread(linear_xs, Operands(outs).subspan(s.n_carry + n_sums)));
}

// ---- batch

void scan_batch(BatchTrace& t, const Primitive&, std::span<const Mapped> in, const Params& params,
                Small<Mapped, 2>& out) {
  Scan s(params);
  Context& cx = t.cx;
  Tracers values = values_of(in);
  Trace& home = home_of(cx, values);
  Avals inside = s.in_avals();
  StageTrace::Closed body;
  Flow flow = settle(mapped_of(in), s.n_consts, s.n_carry, [&](const Flags& at) {
    Avals avals;
    for (size_t i = s.n_consts; i < in.size(); ++i)
      avals.push_back(at[i] ? stacked(cx.session(), inside[i], t.size) : inside[i]);
    Flags found;
    body = stage(cx, avals, [&](Operands a) {
      auto args = mapped_where(join(s.consts(Operands(values)), a), at);
      Tracers outs;
      for (const Mapped& m : batch(
               cx, [&](Operands v) { return eval_jaxpr(cx, s.body, v); }, args, t.size)) {
        size_t i = found.size();
        bool each = m.mapped || (i < s.n_carry && at[s.n_consts + i]);
        found.push_back(m.mapped);
        outs.push_back(each ? materialise(m, t.size) : m.value);
      }
      return outs;
    });
    return found;
  });
  Tracers init, xs;
  for (size_t i = 0; i < s.n_carry; ++i) {
    const Mapped& m = in[s.n_consts + i];
    init.push_back(flow.out[i] ? materialise(m, t.size) : m.value);
  }
  for (const Mapped& m : s.xs(in)) xs.push_back(m.mapped ? swap_leading(m.value) : m.value);
  Tracers outs = scan(cx, home, body, init, xs, s.loop);
  for (size_t i = 0; i < outs.size(); ++i) {
    bool each = flow.out[i];
    out.push_back({each && i >= s.n_carry ? swap_leading(outs[i]) : outs[i], each});
  }
}

// ---- dead code

// A carry is needed when its result is, or when the body needs it for what is needed.
Pruned scan_dce(Session& session, const Params& params, std::span<const bool> used) {
  Scan s(params);
  Flags needed(used);
  Small<bool, 4> inputs = needed_in_loop(s.body, s.n_consts, s.n_carry, needed);
  JaxprRef body = prune(s.body, needed, inputs);
  std::span<const bool> kept = inputs;
  size_t n_consts = count_of(s.consts(kept)), n_carry = count_of(s.carry(kept));
  return {scan_params(session, body, n_consts, n_carry, s.loop), inputs,
          Small<bool, 4>(std::span<const bool>(needed))};
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

// A linear function and its transpose, of the same residuals. Differentiating it in its linear
// operands is calling it on tangents; transposing it is exchanging the two. In its residuals it is
// the function that it is.
#include "rules/linear_call.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {
namespace {

const Jaxpr& function_of(const Params& p) { return jaxpr_param(p, "callee"); }
const Jaxpr& transpose_of(const Params& p) { return jaxpr_param(p, "transpose"); }
size_t n_residuals(const Params& p) { return size_t(p.integer("num_res")); }

ParamsRef make_params(Context& cx, const JaxprRef& function, size_t n, const JaxprRef& transpose) {
  return cx.session().params().make(linear_call_p.sig,
                                    {Object(function), int64_t(n), Object(transpose)});
}

void check_types(const char* what, std::span<const Aval> got, std::span<const Aval> want) {
  if (!std::equal(got.begin(), got.end(), want.begin(), want.end()))
    fail(Code::shape, "linear_call: the transpose's ", what, " are not the function's");
}

void linear_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  const Jaxpr &f = function_of(params), &t = transpose_of(params);
  check_call("linear_call", f, in);
  int64_t n = params.integer("num_res");
  if (n < 0 || size_t(n) > in.size())
    fail(Code::invalid_argument, "linear_call: num_res is ", n, " of ", in.size(), " operands");
  out = out_avals(f);
  Avals back(in.subspan(0, size_t(n)));
  back.append(out);
  check_types("inputs", in_avals(t), back);
  check_types("results", out_avals(t), in.subspan(size_t(n)));
}

Tracers linear_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  return run_jaxpr(cx, function_of(params), operands);
}

Dual linear_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                      const Params& params) {
  Retracing retracing(t);
  size_t n = n_residuals(params);
  Trace& home = home_of(t.cx, x);
  Dual d;
  if (any(nonzero(dx.subspan(0, n)))) {
    Tracers held = join(dx.subspan(0, n), Tracers(x.size() - n));
    d = push(t, Interpret{t.cx, function_of(params)}, x, held);
  } else {
    d.y = bind_at(home, p, x, ParamsRef(&params));
    d.dy = Tracers(d.y.size());
  }
  if (present(dx.subspan(n)).empty()) return d;
  Tracers linear = filled(dx.subspan(n), avals_of(x.subspan(n)), home);
  ParamsRef again =
      make_params(t.cx, silent(function_of(params)), n, JaxprRef(&transpose_of(params)));
  Tracers along = bind_at(home, p, join(x.subspan(0, n), linear), again);
  for (size_t i = 0; i < along.size(); ++i) d.dy[i] = d.dy[i] ? add(d.dy[i], along[i]) : along[i];
  return d;
}

void linear_transpose(Context& cx, const Primitive& p, Operands ct, Operands x,
                      std::span<const Aval>, const Params& params, Tracers& back) {
  size_t n = n_residuals(params);
  Operands known = x.subspan(0, n);
  const Jaxpr &f = function_of(params), &t = transpose_of(params);
  Trace& home = home_of(cx, join(known, present(ct)));
  Tracers cts = filled(ct, out_avals(f), home);
  Tracers found =
      bind_at(home, p, join(known, cts), make_params(cx, JaxprRef(&t), n, JaxprRef(&f)));
  back = Tracers(n);
  for (size_t i = 0; i < found.size(); ++i) back.push_back(x[n + i] ? Tracer() : found[i]);
}

Batched linear_batch(BatchTrace& t, const Primitive&, MappedOperands in, const Params& params) {
  size_t n = n_residuals(params);
  Trace& home = home_of(t.cx, values_of(in));
  LinearPair pair = mapped_pair(t, &function_of(params), transpose_of(params), in.subspan(0, n));
  Tracers linear;
  for (const Mapped& m : in.subspan(n)) linear.push_back(materialise(m, t.size, home));
  return each_mapped(
      linear_call(t.cx, home, pair.function, pair.transpose, values_of(in.subspan(0, n)), linear));
}

// Neither jaxpr is transposed: the other one is there.
void check_linear_call(const Params& params, std::span<const bool> known) {
  check_residuals("linear_call", known, n_residuals(params));
}

}  // namespace

void LinearPair::share_captured(Context& cx, Tracers& residuals) {
  Tracers known = join(function.captured, transpose.captured, residuals);
  size_t n_own = residuals.size(), n_f = function.captured.size(), n_t = transpose.captured.size();
  auto share = [&](StageTrace::Closed& c, size_t first) {
    if (!c.jaxpr) return;
    size_t n = c.captured.size();
    Avals in = avals_of(known), inner = in_avals(*c.jaxpr);
    in.append(inner.subspan(n + n_own));
    c = stage(cx, in, [&](Operands a) {
      return eval_jaxpr(cx, *c.jaxpr, join(a.subspan(first, n), a.subspan(n_f + n_t)));
    });
  };
  share(function, 0);
  share(transpose, n_f);
  residuals = known;
}

LinearPair mapped_pair(BatchTrace& t, const Jaxpr* function, const Jaxpr& transpose,
                       MappedOperands residuals) {
  auto all = [&](const Jaxpr& j) {
    Flags mapped = mapped_of(residuals);
    mapped.resize(j.invars.size(), true);
    return mapped_jaxpr(t, j, mapped);
  };
  return {function ? all(*function) : StageTrace::Closed{}, all(transpose)};
}

void check_residuals(const char* name, std::span<const bool> known, size_t n) {
  auto residuals = known.subspan(0, n);
  if (std::find(residuals.begin(), residuals.end(), false) != residuals.end())
    fail(Code::no_transpose, name, ": is not linear in its residuals");
}

Tracers linear_call(Context& cx, Trace& at, const StageTrace::Closed& function,
                    const StageTrace::Closed& transpose, Operands residuals, Operands linear) {
  LinearPair pair{function, transpose};
  Tracers known(residuals);
  pair.share_captured(cx, known);
  ParamsRef params = make_params(cx, pair.function.jaxpr, known.size(), pair.transpose.jaxpr);
  return bind_at(at, linear_call_p, join(known, linear), params);
}

constexpr Primitive linear_call_p = define({
    .name = "linear_call",
    .signature = "operands'..., callee: jaxpr, num_res: int, transpose: jaxpr",
    .doc = "A linear function with a transpose of the user's.",
    .linearity = Linearity::linear,
    .abstract_eval = linear_aval,
    .expand = linear_expand,
    .linearize = linear_linearize,
    .transpose_all = linear_transpose,
    .batch_all = linear_batch,
    .check_transpose = check_linear_call,
    .internal = true,
});

}  // namespace jv

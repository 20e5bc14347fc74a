// while holds two jaxprs, of constants and carry each. It has a forward mode; its transpose would
// need the number of steps before the loop runs, so reverse mode refuses it.
#include "control/while.hpp"

#include <algorithm>

#include "primitives/define.hpp"
#include "transforms/simplify.hpp"

namespace jv {

struct While {
  explicit While(const Params& p)
      : condition(jaxpr_param(p, "cond_jaxpr")),
        body(jaxpr_param(p, "body_jaxpr")),
        n_cond(size_t(p.integer("cond_nconsts"))),
        n_body(size_t(p.integer("body_nconsts"))) {}

  auto cond_consts(const auto& all) const { return all.subspan(0, n_cond); }
  auto body_consts(const auto& all) const { return all.subspan(n_cond, n_body); }
  auto carry(const auto& all) const { return all.subspan(n_cond + n_body); }

  const Jaxpr& condition;
  const Jaxpr& body;
  size_t n_cond, n_body;
};

static ParamsRef while_params(Session& session, const JaxprRef& condition, size_t n_cond,
                              const JaxprRef& body, size_t n_body) {
  return session.params().make(while_p.sig,
                               {Object(body), int64_t(n_body), Object(condition), int64_t(n_cond)});
}

Tracers while_loop(Context& cx, Trace& at, const StageTrace::Closed& condition,
                   const StageTrace::Closed& body, Operands init) {
  Tracers operands = join(condition.captured, body.captured, init);
  ParamsRef params = while_params(cx.session(), condition.jaxpr, condition.captured.size(),
                                  body.jaxpr, body.captured.size());
  return bind_at(at, while_p, operands, params);
}

namespace {

void while_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  if (params.integer("cond_nconsts") < 0 || params.integer("body_nconsts") < 0 ||
      params.integer("cond_nconsts") + params.integer("body_nconsts") > int64_t(in.size()))
    fail(Code::invalid_argument, "while: the numbers of constants do not fit ", in.size(),
         " operands");
  While w(params);
  Avals carry(w.carry(in)), cond_in(w.cond_consts(in)), body_in(w.body_consts(in));
  cond_in.append(carry);
  body_in.append(carry);
  check_call("while", w.condition, cond_in);
  check_call("while", w.body, body_in);
  Avals truth = out_avals(w.condition), next = out_avals(w.body);
  if (truth.size() != 1 || truth[0]->dtype != DType::boolean || truth[0]->ndim())
    fail(Code::tree, "while: the condition gives one bool[], not ",
         truth.size() == 1 ? to_string(truth[0]) : str(truth.size(), " results"));
  if (next.size() != carry.size() || !std::equal(next.begin(), next.end(), carry.begin()))
    fail(Code::tree, "while: the body's results are not of the carry's types");
  out = carry;
}

Tracers while_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  While w(params);
  Tracers carry(w.carry(operands));
  auto run = [&](const Jaxpr& j, Operands consts) { return run_jaxpr(cx, j, join(consts, carry)); };
  while (element(run(w.condition, w.cond_consts(operands))[0].array(), 0) != 0)
    carry = run(w.body, w.body_consts(operands));
  return carry;
}

// The loop of values and tangents; only the body's have an effect on tangents.
Dual while_jvp(JvpTrace& t, const While& w, Operands x, Operands dx) {
  Context& cx = t.cx;
  // In linearize the values have run, and this is once more.
  auto quiet = [&](const Jaxpr& j) {
    return t.linearizing() ? silent_again("while", "the loop", j) : JaxprRef(&j);
  };
  JaxprRef body = quiet(w.body), condition = quiet(w.condition);
  size_t n = w.carry(x).size();
  Trace& home = home_of(cx, join(x, dx));
  DualBody d = dual_body(t, {*body, w.n_body, n}, x.subspan(w.n_cond), dx.subspan(w.n_cond), home);
  auto go_on = stage(cx, d.carry, [&](Operands a) {
    return eval_jaxpr(cx, *condition, join(w.cond_consts(x), a.subspan(0, n)));
  });
  Tracers all = while_loop(cx, home, go_on, d.body, d.init);
  return {Tracers(all.subspan(0, n)), spread(d.flow.out, all.subspan(n))};
}

constexpr const char* no_reverse_mode =
    "has no reverse mode, since the number of steps is not known beforehand; use a scan, a "
    "fori_loop "
    "between numbers, or a rule of your own";

// In linearize the values run below; the tangents' loop, which must know when to stop, is the whole
// of both, recorded where the tangents are.
Dual while_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                     const Params& params) {
  Retracing retracing(t);
  Dual both;
  try {
    both = while_jvp(t, While(params), x, dx);
  } catch (const Error& e) {
    bool reverse = t.linearizing() && t.verb() != std::string_view("linearize");
    if (!reverse || !(e.is(Code::fwd_mode) || e.is(Code::effect))) throw;
    fail(Code::no_transpose, p.name, ": ", no_reverse_mode);
  }
  if (t.linearizing()) both.y = bind_at(home_of(t.cx, x), p, x, ParamsRef(&params));
  return both;
}

// Elements whose condition is false stay as they were; `go` is null where all have one condition.
Tracer next_carry(const Tracer& go, const Tracer& next, const Tracer& before) {
  if (!go) return next;
  Tracer which = broadcast_in_dim(go, Ints(next.shape()), {0});
  return select(which, next, before);
}

Batched while_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  While w(params);
  Context& cx = t.cx;
  Tracers values = values_of(in);
  size_t n = w.carry(in).size();
  Trace& home = home_of(cx, values);
  Avals inside = in_avals(w.body);
  auto run = [&](const Jaxpr& j, MappedOperands consts, Operands carry,
                 std::span<const bool> each) {
    Batched args(consts);
    args.append(mapped_where(carry, each));
    return batch(cx, Interpret{cx, j}, args, t.size);
  };
  bool each_stops = false;  // each element has its own condition; then each has its own carry
  StageTrace::Closed condition, body;
  Flags start = mapped_of(in.subspan(w.n_cond));
  Flow flow = settle(start, w.n_body, n, [&](const Flags& at) {
    std::span<const bool> each = at.subspan(w.n_body);
    Avals avals = stacked_where(cx.session(), inside.subspan(w.n_body), each, t.size);
    condition = stage(cx, avals, [&](Operands a) {
      Mapped go = run(w.condition, w.cond_consts(in), a, each)[0];
      each_stops = go.mapped;
      if (each_stops) refuse_to_act(effects_of(p, params), p.name, "a condition", "the whole loop");
      return Tracers{go.mapped ? reduce_max(go.value, {0}) : go.value};
    });
    Flags found;
    body = stage(cx, avals, [&](Operands a) {
      Tracer go =
          each_stops ? run(*silent(w.condition), w.cond_consts(in), a, each)[0].value : Tracer();
      Batched next = run(w.body, w.body_consts(in), a, each);
      Tracers carry;
      for (size_t i = 0; i < n; ++i) {
        // A carry that is flagged here, and was not, is mapped in the next round.
        found.push_back(next[i].mapped || each_stops);
        carry.push_back(each[i] ? next_carry(go, materialise(next[i], t.size), a[i])
                                : next[i].value);
      }
      return carry;
    });
    return found;
  });
  Tracers init = materialised(w.carry(in), flow.out, t.size);
  return mapped_where(while_loop(cx, home, condition, body, init), flow.out);
}

// A carry is needed when its result is, or for the condition, or for another that is.
Pruned while_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  While w(params);
  Flags needed(used), yes(size_t{1}, true);
  Flags cond_in = s.needed_inputs(w.condition, yes);
  size_t n = needed.size();
  for (size_t i = 0; i < n; ++i) needed[i] = needed[i] || cond_in[w.n_cond + i];
  Flags body_in = needed_in_loop(s, w.body, w.n_body, n, needed);
  for (size_t i = 0; i < n; ++i) cond_in[w.n_cond + i] = needed[i];
  JaxprRef condition = s.prune(w.condition, yes, cond_in).jaxpr;
  JaxprRef body = s.prune(w.body, needed, body_in).jaxpr;
  std::span<const bool> cond_kept = cond_in.subspan(0, w.n_cond),
                        body_kept = body_in.subspan(0, w.n_body);
  Pruned p;
  p.params = while_params(s.session, condition, count_of(cond_kept), body, count_of(body_kept));
  p.operands.append(cond_kept);
  p.operands.append(body_kept);
  p.operands.append(needed);
  p.results = needed;
  return p;
}

}  // namespace

constexpr Primitive while_p = define({
    .name = "while",
    .signature = "operands..., body_jaxpr: jaxpr, body_nconsts: int, cond_jaxpr: jaxpr, "
                 "cond_nconsts: int",
    .doc = "Runs a jaxpr as long as another gives true.",
    .abstract_eval = while_aval,
    .expand = while_expand,
    .linearize = while_linearize,
    .batch_all = while_batch,
    .dce = while_dce,
    .no_transpose = no_reverse_mode,
    .internal = true,
});

}  // namespace jv

// custom_lin: the linear half of a differentiated call. Its transpose is the rule's bwd; applied
// forward it is the rule's forward mode. custom_lin_jaxprs is the same where a module says it, with
// what both do as jaxprs: either may be wrong as the other's transpose, so that each is run, and
// differentiated, as it is.
#include <utility>

#include "primitives/define.hpp"
#include "rules/custom_call.hpp"
#include "rules/linear_call.hpp"

namespace jv {
namespace {

// What the equation needs besides its operands.
struct LinearHalf final : RefCounted {
  CustomRuleRef rule;
  CustomRule::Residuals residuals;  // the structure; its leaves are operands
  Avals in, out;                    // types of the call's arguments and results
  Flags perturbed;                  // arguments with a tangent
  // Operands: residuals, arguments (where the rule has a forward mode), tangents.
  size_t n_residuals = 0;
  bool has_args = false;
  size_t first_tangent() const { return n_residuals + (has_args ? in.size() : 0); }
};
const LinearHalf& half_of(const Params& p) { return p.object<LinearHalf>("info"); }

Tracers bind_lin(Context& cx, const Ref<LinearHalf>& c, Operands operands) {
  Ints zeros;
  for (bool p : c->perturbed) zeros.push_back(!p);
  ParamsRef params = cx.session().params().make(
      custom_lin_p.sig, {c->rule->name() + "_bwd", zeros, Object(c), int64_t(c->n_residuals),
                         c->rule->symbolic_zeros()});
  return bind_at(home_of(cx, operands), custom_lin_p, operands, params);
}

[[noreturn]] void refuse_forward(const std::string& name, const char* what_to_do) {
  fail(Code::fwd_mode, name,
       ": a custom rule without a forward mode cannot be differentiated forward; ", what_to_do);
}

void lin_aval(Session& session, std::span<const Aval>, const Params& params, Avals& out) {
  const LinearHalf& c = half_of(params);
  out = tangent_avals(session, pick(c.out, floats(c.out)));
}

// While it lives, a rule's own function runs: what interprets the jaxpr that holds the rule is
// around it, and its arguments are not what it closes over.
class OwnFunction {
 public:
  explicit OwnFunction(Context& cx) : cx_(cx), before_(std::exchange(cx.retracing, 0)) {}
  ~OwnFunction() { cx_.retracing = before_; }
  OwnFunction(const OwnFunction&) = delete;

 private:
  Context& cx_;
  int before_;
};

// Applied forward: the rule's own forward mode at the saved arguments.
Tracers lin_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  const LinearHalf& c = half_of(params);
  if (!c.has_args) refuse_forward(c.rule->name(), c.rule->how_forward());
  Operands x = operands.subspan(c.n_residuals, c.in.size());
  OwnFunction own(cx);
  Dual d = c.rule->jvp(cx, x, spread(c.perturbed, operands.subspan(c.first_tangent())));
  for (size_t i = 0; i < d.y.size(); ++i)
    if (!d.dy[i] && c.out[i]->is_float()) d.dy[i] = zeros_like(d.y[i]);
  return pick(d.dy, floats(c.out));
}

// Applied forward to values that are themselves differentiated: what it does is done in their
// trace.
Dual lin_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx, const Params& params) {
  return push(
      t, [&](Operands a) { return p.expand(t.cx, p, a, params); }, x, dx);
}

Batched lin_batch(BatchTrace& t, const Primitive&, MappedOperands in, const Params& params) {
  const LinearHalf& c = half_of(params);
  auto batched = make_ref<LinearHalf>(c);
  MappedOperands residuals = in.subspan(0, c.n_residuals), rest = in.subspan(c.n_residuals);
  Tracers operands = join(values_of(residuals), materialised(rest, t.size));
  auto grow = [&](Avals& avals) {
    for (Aval& aval : avals) aval = stacked(t.cx.session(), aval, t.size);
  };
  grow(batched->in);
  grow(batched->out);
  batched->rule = batch_rule(c.rule, Flags(c.in.size(), true), t.size);
  batched->residuals.structure = batch_residuals(c.residuals.structure, mapped_of(residuals));
  return each_mapped(bind_lin(t.cx, batched, operands));
}

void lin_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                   const Params& params, Tracers& back) {
  const LinearHalf& c = half_of(params);
  CustomRule::Residuals residuals = c.residuals;
  residuals.leaves = Tracers(x.subspan(0, c.n_residuals));
  Tracers found = c.rule->bwd(cx, residuals, spread(floats(c.out), ct), c.out, c.perturbed);
  back = join(Tracers(c.first_tangent()), pick(found, c.perturbed));
}

// A bwd that runs on zeros too does so for what it does beside giving cotangents.
Effects lin_effects(const Params& params) {
  return half_of(params).rule->run_on_zero() ? Effects::unordered : Effects::none;
}

// ---- custom_lin_jaxprs

struct HalfJaxprs {
  explicit HalfJaxprs(const Params& p)
      : n_residuals(size_t(p.integer("num_res"))), items(p.object<JaxprList>("jaxprs").items) {}

  // (residuals, cotangents of the results) -> those of the other operands
  const Jaxpr& backward() const { return *items[0]; }
  // (operands) -> results; null where the rule has no forward mode
  const Jaxpr* forward() const { return items.size() > 1 ? items[1].get() : nullptr; }

  size_t n_residuals;
  const std::vector<JaxprRef>& items;
};

ParamsRef jaxprs_params(Session& session, std::vector<JaxprRef> items, const std::string& name,
                        size_t n_residuals) {
  return session.params().make(
      custom_lin_jaxprs_p.sig,
      {Object(make_ref<JaxprList>(std::move(items))), name, int64_t(n_residuals)});
}

void jaxprs_aval(Session&, std::span<const Aval> in, const Params& params, Avals& out) {
  constexpr const char* name = "custom_lin_jaxprs";
  HalfJaxprs h(params);
  if (h.items.empty() || h.items.size() > 2 || h.n_residuals > in.size())
    fail(Code::invalid_argument, name, ": expected 1 or 2 jaxprs and no more than ", in.size(),
         " residuals, got ", h.items.size(), " and ", params.integer("num_res"));
  Avals back = in_avals(h.backward());
  if (back.size() < h.n_residuals)
    fail(Code::invalid_argument, name, ": bwd has fewer inputs than residuals");
  out = Avals(back.subspan(h.n_residuals));
  Avals wanted(in.subspan(0, h.n_residuals));
  wanted.append(out);
  check_call(name, h.backward(), wanted);
  check_call(name, out_avals(h.backward()), in.subspan(h.n_residuals));
  if (!h.forward()) return;
  check_call(name, *h.forward(), in);
  check_call(name, out_avals(*h.forward()), out);
}

Tracers jaxprs_expand(Context& cx, const Primitive&, Operands operands, const Params& params) {
  const Jaxpr* forward = HalfJaxprs(params).forward();
  if (!forward)
    refuse_forward(params.word("name"), "the program was saved from a function that had none");
  return eval_jaxpr(cx, *forward, operands);
}

Batched jaxprs_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  HalfJaxprs h(params);
  MappedOperands residuals = in.subspan(0, h.n_residuals), rest = in.subspan(h.n_residuals);
  LinearPair pair = mapped_pair(t, h.forward(), h.backward(), residuals);
  Tracers known = values_of(residuals);
  pair.share_captured(t.cx, known);
  std::vector<JaxprRef> items{pair.transpose.jaxpr};
  if (pair.function.jaxpr) items.push_back(pair.function.jaxpr);
  Tracers operands = join(known, materialised(rest, t.size));
  return each_mapped(
      bind_at(home_of(t.cx, operands), p, operands,
              jaxprs_params(t.cx.session(), std::move(items), params.word("name"), known.size())));
}

void jaxprs_transpose(Context& cx, const Primitive&, Operands ct, Operands x, std::span<const Aval>,
                      const Params& params, Tracers& back) {
  HalfJaxprs h(params);
  Operands known = x.subspan(0, h.n_residuals);
  Avals types = in_avals(h.backward());
  Tracers cts = filled(ct, types.subspan(h.n_residuals), home_of(cx, join(known, present(ct))));
  back = join(Tracers(h.n_residuals), eval_jaxpr(cx, h.backward(), join(known, cts)));
}

void check_half(const Params& params, std::span<const bool> known) {
  check_residuals("custom_lin_jaxprs", known, HalfJaxprs(params).n_residuals);
}

}  // namespace

Tracers custom_tangents(JvpTrace& t, const CustomRuleRef& rule, CustomRule::Residuals residuals,
                        Operands x, Operands dx, Operands y) {
  auto c = make_ref<LinearHalf>();
  c->rule = rule;
  c->perturbed = nonzero(dx);
  c->in = avals_of(x);
  c->out = avals_of(y);
  c->has_args = rule->has_forward();
  Tracers all = std::move(residuals.leaves);
  residuals.leaves = {};
  residuals.differentiating = Ref<const Trace>(&t);
  c->residuals = std::move(residuals);
  c->n_residuals = all.size();
  if (c->has_args) all.append(x);
  all.append(present(dx));
  return spread(floats(c->out), bind_lin(t.cx, c, all));
}

void freeze_custom_lin(Context& cx, const Jaxpr& j, Eqn& e, std::vector<Param>& values,
                       const RecordFunction& record) {
  const Params& params = *e.params;
  const LinearHalf& c = half_of(params);
  size_t n = c.first_tangent();
  Avals in = operand_avals(j, e), arguments(in.subspan(n)), back(in.subspan(0, n));
  back.append(result_avals(j, e));
  std::vector<JaxprRef> items{record(back, c.rule->name(), "bwd", [&](Operands a) {
    Tracers known(a.subspan(0, n)), all;
    lin_transpose(cx, custom_lin_p, a.subspan(n), join(known, Tracers(arguments.size())), in,
                  params, all);
    return filled(all.subspan(n), arguments, home_of(cx, a));
  })};
  if (c.has_args)
    items.push_back(record(in, c.rule->name(), "jvp rule",
                           [&](Operands a) { return lin_expand(cx, custom_lin_p, a, params); }));
  values = jaxprs_params(cx.session(), std::move(items), c.rule->name(), n)->values;
  e.primitive = &custom_lin_jaxprs_p;
}

constexpr Primitive custom_lin_p = define({
    .name = "custom_lin",
    .signature = "operands'..., bwd: word, in_zeros: flags, info: object, num_res: int, "
                 "symbolic_zeros: bool",
    .doc = "The linear half of a differentiated custom_vjp_call; its transpose is bwd.",
    .linearity = Linearity::linear,
    .abstract_eval = lin_aval,
    .expand = lin_expand,
    .linearize = lin_linearize,
    .transpose_all = lin_transpose,
    .batch_all = lin_batch,
    .effects_of = lin_effects,
    .internal = true,
});

constexpr Primitive custom_lin_jaxprs_p = define({
    .name = "custom_lin_jaxprs",
    .signature = "operands'..., jaxprs: jaxprs, name: word, num_res: int",
    .doc = "custom_lin in a saved program: its bwd, and its forward mode where the rule has one.",
    .linearity = Linearity::linear,
    .abstract_eval = jaxprs_aval,
    .expand = jaxprs_expand,
    .linearize = lin_linearize,
    .transpose_all = jaxprs_transpose,
    .batch_all = jaxprs_batch,
    .check_transpose = check_half,
    .holds_functions = true,
    .internal = true,
});

}  // namespace jv

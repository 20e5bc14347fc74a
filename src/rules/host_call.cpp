// host_call runs a host function; where a derivative will be asked for it also gives its state, and
// a mark. The mark is f32[0]: its tangent says that the state depends on what is differentiated.
// bwd is opaque, and a second derivative through it is refused, never lost.
#include "primitives/define.hpp"
#include "rules/host_parts.hpp"
#include "transforms/simplify.hpp"

namespace jv {
namespace {

// The states of n elements, which a callback fills; whatever it wrote is destroyed in the end.
class NewStates {
 public:
  NewStates(const HostRef& host, size_t n) : raw_(n) {
    for (size_t i = 0; i < n; ++i) states_.push_back(make_ref<HostState>(host));
  }
  ~NewStates() { adopt(); }
  std::span<void*> raw() { return raw_; }
  Array array(Session& session, Aval aval) {
    adopt();
    Array all = Array::allocate(session, aval);
    auto* to = all.mutable_data<const RefCounted*>();
    for (size_t i = 0; i < states_.size(); ++i) to[i] = states_[i].get();
    retain_elements(all, 0, states_.size());
    return all;
  }

 private:
  void adopt() {
    for (size_t i = 0; i < raw_.size(); ++i) states_[i]->pointer = raw_[i];
  }
  std::vector<void*> raw_;
  std::vector<Ref<HostState>> states_;
};

// Runs fwd on the operands, into the results: of all elements at once, or of one after the other.
void run_fwd(Context& cx, const HostParams& p, Operands operands, const Arrays& results,
             std::span<void*> states) {
  auto run = [&](Window window, const HostBatch* batch, std::span<void*> some) {
    HostBuffers in, out;
    for (size_t i = 0; i < operands.size(); ++i)
      in.push_back(window.of(operands[i].array(), p.mapped[i]));
    for (const Array& a : results) out.push_back(window.of(a, p.batched()));
    p.host->fwd(cx, batch, in, out, some);
  };
  if (!p.batched()) return run({}, nullptr, states);
  HostBatch batch{
      p.size, Flags(p.mapped.begin(), p.mapped.end()), Flags(results.size(), true), {}, true};
  if (p.size && p.host->batched_fwd) return run({}, &batch, states);
  for (int64_t i = 0; i < p.size; ++i) run({i}, nullptr, states.subspan(size_t(i), 1));
}

Tracers host_call_expand(Context& cx, const Primitive& primitive, Operands operands,
                         const Params& params) {
  HostParams p(params);
  Session& session = cx.session();
  Arrays results;
  for (Aval aval : types_of(session, params.dims("out")))
    results.push_back(Array::allocate(session, p.whole(session, aval)));
  NewStates states(p.host, p.batched() ? size_t(p.size) : 1);
  run_fwd(cx, p, operands, results, states.raw());
  Tracers out;
  for (const Array& a : results) out.push_back(cx.tracer(a));
  check_host_nans(cx, primitive, operands, out);
  if (!params.flag("state")) return out;
  out.push_back(cx.tracer(states.array(session, p.whole(session, state_aval(session)))));
  out.push_back(cx.tracer(Array::allocate(session, mark_aval(session))));
  return out;
}

void host_call_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out) {
  HostParams p(params);
  p.check("host_call", in);
  for (Aval aval : types_of(session, params.dims("out"))) out.push_back(p.whole(session, aval));
  if (!params.flag("state")) return;
  out.push_back(p.whole(session, state_aval(session)));
  out.push_back(mark_aval(session));
}

Batched host_call_batch(BatchTrace& t, const Primitive& primitive, MappedOperands in,
                        const Params& params) {
  HostParams p(params);
  check_batching(*p.host, p.host->batched_fwd, "batch_fwd");
  Merged m = merge(t, in, p);
  Tracers results = bind_at(home_of(t.cx, m.operands), primitive, m.operands,
                            with_batch(t.cx.session(), params, m));
  Flags mapped(results.size(), true);
  if (params.flag("state")) mapped.back() = false;  // the mark
  for (size_t i = 0; i < results.size(); ++i)
    if (mapped[i]) results[i] = parted(results[i], t, p);
  return mapped_where(results, mapped);
}

// Where fwd itself is differentiated: the state it gives is that of the rule at this level too.
Dual host_call_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx,
                         const Params& params) {
  HostParams p(params);
  Session& session = t.cx.session();
  Avals in;
  for (size_t i = 0; i < x.size(); ++i)
    in.push_back(p.mapped[i] ? element_of(session, x[i].aval()) : x[i].aval());
  auto rule = make_ref<const HostRule>(p.host, params.flag("pure"), in,
                                       types_of(session, params.dims("out")), p.size, p.mapped);
  check_forward(t, *rule);
  rule->check_bwd();
  Tracers all = rule->call(t.cx, x, true);
  Tracers y(all.subspan(0, all.size() - 2));
  Tracers dy = custom_tangents(t, CustomRuleRef(rule), rule->residuals(x, all), x, dx, y);
  if (!params.flag("state")) return {y, dy};
  y.append(all.subspan(all.size() - 2));
  dy.push_back(Tracer());
  dy.push_back(zeros(t.home(), mark_aval(session)));
  return {y, dy};
}

// A result that nobody needs is still written; the state is not kept.
Pruned host_call_dce(Simplifier& s, const Params& params, std::span<const bool> used) {
  Pruned r{ParamsRef(&params), Flags(params.ints("mapped").size(), true), Flags(used.size(), true)};
  size_t n = params.dims("out").size();
  if (!params.flag("state") || used[n] || used[n + 1]) return r;
  r.params = with_param(s.session, params, "state", false);
  r.results[n] = r.results[n + 1] = false;
  return r;
}

Effects effects_of_call(const Params& params) {
  return params.flag("pure") ? Effects::none : Effects::ordered;
}

}  // namespace

constexpr Primitive host_call_p = define({
    .name = "host_call",
    .signature = "operands..., host: object, mapped: bools, name: word, out: types, pure: bool, "
                 "size: int, state: bool",
    .doc = "Code of the user's, run on buffers.",
    .abstract_eval = host_call_aval,
    .expand = host_call_expand,
    .linearize = host_call_linearize,
    .batch_all = host_call_batch,
    .effects_of = effects_of_call,
    .dce = host_call_dce,
    .unlinked = unlinked_host,
    .internal = true,
});

}  // namespace jv

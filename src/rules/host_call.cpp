// host_call runs a host function; where a derivative will be asked for it also gives its state, and
// a mark. The mark is f32[0]: its tangent says that the state depends on what is differentiated.
// bwd is opaque, and a second derivative through it is refused, never lost.
#include "primitives/define.hpp"
#include "rules/host_parts.hpp"

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

class Forward {
 public:
  Forward(Context& cx, const HostParams& p, Operands operands, std::span<const Aval> out)
      : cx_(cx), p_(p), operands_(operands) {
    for (Aval aval : out)
      results_.push_back(Array::allocate(cx.session(), p.whole(cx.session(), aval)));
  }

  void run(std::span<void*> states) const {
    if (!p_.batched()) return one({}, states);
    if (p_.host->batched_fwd) return whole(states);
    for (int64_t i = 0; i < p_.size; ++i) one({i}, states.subspan(size_t(i), 1));
  }
  const Arrays& results() const { return results_; }

 private:
  void one(Window window, std::span<void*> states) const {
    p_.host->fwd(cx_, nullptr, inputs(window), outputs(window), states);
  }
  void whole(std::span<void*> states) const {
    if (p_.size == 0) return;
    HostBatch batch{
        p_.size, Flags(p_.mapped.begin(), p_.mapped.end()), Flags(results_.size(), true), {}, true};
    p_.host->fwd(cx_, &batch, inputs({}), outputs({}), states);
  }
  HostBuffers inputs(Window window) const {
    HostBuffers in;
    for (size_t i = 0; i < operands_.size(); ++i)
      in.push_back(window.of(operands_[i].array(), p_.mapped[i]));
    return in;
  }
  HostBuffers outputs(Window window) const {
    HostBuffers out;
    for (const Array& a : results_) out.push_back(window.of(a, p_.batched()));
    return out;
  }

  Context& cx_;
  const HostParams& p_;
  Operands operands_;
  Arrays results_;
};

void host_call_expand(Context& cx, const Primitive& primitive, Operands operands,
                      const Params& params, Tracers& out) {
  HostParams p(params);
  Session& session = cx.session();
  Forward forward(cx, p, operands, types_of(session, params.dims("out")));
  NewStates states(p.host, p.batched() ? size_t(p.size) : 1);
  forward.run(states.raw());
  for (const Array& a : forward.results()) out.push_back(cx.tracer(a));
  check_host_nans(cx, primitive, operands, out);
  if (!params.flag("state")) return;
  out.push_back(cx.tracer(states.array(session, p.whole(session, state_aval(session)))));
  out.push_back(cx.tracer(Array::allocate(session, mark_aval(session))));
}

void host_call_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out) {
  HostParams p(params);
  p.check("host_call", in);
  for (Aval aval : types_of(session, params.dims("out"))) out.push_back(p.whole(session, aval));
  if (!params.flag("state")) return;
  out.push_back(p.whole(session, state_aval(session)));
  out.push_back(mark_aval(session));
}

void host_call_batch(BatchTrace& t, const Primitive& primitive, std::span<const Mapped> in,
                     const Params& params, Small<Mapped, 2>& out) {
  HostParams p(params);
  check_batching(*p.host, p.host->batched_fwd, "batch_fwd");
  Merged m = merge(t, in, p);
  Tracers results = bind_at(home_of(t.cx, m.operands), primitive, m.operands,
                            with_batch(t.cx.session(), params, m));
  for (size_t i = 0; i < results.size(); ++i) {
    bool mark = params.flag("state") && i + 1 == results.size();
    out.push_back({mark ? results[i] : parted(results[i], t, p), !mark});
  }
}

// Where fwd itself is differentiated: the state it gives is that of the rule at this level too.
void host_call_linearize(JvpTrace& t, const Primitive&, Operands x, Operands dx,
                         const Params& params, Tracers& y, Tracers& dy) {
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
  y = Tracers(Operands(all).subspan(0, all.size() - 2));
  dy = custom_tangents(t, RuleRef(rule), rule->residuals(x, all), x, dx, y);
  if (!params.flag("state")) return;
  y.append(Operands(all).subspan(all.size() - 2));
  dy.push_back(Tracer());
  dy.push_back(zeros(t.home(), mark_aval(session)));
}

// A result that nobody needs is still written; the state is not kept.
Pruned host_call_dce(Session& session, const Params& params, std::span<const bool> used) {
  Pruned r{ParamsRef(&params), Small<bool, 4>(params.ints("mapped").size(), true),
           Small<bool, 4>(used.size(), true)};
  size_t n = params.dims("out").size();
  if (!params.flag("state") || used[n] || used[n + 1]) return r;
  r.params = with_param(session, params, "state", false);
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

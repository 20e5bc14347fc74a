// The rule of a host function, and what its two equations share. The rule is an ordinary custom
// rule, so that loops, branches, checkpoint and batching treat it like any other.
#include "primitives/define.hpp"
#include "rules/host_parts.hpp"

namespace jv {

Aval state_aval(Session& session) { return session.aval(DType::opaque, {}); }
Aval mark_aval(Session& session) { return session.aval(DType::f32, Ints{0}); }

Aval HostParams::whole(Session& session, Aval element) const {
  return batched() ? stacked(session, element, size) : element;
}

void HostParams::check(const char* name, std::span<const Aval> in) const {
  if (mapped.size() != in.size())
    fail(Code::invalid_argument, name, ": mapped has ", mapped.size(), " entries for ", in.size(),
         " operands");
  for (size_t i = 0; i < in.size(); ++i)
    if (mapped[i] && (in[i]->ndim() == 0 || in[i]->shape[0] != size))
      fail(Code::shape, name, ": a mapped operand of size ", size, " expected, got ",
           to_string(in[i]));
}

Dims types_param(std::span<const Aval> avals) {
  Dims types;
  for (Aval aval : avals) {
    types.push_back({int64_t(aval->dtype)});
    types.back().append(aval->shape);
  }
  return types;
}

Avals types_of(Session& session, const Dims& types) {
  Avals avals;
  for (const Ints& t : types) {
    if (!is_public(DType(t[0])))
      fail(Code::dtype, "a host function takes and gives arrays of numbers, not of ",
           name_of(DType(t[0])));
    avals.push_back(session.aval(DType(t[0]), std::span<const int64_t>(t).subspan(1)));
  }
  return avals;
}

HostBuffer Window::of(const Array& a, bool mapped) const {
  if (!a) return {};
  char* data = static_cast<char*>(a->data);
  if (element < 0 || !mapped) return {data, a.aval()};
  Aval one = element_of(a->session(), a.aval());
  return {data + size_t(element) * one->bytes(), one};
}

void check_host_nans(Context& cx, const Primitive& p, Operands in, Operands out) {
  if (!cx.check_nans) return;
  Arrays ins, outs;
  for (const Tracer& t : in) ins.push_back(t.array());
  for (const Tracer& t : out) outs.push_back(t.array());
  check_nans(p, ins, outs);
}

// ---- batching

static Tracer merged(const Mapped& m, bool inner, int64_t outer_size, int64_t inner_size) {
  if (!m.mapped && !inner) return m.value;
  Tracer x = materialise(m, outer_size);
  if (!inner) {
    Ints shape = x.shape(), dims{0};
    shape.insert(1, inner_size);
    for (size_t i = 2; i < shape.size(); ++i) dims.push_back(int64_t(i));
    x = broadcast_in_dim(x, shape, dims);
  }
  Ints flat(x.shape().begin() + 1, x.shape().end());
  flat[0] *= outer_size;
  return reshape(x, flat);
}

Merged merge(BatchTrace& t, MappedOperands in, const HostParams& p) {
  Merged r{{}, {}, p.batched() ? t.size * p.size : t.size};
  for (size_t i = 0; i < in.size(); ++i) {
    bool inner = p.mapped[i];
    r.operands.push_back(p.batched() ? merged(in[i], inner, t.size, p.size) : in[i].value);
    r.mapped.push_back(in[i].mapped || inner);
  }
  return r;
}

ParamsRef with_batch(Session& session, const Params& params, const Merged& m) {
  ParamsRef mapped = with_param(session, params, "mapped", m.mapped);
  return with_param(session, *mapped, "size", m.size);
}

Tracer parted(const Tracer& x, const BatchTrace& t, const HostParams& p) {
  if (!p.batched()) return x;
  Ints shape = x.shape();
  shape[0] = p.size;
  shape.insert(0, t.size);
  return reshape(x, shape);
}

void check_batching(const Host& host, bool batched, const char* what) {
  if (batched || host.loops) return;
  fail(Code::no_rule, host.name(), ": a host function is not mapped by vmap unless it has ", what,
       " or is made with JAXVJP_HOST_VMAP_LOOP");
}

// ---- the rule

HostRule::HostRule(HostRef host, bool pure, Avals in, Avals out, int64_t size, Ints mapped)
    : host_(std::move(host)),
      pure_(pure),
      in_(std::move(in)),
      out_(std::move(out)),
      size_(size),
      mapped_(std::move(mapped)) {}

CustomRule::Residuals HostRule::fwd(Context& cx, Operands args, std::span<const bool>,
                                    Tracers& out) const {
  check_bwd();
  Tracers all = call(cx, args, true);
  out = Tracers(all.subspan(0, out_.size()));
  return residuals(args, all);
}

CustomRule::Residuals HostRule::residuals(Operands args, Operands results) const {
  Residuals r;
  r.leaves = Tracers(results.subspan(out_.size()));
  if (host_->saves_inputs) r.leaves.append(args);
  if (host_->saves_outputs) r.leaves.append(results.subspan(0, out_.size()));
  return r;
}

void HostRule::check_bwd() const {
  if (!host_->has_bwd && any(floats(out_)))
    fail(Code::no_rule, host_->name(), ": ", host_->no_bwd());
}

Tracers HostRule::bwd(Context& cx, const Residuals& residuals, Operands cts,
                      std::span<const Aval> out, std::span<const bool>) const {
  Trace& home = home_of(cx, join(residuals.leaves, cts));
  Tracers operands = join(residuals.leaves, filled(cts, floats(out), out, home));
  ParamsRef params = cx.session().params().make(
      host_bwd_p.sig, {Object(host_), types_param(in_), host_->saves_inputs,
                       mapped_operands(residuals.leaves.size()), host_->name(), types_param(out_),
                       host_->saves_outputs, size_});
  Tracers found = bind_at(home, host_bwd_p, operands, params), back;
  for (size_t i = 0, k = 0; i < in_.size(); ++i)
    back.push_back(in_[i]->is_float() ? argument_ct(found[k++], i) : Tracer());
  return back;
}

Dual HostRule::jvp(Context&, Operands, Operands) const {
  fail(Code::no_rule, host_->name(), ": ", host_->no_bwd());
}

Tracers HostRule::call(Context& cx, Operands args, bool state) const {
  Trace& at = args.empty() ? cx.top().home() : home_of(cx, args);
  ParamsRef params = cx.session().params().make(
      host_call_p.sig,
      {Object(host_), mapped_, host_->name(), types_param(out_), pure_, size_, state});
  return bind_at(at, host_call_p, args, params);
}

// An argument that is the same for every element collects the cotangents of all.
Tracer HostRule::argument_ct(const Tracer& ct, size_t i) const {
  return size_ >= 0 && !mapped_[i] ? reduce_sum(ct, {0}) : ct;
}

// The state and the outputs are those of each element; the mark is that of all.
Ints HostRule::mapped_operands(size_t n_residuals) const {
  bool each = size_ >= 0;
  Ints flags{each, false};
  if (host_->saves_inputs) flags.append(mapped_);
  flags.resize(n_residuals + count_of(floats(out_)), each);
  return flags;
}

namespace {

class UnlinkedHost final : public Host {
 public:
  UnlinkedHost(const std::string& name, size_t slot) : slot_(slot) {
    label = name;
    loops = has_bwd = true;  // asked for, it refuses by name
  }
  size_t slot() const override { return slot_; }
  void fwd(Context&, const HostBatch*, const HostBuffers&, const HostBuffers&,
           std::span<void*>) const override {
    refuse();
  }
  void bwd(Context&, const HostBatch*, std::span<void* const>, const HostBuffers&,
           const HostBuffers&, const HostBuffers&, const HostBuffers&) const override {
    refuse();
  }

 private:
  [[noreturn]] void refuse() const {
    fail(Code::unlinked, label, ": the program names this host function and does not hold it");
  }
  size_t slot_;
};

}  // namespace

Object unlinked_host(const std::string& name, size_t slot) {
  return make_ref<const UnlinkedHost>(name, slot);
}

void check_linked(const Params& params, const Host& host) {
  size_t bwd = params.signature->find("inputs");
  if (bwd < params.signature->n_params) {
    if (!host.has_bwd)
      fail(Code::invalid_argument, host.name(), ": the program calls its bwd, and it has none");
    if (params.flag("inputs") != host.saves_inputs || params.flag("outputs") != host.saves_outputs)
      fail(Code::invalid_argument, host.name(),
           ": the program saves other values for its bwd than its flags say");
  } else if (params.flag("pure") && !host.pure) {
    fail(Code::invalid_argument, host.name(), ": the program was saved with a PURE function");
  }
}

Tracers host_call(const HostRef& host, Context& cx, Trace& at, Operands args, const Avals& out) {
  auto rule = make_ref<const HostRule>(host, host->pure, avals_of(args), out, int64_t(-1),
                                       Ints(args.size(), 0));
  return custom_vjp_call(CustomRuleRef(rule), cx, args, at);
}

}  // namespace jv

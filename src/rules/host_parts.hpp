// What the equations of host functions share: their parameters, states, buffers and batching.
#pragma once
#include "control/flow.hpp"
#include "rules/host.hpp"

namespace jv {

// What a host function left for its bwd; the user's destroy runs when the last holder is gone.
class HostState final : public RefCounted {
 public:
  explicit HostState(HostRef host) : host_(std::move(host)) {}
  ~HostState() override {
    if (pointer && host_->destroy_state) host_->destroy_state(pointer);
  }
  const Host& host() const { return *host_; }
  void* pointer = nullptr;

 private:
  HostRef host_;
};
Aval state_aval(Session& session);  // opaque[]
Aval mark_aval(Session& session);   // f32[0]

// What the parameters of both equations say.
struct HostParams {
  explicit HostParams(const Params& p)
      : host(&p.object<Host>("host")), size(p.integer("size")), mapped(p.ints("mapped")) {}

  bool batched() const { return size >= 0; }
  // The type of an output of one element's type.
  Aval whole(Session& session, Aval element) const;
  void check(const char* name, std::span<const Aval> in) const;

  HostRef host;
  int64_t size;        // of the batch; -1: one element
  const Ints& mapped;  // a flag an operand
};

// Types as a parameter.
Dims types_param(std::span<const Aval> avals);
Avals types_of(Session& session, const Dims& types);

// Buffers of one element of a batch, or of the whole.
struct Window {
  int64_t element = -1;  // -1: the whole
  HostBuffer of(const Array& a, bool mapped) const;
};

// JAXVJP_CHECK_NANS: what a callback wrote.
void check_host_nans(Context& cx, const Primitive& p, Operands in, Operands out);

// ---- batching: a batch of batches is one batch of the product of their sizes
struct Merged {
  Tracers operands;
  Ints mapped;
  int64_t size;
};
ParamsRef with_batch(Session& session, const Params& params, const Merged& m);
Merged merge(BatchTrace& t, MappedOperands in, const HostParams& p);
// What came out of a merged batch, with its two axes again.
Tracer parted(const Tracer& x, const BatchTrace& t, const HostParams& p);
// What stands for a host function where only its name is known: running it is UNLINKED.
Object unlinked_host(const std::string& name, size_t slot);
// NO_RULE where the function cannot be mapped.
void check_batching(const Host& host, bool batched, const char* what);

// ---- the rule
class HostRule final : public CustomRule {
 public:
  // `in` and `out` are the types of one element; `mapped` has a flag an argument; `pure`: its
  // calls.
  HostRule(HostRef host, bool pure, Avals in, Avals out, int64_t size, Ints mapped);

  const std::string& name() const override { return host_->name(); }
  bool has_forward() const override { return !host_->has_bwd; }  // asked for, it refuses
  const char* how_forward() const override { return "call it inside a custom_jvp or custom_vjp"; }
  Saved saved() const override { return host_->has_bwd ? Saved::whole : Saved::without; }
  Tracers primal(Context& cx, Operands args) const override { return call(cx, args, false); }
  Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                Tracers& out) const override;
  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts, std::span<const Aval> out,
              std::span<const bool> needed) const override;
  Dual jvp(Context& cx, Operands x, Operands dx) const override;

  // The results of host_call, with its state and mark where asked for.
  Tracers call(Context& cx, Operands args, bool state) const;
  // What bwd needs of them.
  Residuals residuals(Operands args, Operands results) const;
  void check_bwd() const;  // NO_RULE where there is none

 private:
  Tracer argument_ct(const Tracer& ct, size_t i) const;
  Ints mapped_operands(size_t n_residuals) const;

  HostRef host_;
  bool pure_;
  Avals in_, out_;
  int64_t size_;
  Ints mapped_;
};

}  // namespace jv

#include "api/host.hpp"

#include "api/transform.hpp"

namespace jv {

void UserHost::fwd(Context& cx, const HostBatch* batch, const HostBuffers& in,
                   const HostBuffers& out, std::span<void*> states) const {
  View caller = view_of(cx);
  run_callback(caller, nullptr, nullptr, "fwd of host function " + name(),
               [&](View& view) { return run_fwd(view, batch, in, out, states); });
}

void UserHost::bwd(Context& cx, const HostBatch* batch, std::span<void* const> states,
                   const HostBuffers& in, const HostBuffers& out, const HostBuffers& cts,
                   const HostBuffers& arg_cts) const {
  View caller = view_of(cx);
  run_callback(caller, nullptr, nullptr, "bwd of host function " + name(),
               [&](View& view) { return run_bwd(view, batch, states, in, out, cts, arg_cts); });
}

namespace {

class HostFunction final : public BaseFunction {
 public:
  HostFunction(Session& session, Ref<const UserHost> host)
      : BaseFunction(session, host->name()), host_(std::move(host)) {}

  std::vector<HostRef> hosts() const override { return {host_}; }

  ValueRef call(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    ValueRef out = output_types(cx, flat);
    Values leaves;
    collect_leaves(*out, leaves);
    Avals avals;
    for (const ValueRef& leaf : leaves) {
      if (!leaf->aval)
        fail(Code::callback, name(), ": shape gave a zero without a type as an output");
      avals.push_back(leaf->aval);
    }
    return unflatten_all(cx.session(), out->tree,
                         host_call(host_, cx.root(), cx.place(), flat.leaves, avals));
  }

 private:
  ValueRef output_types(View& cx, const FlatArgs& flat) const {
    Values specs;
    for (const Tracer& t : flat.leaves) specs.push_back(spec_value(cx.session(), t.aval()));
    std::span<const ValueRef> rest(specs.data(), specs.size());
    Values args;
    for (const Tree& tree : flat.trees) args.push_back(unflatten_values(cx.session(), tree, rest));
    ValueRef out;
    run_callback(cx, nullptr, nullptr, "shape of host function " + name(),
                 [&](View& view) { return host_->shape(view, args, out); });
    if (!out) fail(Code::callback, name(), ": shape returned 0 and left its output unset");
    if (out->tree->has_object)
      fail(Code::callback, name(), ": shape gave ", out->tree->text(),
           "; the outputs of a host function are arrays");
    return out;
  }

  Ref<const UserHost> host_;
};

}  // namespace

FunctionRef host_function(View& cx, Ref<const UserHost> host) {
  return make_ref<HostFunction>(cx.session(), std::move(host));
}

}  // namespace jv

// debug_print binds an equation. A probe is a custom rule: the identity, whose bwd binds one that
// calls the user. emit hands values to whoever collects them.
#include "api/report.hpp"

#include "api/custom.hpp"
#include "control/call.hpp"
#include "control/emit.hpp"
#include "rules/report.hpp"

namespace jv {

void debug_print(View& cx, const std::string& format, Operands values) {
  debug_print(cx.place(), format, values);
}

namespace {

// The user's function, called with the leaves of a cotangent.
class ProbeCall final : public HostCallback {
 public:
  ProbeCall(Ref<const ProbeCallback> callback, Tree tree)
      : callback_(std::move(callback)), tree_(std::move(tree)) {}

  void call(Context& cx, Operands values) const override {
    View outer = view_of(cx);
    run_callback(outer, nullptr, nullptr, "callback of probe", [&](View& view) {
      ValueRef ct = unflatten_all(view.session(), tree_, values);
      return callback_->call(wrap(&view), callback_->user, wrap(view.keep(ct)));
    });
  }

 private:
  Ref<const ProbeCallback> callback_;
  Tree tree_;
};

class ProbeRule final : public CustomRule {
 public:
  explicit ProbeRule(Ref<const HostCallback> callback) : callback_(std::move(callback)) {}
  const std::string& name() const override { return name_; }
  bool has_forward() const override { return true; }
  Tracers primal(Context&, Operands args) const override { return Tracers(args); }
  Residuals fwd(Context&, Operands args, std::span<const bool>, Tracers& out) const override {
    out = Tracers(args);
    return {};
  }
  Tracers bwd(Context& cx, const Residuals&, Operands cts, std::span<const Aval> avals,
              std::span<const bool>) const override {
    View view = view_of(cx);
    debug_callback(cx.eval(), callback_, instantiate(view, cts, avals));
    return Tracers(cts);
  }
  Dual jvp(Context&, Operands x, Operands dx) const override { return {Tracers(x), Tracers(dx)}; }

 private:
  Ref<const HostCallback> callback_;
  const std::string name_ = "probe";
};

}  // namespace

ValueRef probe(View& cx, const Value& x, Ref<const ProbeCallback> callback) {
  Tracers leaves;
  flatten(cx, x, leaves);
  auto rule = make_ref<const ProbeRule>(make_ref<const ProbeCall>(std::move(callback), x.tree));
  Tracers out = custom_vjp_call(CustomRuleRef(rule), cx.root(), leaves, cx.place());
  return unflatten_all(cx.session(), x.tree, out);
}

void emit(View& cx, const std::string& name, const Value& v) {
  if (!cx.rule || !cx.rule->in_bwd)
    fail(Code::invalid_argument, "emit: '", name, "' is given outside of bwd");
  Tracers leaves;
  flatten(cx, v, leaves);
  Emissions* emissions = cx.root().emissions;
  if (!emissions) return;
  const std::string& rule = cx.rule->rule->name;
  if (emissions->top != &cx.root().top())
    fail(Code::effect, "emit: '", name, "' of ", rule, " is given inside a ",
         cx.root().top().verb(), " of its bwd; give it in bwd itself");
  emissions->add({rule, name, v.tree, leaves});
}

}  // namespace jv

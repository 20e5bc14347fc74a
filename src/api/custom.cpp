#include "api/custom.hpp"

#include <algorithm>

#include "control/call.hpp"
#include "control/emit.hpp"
#include "primitives/ops.hpp"

namespace jv {

std::string Rule::argument(size_t i) const {
  return str("argument ", i) + (i < arg_names.size() ? " (" + arg_names[i] + ")" : "");
}

static void compare_outputs(const Rule& rule, const Tree& a, std::span<const Aval> a_avals,
                            const char* a_role, const Tree& b, std::span<const Aval> b_avals,
                            const char* b_role) {
  auto batches = [](const char* role) { return role == std::string_view("batching rule"); };
  bool by_fwd = rule.fwd && !batches(a_role) && !batches(b_role);
  if (a.get() != b.get())
    fail(by_fwd ? Code::fwd_tree : Code::tree, rule.name, ": ", b_role, " gives the structure ",
         b->text(), ", ", a_role, " gives ", a->text());
  for (size_t i = 0; i < a_avals.size(); ++i) {
    if (a_avals[i] == b_avals[i]) continue;
    Code code = by_fwd                                   ? Code::fwd_aval
                : a_avals[i]->dtype == b_avals[i]->dtype ? Code::shape
                                                         : Code::dtype;
    fail(code, rule.name, ": output", a->path(i), " of ", b_role, " is ", to_string(b_avals[i]),
         ", of ", a_role, " ", to_string(a_avals[i]));
  }
}

void Rule::check_outputs(const CacheKey& signature, const Tree& tree, std::span<const Aval> avals,
                         const char* role) const {
  std::lock_guard lock(mutex_);
  for (const Seen& s : seen_)
    if (s.signature == signature)
      return compare_outputs(*this, s.tree, s.avals, s.role, tree, avals, role);
  if (tree->has_object) return;  // it may hold this very rule
  if (seen_.size() == 64) seen_.erase(seen_.begin());
  seen_.push_back({signature, tree, Avals(avals), role});
}

CacheKey call_signature(std::span<const Tree> trees, std::span<const Aval> leaves) {
  CacheKey key;
  for (const Tree& t : trees) key.push_back(t->hash);
  for (Aval aval : leaves) key.push_back(reinterpret_cast<uintptr_t>(aval));
  return key;
}

int any_marked(std::span<const ValueRef> args, std::span<const bool> flags, const Value& v) {
  struct Walk {
    const Value& wanted;
    std::span<const bool> flags;
    int found = -1;
    void operator()(const Value& v, bool inside) {
      inside = inside || &v == &wanted;
      if (inside && found < 0) found = 0;
      if (v.items.empty() && v.tree->n_leaves) {
        for (size_t i = 0; i < v.tree->n_leaves; ++i) {
          if (inside && flags[0]) found = 1;
          flags = flags.subspan(1);
        }
      }
      for (const ValueRef& item : v.items) (*this)(*item, inside);
    }
  } walk{v, flags};
  for (const ValueRef& a : args) walk(*a, false);
  return walk.found;
}

namespace {

void unset(Code code, const Rule& rule, const char* role, const char* what) {
  fail(code, rule.name, ": ", role, " returned 0 and left its ", what, " unset");
}

// A rule together with the structure of one call's arguments.
class BoundRule final : public CustomRule {
 public:
  BoundRule(Ref<const Rule> rule, std::vector<Tree> in, Avals in_avals, Ref<OutTree> out)
      : rule_(std::move(rule)),
        in_(std::move(in)),
        in_avals_(std::move(in_avals)),
        out_(std::move(out)) {}

  const std::string& name() const override { return rule_->name; }
  bool symbolic_zeros() const override { return rule_->symbolic_zeros; }
  bool run_on_zero() const override { return rule_->run_on_zero; }
  bool has_forward() const override { return rule_->jvp || rule_->transpose_bwd; }
  bool has_reverse() const override { return rule_->fwd && rule_->bwd; }
  bool same(const CustomRule& other) const override {
    auto* o = dynamic_cast<const BoundRule*>(&other);
    return o && o->rule_ == rule_ && o->in_ == in_ && o->in_avals_ == in_avals_;
  }
  const std::vector<Tree>* arguments() const override { return &in_; }

  // With a batching rule it is a call of its own.
  Tracers primal(Context& cx, Operands args) const override {
    if (!rule_->batch) return run_primal(cx, args);
    StageTrace* staging = staging_of(cx, args);
    return custom_vmap_call(vmap_rule(), cx, args, staging ? *staging : home_of(cx, args));
  }

  VmapRuleRef vmap_rule() const {
    return bound_vmap_rule(rule_, in_, make_ref<const Primal>(Ref<const BoundRule>(this)), out_);
  }

  Tracers run_primal(Context& cx, Operands args) const {
    if (!rule_->primal) {
      if (!rule_->fwd) return primal_of_jvp(cx, args);
      Tracers out;
      Flags none(args.size(), false);
      run_fwd(cx, staging_of(cx, args), args, none, out);
      return out;
    }
    ValueRef result;
    call(cx, staging_of(cx, args), args, RuleFrame{rule_, {}, {}, {}}, "primal",
         [&](View& view, jaxvjp_value* const* handles, size_t n) {
           jaxvjp_value* out = nullptr;
           int32_t code = rule_->primal(wrap(&view), rule_->user, handles, n, &out);
           result = written(out);
           return code;
         });
    if (!result) unset(Code::callback, *rule_, "primal", "output");
    return outputs(cx, args, *result, "primal");
  }

  Residuals fwd(Context& cx, Operands args, std::span<const bool> perturbed,
                Tracers& out) const override {
    if (!rule_->fwd) fail(Code::no_rule, rule_->name, ": has no fwd; it cannot be differentiated");
    return run_fwd(cx, nullptr, args, perturbed, out);
  }

  Tracers bwd(Context& cx, const Residuals& residuals, Operands cts,
              std::span<const Aval> out_avals, std::span<const bool> needed) const override {
    auto& structure = static_cast<const TreeDef&>(*residuals.structure);
    if (!rule_->bwd)
      fail(Code::no_rule, rule_->name, ": has no bwd; it cannot be differentiated in reverse mode");
    Flags slots = needed_slots(needed);
    RuleFrame frame{rule_, {}, {}, slots, false, true, residuals.differentiating.get()};
    Values arg_cts;
    run(cx, nullptr, &frame, "bwd", [&](View& view) {
      ValueRef r = unflatten_all(view.session(), Tree(&structure), residuals.leaves);
      ValueRef ct = cotangents(view, cts, out_avals);
      Small<jaxvjp_value*, 8> raw(in_.size(), nullptr);
      int32_t code = rule_->bwd(wrap(&view), rule_->user, wrap(view.keep(r)), wrap(view.keep(ct)),
                                raw.data(), raw.size());
      for (jaxvjp_value* v : raw) arg_cts.push_back(written(v));
      return code;
    });
    return read_slots(cx, arg_cts, slots);
  }

  Dual jvp(Context& cx, Operands x, Operands dx) const override {
    if (!rule_->jvp) return jvp_by_transpose(cx, *this, x, dx);
    ValueRef out, tangent;
    RuleFrame frame{rule_, {}, {}, {}};
    Avals avals = avals_of(x);
    run(cx, nullptr, &frame, "jvp rule", [&](View& view) {
      Values primals = unflatten_args(view.session(), in_, x),
             tangents = tangent_args(view, dx, avals);
      auto p = hand_out(view, primals), t = hand_out(view, tangents);
      jaxvjp_value *o = nullptr, *d = nullptr;
      int32_t code =
          rule_->jvp(wrap(&view), rule_->user, p.data(), t.data(), primals.size(), &o, &d);
      out = written(o);
      tangent = written(d);
      return code;
    });
    if (!out) unset(Code::callback, *rule_, "jvp rule", "output");
    if (!tangent) unset(Code::callback, *rule_, "jvp rule", "tangent");
    Tracers y = outputs(cx, x, *out, "jvp rule"), dy;
    View view = view_of(cx);
    Avals y_avals = avals_of(y);
    std::string what = rule_->name + ": tangent_out of its jvp rule";
    read_port(view, {what.c_str(), Code::tree, Code::shape, Code::dtype}, *tangent, out->tree,
              y_avals, dy);
    return {y, dy};
  }

 private:
  // What its functions compute, without the rule.
  struct Primal final : CallRule {
    explicit Primal(Ref<const BoundRule> bound) : bound(std::move(bound)) {}
    const std::string& name() const override { return bound->name(); }
    Tracers primal(Context& cx, Operands args) const override {
      return bound->run_primal(cx, args);
    }
    Ref<const BoundRule> bound;
  };

  // Runs a callback that takes the arguments.
  template <class F>
  void call(Context& cx, StageTrace* staging, Operands args, RuleFrame frame, const char* role,
            F&& f) const {
    run(cx, staging, &frame, role, [&](View& view) {
      Values values = unflatten_args(view.session(), in_, args);
      frame.args = values;
      auto handles = hand_out(view, values);
      return f(view, handles.data(), values.size());
    });
  }

  void run(Context& cx, StageTrace* staging, RuleFrame* frame, const char* role,
           const std::function<int32_t(View&)>& f) const {
    View outer = view_of(cx);
    run_callback(outer, staging, frame, std::string(role) + " of custom rule " + rule_->name, f);
  }

  // A primal that is being recorded has a staging context; a rule's re-trace has not, so that what
  // depends on constants alone is done at once.
  static StageTrace* staging_of(Context& cx, Operands args) {
    auto* top = dynamic_cast<StageTrace*>(&cx.top());
    bool recorded = args.empty() ? !cx.rule_call : &args[0].trace() == top;
    return top && recorded && !top->linear() ? top : nullptr;
  }

  Residuals run_fwd(Context& cx, StageTrace* staging, Operands args,
                    std::span<const bool> perturbed, Tracers& out) const {
    ValueRef result, residuals;
    call(cx, staging, args, RuleFrame{rule_, {}, perturbed, {}, true, false}, "fwd",
         [&](View& view, jaxvjp_value* const* handles, size_t n) {
           jaxvjp_value *o = nullptr, *r = nullptr;
           int32_t code = rule_->fwd(wrap(&view), rule_->user, handles, n, &o, &r);
           result = written(o);
           residuals = written(r);
           return code;
         });
    if (!result) unset(Code::fwd_unset, *rule_, "fwd", "output");
    if (!residuals) unset(Code::fwd_unset, *rule_, "fwd", "residuals");
    out = outputs(cx, args, *result, "fwd");
    return {leaves_of(cx, *residuals, "residuals", "fwd"), residuals->tree, {}};
  }

  Tracers primal_of_jvp(Context& cx, Operands args) const {
    return jvp(cx, args, Tracers(args.size())).y;
  }

  Tracers leaves_of(Context& cx, const Value& v, const char* what, const char* role) const {
    View view = view_of(cx);
    Tracers leaves;
    noted([&] { flatten(view, v, leaves); }, "in the ", what, " of ", role, " of custom rule ",
          name());
    return leaves;
  }

  // A derivative that does not come through the arguments would pass the rule by.
  void refuse_perturbed(Operands args, Operands outs, const char* role) const {
    auto perturbed = [](const Tracer& t) { return t.trace().perturbed(t); };
    if (std::any_of(args.begin(), args.end(), perturbed)) return;
    for (const Tracer& t : outs)
      if (perturbed(t)) fail_closure(t, rule_->name, role);
  }

  // Outputs as leaves; their structure is remembered, and compared with what is known of it.
  Tracers outputs(Context& cx, Operands args, const Value& result, const char* role) const {
    Tracers leaves = leaves_of(cx, result, "output", role);
    refuse_perturbed(args, leaves, role);
    CacheKey signature = call_signature(in_, avals_of(args));
    rule_->check_outputs(signature, result.tree, avals_of(leaves), role);
    out_->set(result.tree);
    return leaves;
  }

  ValueRef cotangents(View& view, Operands cts, std::span<const Aval> avals) const {
    std::vector<ValueRef> leaves;
    Tracers whole = rule_->symbolic_zeros ? Tracers(cts) : instantiate(view, cts, avals);
    for (size_t i = 0; i < cts.size(); ++i)
      leaves.push_back(whole[i] ? value_of(view.session(), whole[i])
                                : zero_value(view.session(), avals[i]));
    std::span<const ValueRef> rest = leaves;
    return unflatten_values(view.session(), out_->get(), rest);
  }

  Values tangent_args(View& view, Operands dx, std::span<const Aval> avals) const {
    return unflatten_args(view.session(), in_, instantiate(view, dx, avals));
  }

  // Whether any leaf of an argument is needed.
  Flags needed_slots(std::span<const bool> leaves) const {
    Flags slots;
    for (const Tree& t : in_) {
      auto mine = leaves.subspan(0, t->n_leaves);
      slots.push_back(std::find(mine.begin(), mine.end(), true) != mine.end());
      leaves = leaves.subspan(t->n_leaves);
    }
    return slots;
  }

  Tracers read_slots(Context& cx, std::span<const ValueRef> slots, const Flags& needed) const {
    View view = view_of(cx);
    Tracers back;
    std::span<const Aval> avals = in_avals_;
    for (size_t i = 0; i < in_.size(); ++i) {
      size_t n = in_[i]->n_leaves;
      if (needed[i] && !slots[i])
        fail(Code::bwd_unset, rule_->name, ": bwd left the cotangent of ", rule_->argument(i),
             " unset; jaxvjp_zero says that there is none");
      if (!needed[i] || !slots[i]) back.append(Tracers(n));
      else read_slot(view, *slots[i], i, avals.subspan(0, n), back);
      avals = avals.subspan(n);
    }
    return back;
  }

  void read_slot(View& view, const Value& slot, size_t i, std::span<const Aval> avals,
                 Tracers& back) const {
    std::string what = rule_->name + ": bwd's cotangent of " + rule_->argument(i) + ", [" +
                       std::to_string(i) + "]";
    Port port{what.c_str(), Code::bwd_tree, Code::bwd_aval, Code::bwd_aval};
    port.widen = rule_->widen;
    read_port(view, port, slot, in_[i], avals, back);
  }

  Ref<const Rule> rule_;
  std::vector<Tree> in_;
  Avals in_avals_;
  Ref<OutTree> out_;
};

class CustomFunction final : public BaseFunction {
 public:
  CustomFunction(Session& session, Ref<const Rule> rule)
      : BaseFunction(session, rule->name), rule_(std::move(rule)) {}

  ValueRef call(View& cx, Args args) override {
    if (!rule_->arg_names.empty() && rule_->arg_names.size() != args.size())
      wrong_count(args.size());
    FlatArgs flat(cx, args);
    auto tree = make_ref<OutTree>();
    auto rule = make_ref<const BoundRule>(rule_, flat.trees, avals_of(flat.leaves), tree);
    Tracers out = bind(cx, rule, flat.leaves);
    return unflatten_all(cx.session(), tree->get(), out);
  }

  std::string argument(size_t i) const override { return rule_->argument(i); }

 private:
  Tracers bind(View& cx, const Ref<const BoundRule>& rule, Operands args) const {
    if (rule_->is_custom_vmap)
      return custom_vmap_call(rule->vmap_rule(), cx.root(), args, cx.place());
    return (rule_->is_custom_jvp ? custom_jvp_call : custom_vjp_call)(rule, cx.root(), args,
                                                                      cx.place());
  }

  [[noreturn]] void wrong_count(size_t n) const {
    std::string names;
    for (const std::string& a : rule_->arg_names) names += (names.empty() ? "" : ", ") + a;
    fail(Code::invalid_argument, rule_->name, ": takes ", rule_->arg_names.size(), " arguments (",
         names, "), got ", n);
  }
  Ref<const Rule> rule_;
};

}  // namespace

FunctionRef custom_function(View& cx, Ref<const Rule> rule) {
  return make_ref<CustomFunction>(cx.session(), std::move(rule));
}

}  // namespace jv

// Batching rules made of C callbacks, and the rule that is a loop.
#include "api/custom.hpp"
#include "control/call.hpp"
#include "control/flow.hpp"

namespace jv {
namespace {

constexpr const char* role = "batching rule";

// A batching rule together with the structure of one call's arguments.
class BoundVmapRule final : public VmapRule {
 public:
  BoundVmapRule(Ref<const Rule> rule, std::vector<Tree> in, Ref<const CallRule> primal,
                Ref<OutTree> out)
      : rule_(std::move(rule)),
        in_(std::move(in)),
        primal_(std::move(primal)),
        out_(std::move(out)) {}

  const std::string& name() const override { return rule_->name; }
  Tracers primal(Context& cx, Operands args) const override { return primal_->primal(cx, args); }

  Batched batch(Context& cx, int64_t size, MappedOperands args) const override {
    View view = view_of(cx);
    ValueRef out, flags;
    run(view, size, args, out, flags);
    Tracers leaves;
    flatten(view, *out, leaves);
    Flags batched = read_flags(view, *out, *flags);
    check(cx.session(), size, args, *out, leaves, batched);
    out_->set(out->tree);
    return mapped_where(leaves, batched);
  }

 private:
  void run(View& cx, int64_t size, std::span<const Mapped> args, ValueRef& out,
           ValueRef& flags) const {
    Flags mapped = mapped_of(args);
    RuleFrame frame{rule_, {}, {}, {}};
    frame.batched = mapped;
    frame.in_batch = true;
    run_callback(cx, nullptr, &frame, str(role, " of ", name()), [&](View& view) {
      Values values = unflatten_args(view.session(), in_, values_of(args));
      frame.args = values;
      auto handles = hand_out(view, values);
      jaxvjp_value *o = nullptr, *b = nullptr;
      int32_t code =
          rule_->batch(wrap(&view), rule_->user, size, handles.data(), values.size(), &o, &b);
      out = written(o);
      flags = written(b);
      return code;
    });
    if (!out || !flags)
      fail(Code::callback, name(), ": its ", role, " returned 0 and left its ",
           out ? "out_batched" : "output", " unset");
  }

  Flags read_flags(View& cx, const Value& out, const Value& flags) const {
    if (flags.tree.get() != out.tree.get())
      fail(Code::tree, name(), ": out_batched of its ", role, " has the structure ",
           flags.tree->text(), ", its output has ", out.tree->text());
    Values leaves;
    collect_leaves(flags, leaves);
    Flags batched;
    for (const ValueRef& leaf : leaves)
      batched.push_back(
          read_flag(cx, *leaf, str(name(), ": out_batched", out.tree->path(batched.size()))));
    return batched;
  }

  static bool read_flag(View& cx, const Value& leaf, const std::string& what) {
    if (leaf.aval && leaf.aval->ndim())
      fail(Code::shape, what, " is a scalar, got ", to_string(leaf.aval));
    double number = element(numbers_of(cx, leaf, what.c_str()), 0);
    if (number != 0 && number != 1) fail(Code::invalid_argument, what, " is 1 or 0, got ", number);
    return number == 1;
  }

  // The axis is where the flags say, and one example has the outputs of the primal.
  void check(Session& session, int64_t size, std::span<const Mapped> args, const Value& out,
             Operands leaves, const Flags& batched) const {
    Avals in, elements;
    for (const Mapped& m : args)
      in.push_back(m.mapped ? element_of(session, m.value.aval()) : m.value.aval());
    for (size_t i = 0; i < leaves.size(); ++i) {
      Aval aval = leaves[i].aval();
      if (batched[i] && (aval->ndim() == 0 || aval->shape[0] != size))
        fail(Code::shape, name(), ": output", out.tree->path(i), " of its ", role, " is ",
             to_string(aval), "; it is marked as batched, and its axis 0 must have size ", size);
      elements.push_back(batched[i] ? element_of(session, aval) : aval);
    }
    rule_->check_outputs(call_signature(in_, in), out.tree, elements, role);
  }

  Ref<const Rule> rule_;
  std::vector<Tree> in_;
  Ref<const CallRule> primal_;
  Ref<OutTree> out_;
};

class Sequential final : public DerivedFunction {
 public:
  explicit Sequential(FunctionRef f) : DerivedFunction(std::move(f), {uint64_t('s')}) {}

  // What f captures are arguments like the others.
  ValueRef apply(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    StagedCall staged = stage_call(cx, *inner, flat.trees, avals_of(flat.leaves), verb());
    VmapRuleRef rule = sequential_rule(name(), staged.closed.jaxpr);
    Tracers out =
        custom_vmap_call(rule, cx.root(), join(staged.closed.captured, flat.leaves), cx.place());
    return unflatten_all(cx.session(), staged.out, out);
  }

 private:
  const char* verb() const override { return "sequential_vmap"; }
};

}  // namespace

VmapRuleRef bound_vmap_rule(Ref<const Rule> rule, std::vector<Tree> in, Ref<const CallRule> primal,
                            Ref<OutTree> out) {
  return make_ref<const BoundVmapRule>(std::move(rule), std::move(in), std::move(primal),
                                       std::move(out));
}

FunctionRef sequential_vmap(FunctionRef f) { return make_ref<Sequential>(std::move(f)); }

}  // namespace jv

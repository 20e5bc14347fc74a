// Functions as jaxprs, with the structures of what they take and give.
#include "api/function.hpp"
#include "rules/rule.hpp"
#include "transforms/simplify.hpp"

namespace jv {
namespace {

void check_input(const std::string& name, size_t i, Aval got, Aval want) {
  if (got == want) return;
  Code code = got->dtype != want->dtype ? Code::dtype : Code::shape;
  fail(code, name, ": input ", i, " is ", to_string(want), ", got ", to_string(got));
}

void check_arguments(const TypedJaxpr& j, const std::string& name, Args args, const FlatArgs& flat,
                     size_t first) {
  if (!j.in.empty() && args.size() != j.in.size())
    fail(Code::invalid_argument, name, ": takes ", j.in.size(), " arguments, got ", args.size());
  if (!j.in.empty() && flat.trees != j.in)
    fail(Code::tree, name, ": the arguments' structure is not the one it was made with");
  const auto& invars = j.jaxpr->invars;
  if (flat.leaves.size() != invars.size() - first)
    fail(Code::invalid_argument, name, ": takes ", invars.size() - first, " inputs, got ",
         flat.leaves.size());
  for (size_t i = 0; i < flat.leaves.size(); ++i)
    check_input(name, i, flat.leaves[i].aval(), j.jaxpr->vars[invars[first + i]]);
}

ValueRef result_of(View& cx, const TypedJaxpr& jaxpr, Operands out) {
  if (jaxpr.out) return unflatten_all(cx.session(), jaxpr.out, out);
  Values items;
  for (const Tracer& t : out) items.push_back(value_of(cx.session(), t));
  return sequence_value(cx.session(), Kind::tuple, items);
}

// Runs the jaxpr, or calls the rule whose primal it is.
class JaxprFunction final : public BaseFunction {
 public:
  JaxprFunction(Ref<TypedJaxpr> jaxpr, Session& session, std::string name, CustomRuleRef rule)
      : BaseFunction(session, std::move(name)), jaxpr_(std::move(jaxpr)), rule_(std::move(rule)) {}

  ValueRef call(View& cx, Args args) override {
    if (!rule_) return call_typed(cx, *jaxpr_, name(), {}, args);
    FlatArgs flat(cx, args);
    check_arguments(*jaxpr_, name(), args, flat, 0);
    return result_of(cx, *jaxpr_, custom_vjp_call(rule_, cx.root(), flat.leaves, cx.place()));
  }

 private:
  Ref<TypedJaxpr> jaxpr_;
  CustomRuleRef rule_;
};

Avals leaf_avals(Args args) {
  Avals avals;
  Values leaves;
  for (const ValueRef& a : args) collect_leaves(*a, leaves);
  for (const ValueRef& leaf : leaves) {
    if (!leaf->aval)
      fail(Code::invalid_argument, "a zero without a type cannot stand for an argument");
    avals.push_back(leaf->aval);
  }
  return avals;
}

}  // namespace

ValueRef call_typed(View& cx, const TypedJaxpr& jaxpr, const std::string& name, Operands captured,
                    Args args) {
  FlatArgs flat(cx, args);
  check_arguments(jaxpr, name, args, flat, captured.size());
  Tracers in(captured);
  for (const Tracer& t : flat.leaves) in.push_back(cx.lift(t));
  return result_of(cx, jaxpr, eval_jaxpr(cx.root(), *jaxpr.jaxpr, in));
}

FunctionRef typed_jaxpr_function(Ref<TypedJaxpr> jaxpr, Session& session, std::string name,
                                 CustomRuleRef rule) {
  return make_ref<JaxprFunction>(std::move(jaxpr), session, std::move(name), std::move(rule));
}

Ref<TypedJaxpr> make_jaxpr(View& cx, Function& f, Args specs, const char* verb, Tracers& captured) {
  auto r = make_ref<TypedJaxpr>();
  for (const ValueRef& s : specs) r->in.push_back(s->tree);
  StagedCall staged = stage_call(cx, f, r->in, leaf_avals(specs), verb);
  r->out = staged.out;
  r->jaxpr = with_constants(staged.closed, captured);
  return r;
}

Ref<TypedJaxpr> make_jaxpr(View& cx, Function& f, Args specs) {
  Tracers captured;
  Ref<TypedJaxpr> r = make_jaxpr(cx, f, specs, "make_jaxpr", captured);
  refuse_captured(captured, "make_jaxpr: " + f.name());
  return r;
}

// ---- closures

namespace {

struct ClosedStructure final : FunctionStructure {
  std::string name;
  Ref<TypedJaxpr> typed;
  Ref<Session> session;
  FunctionRef around(Args held) const override;
};

class ClosedFunction final : public BaseFunction {
 public:
  ClosedFunction(Ref<const ClosedStructure> s, Args captured)
      : BaseFunction(*s->session, s->name), s_(std::move(s)), captured_(captured) {}

  Tree tree(Session& session) override {
    return session.trees().object(s_, std::vector<Tree>(captured_.size(), session.trees().leaf()));
  }
  Values held(Session&) override { return captured_; }

  ValueRef call(View& cx, Args args) override {
    auto typed = [&] {
      Tracers captured;
      for (const ValueRef& c : captured_) captured.push_back(tracer_of(cx, *c));
      return call_typed(cx, *s_->typed, name(), captured, args);
    };
    return noted(typed, "in converted function ", name());
  }

 private:
  Ref<const ClosedStructure> s_;
  Values captured_;
};

FunctionRef ClosedStructure::around(Args held) const {
  return make_ref<ClosedFunction>(Ref<const ClosedStructure>(this), held);
}

}  // namespace

FunctionRef closure_convert(View& cx, Function& f, Args specs) {
  auto s = make_ref<ClosedStructure>();
  Tracers captured;
  Values held;
  s->name = f.name();
  s->session = Ref<Session>(&cx.session());
  s->typed = make_jaxpr(cx, f, specs, "closure_convert", captured);
  s->typed->jaxpr = simplify(s->typed->jaxpr);
  for (const Tracer& t : captured) held.push_back(value_of(cx.session(), t));
  return s->around(held);
}

}  // namespace jv

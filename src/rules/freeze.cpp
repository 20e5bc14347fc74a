// Rules as jaxprs: each function of a rule is recorded for the types of its calls. What it calls is
// recorded in turn, until the table has all.
#include <functional>

#include "control/flow.hpp"
#include "primitives/ops.hpp"
#include "rules/custom_call.hpp"
#include "rules/module.hpp"

namespace jv {
namespace {

class Freezer {
 public:
  Freezer(Context& cx, bool rules)
      : cx_(cx), rules_(rules), module_(make_ref<Module>(cx.session())) {}

  Ref<Module> freeze(const JaxprRef& main) {
    module_->main = with_places(main);
    for (size_t i = 0; i < calls_.size(); ++i) {
      SavedRule rule = freeze_rule(i);
      module_->rules.push_back(std::move(rule));
    }
    return std::move(module_);
  }

 private:
  // What is called, and with which types.
  struct Call {
    Ref<const Callee> callee;
    Avals in, out;
  };

  // The jaxpr with places in the table where it calls something.
  JaxprRef with_places(const JaxprRef& j) {
    return edit_calls(j, [&](const Jaxpr& at, Eqn& e, std::vector<Param>& values) {
      if (e.primitive == &custom_lin_p) {
        freeze_custom_lin(cx_, at, e, values, std::bind_front(&Freezer::record, this));
        return true;
      }
      size_t slot = slot_of(at, e);
      const std::string& name = calls_[slot].callee->name();
      values[e.params->signature->object()] = e.primitive->unlinked(name, slot);
      return true;
    });
  }

  size_t slot_of(const Jaxpr& j, const Eqn& e) {
    constexpr size_t max_rules = 4096;
    if (!callee_of(*e.params))
      fail(Code::invalid_argument, e.primitive->name,
           ": the callback of a probe is of this process and cannot be saved");
    const Callee& callee = *callee_of(*e.params);
    Avals operands = operand_avals(j, e);
    Avals in(operands.subspan(n_captured(*e.params)));
    Call call{Ref<const Callee>(&callee), in, result_avals(j, e)};
    for (size_t i = 0; i < calls_.size(); ++i)
      if (same(calls_[i], call)) return i;
    if (calls_.size() == max_rules)
      fail(Code::invalid_argument, callee.name(),
           ": a program cannot be saved that calls more than ", max_rules,
           " rules; does a rule call itself with ever other types?");
    calls_.push_back(std::move(call));
    return calls_.size() - 1;
  }

  static bool same(const Call& a, const Call& b) {
    if (!(a.in == b.in) || !(a.out == b.out)) return false;
    auto* x = dynamic_cast<const CustomRule*>(a.callee.get());
    auto* y = dynamic_cast<const CustomRule*>(b.callee.get());
    return x && y ? x->same(*y) : a.callee == b.callee;
  }

  // ---- one rule

  SavedRule freeze_rule(size_t i) {
    Call call = calls_[i];
    SavedRule r;
    r.name = call.callee->name();
    r.n_out = call.out.size();
    describe_arguments(call, r);
    auto* rule = dynamic_cast<const CustomRule*>(call.callee.get());
    bool for_vmap = dynamic_cast<const VmapRule*>(call.callee.get());
    r.form = for_vmap || (rule && !rules_) ? Saved::without : call.callee->saved();
    if (rule) r.symbolic_zeros = rule->symbolic_zeros(), r.run_on_zero = rule->run_on_zero();
    if (r.form != Saved::whole) return r;
    if (rule->has_reverse()) freeze_reverse(*rule, call, r);
    if (rule->has_forward()) try_forward(*rule, call, r);
    return r;
  }

  // Where something else may stand in for it when it is loaded.
  void describe_arguments(const Call& call, SavedRule& r) {
    const std::vector<Tree>* known = call.callee->arguments();
    if (!known && call.callee->saved() != Saved::by_name) return;
    r.replaceable = true;
    if (known) r.arguments = *known;
    else r.arguments.assign(call.in.size(), cx_.session().trees().leaf());
    for (const Tree& t : r.arguments) r.replaceable &= !t->has_object;
    if (!r.replaceable) r.arguments.clear();
  }

  JaxprRef record(std::span<const Aval> in, const std::string& rule, const char* function,
                  const std::function<Tracers(Operands)>& f) {
    try {
      return with_places(close_over(stage(cx_, in, f, "save"), rule + "'s " + function));
    } catch (Error& e) {
      if (e.is(Code::concrete))
        e.message = rule + ": its rule cannot be saved, because it looks at numbers: " + e.message;
      e.notes.push_back("in saving the custom rule " + rule);
      throw;
    }
  }

  // Some of them null: those are not among the results.
  static Tracers given(Operands found, Flags& gives) {
    gives = nonzero(found);
    return present(found);
  }

  void freeze_reverse(const CustomRule& rule, const Call& call, SavedRule& r) {
    CustomRule::Residuals kept;
    r.fwd = record(call.in, r.name, "fwd", [&](Operands args) {
      Tracers out;
      kept = rule.fwd(cx_, args, floats(call.in), out);
      Tracers all = join(out, kept.leaves);
      kept.leaves = {};
      return all;
    });
    Avals in = out_avals(*r.fwd);
    in = Avals(in.subspan(r.n_out));
    size_t n = in.size();
    in.append(pick(call.out, floats(call.out)));
    r.bwd = record(in, r.name, "bwd", [&](Operands args) {
      CustomRule::Residuals residuals{Tracers(args.subspan(0, n)), kept.structure, nullptr};
      Tracers cts = spread(floats(call.out), args.subspan(n));
      return given(rule.bwd(cx_, residuals, cts, call.out, floats(call.in)), r.bwd_gives);
    });
  }

  // A derivative that the rule does not have is none of the module either: of a solver whose
  // equation has none, say.
  void try_forward(const CustomRule& rule, const Call& call, SavedRule& r) {
    try {
      freeze_forward(rule, call, r);
    } catch (const Error& e) {
      if (!e.is(Code::no_rule) && !e.is(Code::fwd_mode) && !e.is(Code::no_transpose)) throw;
      if (!rule.has_reverse()) r.form = Saved::without;
    }
  }

  void freeze_forward(const CustomRule& rule, const Call& call, SavedRule& r) {
    Avals in = call.in;
    in.append(pick(call.in, floats(call.in)));
    r.jvp = record(in, r.name, "jvp rule", [&](Operands args) {
      size_t n = call.in.size();
      Dual d = rule.jvp(cx_, args.subspan(0, n), spread(floats(call.in), args.subspan(n)));
      return join(d.y, given(d.dy, r.jvp_gives));
    });
  }

  Context& cx_;
  bool rules_;
  Ref<Module> module_;
  std::vector<Call> calls_;
};

}  // namespace

Ref<Module> freeze(Context& cx, const JaxprRef& main, bool rules) {
  return Freezer(cx, rules).freeze(main);
}

}  // namespace jv

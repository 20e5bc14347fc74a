#include "api/module.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "control/call.hpp"
#include "primitives/registry.hpp"
#include "rules/host.hpp"
#include "rules/module.hpp"
#include "text/encode.hpp"
#include "text/parse.hpp"
#include "text/print.hpp"

namespace jv {

// ---- save

std::string save(View& cx, const TypedJaxpr& jaxpr, bool rules, bool text) {
  for (size_t i = 0; i < jaxpr.in.size(); ++i)
    if (jaxpr.in[i]->has_object)
      fail(Code::tree, "save: argument ", i,
           " holds a function or an opaque pointer, which cannot be saved");
  if (jaxpr.out && jaxpr.out->has_object)
    fail(Code::tree,
         "save: the result holds a function or an opaque pointer, which cannot be saved");
  Ref<Module> module = freeze(cx.root(), jaxpr.jaxpr, rules);
  module->in = jaxpr.in;
  module->out = jaxpr.out;
  return text ? to_string(*module) : encode(*module);
}

// ---- load

namespace {

// Gives a module's calls the functions of their names.
class Linker {
 public:
  Linker(View& cx, const Module& module, std::span<const FunctionRef> functions)
      : cx_(cx), module_(make_ref<Module>(module)) {
    for (const FunctionRef& f : functions) {
      std::vector<HostRef> hosts = f->hosts();
      for (const HostRef& host : hosts)
        if (!hosts_.emplace(host->name(), host).second) twice(host->name());
      if (hosts.empty() && !functions_.emplace(f->name(), f).second) twice(f->name());
    }
  }

  ModuleRef link() {
    check_names();
    replace(module_->main);
    for (SavedRule& r : module_->rules)
      for (JaxprRef* j : {&r.primal, &r.fwd, &r.bwd, &r.jvp}) replace(*j);
    for (const SavedRule& r : module_->rules) check_used(r.name);
    return module_;
  }

 private:
  [[noreturn]] static void twice(const std::string& name) {
    fail(Code::invalid_argument, "load: two functions are called ", name);
  }
  Function* given(const std::string& name) {
    auto it = functions_.find(name);
    return it == functions_.end() ? nullptr : it->second.get();
  }

  void check_names() {
    std::set<std::string> missing;
    for (const SavedRule& r : module_->rules) {
      if (given(r.name) && !r.replaceable)
        fail(Code::invalid_argument, "load: ", r.name,
             " cannot be replaced by this function: the program holds it as a host function, "
             "vectorised, in part, or with arguments that cannot be saved");
      if (!given(r.name) && !hosts_.count(r.name) && r.form == Saved::by_name)
        missing.insert(r.name);
    }
    if (missing.empty()) return;
    std::string names;
    for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
    fail(Code::unlinked, "load: the program calls what is not given: ", names);
  }

  // What is given under the name of a rule has to be one that can take its place.
  void check_used(const std::string& name) {
    if (used_.count(name) || (!given(name) && !hosts_.count(name))) return;
    fail(Code::invalid_argument, "load: what is given as ", name,
         " cannot take its place in the program, where it is ",
         hosts_.count(name) ? "no host function" : "called in another way");
  }

  void replace(JaxprRef& j) {
    if (!j || (functions_.empty() && hosts_.empty())) return;
    j = edit_calls(j, [&](const Jaxpr& at, Eqn& e, std::vector<Param>& values) {
      if (!callee_of(*e.params)) return false;
      const Callee& callee = *callee_of(*e.params);
      bool row = callee.slot() != Callee::no_slot;
      const std::string& name = row ? module_->rules[callee.slot()].name : callee.name();
      if (dynamic_cast<const Host*>(&callee)) return link_host(e, values, name);
      Function* f = callee.saved() == Saved::by_name ? given(name) : nullptr;
      return f && call_instead(at, e, values, name, row ? arguments(callee.slot()) : leaves(e), *f);
    });
  }

  bool link_host(const Eqn& e, std::vector<Param>& values, const std::string& name) {
    auto it = hosts_.find(name);
    if (it == hosts_.end()) return false;
    check_linked(*e.params, *it->second);
    used_.insert(name);
    values[e.params->signature->object()] = Object(it->second);
    return true;
  }

  std::vector<Tree> arguments(size_t slot) { return module_->rules[slot].arguments; }
  // Of a call whose rule text did not say.
  std::vector<Tree> leaves(const Eqn& e) {
    return {e.n_operands - n_captured(*e.params), cx_.session().trees().leaf()};
  }

  // The equation that calling the function records, in the place of this one. A function with a
  // derivative may have the rule for vmap inside: then its own call is replaced, with all in it.
  bool call_instead(const Jaxpr& at, Eqn& e, std::vector<Param>& values, const std::string& name,
                    std::span<const Tree> arguments, Function& f) {
    size_t n = 0;
    for (const Tree& t : arguments) n += t->n_leaves;
    Avals in;
    for (Atom a : at.operands(e).subspan(e.n_operands - n)) in.push_back(at.aval(a));
    StagedCall call = stage_call(cx_, f, arguments, in, "load");
    const Jaxpr& j = *call.closed.jaxpr;
    bool inside = dynamic_cast<const VmapRule*>(callee_of(*e.params)) && j.eqns.size() == 1 &&
                  j.eqns[0].primitive != e.primitive && callee_of(*j.eqns[0].params);
    if (inside) return false;
    if (!call.closed.captured.empty())
      fail(Code::invalid_argument, "load: ", name,
           " uses arrays of its own where it is not differentiated, which a saved program has no "
           "place for; make them arguments");
    if (j.eqns.size() != 1 || j.eqns[0].primitive != e.primitive || j.atoms != inputs(j) ||
        j.outs != results(j))
      fail(Code::invalid_argument, "load: ", name, " is called by ", e.primitive->name,
           "; what is given under this name is not such a function");
    if (j.outs.size() != e.n_results)
      fail(Code::fwd_aval, "load: ", name, ": has ", e.n_results,
           " outputs in the saved program, what is given ", j.outs.size());
    for (size_t i = 0; i < e.n_results; ++i)
      if (j.aval(j.outs[i]) != at.vars[e.first_result + i])
        fail(Code::fwd_aval, "load: ", name, ": output ", i, " of the saved program is ",
             to_string(at.vars[e.first_result + i]), ", of what is given ",
             to_string(j.aval(j.outs[i])));
    used_.insert(name);
    values = j.eqns[0].params->values;
    e.first_operand += e.n_operands - uint32_t(n);
    e.n_operands = uint32_t(n);
    return true;
  }

  static std::vector<Atom> inputs(const Jaxpr& j) {
    std::vector<Atom> atoms;
    for (Var v : j.invars) atoms.push_back(Atom::var(v));
    return atoms;
  }
  static std::vector<Atom> results(const Jaxpr& j) {
    std::vector<Atom> atoms;
    for (size_t i = 0; i < j.eqns[0].n_results; ++i)
      atoms.push_back(Atom::var(j.eqns[0].first_result + Var(i)));
    return atoms;
  }

  View& cx_;
  Ref<Module> module_;
  std::map<std::string, FunctionRef> functions_;
  std::map<std::string, HostRef> hosts_;
  std::set<std::string> used_;
};

}  // namespace

static Ref<TypedJaxpr> linked(View& cx, ModuleRef module, std::span<const FunctionRef> functions) {
  module = Linker(cx, *module, functions).link();
  auto typed = make_ref<TypedJaxpr>();
  typed->jaxpr = link(module, module->main);
  typed->in = module->in;
  typed->out = module->out;
  return typed;
}

Ref<TypedJaxpr> parse(View& cx, std::string_view text) {
  return linked(cx, parse_module(cx.session(), text, find_primitive), {});
}

Ref<TypedJaxpr> load(View& cx, std::string_view bytes, std::span<const FunctionRef> functions) {
  bool text = !bytes.starts_with(bytes::magic);
  return linked(cx,
                text ? parse_module(cx.session(), bytes, find_primitive)
                     : decode(cx.session(), bytes, find_primitive),
                functions);
}

// ---- rules that are given as programs

namespace {

// Integers have cotangents of dtype float0, which JAX's programs take and give: a bwd without them.
JaxprRef floating_bwd(View& cx, const std::string& name, std::span<const Aval> in,
                      std::span<const Aval> out, size_t n_residuals, const JaxprRef& bwd) {
  auto n_floats = [](std::span<const Aval> avals) {
    return size_t(std::count_if(avals.begin(), avals.end(), [](Aval a) { return a->is_float(); }));
  };
  bool takes_all = bwd->invars.size() == n_residuals + out.size();
  bool gives_all = bwd->outs.size() == in.size();
  if ((!takes_all || n_floats(out) == out.size()) && (!gives_all || n_floats(in) == in.size()))
    return bwd;
  Avals types;
  for (size_t i = 0; i < bwd->invars.size(); ++i) {
    Aval aval = bwd->vars[bwd->invars[i]];
    bool whole = i >= n_residuals && takes_all && !out[i - n_residuals]->is_float();
    if (whole && aval != cx.session().tangent(out[i - n_residuals]))
      fail(Code::bwd_aval, name, ": bwd has the input ", i, " ", to_string(aval), ", expected ",
           to_string(cx.session().tangent(out[i - n_residuals])));
    if (!whole) types.push_back(aval);
  }
  auto closed = stage(cx.root(), types, [&](Operands args) {
    Tracers all;
    size_t k = 0;
    for (size_t i = 0; i < bwd->invars.size(); ++i) {
      bool whole = i >= n_residuals && takes_all && !out[i - n_residuals]->is_float();
      all.push_back(whole
                        ? cx.root().tracer(Array::allocate(cx.session(), bwd->vars[bwd->invars[i]]))
                        : args[k++]);
    }
    Tracers found = eval_jaxpr(cx.root(), *bwd, all), some;
    for (size_t i = 0; i < found.size(); ++i)
      if (!gives_all || in[i]->is_float()) some.push_back(found[i]);
    return some;
  });
  return close_over(closed, name + "'s bwd");
}

}  // namespace

FunctionRef custom_vjp_from_jaxprs(View& cx, std::string name, Ref<TypedJaxpr> primal,
                                   const JaxprRef& fwd, const JaxprRef& bwd) {
  auto module = make_ref<Module>(cx.session());
  SavedRule& r = module->rules.emplace_back();
  Avals in = in_avals(*primal->jaxpr), out = out_avals(*primal->jaxpr);
  for (Aval aval : in) r.bwd_gives.push_back(aval->is_float());
  r.name = std::move(name);
  r.n_out = out.size();
  r.primal = primal->jaxpr;
  r.fwd = fwd;
  check_rule(r);
  r.bwd = floating_bwd(cx, r.name, in, out, fwd->outs.size() - out.size(), bwd);
  check_rule(r);
  return typed_jaxpr_function(std::move(primal), cx.session(), r.name, module_rule(module, 0));
}

}  // namespace jv

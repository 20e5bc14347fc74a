#include "core/module.hpp"

#include <algorithm>
#include <unordered_map>

namespace jv {

static const Object* object_of(const Params& params) {
  size_t i = params.signature->object();
  return i < params.values.size() ? std::get_if<Object>(&params.values[i]) : nullptr;
}

const Callee* callee_of(const Params& params) {
  const Object* object = object_of(params);
  return object ? dynamic_cast<const Callee*>(object->get()) : nullptr;
}

namespace {

// A walk over equations and the jaxprs that they hold; recursion over nesting, not over length.
class CallEditor {
 public:
  explicit CallEditor(const EditCall& edit) : edit_(edit) {}

  JaxprRef edit(const JaxprRef& j) {
    auto [it, fresh] = done_.try_emplace(j.get());
    if (!fresh) return it->second;
    JaxprRef result = copy(j);
    done_[j.get()] = result;
    return result;
  }

 private:
  JaxprRef copy(const JaxprRef& j) {
    Ref<Jaxpr> changed;
    std::vector<ParamsRef> fresh;
    for (size_t k = 0; k < j->eqns.size(); ++k) {
      Eqn e = j->eqns[k];
      if (e.params->plain()) continue;
      std::vector<Param> values = e.params->values;
      bool any = map_sub_jaxprs(*e.params->signature, values,
                                [&](const Jaxpr& sub) { return edit(JaxprRef(&sub)); });
      if (object_of(*e.params)) any |= edit_(*j, e, values);
      if (!any) continue;
      if (!changed) changed = make_ref<Jaxpr>(*j);
      fresh.push_back(j->session->params().make(e.primitive->sig, std::move(values)));
      e.params = fresh.back().get();
      changed->eqns[k] = e;
    }
    if (!changed) return j;
    changed->held.clear();  // nothing of the old callees stays
    changed->effects = Effects::none;
    for (const Eqn& e : changed->eqns) {
      if (!e.params->plain()) changed->held.push_back(ParamsRef(e.params));
      changed->effects = std::max(changed->effects, effects_of(e));
    }
    return changed;
  }

  const EditCall& edit_;
  std::unordered_map<const Jaxpr*, JaxprRef> done_;
};

}  // namespace

JaxprRef edit_calls(const JaxprRef& j, const EditCall& edit) { return CallEditor(edit).edit(j); }

size_t n_captured(const Params& params) {
  size_t i = params.signature->find("num_consts");
  return i < params.values.size() ? size_t(std::get<int64_t>(params.values[i])) : 0;
}

}  // namespace jv

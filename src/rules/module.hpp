// From programs with rules to modules and back.
#pragma once
#include "rules/rule.hpp"

namespace jv {

// The program as a module. Without `rules` only its primal: differentiating what is loaded is
// NO_RULE. Rules are recorded once a signature, with every floating argument perturbed, every
// cotangent given and every slot needed; the rules that they call themselves are saved too.
Ref<Module> freeze(Context& cx, const JaxprRef& main, bool rules);

// The rule at a place of the module's table.
CustomRuleRef module_rule(const ModuleRef& module, size_t slot);
// The jaxpr with the module's rules where it names their places.
JaxprRef link(const ModuleRef& module, const JaxprRef& j);

}  // namespace jv

// Module: a program that can leave the process, as `main` and a table of the rules that its
// equations call. What calls a rule names its place in the table, so that a rule may call itself.
//
//   Jaxpr with rules ──freeze──▶ Module ──encode──▶ bytes ──decode──▶ Module ──link──▶ Jaxpr
//                                    └────print───▶ text ───parse───────┘
#pragma once
#include <functional>

#include "core/jaxpr.hpp"
#include "core/pytree.hpp"

namespace jv {

// How a module knows what its equations call.
enum class Saved : uint8_t {
  whole,    // as jaxprs
  by_name,  // whoever loads it must give it
  without,  // left out: its derivative is refused
};

// What an equation calls by name, as its parameter of kind object: a custom rule, or a host
// function.
class Callee : public RefCounted {
 public:
  virtual const std::string& name() const = 0;
  virtual Saved saved() const { return Saved::whole; }
  // Structures of the arguments that it takes; null where that is not known, or where it is made of
  // another one (vectorised, say).
  virtual const std::vector<Tree>* arguments() const { return nullptr; }
  // Of what stands for it in a module: its place in the table.
  virtual size_t slot() const { return no_slot; }
  static constexpr size_t no_slot = SIZE_MAX;
};

// One row of the table: what a rule does for arguments of one signature. A function that it lacks
// is null.
struct SavedRule {
  std::string name;
  Saved form = Saved::whole;
  bool symbolic_zeros = false, run_on_zero = false;
  size_t n_out = 0;
  JaxprRef primal;  // (args) -> outs; null: fwd without its residuals
  JaxprRef fwd;     // (args) -> outs, residuals
  JaxprRef bwd;     // (residuals, cotangents of floating outs) -> those of the args in bwd_gives
  JaxprRef jvp;     // (args, tangents of floating args) -> outs, tangents of the outs in jvp_gives
  Flags bwd_gives, jvp_gives;
  bool replaceable = false;  // its arguments have these structures
  std::vector<Tree> arguments;
};

struct Module final : RefCounted {
  explicit Module(Session& session) : session(&session) {}
  Ref<Session> session;  // keeps avals and trees alive
  std::vector<SavedRule> rules;
  JaxprRef main;         // null in a module that is one rule
  std::vector<Tree> in;  // of main's arguments; with a null `out`: each input is one
  Tree out;
};
using ModuleRef = Ref<const Module>;

// The jaxpr with other callees: edit(j, equation, values) is called for each equation that has a
// parameter of kind object, and may change its primitive, its parameters' values and which operands
// it has. It says whether it did. Bodies come before the equations that hold them; one that is
// shared stays shared.
using EditCall = std::function<bool(const Jaxpr&, Eqn&, std::vector<Param>&)>;
JaxprRef edit_calls(const JaxprRef& j, const EditCall& edit);
// How many operands of a call lead it: those that its primal captured.
size_t n_captured(const Params& params);
// The callee among the parameters; null when there is none, or another kind of object.
const Callee* callee_of(const Params& params);

// Do the functions of the rule fit each other? An Error that names what does not.
void check_rule(const SavedRule& rule);
// Everything in the module: jaxprs, rules, calls, structures. PARSE.
void check_module(const Module& module);

}  // namespace jv

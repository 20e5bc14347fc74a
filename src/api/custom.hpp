// Custom rules made of C callbacks: structure on the outside, flat lists towards the
// transformations.
#pragma once
#include "api/transform.hpp"
#include "rules/rule.hpp"

namespace jv {

using FwdFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* const* args, size_t n,
                          jaxvjp_value** out, jaxvjp_value** residuals);
using BwdFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* residuals, jaxvjp_value* ct,
                          jaxvjp_value** arg_cts, size_t n);
using JvpFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* const* primals,
                          jaxvjp_value* const* tangents, size_t n, jaxvjp_value** out,
                          jaxvjp_value** tangent_out);
using BatchFn = int32_t (*)(jaxvjp_context*, void* user, int64_t size, jaxvjp_value* const* args,
                            size_t n, jaxvjp_value** out, jaxvjp_value** out_batched);

// A rule as the user gave it; immutable. It lives as long as a function, an equation or a pullback
// needs it.
struct Rule final : RefCounted {
  std::string name;
  CallFn primal = nullptr;
  FwdFn fwd = nullptr;
  BwdFn bwd = nullptr;
  JvpFn jvp = nullptr;
  BatchFn batch = nullptr;
  void* user = nullptr;
  void (*destroy)(void*) = nullptr;
  bool transpose_bwd = false;  // forward mode by transposing bwd
  bool symbolic_zeros = false, run_on_zero = false, widen = false;
  bool is_custom_jvp = false, is_custom_vmap = false;
  std::vector<std::string> arg_names;
  ~Rule() override {
    if (destroy) destroy(user);
  }

  std::string argument(size_t i) const;  // for messages: "argument 1 (w)"
  // The outputs that a callback gave for arguments of these types: the first fixes what the others
  // must give.
  void check_outputs(const CacheKey& signature, const Tree& tree, std::span<const Aval> avals,
                     const char* role) const;

 private:
  struct Seen {
    CacheKey signature;
    Tree tree;
    Avals avals;
    const char* role;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Seen> seen_;
};

// What a rule's callback may ask about.
struct RuleFrame {
  Ref<const Rule> rule;
  std::span<const ValueRef> args;   // fwd
  std::span<const bool> perturbed;  // fwd: their leaves
  std::span<const bool> needed;     // bwd: slots
  bool in_fwd = false, in_bwd = false;
  const Trace* differentiating = nullptr;  // bwd: what called fwd; it may be finished
  std::span<const bool> batched = {};      // batching rule: leaves of the arguments
  bool in_batch = false;
};

// Where the structure of a call's output is left by the callback that makes it.
class OutTree final : public RefCounted {
 public:
  void set(Tree tree) {
    std::lock_guard lock(mutex_);
    tree_ = std::move(tree);
  }
  Tree get() const {
    std::lock_guard lock(mutex_);
    return tree_;
  }

 private:
  mutable std::mutex mutex_;
  Tree tree_;
};

FunctionRef custom_function(View& cx, Ref<const Rule> rule);
// f, of which a vmap is a loop.
FunctionRef sequential_vmap(FunctionRef f);
// The batching rule of a call whose arguments have these structures.
VmapRuleRef bound_vmap_rule(Ref<const Rule> rule, std::vector<Tree> in, Ref<const CallRule> primal,
                            Ref<OutTree> out);
// Structures and types of a call's arguments.
CacheKey call_signature(std::span<const Tree> trees, std::span<const Aval> leaves);
// Does a flag mark any leaf of `v`, which is one of args or a part of one? -1: it is neither.
int any_marked(std::span<const ValueRef> args, std::span<const bool> flags, const Value& v);

}  // namespace jv

// Custom rules made of C callbacks: structure on the outside, flat lists towards the
// transformations.
#pragma once
#include "api/transform.hpp"
#include "control/rule.hpp"

namespace jv {

using FwdFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* const* args, size_t n,
                          jaxvjp_value** out, jaxvjp_value** residuals);
using BwdFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* residuals, jaxvjp_value* ct,
                          jaxvjp_value** arg_cts, size_t n);
using JvpFn = int32_t (*)(jaxvjp_context*, void* user, jaxvjp_value* const* primals,
                          jaxvjp_value* const* tangents, size_t n, jaxvjp_value** out,
                          jaxvjp_value** tangent_out);

// A rule as the user gave it; immutable. It lives as long as a function, an equation or a pullback
// needs it.
struct Rule final : RefCounted {
  std::string name;
  CallFn primal = nullptr;
  FwdFn fwd = nullptr;
  BwdFn bwd = nullptr;
  JvpFn jvp = nullptr;
  void* user = nullptr;
  void (*destroy)(void*) = nullptr;
  bool transpose_bwd = false;  // forward mode by transposing bwd
  bool symbolic_zeros = false, run_on_zero = false, widen = false;
  bool is_custom_jvp = false;
  std::vector<std::string> arg_names;
  ~Rule() override {
    if (destroy) destroy(user);
  }

  std::string argument(size_t i) const;  // for messages: "argument 1 (w)"
  // The outputs that primal or fwd gave for arguments of these types: one of them fixes what the
  // other must give.
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
};

FunctionRef custom_function(View& cx, Ref<const Rule> rule);
// Any leaf of `v`, an argument of fwd or a part of one, that is differentiated? -1: it is neither.
int is_perturbed(const RuleFrame& frame, const Value& v);

}  // namespace jv

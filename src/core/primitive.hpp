// The Primitive record: everything the library knows of one operation. One block of src/primitives
// fills one record; every transformation reads it and names no primitive.
#pragma once
#include <span>

#include "core/array.hpp"
#include "core/params.hpp"

namespace jv {

class Context;
class Tracer;
class JvpTrace;
class BatchTrace;
class StageTrace;
class Simplifier;
struct Mapped;
struct Dual;
struct Primitive;
using Tracers = Small<Tracer, 4>;
using Operands = std::span<const Tracer>;
using Arrays = Small<Array, 4>;
using Flags = Small<bool, 8>;
using MappedOperands = std::span<const Mapped>;
using Batched = Small<Mapped, 2>;

struct EvalArgs {
  Session& session;
  std::span<const Array> in;
  const Params& params;
  std::span<const Aval> out_avals;
  std::span<Array> out;  // null; eval fills them
};

// What simplification knows of an equation's operands.
struct FoldArgs {
  std::span<const Aval> in;
  std::span<const Array>
      splat;  // rank 0, where every element of an operand is that number; else null
  const Params& params;
  Aval out;
};
// The operand that the result equals, bit for bit; -1 when none is known to.
using Fold = int (*)(const FoldArgs&);

// An equation of which some results are not used, with what they alone needed taken out of it.
struct Pruned {
  ParamsRef params;
  Flags operands;  // kept
  Flags results;   // kept: at least those used
};
using Dce = Pruned (*)(Simplifier&, const Params&, std::span<const bool> used);

// How a primitive depends on the operands that its signature marks.
enum class Linearity {
  nonlinear,
  linear,    // in all marked operands together: add, concatenate
  bilinear,  // in each marked operand, the others fixed: mul, dot_general
};

// What an equation does beside computing its results. If it does anything, it runs as often as the
// program says and in the program's order: it is not dropped, shared, taken out of a loop, or run
// again for a derivative.
enum class Effects : uint8_t {
  none,
  unordered,  // it tells somebody: where vmap runs a branch or a step for nothing, it runs too
  ordered,    // it acts: vmap refuses (EFFECT) to run it for nothing
};

// A null Tracer among tangents and cotangents is the symbolic zero.
using AbstractEval = void (*)(Session&, std::span<const Aval> in, const Params&, Avals& out);
using Eval = void (*)(const EvalArgs&);
// What an equation that holds a jaxpr or a rule does when it runs with these operands, in terms of
// other operations.
using Expand = Tracers (*)(Context&, const Primitive&, Operands, const Params&);
// Completes an equation that is about to be recorded: a rule's primal is traced here.
using Stage = void (*)(StageTrace&, Tracers& operands, ParamsRef& params);
// The result's tangent that comes from the tangent dx of operand `which`, which is not zero. y: the
// results.
using Jvp = Tracer (*)(Operands x, size_t which, const Tracer& dx, Operands y, const Params&);
// Results and tangents together: primitives that hold jaxprs or rules, and those of several
// results.
using Linearize = Dual (*)(JvpTrace&, const Primitive&, Operands x, Operands dx, const Params&);
// Cotangent of operand `which` from that of the result. x: null where the operand is linear; types
// come from `in`.
using Transpose = Tracer (*)(const Tracer& ct, Operands x, size_t which, std::span<const Aval> in,
                             const Params&);
// The same for all results and operands together: primitives that hold jaxprs or rules.
using TransposeAll = void (*)(Context&, const Primitive&, Operands ct, Operands x,
                              std::span<const Aval> in, const Params&, Tracers& back);
// The result, mapped along axis 0 as the mapped operands are.
using Batch = Tracer (*)(const Primitive&, std::span<const Mapped> in, int64_t size, const Params&);
// The same for several results, mapped or not.
using BatchAll = Batched (*)(BatchTrace&, const Primitive&, MappedOperands in, const Params&);

struct Primitive {
  const char* name;
  const char* signature = "";
  const char* doc = "";
  Linearity linearity = Linearity::nonlinear;
  AbstractEval abstract_eval = nullptr;
  Eval eval = nullptr;
  Expand expand = nullptr;
  Stage stage = nullptr;
  Jvp jvp = nullptr;
  Linearize linearize = nullptr;
  Transpose transpose = nullptr;
  TransposeAll transpose_all = nullptr;
  Batch batch = nullptr;
  BatchAll batch_all = nullptr;
  Effects effects = Effects::none;
  Effects (*effects_of)(const Params&) = nullptr;  // where an equation's parameters decide
  Fold fold = nullptr;
  Dce dce = nullptr;
  // What stands for the rule in a program that cannot say it: of this name, or the one that a
  // module has at `slot` of its table.
  Object (*unlinked)(const std::string& name, size_t slot) = nullptr;
  const char* no_transpose = nullptr;  // for users: why there is none, and what to do instead
  // NO_TRANSPOSE where an equation that holds jaxprs has none in the operands that are not known;
  // null: it has one if they have, which take the operands.
  void (*check_transpose)(const Params&, std::span<const bool> known) = nullptr;
  bool rearranges = false;       // the result's elements are the operand's: shape operations
  bool involution = false;       // applied twice with equal parameters it is the identity
  bool differentiable = true;    // false: results have no derivative (comparisons, sign, floor)
  bool holds_functions = false;  // its jaxprs are functions of a rule, which may have constants
  bool internal = false;         // made by transformations only: not an operation that users call
  Signature sig = {};

  // Can a text or a module say all of an equation's parameters?
  bool can_be_said() const { return sig.object() == sig.n_params || unlinked; }
};

}  // namespace jv

// Transformations of functions of pytrees, made of the jaxpr-level ones of transforms/.
#pragma once
#include "api/function.hpp"
#include "transforms/jvp.hpp"

namespace jv {

struct GradOptions {
  std::vector<int64_t> argnums;  // empty: argument 0, whose gradient comes bare
  bool has_aux = false, allow_int = false;
};
FunctionRef grad(FunctionRef f, GradOptions options);
FunctionRef value_and_grad(FunctionRef f, GradOptions options);
FunctionRef jacfwd(FunctionRef f, GradOptions options);
FunctionRef jacrev(FunctionRef f, GradOptions options);
FunctionRef hessian(FunctionRef f, GradOptions options);

inline constexpr int64_t axis_none = INT64_MIN;
struct VmapOptions {
  std::vector<int64_t> in_axes;  // empty: 0 for each
  int64_t out_axis = 0, axis_size = 0;
};
FunctionRef vmap(FunctionRef f, VmapOptions options);

// At a point; each returns f's value.
ValueRef jvp(View& cx, Function& f, Args primals, Args tangents, ValueRef& tangent_out);
ValueRef vjp(View& cx, Function& f, Args args, FunctionRef& pullback);
ValueRef linearize(View& cx, Function& f, Args args, FunctionRef& linear);
// A call of a pullback: (cotangents, what the bwds that ran emitted).
ValueRef call_emitted(View& cx, Function& pullback, const ValueRef& ct);
FunctionRef linear_transpose(View& cx, Function& f, Args specs);
// Which leaf of the arguments the i-th array is that a pullback or linear function holds; -1: none.
int64_t residual_source(const Function& f, size_t i);

// ---- shared by the files of the api

// A linear function from values of this structure to such values, as a jaxpr of residuals and
// tangents.
FunctionRef linear_map(View& cx, std::string name, const Linearized& l, const Tree& tree,
                       std::span<const Aval> avals);

// f linearized at its arguments: those leaves that are floats, of the arguments that `wanted`
// marks.
struct LinearizedCall {
  Linearized flat;
  Tree out;
  FlatArgs args;
  Flags perturbed;
};
LinearizedCall linearize_call(View& cx, Function& f, Args args, const Flags& wanted,
                              const char* verb);

// A cotangent or tangent for a port of known structure and types: its leaves, null where zero.
// `what` names it in errors, `tree` and `types` are the codes of a wrong structure and of a wrong
// type.
struct Port {
  const char* what;
  Code tree_code, shape_code, dtype_code;
  bool widen = false;  // a wider float is rounded once to the port's dtype
};
void read_port(View& cx, const Port& port, const Value& v, const Tree& tree,
               std::span<const Aval> avals, Tracers& leaves);
// Zeros of the tangent type where a tracer is null.
Tracers instantiate(View& cx, Operands t, std::span<const Aval> primal_avals);
// An array of zeros of this type.
Tracer zeros_of(View& cx, Aval aval);
ValueRef tuple_of(View& cx, Args items);
// What sets a derived function with these options apart, and the arguments that they ask for.
CacheKey grad_words(char kind, const GradOptions& options);
std::vector<size_t> chosen_arguments(const GradOptions& options, const std::string& who, size_t n);
// The axis `from` of x, moved to `to`.
Tracer move_axis(const Tracer& x, int64_t from, int64_t to);

}  // namespace jv

// linear_call of functions of pytrees.
#include "rules/linear_call.hpp"

#include "api/loops.hpp"

namespace jv {
namespace {

void check_floats(const char* what, const Tree& tree, std::span<const Aval> avals, Code code) {
  for (size_t i = 0; i < avals.size(); ++i)
    if (!avals[i]->is_float())
      fail(code, "linear_call: ", what, tree->path(i), " is ", to_string(avals[i]),
           "; what is linear is a float");
}

void check_transpose(const Function& t, const Tree& got, std::span<const Aval> avals,
                     const Tree& want, std::span<const Aval> wanted) {
  if (got.get() != want.get())
    fail(Code::tree, "linear_call: the transpose, ", t.name(), ", gives the structure ",
         got->text(), ", the linear argument has ", want->text());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (avals[i] != wanted[i])
      fail(avals[i]->dtype == wanted[i]->dtype ? Code::shape : Code::dtype,
           "linear_call: the result", want->path(i), " of the transpose, ", t.name(), ", is ",
           to_string(avals[i]), ", the linear argument is ", to_string(wanted[i]));
}

ValueRef traced(View& cx, Function& f, Function& t, const ValueRef& residual,
                const ValueRef& linear) {
  const ValueRef both[] = {residual, linear};
  FlatArgs flat(cx, both);
  size_t n = flat.trees[0]->n_leaves;
  Operands known = Operands(flat.leaves).subspan(0, n), x = Operands(flat.leaves).subspan(n);
  Avals avals = avals_of(known), in = avals_of(x);
  check_floats("the linear argument", flat.trees[1], in, Code::in_dtype);
  StagedCall function = stage_call(cx, f, flat.trees, avals_of(flat.leaves), "linear_call");
  Avals out = out_avals(*function.closed.jaxpr);
  check_floats("the output", function.out, out, Code::out_dtype);
  avals.append(out);
  const Tree trees[] = {flat.trees[0], function.out};
  StagedCall back = stage_call(cx, t, trees, avals, "linear_call");
  check_transpose(t, back.out, out_avals(*back.closed.jaxpr), flat.trees[1], in);
  Tracers results = linear_call(cx.root(), cx.place(), function.closed, back.closed, known, x);
  return unflatten_all(cx.session(), function.out, results);
}

}  // namespace

ValueRef linear_call(View& cx, Function& f, Function& t, const ValueRef& residual,
                     const ValueRef& linear) {
  return noted([&] { return traced(cx, f, t, residual, linear); }, "in linear_call of ", f.name());
}

}  // namespace jv

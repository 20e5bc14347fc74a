#include "api/body.hpp"

#include "transforms/simplify.hpp"

namespace jv {

Flat::Flat(View& cx, const Value& v) : tree(v.tree) {
  flatten(cx, v, leaves);
  for (Tracer& t : leaves) t = cx.lift(t);
  avals = avals_of(leaves);
}

Tracers call_inside(View& cx, Function& f, Args args, Tree& out) {
  View view(cx, static_cast<StageTrace*>(&cx.root().top()));
  view.rule = cx.rule;
  ValueRef result = f.call(view, args);
  out = result->tree;
  Tracers leaves;
  flatten(view, *result, leaves);
  return leaves;
}

Tracers call_inside(View& cx, Function& f, std::span<const Tree> trees, Operands leaves,
                    Tree& out) {
  return call_inside(cx, f, unflatten_args(cx.session(), trees, leaves), out);
}

StageTrace::Closed simplified(StageTrace::Closed c) {
  c.jaxpr = simplify(c.jaxpr);
  return c;
}

void check_same(const char* who, const char* what, const Tree& want, std::span<const Aval> wanted,
                const Tree& got, Operands leaves) {
  if (got.get() != want.get())
    fail(Code::tree, who, ": ", what, " has the structure ", got->text(), ", expected ",
         want->text());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (Aval aval = leaves[i].aval(); aval != wanted[i])
      fail(aval->dtype == wanted[i]->dtype ? Code::shape : Code::dtype, who, ": ", what,
           want->path(i), " is ", to_string(aval), ", expected ", to_string(wanted[i]));
}

}  // namespace jv

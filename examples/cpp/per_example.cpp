// vmap of grad of a function that closes over a traced value, inside a differentiated, compiled
// function: the penalty  sum_i |d/dx_i loss(w, x_i)|^2  and its gradient with respect to the
// captured w.
#include <cstdio>
#include <jaxvjp/jaxvjp.hpp>

using jaxvjp::Function;
using jaxvjp::Value;

namespace {

// w is a tracer of the enclosing trace.
Value penalty(Value w, Value xs) {
  const Function loss(w.context(), "example_loss", [w](Value x) { return sum(sin(w * x)); });
  return sum(square(vmap(grad(loss))(xs)));
}

}  // namespace

int main() try {
  jaxvjp::Context cx;
  const Function f(cx, "penalty", penalty);
  const Value w(cx, {0.5, -1.0}), xs(cx, {1., 2., 3., 4., 5., 6.}, jaxvjp::Ints{3, 2});
  std::printf("%s\n", jit(grad(f))(w, xs).str().c_str());

  const Value w_type = cx.spec(JAXVJP_F64, {2}), xs_type = cx.spec(JAXVJP_F64, {3, 2});
  std::printf("%s\n", make_jaxpr(f, {w_type, xs_type}).str().c_str());
} catch (const std::exception &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

// Implicit differentiation of a solver that the library cannot see into: x*(p) with F(x*, p) = 0.
// dx* = -(dF/dx)^-1 dF/dp dp, so the rule needs F, not the iterations. Right at every order.
#include <cmath>
#include <cstdio>
#include <jaxvjp/jaxvjp.hpp>
#include <stdexcept>

using jaxvjp::Function;
using jaxvjp::Value;

namespace {

// F(x, p) = x + x^3 - p, the stationarity of  sum x^2 / 2 + x^4 / 4 - p x.
Value stationarity(Value x, Value p) { return x + x * square(x) - p; }

// The opaque part: plain C++ on plain numbers. It runs where nothing is differentiated, so it may
// read them.
Value run_optimizer(Value params) {
  std::vector<double> solution;
  for (double p : params.to_vector<double>()) {
    double x = 0;
    for (int step = 0; step < 50; step++) x -= (x + x * x * x - p) / (1 + 3 * x * x);
    if (!std::isfinite(x)) throw std::runtime_error("the optimizer diverged");
    solution.push_back(x);
  }
  return Value(params.context(), solution);
}

// Calls the function itself, not the optimizer: so the second derivative meets the rule again.
auto fwd(Value params) {
  const jaxvjp::ContextRef cx = params.context();
  Value solution = cx.self()(params);
  return std::pair(solution, cx.dict({{"solution", solution}, {"params", params}}));
}

Value bwd(Value residuals, Value ct) {
  const Function f(ct.context(), "stationarity", stationarity);
  const Value x = residuals["solution"], p = residuals["params"];
  const Value w = solve(matrix_transpose(jacrev(f)(x, p)), ct);
  return -vjp(f, {x, p}).second(w)[1];
}

}  // namespace

int main() try {
  jaxvjp::Context cx;
  jaxvjp::CustomVjpOptions options;
  options.primal = run_optimizer;
  const Function solver = custom_vjp(cx, "solve", fwd, bwd, options);
  const Function loss(cx, "total", [=](Value p) { return sum(solver(p)); });
  const Value params(cx, {0.5, 2.0, 10.0});  // x* = 0.4238, 1, 2

  std::printf("%s\n", grad(loss)(params).str().c_str());     // 1 / (1 + 3 x^2)
  std::printf("%s\n", hessian(loss)(params).str().c_str());  // -6 x / (1 + 3 x^2)^3
} catch (const std::exception &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

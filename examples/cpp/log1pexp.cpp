// log(1 + exp(x)) with a derivative that is right for every x; and how a wrong rule is found.
#include <cstdio>
#include <jaxvjp/jaxvjp.hpp>

using jaxvjp::Value;

int main() try {
  jaxvjp::Context cx;
  const auto fwd = [](Value x) { return std::pair(log(1 + exp(x)), x); };
  const auto bwd = [](Value x, Value ct) { return ct * logistic(x); };
  // 1 - exp(-x), as found in the wild: right at x = 100, wrong where it matters.
  const auto wrong_bwd = [](Value x, Value ct) { return ct * (1 - exp(-x)); };

  jaxvjp::Function log1pexp = custom_vjp(cx, "log1pexp", fwd, bwd);
  jaxvjp::Function wrong = custom_vjp(cx, "wrong", fwd, wrong_bwd);
  jaxvjp::Function slope = grad(log1pexp);

  std::printf("%g\n", slope(cx.f64(100)).item());      // 1
  std::printf("%g\n", slope(cx.f64(1)).item());        // 0.731059
  std::printf("%g\n", grad(slope)(cx.f64(1)).item());  // 0.196612

  check_vjp(log1pexp, {cx.f64(1)});
  try {
    check_vjp(wrong, {cx.f64(1)});
  } catch (const jaxvjp::Error &e) {
    if (e.code() != JAXVJP_CHECK) throw;
    std::printf("as expected: %s\n", e.message().c_str());  // ... got 0.632121, expected 0.731059
  }
} catch (const std::exception &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

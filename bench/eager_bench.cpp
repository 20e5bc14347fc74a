// What a small call costs: one operation on numbers, and the derivative of sin(x) x + exp(x), each
// with a scope of its own.
#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr double microsecond = 1000;

// One row: what `call` costs. `call(cx, x)` works on an f64.
template <class Call>
void measure(benchmark::State& state, double bar, Call call) {
  Session cx;
  jaxvjp_value* x = jaxvjp_f64(cx, 0.7);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(call(cx, x));
  }
  if (bar > 0) state.counters[bar_counter] = bar;
}

void empty_scope(benchmark::State& state) {
  measure(state, 0, [](jaxvjp_context*, jaxvjp_value* x) { return x; });
}
void number(benchmark::State& state) {
  measure(state, 0, [](jaxvjp_context* cx, jaxvjp_value*) { return jaxvjp_f64(cx, 0.5); });
}
void operation_mul(benchmark::State& state) {
  measure(state, 0.5 * microsecond,
          [](jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_mul(cx, x, x); });
}
void operation_sin(benchmark::State& state) {
  measure(state, 0.5 * microsecond,
          [](jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_sin(cx, x); });
}
void eager_value(benchmark::State& state) {
  Session cx;
  jaxvjp_value *x = jaxvjp_f64(cx, 0.7), *y = nullptr;
  for (auto _ : state) {
    Scope scope(cx);
    wave(cx, nullptr, &x, 1, &y);
  }
  state.counters[items_counter] = 4;
}

enum Way { eager, jitted };

// The derivative of this order. Its function is made once, as a program would.
void gradient(benchmark::State& state, Way way, int order, double bar) {
  Session cx;
  jaxvjp_value* x = jaxvjp_f64(cx, 0.7);
  jaxvjp_function* f = jaxvjp_function_new(cx, "wave", wave, nullptr, nullptr);
  for (int i = 0; i < order; ++i) f = jaxvjp_grad(cx, f, nullptr);
  if (way == jitted) f = jaxvjp_jit(cx, f, nullptr);
  jaxvjp_call1(cx, f, x);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(jaxvjp_call1(cx, f, x));
  }
  if (bar > 0) state.counters[bar_counter] = bar;
}

template <class... Args>
void add(const char* name, Args... args) {
  benchmark::RegisterBenchmark(name, args...)->MinTime(0.05)->Repetitions(9);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  add("open and close a scope", empty_scope);
  add("f64(0.5)", number);
  add("x * x", operation_mul);
  add("sin(x)", operation_sin);
  add("f = sin(x) x + exp(x)", eager_value);
  add("grad(f)(x)", gradient, eager, 1, 15 * microsecond);
  add("grad(grad(f))(x)", gradient, eager, 2, 0.0);
  add("jit(f)(x)", gradient, jitted, 0, 0.0);
  add("jit(grad(f))(x)", gradient, jitted, 1, 1.5 * microsecond);
  add("jit(grad(grad(f)))(x)", gradient, jitted, 2, 0.0);
  TableReporter table("small calls, f64[]");
  return run(argc, argv, table);
}

// Loops: what a step of a scan costs beside the operations of its body, that tracing does not
// depend on the length, and what its gradient keeps.
#include <vector>

#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr int64_t many = 10000, block = 100;

// One step: the carry becomes sin(c) x.
int32_t step(jaxvjp_context* cx, void* x, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  jaxvjp_value* next = jaxvjp_mul(cx, jaxvjp_sin(cx, args[0]), static_cast<jaxvjp_value*>(x));
  jaxvjp_value* pair[] = {next, jaxvjp_none(cx)};
  *out = jaxvjp_tuple(cx, pair, 2);
  return 0;
}

jaxvjp_value* loop(jaxvjp_context* cx, jaxvjp_function* f, jaxvjp_value* init, int64_t length) {
  return jaxvjp_get(cx, jaxvjp_scan(cx, f, init, jaxvjp_none(cx), length, 0), 0);
}

// x -> the carry after `length` steps from x on, x inside.
struct Loop {
  int64_t length;
  static int32_t call(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t,
                      jaxvjp_value** out) {
    auto* f = jaxvjp_function_new(cx, "step", step, args[0], nullptr);
    *out = loop(cx, f, args[0], static_cast<Loop*>(user)->length);
    return 0;
  }
};

void eager_scan(benchmark::State& state) {
  Session cx;
  jaxvjp_value* x = jaxvjp_f64(cx, 0.9);
  auto* f = jaxvjp_function_new(cx, "step", step, x, nullptr);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(loop(cx, f, x, many));
  }
  state.counters[items_counter] = double(many);
}

// The same operations in a compiled chain: what they cost without a loop around them.
void compiled_chain(benchmark::State& state) {
  Session cx;
  Chain chain{2 * size_t(many)};
  auto* f = jaxvjp_jit(cx, chain.function(cx), nullptr);
  jaxvjp_value* x = jaxvjp_f64(cx, 0.9);
  jaxvjp_call1(cx, f, x);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(jaxvjp_call1(cx, f, x));
  }
  state.counters[items_counter] = double(many);
}

void gradient(benchmark::State& state) {
  Session cx;
  Loop body{many};
  jaxvjp_value* x = jaxvjp_f64(cx, 0.9);
  auto* f = jaxvjp_function_new(cx, "loop", Loop::call, &body, nullptr);
  f = jaxvjp_jit(cx, jaxvjp_grad(cx, f, nullptr), nullptr);
  jaxvjp_call1(cx, f, x);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(jaxvjp_call1(cx, f, x));
  }
  state.counters[items_counter] = double(many);
}

void trace(benchmark::State& state) {
  Session cx;
  Loop body{state.range(0)};
  jaxvjp_value* x = jaxvjp_spec(cx, JAXVJP_F64, nullptr, 0);
  for (auto _ : state) {
    Scope scope(cx);
    auto* f = jaxvjp_function_new(cx, "loop", Loop::call, &body, nullptr);
    benchmark::DoNotOptimize(jaxvjp_make_jaxpr(cx, jaxvjp_grad(cx, f, nullptr), &x, 1));
  }
}

// ---- what the gradient of 10,000 steps keeps between its passes

struct Blocks {
  jaxvjp_function* one;
  static int32_t step(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t,
                      jaxvjp_value** out) {
    jaxvjp_value* pair[] = {jaxvjp_call1(cx, static_cast<Blocks*>(user)->one, args[0]),
                            jaxvjp_none(cx)};
    *out = jaxvjp_tuple(cx, pair, 2);
    return 0;
  }
  static int32_t call(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t,
                      jaxvjp_value** out) {
    auto* f = jaxvjp_function_new(cx, "block", step, user, nullptr);
    *out = loop(cx, f, args[0], many / block);
    return 0;
  }
};

double kept_bytes(jaxvjp_context* cx, jaxvjp_function* f) {
  Scope scope(cx);
  const std::vector<double> numbers(1000, 0.9);
  const int64_t n = int64_t(numbers.size());
  jaxvjp_value* x = jaxvjp_array(cx, JAXVJP_F64, &n, 1, numbers.data());
  const int64_t before = jaxvjp_stat(cx, JAXVJP_STAT_BYTES);
  jaxvjp_function* pullback = nullptr;
  jaxvjp_vjp(cx, f, &x, 1, &pullback);
  return double(jaxvjp_stat(cx, JAXVJP_STAT_BYTES) - before);
}

std::string percent(double ratio) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * ratio);
  return text;
}

void print_kept() {
  Session cx;
  Loop all{many}, some{block};
  auto* whole = jaxvjp_function_new(cx, "loop", Loop::call, &all, nullptr);
  auto* part = jaxvjp_function_new(cx, "block", Loop::call, &some, nullptr);
  Blocks blocks{jaxvjp_checkpoint(cx, part, JAXVJP_CHECKPOINT_NOTHING)};
  auto* checkpointed = jaxvjp_function_new(cx, "blocks", Blocks::call, &blocks, nullptr);
  const double kept = kept_bytes(cx, whole), less = kept_bytes(cx, checkpointed);
  print_row("kept by 10,000 steps, in checkpointed blocks", less / kept, 0.03, percent);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  auto add = [](const char* name, auto f) {
    return benchmark::RegisterBenchmark(name, f)->MinTime(0.05)->Repetitions(5);
  };
  add("scan of 10,000 steps: sin, mul", eager_scan);
  add("the same 20,000 operations, compiled", compiled_chain);
  add("its gradient, compiled", gradient);
  add("trace of the gradient, steps", trace)->Arg(10)->Arg(1000)->Arg(100000);
  TableReporter table("loops, f64[]");
  if (run(argc, argv, table)) return 1;
  print_kept();
}

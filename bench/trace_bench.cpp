// What it costs to make a program: recording a chain of n equations, differentiating it, and
// simplifying the result. Each iteration starts from a new function and frees all it made.
#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr const char* whole = "trace + vjp + simplify";
constexpr double millisecond = 1e6;

enum Stages { trace, trace_vjp, trace_vjp_simplify };

void make_program(jaxvjp_context* cx, Chain& chain, Stages stages) {
  Scope scope(cx);
  jaxvjp_value* x = jaxvjp_spec(cx, JAXVJP_F64, nullptr, 0);
  jaxvjp_function* f = chain.function(cx);
  if (stages >= trace_vjp) f = jaxvjp_grad(cx, f, nullptr);
  jaxvjp_jaxpr* j = jaxvjp_make_jaxpr(cx, f, &x, 1);
  if (stages >= trace_vjp_simplify) j = jaxvjp_simplify(cx, j);
  benchmark::DoNotOptimize(j);
}

void run_chain(benchmark::State& state, Stages stages) {
  Session cx;
  Chain chain{size_t(state.range(0))};
  for (auto _ : state) make_program(cx, chain, stages);
  state.counters[items_counter] = double(chain.length);
  if (stages != trace_vjp_simplify) return;
  if (chain.length == 1000) state.counters[bar_counter] = millisecond;
  if (chain.length == 100000) state.counters[bar_counter] = 150 * millisecond;
}

std::string number_text(double number) {
  char text[16];
  std::snprintf(text, sizeof text, "%.3f", number);
  return text;
}

void add(const char* name, Stages stages) {
  benchmark::RegisterBenchmark(name, run_chain, stages)
      ->RangeMultiplier(10)
      ->Range(100, 100000)
      ->MinTime(0.1)
      ->Repetitions(5);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  add("trace", trace);
  add("trace + vjp", trace_vjp);
  add(whole, trace_vjp_simplify);
  TableReporter table("making a program, n equations");
  if (run(argc, argv, table)) return 1;
  if (double exponent = fitted_exponent(table.points(), whole); exponent == exponent)
    print_row("exponent of time over n", exponent, 1.1, number_text);
}

// The kernels behind eager operations against plain loops over the C library, side by side in every
// round. Times are of one element (of one multiply-add for matmul); the bar is the plain loop.
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

template <class T>
constexpr int32_t dtype_of = sizeof(T) == 4 ? JAXVJP_F32 : JAXVJP_F64;

constexpr int64_t elements = 1 << 14, side = 128;

// `ours` and `plain` do the same work on `items` items; each is timed in every iteration.
template <class Ours, class Plain>
void compare(benchmark::State& state, int64_t items, Ours ours, Plain plain) {
  double plain_seconds = 0;
  for (auto _ : state) {
    auto start = Clock::now();
    ours();
    auto between = Clock::now();
    plain();
    auto end = Clock::now();
    state.SetIterationTime(seconds_of(between - start) / double(items));
    plain_seconds += seconds_of(end - between);
  }
  state.counters[bar_counter] = plain_seconds / double(state.iterations()) / double(items) * 1e9;
}

template <class T>
std::vector<T> numbers(int64_t n) {  // in (0, 2), in no order
  std::vector<T> x(static_cast<size_t>(n));
  uint32_t bits = 1;
  for (T& e : x) e = T((bits = bits * 1664525 + 1013904223) >> 8) / T(1 << 23);
  return x;
}

// An operation with one or two operands of a shape, and the loop that does the same.
template <class T, class Op, class Loop>
void measure(benchmark::State& state, std::vector<int64_t> shape, int64_t items, Op op, Loop loop) {
  Session cx;
  int64_t n = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<T> x = numbers<T>(n), out(x.size());
  jaxvjp_value* v = jaxvjp_array(cx, dtype_of<T>, shape.data(), shape.size(), x.data());
  compare(
      state, items,
      [&] {
        Scope scope(cx);
        benchmark::DoNotOptimize(op(cx, v));
      },
      [&] {
        loop(x.data(), out.data());
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
      });
}

using Unary = jaxvjp_value* (*)(jaxvjp_context*, jaxvjp_value*);

template <class T>
void unary(benchmark::State& state, Unary op, T (*f)(T)) {
  measure<T>(state, {elements}, elements, op, [f](const T* x, T* out) {
    for (int64_t i = 0; i < elements; ++i) out[i] = f(x[i]);
  });
}

template <class T>
void add(benchmark::State& state) {
  measure<T>(
      state, {elements}, elements,
      [](jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_add(cx, x, x); },
      [](const T* x, T* out) {
        for (int64_t i = 0; i < elements; ++i) out[i] = x[i] + x[i];
      });
}

template <class T>
void reduce_sum(benchmark::State& state) {
  measure<T>(
      state, {elements}, elements,
      [](jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_sum(cx, x, nullptr, 0); },
      [](const T* x, T* out) {
        T sum = 0;
        for (int64_t i = 0; i < elements; ++i) sum += x[i];
        *out = sum;
      });
}

template <class T>
void matmul(benchmark::State& state) {
  measure<T>(
      state, {side, side}, side * side * side,
      [](jaxvjp_context* cx, jaxvjp_value* x) { return jaxvjp_matmul(cx, x, x); },
      [](const T* x, T* out) {
        std::fill(out, out + side * side, T(0));
        for (int64_t i = 0; i < side; ++i)
          for (int64_t k = 0; k < side; ++k)
            for (int64_t j = 0; j < side; ++j)
              out[i * side + j] += x[i * side + k] * x[k * side + j];
      });
}

template <class... Args>
void row(const std::string& name, Args... args) {
  benchmark::RegisterBenchmark(name.c_str(), args...)
      ->UseManualTime()
      ->Iterations(20)
      ->Repetitions(25);
}

template <class T>
void rows(const std::string& dtype) {
  row("exp " + dtype, unary<T>, jaxvjp_exp, static_cast<T (*)(T)>(std::exp));
  row("log " + dtype, unary<T>, jaxvjp_log, static_cast<T (*)(T)>(std::log));
  row("sin " + dtype, unary<T>, jaxvjp_sin, static_cast<T (*)(T)>(std::sin));
  row("tanh " + dtype, unary<T>, jaxvjp_tanh, static_cast<T (*)(T)>(std::tanh));
  row("add " + dtype, add<T>);
  row("reduce_sum " + dtype, reduce_sum<T>);
  row("matmul 128 x 128 " + dtype, matmul<T>);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  rows<float>("f32");
  rows<double>("f64");
  TableReporter table("kernels, an element; bar: plain loop");
  return run(argc, argv, table);
}

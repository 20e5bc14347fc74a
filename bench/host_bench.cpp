// Host functions: what a call costs beside the callback, and what the Jacobian of an opaque solver
// costs when its bwd answers for all rows at once: one factorisation, one call.
#include <cmath>
#include <vector>

#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

constexpr size_t n = 100;

int32_t like_first(jaxvjp_context*, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  *out = args[0];
  return 0;
}
double& number(const jaxvjp_buffer* b) { return *static_cast<double*>(b->data); }
int32_t square(jaxvjp_context*, void*, const jaxvjp_buffer* const* in, size_t,
               const jaxvjp_buffer* const* out, size_t, void**) {
  number(out[0]) = number(in[0]) * number(in[0]);
  return 0;
}
int32_t square_bwd(jaxvjp_context*, void*, void*, const jaxvjp_buffer* const* in,
                   const jaxvjp_buffer* const*, const jaxvjp_buffer* const* cts, size_t,
                   const jaxvjp_buffer* const* arg_cts, size_t) {
  number(arg_cts[0]) = 2 * number(in[0]) * number(cts[0]);
  return 0;
}

// b -> A^-1 b for a fixed A, by Cholesky's factors; counts what it does.
struct Solver {
  std::vector<double> a = std::vector<double>(n * n);
  int factorisations = 0, backward_calls = 0;

  Solver() {
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j < n; ++j) a[i * n + j] = std::cos(double(i) - double(j)) + (i == j) * n;
  }
  double* factorise() {
    ++factorisations;
    auto* l = new double[n * n]();
    for (size_t j = 0; j < n; ++j)
      for (size_t i = j; i < n; ++i) {
        double sum = a[i * n + j];
        for (size_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
        l[i * n + j] = i == j ? std::sqrt(sum) : sum / l[j * n + j];
      }
    return l;
  }
  static void solve(const double* l, const double* b, double* x) {
    for (size_t i = 0; i < n; ++i) {
      x[i] = b[i];
      for (size_t k = 0; k < i; ++k) x[i] -= l[i * n + k] * x[k];
      x[i] /= l[i * n + i];
    }
    for (size_t i = n; i-- > 0; x[i] /= l[i * n + i])
      for (size_t k = i + 1; k < n; ++k) x[i] -= l[k * n + i] * x[k];
  }
  static double* numbers(const jaxvjp_buffer* b) { return static_cast<double*>(b->data); }
  static int32_t fwd(jaxvjp_context*, void* user, const jaxvjp_buffer* const* in, size_t,
                     const jaxvjp_buffer* const* out, size_t, void** state) {
    double* l = static_cast<Solver*>(user)->factorise();
    solve(l, numbers(in[0]), numbers(out[0]));
    *state = l;
    return 0;
  }
  static int32_t bwd(jaxvjp_context*, void* user, void* state, const jaxvjp_buffer* const*,
                     const jaxvjp_buffer* const*, const jaxvjp_buffer* const* cts, size_t,
                     const jaxvjp_buffer* const* arg_cts, size_t) {
    ++static_cast<Solver*>(user)->backward_calls;
    solve(static_cast<double*>(state), numbers(cts[0]), numbers(arg_cts[0]));
    return 0;
  }
  static int32_t batch_bwd(jaxvjp_context*, void* user, const jaxvjp_host_batch* batch,
                           void* const* states, const jaxvjp_buffer* const*,
                           const jaxvjp_buffer* const*, const jaxvjp_buffer* const* cts, size_t,
                           const jaxvjp_buffer* const* arg_cts, size_t) {
    ++static_cast<Solver*>(user)->backward_calls;
    for (size_t k = 0; k < size_t(batch->size); ++k)
      solve(static_cast<double*>(states[0]), numbers(cts[0]) + k * n, numbers(arg_cts[0]) + k * n);
    return 0;
  }
  static void free_factors(void* state) { delete[] static_cast<double*>(state); }

  jaxvjp_function* jacobian(jaxvjp_context* cx, bool batched) {
    jaxvjp_host_options o{};
    o.struct_size = sizeof o;
    o.bwd = bwd;
    o.state_destroy = free_factors;
    o.flags = JAXVJP_HOST_PURE | JAXVJP_HOST_VMAP_LOOP;
    o.batch_bwd = batched ? batch_bwd : nullptr;
    auto* f = jaxvjp_host_function(cx, "solve", like_first, fwd, this, nullptr, &o);
    return jaxvjp_jacrev(cx, f, nullptr);
  }
};

jaxvjp_value* right_side(jaxvjp_context* cx) {
  const std::vector<double> b(n, 1);
  const int64_t size = n;
  return jaxvjp_array(cx, JAXVJP_F64, &size, 1, b.data());
}

void jacobian(benchmark::State& state, bool batched) {
  Session cx;
  Solver solver;
  auto* f = solver.jacobian(cx, batched);
  jaxvjp_value* b = right_side(cx);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(jaxvjp_call1(cx, f, b));
  }
}

void call(benchmark::State& state, bool derivative) {
  Session cx;
  jaxvjp_host_options o{};
  o.struct_size = sizeof o;
  o.bwd = square_bwd;
  o.flags = JAXVJP_HOST_PURE | JAXVJP_HOST_SAVE_INPUTS;
  auto* f = jaxvjp_host_function(cx, "square", like_first, square, nullptr, nullptr, &o);
  if (derivative) f = jaxvjp_grad(cx, f, nullptr);
  f = jaxvjp_jit(cx, f, nullptr);
  jaxvjp_value* x = jaxvjp_f64(cx, 3);
  jaxvjp_call1(cx, f, x);
  for (auto _ : state) {
    Scope scope(cx);
    benchmark::DoNotOptimize(jaxvjp_call1(cx, f, x));
  }
}

std::string count_text(double count) { return std::to_string(int(count)); }

// Counted, not measured: the bars are exact.
void print_counts() {
  Session cx;
  Solver solver;
  jaxvjp_call1(cx, solver.jacobian(cx, true), right_side(cx));
  print_row("its factorisations", solver.factorisations, 1, count_text);
  print_row("its calls of bwd", solver.backward_calls, 1, count_text);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  auto add = [](const char* name, auto f) {
    return benchmark::RegisterBenchmark(name, f)->MinTime(0.05)->Repetitions(5);
  };
  add("jit(x^2)", [](auto& state) { call(state, false); });
  add("jit(grad(x^2))", [](auto& state) { call(state, true); });
  add("jacrev of a 100 x 100 solve, bwd a row", [](auto& state) { jacobian(state, false); });
  add("jacrev of a 100 x 100 solve, batched bwd", [](auto& state) { jacobian(state, true); });
  TableReporter table("host functions");
  if (run(argc, argv, table)) return 1;
  print_counts();
}

// Memory that stays flat: a network trained for 10,000 compiled steps, and a chain of 100,000
// equations that is traced, differentiated, printed, run and freed on a stack of 512 KiB.
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <fstream>

#include "session.hpp"
#include "table.hpp"

namespace bench {
namespace {

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// ---- training

// mean((w2 tanh(w1 x + b1) + b2 - y)^2)
int32_t loss(jaxvjp_context* cx, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  auto parameter = [&](const char* name) { return jaxvjp_lookup(cx, args[0], name); };
  jaxvjp_value* hidden =
      jaxvjp_add(cx, jaxvjp_matmul(cx, args[1], parameter("w1")), parameter("b1"));
  hidden = jaxvjp_tanh(cx, hidden);
  jaxvjp_value* prediction =
      jaxvjp_add(cx, jaxvjp_matmul(cx, hidden, parameter("w2")), parameter("b2"));
  *out = jaxvjp_mean(cx, jaxvjp_square(cx, jaxvjp_sub(cx, prediction, args[2])), nullptr, 0);
  return 0;
}

// p - 0.05 g, for one leaf
int32_t descend(jaxvjp_context* cx, void*, jaxvjp_value* const* args, size_t, jaxvjp_value** out) {
  *out = jaxvjp_sub(cx, args[0], jaxvjp_mul(cx, jaxvjp_number(cx, 0.05), args[1]));
  return 0;
}

struct Step {
  jaxvjp_function *value_and_grad, *descend;

  // (params, x, y) -> (loss, new params)
  static int32_t call(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                      jaxvjp_value** out) {
    auto* step = static_cast<Step*>(user);
    jaxvjp_value* result = jaxvjp_call(cx, step->value_and_grad, args, n);
    jaxvjp_value* trees[] = {args[0], jaxvjp_get(cx, result, 1)};
    jaxvjp_value* pair[] = {jaxvjp_get(cx, result, 0),
                            jaxvjp_tree_map(cx, step->descend, trees, 2)};
    *out = jaxvjp_tuple(cx, pair, 2);
    return 0;
  }
};

jaxvjp_value* normal(jaxvjp_context* cx, uint64_t seed, int64_t rows, int64_t columns) {
  int64_t shape[] = {rows, columns};
  return jaxvjp_random_normal(cx, jaxvjp_random_key(cx, seed), JAXVJP_F32, shape, 2);
}

jaxvjp_value* initial_parameters(jaxvjp_context* cx) {
  const char* const names[] = {"b1", "b2", "w1", "w2"};
  int64_t wide = 64, narrow = 1;
  jaxvjp_value* items[] = {jaxvjp_full(cx, JAXVJP_F32, &wide, 1, 0),
                           jaxvjp_full(cx, JAXVJP_F32, &narrow, 1, 0), normal(cx, 0, 2, 64),
                           normal(cx, 1, 64, 1)};
  return jaxvjp_dict(cx, names, items, 4);
}

void train() {
  std::printf("\n%-22s %10s %12s %14s %16s\n", "training, after step", "loss", "live values",
              "live bytes", "resident bytes");
  Session cx;
  Step step{
      jaxvjp_value_and_grad(cx, jaxvjp_function_new(cx, "loss", loss, nullptr, nullptr), nullptr),
      jaxvjp_function_new(cx, "descend", descend, nullptr, nullptr)};
  jaxvjp_function* f =
      jaxvjp_jit(cx, jaxvjp_function_new(cx, "step", Step::call, &step, nullptr), nullptr);
  jaxvjp_value *params = nullptr, *x = normal(cx, 2, 256, 2);
  jaxvjp_value* y = jaxvjp_sin(cx, jaxvjp_matmul(cx, x, normal(cx, 3, 2, 1)));
  jaxvjp_update(&params, initial_parameters(cx));
  for (int i = 0; i <= 10000 && !jaxvjp_failed(cx); ++i) {
    Scope scope(cx);
    jaxvjp_value* args[] = {params, x, y};
    jaxvjp_value* result = jaxvjp_call(cx, f, args, 3);
    jaxvjp_update(&params, jaxvjp_get(cx, result, 1));
    if (i % 1000) continue;
    std::printf("%-22d %10.5f %12lld %14lld %16lld\n", i,
                jaxvjp_item(cx, jaxvjp_get(cx, result, 0)),
                static_cast<long long>(jaxvjp_stat(cx, JAXVJP_STAT_VALUES)),
                static_cast<long long>(jaxvjp_stat(cx, JAXVJP_STAT_BYTES)),
                static_cast<long long>(resident_bytes()));
  }
  jaxvjp_release(params);
}

// ---- a long chain on a small stack

constexpr size_t chain_length = 100000, stack_bytes = 512 << 10;

double thread_nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
}

// One line a stage: its time, and how much more memory is resident after it than before the first.
class Stages {
 public:
  void done(const char* what, const std::string& note = "") {
    std::string time = time_text(thread_nanoseconds() - last_);
    std::printf("%-22s %10s %14lld  %s\n", what, time.c_str(),
                static_cast<long long>(resident_bytes() - resident_), note.c_str());
    last_ = thread_nanoseconds();
  }

 private:
  int64_t resident_ = resident_bytes();
  double last_ = thread_nanoseconds();
};

std::string equations_text(jaxvjp_jaxpr* j) {
  return std::to_string(jaxvjp_jaxpr_count(j, nullptr)) + " equations";
}

void* long_chain(void*) {
  Chain chain{chain_length};
  Stages stages;
  {
    Session cx;
    jaxvjp_value *spec = jaxvjp_spec(cx, JAXVJP_F64, nullptr, 0), *x = jaxvjp_f64(cx, 0.7);
    jaxvjp_function *f = chain.function(cx), *gradient = jaxvjp_grad(cx, f, nullptr);
    stages.done("traced", equations_text(jaxvjp_make_jaxpr(cx, f, &spec, 1)));
    jaxvjp_jaxpr* j = jaxvjp_make_jaxpr(cx, gradient, &spec, 1);
    stages.done("differentiated", equations_text(j));
    j = jaxvjp_simplify(cx, j);
    stages.done("simplified", equations_text(j));
    stages.done("printed", std::to_string(std::strlen(jaxvjp_jaxpr_text(cx, j))) + " bytes");
    jaxvjp_call1(cx, jaxvjp_function_of(cx, j), x);
    stages.done("run, eager");
    jaxvjp_call1(cx, jaxvjp_jit(cx, jaxvjp_function_of(cx, j), nullptr), x);
    stages.done("compiled and run");
    jaxvjp_call1(cx, gradient, x);
    stages.done("grad, eager");
    cx.check();
  }
  malloc_trim(0);
  stages.done("freed");
  return nullptr;
}

int chain_on_a_small_stack() {
  std::printf("\n%-22s %10s %14s\n", "100,000 eqns, 512 KiB", "time", "resident bytes");
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  int failed = pthread_create(&thread, &attributes, long_chain, nullptr);
  if (!failed) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return failed;
}

}  // namespace
}  // namespace bench

int main() {
  bench::train();
  return bench::chain_on_a_small_stack();
}

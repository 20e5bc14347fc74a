// What threads share: values and their counts, functions and their programs, a session's tables.
// tools/check_threads.sh runs this under ThreadSanitizer.

#include <latch>
#include <numeric>
#include <thread>

#include "../conformance/loops.hpp"

namespace conformance {
namespace {

// A context as most programs make it: handles are not checked.
struct Session {
  Session() : cx(jaxvjp_context_new(nullptr)) {}
  ~Session() { jaxvjp_context_free(cx); }
  operator jaxvjp_context*() const { return cx; }
  jaxvjp_context* cx;
};

// Values made by one thread, with its own fork, used and released by another.
TEST(Threads, values_cross_threads) {
  Session cx;
  auto* slope = jit(cx, grad(cx, custom_vjp(cx, "f", tenfold_square())));
  constexpr int threads = 4, steps = 50;
  std::vector<jaxvjp_value*> results(threads * steps);
  std::vector<std::string> errors(threads);
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; t++) {
    jaxvjp_context* fork = jaxvjp_context_fork(cx);
    pool.emplace_back([&, fork, t] {
      for (int i = 0; i < steps; i++) {
        const size_t scope = jaxvjp_scope_open(fork);
        jaxvjp_value* x = jaxvjp_f64(fork, t * steps + i);
        results[t * steps + i] = jaxvjp_retain(jaxvjp_call1(fork, slope, x));
        jaxvjp_scope_close(fork, scope, nullptr);
      }
      if (jaxvjp_failed(fork)) errors[t] = jaxvjp_error_text(fork);
      jaxvjp_context_free(fork);
    });
  }
  for (std::thread& thread : pool) thread.join();
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  for (int i = 0; i < threads * steps; i++) {
    EXPECT_TRUE(near(cx, results[i], 10.0 * i));
    jaxvjp_release(results[i]);
  }
}

// One function, recorded by several threads at once: each result is right, whichever program wins.
TEST(Threads, one_function_recorded_by_several_threads) {
  Session cx;
  auto* f = custom_vjp(cx, "f", doubled_sine());
  std::vector<double> results(4, NAN);
  std::vector<std::thread> pool;
  for (double& result : results) {
    jaxvjp_context* fork = jaxvjp_context_fork(cx);
    pool.emplace_back([&result, f, fork] {
      jaxvjp_function* g = jaxvjp_jit(fork, jaxvjp_grad(fork, f, nullptr), nullptr);
      result = jaxvjp_item(fork, jaxvjp_call1(fork, g, jaxvjp_f64(fork, 1)));
      jaxvjp_context_free(fork);
    });
  }
  for (std::thread& thread : pool) thread.join();
  for (double result : results) EXPECT_NEAR(result, 2 * std::cos(1.0), 1e-12);
}

TEST(Threads, a_retained_handle_is_counted_from_any_thread) {
  Session cx;
  jaxvjp_value* v = jaxvjp_retain(vec(cx, {1, 2, 3}));
  std::vector<std::thread> pool;
  for (int t = 0; t < 4; t++)
    pool.emplace_back([v] {
      for (int i = 0; i < 10000; i++) jaxvjp_release(jaxvjp_retain(v));
    });
  for (std::thread& thread : pool) thread.join();
  EXPECT_TRUE(near(cx, v, {1.0, 2.0, 3.0}));
  jaxvjp_release(v);
}

// ------------------------------------------------------------------------- everything at once

// What the jobs of several threads have in common.
struct Shared {
  explicit Shared(jaxvjp_context* cx)
      : rule(custom_vjp(cx, "rule", doubled_sine())),
        slope(jit(cx, grad(cx, rule))),
        cube(function(cx, "cube",
                      [](auto cx, auto args) {
                        return jaxvjp_mul(cx, args[0], jaxvjp_square(cx, args[0]));
                      })),
        host(jaxvjp_from_value_grad(cx, "host", tenfold_sum, nullptr, nullptr)),
        program(make_jaxpr(cx, cube, {spec(cx, {})})),
        x(jaxvjp_f64(cx, 2)),
        xs(vec(cx, {1, 2, 3})) {}
  // A sum, whose slope is ten.
  static double tenfold_sum(unsigned n, const double* x, double* slope, void*) {
    if (slope) std::fill_n(slope, n, 10.0);
    return std::accumulate(x, x + n, 0.0);
  }
  jaxvjp_function *rule, *slope, *cube, *host;
  jaxvjp_jaxpr* program;
  jaxvjp_value *x, *xs;
};

struct Job {
  const char* name;
  jaxvjp_value* (*run)(jaxvjp_context* cx, const Shared& shared);
};
const Job jobs[] = {
    {"a program that is compiled once",
     [](auto cx, auto& shared) { return jaxvjp_call1(cx, shared.slope, shared.x); }},
    {"a derivative of one's own",
     [](auto cx, auto& shared) {
       return jaxvjp_call1(cx, jit(cx, grad(cx, grad(cx, shared.rule))), shared.x);
     }},
    {"a batch",
     [](auto cx, auto& shared) {
       return sum(cx, jaxvjp_call1(cx, vmap(cx, shared.slope, {0}), shared.xs));
     }},
    {"both modes",
     [](auto cx, auto& shared) {
       return jaxvjp_call1(cx, jaxvjp_hessian(cx, shared.cube, nullptr), shared.x);
     }},
    {"a loop",
     [](auto cx, auto& shared) {
       return jaxvjp_call1(cx, grad(cx, iterated(cx, shared.rule, 5)), shared.x);
     }},
    {"a branch",
     [](auto cx, auto& shared) {
       auto call_rule = [&](auto cx, auto x) { return jaxvjp_call1(cx, shared.rule, x); };
       auto call_cube = [&](auto cx, auto x) { return jaxvjp_call1(cx, shared.cube, x); };
       return cond(cx, jaxvjp_gt(cx, shared.x, jaxvjp_f64(cx, 0)), call_rule, call_cube, shared.x);
     }},
    {"a function of the host",
     [](auto cx, auto& shared) {
       return sum(cx, jaxvjp_call1(cx, jit(cx, grad(cx, shared.host)), shared.xs));
     }},
    {"a tree",
     [](auto cx, auto& shared) {
       jaxvjp_value* tree = dict(cx, {{"a", shared.x}, {"b", list(cx, {shared.xs, shared.x})}});
       auto* f = function(cx, "norm", [](auto cx, auto args) {
         jaxvjp_value* b = jaxvjp_get(cx, jaxvjp_lookup(cx, args[0], "b"), 0);
         return jaxvjp_mul(cx, jaxvjp_lookup(cx, args[0], "a"), sum(cx, jaxvjp_square(cx, b)));
       });
       return jaxvjp_lookup(cx, jaxvjp_call1(cx, jit(cx, grad(cx, f)), tree), "a");
     }},
    {"text",
     [](auto cx, auto& shared) {
       jaxvjp_jaxpr* parsed = jaxvjp_parse(cx, jaxvjp_jaxpr_text(cx, shared.program));
       jaxvjp_function* f = item_of(cx, jaxvjp_function_of(cx, parsed), 0);
       return jaxvjp_call1(cx, grad(cx, f), shared.x);
     }},
    {"a saved program",
     [](auto cx, auto& shared) {
       size_t bytes = 0;
       const void* saved = jaxvjp_save(cx, shared.program, 0, &bytes);
       jaxvjp_jaxpr* loaded = jaxvjp_load(cx, saved, bytes, nullptr, 0);
       return jaxvjp_call1(cx, jaxvjp_function_of(cx, loaded), shared.x);
     }},
    {"a failure",
     [](auto cx, auto& shared) {
       auto* f = function(cx, "f", [](auto cx, auto args) {
         jaxvjp_fail(cx, 4242, "stop");
         return args[0];
       });
       jaxvjp_call1(cx, jit(cx, f), shared.x);
       const int32_t code = jaxvjp_failed(cx);
       jaxvjp_clear_error(cx);
       return jaxvjp_f64(cx, code);
     }},
};

std::vector<double> run_jobs(jaxvjp_context* cx, const Shared& shared, size_t first = 0) {
  std::vector<double> results(std::size(jobs));
  for (size_t i = 0; i < std::size(jobs); i++) {
    const size_t job = (first + i) % std::size(jobs), scope = jaxvjp_scope_open(cx);
    results[job] = jaxvjp_item(cx, jobs[job].run(cx, shared));
    EXPECT_TRUE(no_error(cx)) << jobs[job].name;
    jaxvjp_scope_close(cx, scope, nullptr);
  }
  return results;
}

// What one thread alone computes.
void expect_alone(const std::vector<std::vector<double>>& results) {
  Session cx;
  const std::vector<double> alone = run_jobs(cx, Shared(cx));
  for (const auto& got : results)
    for (size_t i = 0; i < std::size(jobs); i++) EXPECT_EQ(got[i], alone[i]) << jobs[i].name;
}

// No two threads begin with the same job, nor are any two always at the same one.
TEST(Threads, share_a_session) {
  Session cx;
  const Shared shared(cx);
  std::vector<std::vector<double>> results(4);
  std::vector<std::thread> pool;
  for (size_t t = 0; t < results.size(); t++)
    pool.emplace_back([&, t, fork = jaxvjp_context_fork(cx)] {
      for (size_t round = 0; round < 5; round++)
        results[t] = run_jobs(fork, shared, t * (round + 1));
      jaxvjp_context_free(fork);
    });
  for (std::thread& thread : pool) thread.join();
  expect_alone(results);
}

// Sessions have nothing in common.
TEST(Threads, have_sessions_of_their_own) {
  std::vector<std::vector<double>> results(4);
  std::vector<std::thread> pool;
  for (auto& result : results)
    pool.emplace_back([&result] {
      Session cx;
      result = run_jobs(cx, Shared(cx));
    });
  for (std::thread& thread : pool) thread.join();
  expect_alone(results);
}

// A session ends with the last of its handles and contexts, on whichever thread that is.
TEST(Threads, end_a_session_together) {
  for (int round = 0; round < 50; round++) {
    Counts counts;
    jaxvjp_context* cx = jaxvjp_context_new(nullptr);
    jaxvjp_context* fork = jaxvjp_context_fork(cx);
    auto* f = jit(cx, grad(cx, custom_vjp(cx, "f", tenfold_square(&counts))));
    jaxvjp_value* slope = jaxvjp_call1(cx, jaxvjp_function_retain(f), jaxvjp_f64(cx, 1));
    jaxvjp_value* v = jaxvjp_retain(dict(cx, {{"a", list(cx, {slope})}}));
    jaxvjp_jaxpr* j = jaxvjp_jaxpr_retain(make_jaxpr(cx, f, {spec(cx, {})}));
    EXPECT_TRUE(no_error(cx));
    std::latch start(5);
    auto ended_by = [&start](auto end, auto* handle) {
      return std::thread([&start, end, handle] {
        start.arrive_and_wait();
        end(handle);
      });
    };
    std::thread ends[] = {ended_by(jaxvjp_context_free, cx), ended_by(jaxvjp_context_free, fork),
                          ended_by(jaxvjp_release, v), ended_by(jaxvjp_function_release, f),
                          ended_by(jaxvjp_jaxpr_release, j)};
    for (std::thread& end : ends) end.join();
    EXPECT_EQ(counts.destroyed, 1);
  }
}

}  // namespace
}  // namespace conformance

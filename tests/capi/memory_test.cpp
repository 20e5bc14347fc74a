// Memory that does not grow, and stacks that do not either: a long training loop, and a chain of
// 100,000 equations that is traced, differentiated, printed, parsed, run and freed on a thread with
// a stack of 512 KiB.

#include <pthread.h>
#include <unistd.h>

#include <fstream>

#include "../conformance/higher_order.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

namespace conformance {
namespace {

#ifdef UNDER_SANITIZER
constexpr int training_steps = 1000;
#else
constexpr int training_steps = 10000;
#endif

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

jaxvjp_value* weights(jaxvjp_context* cx, const std::vector<int64_t>& shape, double seed) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  std::vector<double> numbers;
  for (int64_t i = 0; i < count; i++) numbers.push_back(std::sin(seed + 1.7 * i));
  return array(cx, shape, numbers, JAXVJP_F32);
}

// mean((w2 tanh(w1 x + b1) - y)^2)
jaxvjp_value* loss(jaxvjp_context* cx, Args args) {
  jaxvjp_value* hidden = jaxvjp_matmul(cx, args[1], jaxvjp_lookup(cx, args[0], "w1"));
  hidden = jaxvjp_tanh(cx, jaxvjp_add(cx, hidden, jaxvjp_lookup(cx, args[0], "b1")));
  jaxvjp_value* prediction = jaxvjp_matmul(cx, hidden, jaxvjp_lookup(cx, args[0], "w2"));
  jaxvjp_value* square = jaxvjp_square(cx, jaxvjp_sub(cx, prediction, args[2]));
  return jaxvjp_mean(cx, square, nullptr, 0);
}

// (params, x, y) -> (loss, new params); made of functions that outlive it.
struct Training {
  explicit Training(jaxvjp_context* cx)
      : gradient(jaxvjp_value_and_grad(cx, function(cx, "loss", loss), nullptr)),
        descend(function(cx, "descend", [](auto cx, auto args) {
          return jaxvjp_sub(cx, args[0], times(cx, 0.05, args[1]));
        })) {}

  jaxvjp_value* step(jaxvjp_context* cx, Args args) const {
    jaxvjp_value* result = call(cx, gradient, args);
    jaxvjp_value* trees[] = {args[0], jaxvjp_get(cx, result, 1)};
    jaxvjp_value* params = jaxvjp_tree_map(cx, descend, trees, 2);
    return tuple(cx, {jaxvjp_get(cx, result, 0), params});
  }
  jaxvjp_function *gradient, *descend;
};

struct Memory {
  int64_t values, bytes, traces, compiles, resident;
};
Memory measured(jaxvjp_context* cx) {
  return {jaxvjp_stat(cx, JAXVJP_STAT_VALUES), jaxvjp_stat(cx, JAXVJP_STAT_BYTES),
          jaxvjp_stat(cx, JAXVJP_STAT_TRACES), jaxvjp_stat(cx, JAXVJP_STAT_COMPILES),
          resident_bytes()};
}

void train(bool jitted, int steps) {
  jaxvjp_context* cx = jaxvjp_context_new(nullptr);
  const Training training(cx);
  auto* step =
      function(cx, "step", [&training](auto cx, auto args) { return training.step(cx, args); });
  if (jitted) step = jit(cx, step);
  jaxvjp_value* params = jaxvjp_retain(dict(cx, {{"w1", weights(cx, {2, 8}, 0)},
                                                 {"b1", weights(cx, {8}, 1)},
                                                 {"w2", weights(cx, {8, 1}, 2)}}));
  jaxvjp_value *x = weights(cx, {16, 2}, 3), *y = weights(cx, {16, 1}, 4);
  ASSERT_TRUE(no_error(cx));
  double first = 0, last = 0;
  Memory early{};
  for (int i = 0; i < steps && !jaxvjp_failed(cx); i++) {
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value* result = call(cx, step, {params, x, y});
    jaxvjp_update(&params, jaxvjp_get(cx, result, 1));
    last = jaxvjp_item(cx, jaxvjp_get(cx, result, 0));
    jaxvjp_scope_close(cx, scope, nullptr);
    if (i == 0) first = last;
    if (i == steps / 10) early = measured(cx);
  }
  EXPECT_TRUE(no_error(cx));
  const Memory late = measured(cx);
  EXPECT_LT(last, first / 2) << "it did not learn";
  EXPECT_EQ(late.values, early.values);
  EXPECT_EQ(late.bytes, early.bytes);
  EXPECT_EQ(late.compiles, early.compiles);
  if (jitted) {
    EXPECT_EQ(late.traces, early.traces);
  }
#ifndef UNDER_SANITIZER  // which keeps freed memory
  EXPECT_LT(late.resident - early.resident, 2 << 20);
#endif
  jaxvjp_release(params);
  jaxvjp_context_free(cx);
}

TEST(Memory, a_compiled_training_loop_is_flat) { train(true, training_steps); }
TEST(Memory, an_eager_training_loop_is_flat) { train(false, training_steps / 10); }

// Making the same transformations again, in a loop, neither compiles nor keeps anything.
TEST(Memory, transformations_in_a_loop_are_flat) {
  jaxvjp_context* cx = jaxvjp_context_new(nullptr);
  auto* f = custom_vjp(cx, "f", doubled_sine());
  Memory early{};
  for (int i = 0; i < 1000; i++) {
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_call1(cx, jit(cx, grad(cx, grad(cx, f))), jaxvjp_f64(cx, i));
    jaxvjp_call1(cx, jit(cx, vmap(cx, grad(cx, f), {})), vec(cx, {1, 2}));
    jaxvjp_scope_close(cx, scope, nullptr);
    if (i == 100) early = measured(cx);
  }
  const Memory late = measured(cx);
  EXPECT_TRUE(no_error(cx));
  EXPECT_EQ(late.values, early.values);
  EXPECT_EQ(late.bytes, early.bytes);
  EXPECT_EQ(late.traces, early.traces);
  EXPECT_EQ(late.compiles, early.compiles);
  jaxvjp_context_free(cx);
}

TEST(Memory, errors_in_a_loop_are_flat) {
  jaxvjp_context* cx = jaxvjp_context_new(nullptr);
  auto* f = function(cx, "f", [](auto cx, auto args) {
    return jaxvjp_add(cx, args[0], vec(cx, {1, 2, 3}));
  });
  Memory early{};
  for (int i = 0; i < 1000; i++) {
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_call1(cx, jit(cx, grad(cx, f)), vec(cx, {1, 2}));
    EXPECT_TRUE(failed_with(cx, JAXVJP_SHAPE));
    jaxvjp_scope_close(cx, scope, nullptr);
    if (i == 100) early = measured(cx);
  }
  const Memory late = measured(cx);
  EXPECT_EQ(late.values, early.values);
  EXPECT_EQ(late.bytes, early.bytes);
  jaxvjp_context_free(cx);
}

// ------------------------------------------------------------------------------------ long
// programs

constexpr int length = 100000;

// sin applied `length` times
jaxvjp_function* chain(jaxvjp_context* cx) {
  return function(cx, "chain", [](auto cx, auto args) {
    jaxvjp_value* x = args[0];
    for (int i = 0; i < length; i++) {
      const size_t scope = jaxvjp_scope_open(cx);
      x = jaxvjp_scope_close(cx, scope, jaxvjp_sin(cx, x));
    }
    return x;
  });
}

struct ChainAt {
  double value, slope;
};
ChainAt chain_at(double x) {
  double slope = 1;
  for (int i = 0; i < length; i++) slope *= std::cos(x), x = std::sin(x);
  return {x, slope};
}

// Up to a relative error: the slope is a small number.
AssertionResult near_ratio(jaxvjp_context* cx, jaxvjp_value* got, double expected) {
  return near(cx, jaxvjp_div(cx, got, jaxvjp_f64(cx, expected)), 1.0, 1e-9);
}

void long_chain() {
  Context checked;  // handles are checked too: the table of closed ones is no chain either
  jaxvjp_context* plain = jaxvjp_context_new(nullptr);
  for (jaxvjp_context* cx : {plain, static_cast<jaxvjp_context*>(checked)}) {
    const ChainAt expected = chain_at(1);
    auto* f = chain(cx);
    jaxvjp_value* x = jaxvjp_f64(cx, 1);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, x), expected.value, 1e-9));
    EXPECT_TRUE(near_ratio(cx, jaxvjp_call1(cx, grad(cx, f), x), expected.slope));
    if (cx == checked) break;
    auto* j = make_jaxpr(cx, f, {spec(cx, {})});
    EXPECT_EQ(jaxvjp_jaxpr_count(j, "sin"), static_cast<size_t>(length));
    auto* parsed = jaxvjp_parse(cx, jaxvjp_jaxpr_text(cx, j));
    EXPECT_EQ(jaxvjp_jaxpr_count(parsed, "sin"), static_cast<size_t>(length));
    auto* simplified = jaxvjp_simplify(cx, make_jaxpr(cx, grad(cx, f), {spec(cx, {})}));
    EXPECT_GE(jaxvjp_jaxpr_count(simplified, nullptr), static_cast<size_t>(2 * length));
    for (auto* g : {jit(cx, grad(cx, f)), jaxvjp_function_of(cx, simplified)})
      EXPECT_TRUE(near_ratio(cx, jaxvjp_call1(cx, g, x), expected.slope));
    jaxvjp_value* many = jaxvjp_call1(cx, jit(cx, vmap(cx, grad(cx, f), {})), vec(cx, {1, 1}));
    EXPECT_TRUE(near_ratio(cx, jaxvjp_max(cx, many, nullptr, 0), expected.slope));
    EXPECT_TRUE(near_ratio(cx, jaxvjp_min(cx, many, nullptr, 0), expected.slope));
    jaxvjp_function* pullback = nullptr;
    vjp(cx, f, {x}, &pullback);
    jaxvjp_value* cts = jaxvjp_call1(cx, pullback, x);
    EXPECT_TRUE(near_ratio(cx, jaxvjp_get(cx, cts, 0), expected.slope));
    EXPECT_TRUE(no_error(cx));
  }
  jaxvjp_context_free(plain);
}

// Dead equations, and a value that all equations use.
void long_fan_out() {
  Context cx;
  auto* f = function(cx, "fan_out", [](auto cx, auto args) {
    jaxvjp_value* total = jaxvjp_f64(cx, 0);
    for (int i = 0; i < length / 2; i++) {
      const size_t scope = jaxvjp_scope_open(cx);
      jaxvjp_cos(cx, args[0]);
      total = jaxvjp_scope_close(cx, scope, jaxvjp_add(cx, total, args[0]));
    }
    return total;
  });
  auto* g = jit(cx, grad(cx, f));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, g, jaxvjp_f64(cx, 1)), length / 2));
}

// A tree as wide as the chain is long.
void wide_tree() {
  Context cx;
  std::vector<jaxvjp_value*> items(length, jaxvjp_f64(cx, 1));
  jaxvjp_value* tree = jaxvjp_tuple(cx, items.data(), items.size());
  EXPECT_EQ(jaxvjp_leaf_count(tree), static_cast<size_t>(length));
  auto* f = function(cx, "first", [](auto cx, auto args) { return jaxvjp_get(cx, args[0], 0); });
  jaxvjp_value* gradient = jaxvjp_call1(cx, jit(cx, grad(cx, f)), tree);
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, gradient, 0), 1.0));
  EXPECT_TRUE(near(cx, jaxvjp_get(cx, gradient, length - 1), 0.0));
}

// Runs on a thread with this much stack. A stack that overflows ends the process.
void on_small_stack(void (*body)()) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 512 << 10), 0);
  pthread_t thread;
  auto run = [](void* body) -> void* {
    reinterpret_cast<void (*)()>(body)();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, reinterpret_cast<void*>(body)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(SmallStack, a_chain_of_100000_equations) { on_small_stack(long_chain); }
TEST(SmallStack, a_value_used_50000_times) { on_small_stack(long_fan_out); }
TEST(SmallStack, a_tree_of_100000_leaves) { on_small_stack(wide_tree); }

}  // namespace
}  // namespace conformance

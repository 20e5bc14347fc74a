// Handles and scopes: retain, release, take, give and update in any order, also after the context
// is gone; scopes and their survivors; contexts that recognise the handle of a closed scope. What
// is destroyed, and when, is in destroy_test.cpp; what crosses threads in threads_test.cpp.

#include <array>

#include "../conformance/higher_order.hpp"

namespace conformance {
namespace {

int64_t live_values(jaxvjp_context* cx) { return jaxvjp_stat(cx, JAXVJP_STAT_VALUES); }
int64_t live_bytes(jaxvjp_context* cx) { return jaxvjp_stat(cx, JAXVJP_STAT_BYTES); }

// A context as most programs make it: handles are not checked, so a scope gives its memory back.
struct Plain {
  Plain() : cx(jaxvjp_context_new(nullptr)) {}
  ~Plain() { jaxvjp_context_free(cx); }
  operator jaxvjp_context*() const { return cx; }
  jaxvjp_context* cx;
};

// ------------------------------------------------------------------------------------------ verbs

TEST(Lifetimes, a_scope_frees_what_it_made) {
  Plain cx;
  const int64_t values = live_values(cx), bytes = live_bytes(cx);
  const size_t scope = jaxvjp_scope_open(cx);
  ASSERT_NE(scope, 0u);
  for (int i = 0; i < 100; i++) vec(cx, std::vector<double>(1000, i));
  EXPECT_GE(live_values(cx), values + 100);
  EXPECT_GE(live_bytes(cx), bytes + 100 * 8000);
  EXPECT_EQ(jaxvjp_scope_close(cx, scope, nullptr), nullptr);
  EXPECT_TRUE(no_error(cx));
  EXPECT_EQ(live_values(cx), values);
  EXPECT_EQ(live_bytes(cx), bytes);
}

TEST(Lifetimes, the_survivor_moves_to_the_enclosing_scope) {
  Context cx;
  const size_t outer = jaxvjp_scope_open(cx), inner = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_scope_close(cx, inner, jaxvjp_f64(cx, 7));
  EXPECT_TRUE(near(cx, v, 7.0));
  v = jaxvjp_scope_close(cx, outer, v);
  EXPECT_TRUE(near(cx, v, 7.0));
}

// A survivor that another scope, or the caller, holds already.
TEST(Lifetimes, a_survivor_from_elsewhere) {
  Context cx;
  jaxvjp_value *old = jaxvjp_f64(cx, 1), *mine = jaxvjp_retain(jaxvjp_f64(cx, 2));
  size_t scope = jaxvjp_scope_open(cx);
  EXPECT_EQ(jaxvjp_scope_close(cx, scope, old), old);
  scope = jaxvjp_scope_open(cx);
  EXPECT_EQ(jaxvjp_scope_close(cx, scope, mine), mine);
  EXPECT_TRUE(near(cx, old, 1.0));
  EXPECT_TRUE(near(cx, mine, 2.0));
  jaxvjp_release(mine);
  EXPECT_TRUE(near(cx, mine, 2.0));  // the scope of the context has it still
}

TEST(Lifetimes, closing_a_scope_closes_those_opened_after_it) {
  Plain cx;
  const int64_t values = live_values(cx);
  const size_t outer = jaxvjp_scope_open(cx);
  jaxvjp_f64(cx, 1);
  const size_t inner = jaxvjp_scope_open(cx);
  jaxvjp_f64(cx, 2);
  jaxvjp_scope_close(cx, outer, nullptr);
  EXPECT_EQ(live_values(cx), values);
  EXPECT_EQ(jaxvjp_scope_close(cx, inner, nullptr), nullptr);
  EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT));
}

TEST(Lifetimes, a_scope_number_is_not_used_again) {
  Context cx;
  const size_t first = jaxvjp_scope_open(cx);
  jaxvjp_scope_close(cx, first, nullptr);
  const size_t second = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_f64(cx, 3);
  jaxvjp_scope_close(cx, first, nullptr);
  EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(near(cx, v, 3.0));
  jaxvjp_scope_close(cx, second, nullptr);
}

// A callback's scopes are its own: it cannot close its caller's.
TEST(Lifetimes, a_callback_cannot_close_its_callers_scope) {
  Context cx;
  const size_t scope = jaxvjp_scope_open(cx);
  auto* f = function(cx, "f", [scope](auto cx, auto args) {
    jaxvjp_scope_close(cx, scope, nullptr);
    return args[0];
  });
  jaxvjp_value* x = jaxvjp_f64(cx, 2);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, x), JAXVJP_INVALID_ARGUMENT));
  EXPECT_TRUE(near(cx, x, 2.0));
  jaxvjp_scope_close(cx, scope, nullptr);
}

// A loop needs no check of its brackets: with an error waiting, they do nothing harmful.
TEST(Lifetimes, scopes_of_a_failed_context) {
  Context cx;
  const size_t open = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_f64(cx, 1);
  jaxvjp_fail(cx, 4242, "stop");
  const size_t none = jaxvjp_scope_open(cx);
  EXPECT_EQ(none, 0u);
  EXPECT_EQ(jaxvjp_scope_close(cx, none, nullptr), nullptr);
  EXPECT_EQ(jaxvjp_scope_close(cx, open, v), v);
  EXPECT_TRUE(failed_with(cx, 4242));
  EXPECT_TRUE(near(cx, v, 1.0));
}

TEST(Lifetimes, update_carries_a_value_through_a_loop) {
  Plain cx;
  jaxvjp_value* held = nullptr;
  jaxvjp_update(&held, jaxvjp_f64(cx, 0));
  int64_t after_first = 0;
  for (int i = 0; i < 100; i++) {
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_update(&held, jaxvjp_add(cx, held, jaxvjp_number(cx, 1)));
    jaxvjp_scope_close(cx, scope, nullptr);
    if (i == 0) after_first = live_values(cx);
  }
  EXPECT_EQ(live_values(cx), after_first);
  EXPECT_TRUE(near(cx, held, 100.0));
  jaxvjp_update(&held, held);
  jaxvjp_update(&held, nullptr);
  EXPECT_TRUE(near(cx, held, 100.0));
  jaxvjp_release(held);
}

// Words are what is done to a value, in order; what is owed at the end is released.
TEST(Lifetimes, verbs_in_any_order) {
  enum Verb { retain, release, take, give };
  const std::vector<std::vector<Verb>> sequences = {{retain, release},
                                                    {retain, retain, release, release},
                                                    {take, release},
                                                    {take, give},
                                                    {take, retain, give, release},
                                                    {retain, take, release, release},
                                                    {retain, give},
                                                    {retain, give, retain, release},
                                                    {take, give, take, release},
                                                    {take, give, take, give}};
  for (const auto& sequence : sequences) {
    SCOPED_TRACE(testing::PrintToString(std::vector<int>(sequence.begin(), sequence.end())));
    Plain cx;
    const int64_t values = live_values(cx);
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value* v = jaxvjp_f64(cx, 5);
    int owed = 0;
    for (Verb verb : sequence) {
      EXPECT_TRUE(near(cx, v, 5.0));
      owed += verb == retain || verb == take ? 1 : -1;
      if (verb == release) {
        jaxvjp_release(v);
        continue;
      }
      EXPECT_EQ(verb == retain ? jaxvjp_retain(v)
                : verb == take ? jaxvjp_take(v)
                               : jaxvjp_give(cx, v),
                v);
    }
    EXPECT_EQ(owed, 0);
    jaxvjp_scope_close(cx, scope, nullptr);
    EXPECT_EQ(live_values(cx), values);
  }
}

TEST(Lifetimes, take_gives_the_only_reference) {
  Plain cx;
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_take(jaxvjp_f64(cx, 5));
  const int64_t values = live_values(cx);
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_EQ(live_values(cx), values);
  EXPECT_TRUE(near(cx, v, 5.0));
  jaxvjp_release(v);
  EXPECT_EQ(live_values(cx), values - 1);
}

// give is consumed on a context that has failed too.
TEST(Lifetimes, give_to_a_failed_context) {
  Plain cx;
  const int64_t values = live_values(cx);
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_take(jaxvjp_f64(cx, 5));
  jaxvjp_fail(cx, 4242, "stop");
  jaxvjp_give(cx, v);
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_TRUE(failed_with(cx, 4242));
  jaxvjp_clear_error(cx);
  EXPECT_EQ(live_values(cx), values);
}

// How a binding returns a value from a callback.
TEST(Lifetimes, a_callback_gives_what_it_owns) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) {
    const size_t scope = jaxvjp_scope_open(cx);
    jaxvjp_value* owned = jaxvjp_take(jaxvjp_sin(cx, args[0]));
    jaxvjp_scope_close(cx, scope, nullptr);
    return jaxvjp_give(cx, owned);
  });
  for (auto* g : {f, jit(cx, f)})
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, g), jaxvjp_f64(cx, 2)), std::cos(2.0)));
}

TEST(Lifetimes, retained_handles_outlive_their_context) {
  jaxvjp_context* cx = jaxvjp_context_new(nullptr);
  jaxvjp_value* v = jaxvjp_retain(dict(cx, {{"a", vec(cx, {1, 2})}}));
  jaxvjp_function* f = jaxvjp_function_retain(grad(cx, custom_vjp(cx, "f", tenfold_square())));
  jaxvjp_jaxpr* j = jaxvjp_jaxpr_retain(make_jaxpr(cx, f, {spec(cx, {})}));
  jaxvjp_context* fork = jaxvjp_context_fork(cx);
  jaxvjp_context_free(cx);
  EXPECT_STREQ(jaxvjp_key(v, 0), "a");
  EXPECT_EQ(jaxvjp_leaf_count(v), 1u);
  EXPECT_GT(jaxvjp_jaxpr_count(j, nullptr), 0u);
  EXPECT_TRUE(near(fork, jaxvjp_lookup(fork, v, "a"), {1.0, 2.0}));
  EXPECT_TRUE(near(fork, jaxvjp_call1(fork, f, jaxvjp_f64(fork, 3)), 30.0));
  jaxvjp_function* parsed = jaxvjp_function_of(fork, j);
  EXPECT_TRUE(near(fork, jaxvjp_call1(fork, parsed, jaxvjp_f64(fork, 3)), 30.0));
  jaxvjp_context_free(fork);
  EXPECT_EQ(jaxvjp_count(v), 1u);  // of a session without a context
  jaxvjp_release(v);
  jaxvjp_jaxpr_release(j);
  jaxvjp_function_release(f);
}

// All handles of a session, and its contexts, in every order.
TEST(Lifetimes, any_order_of_release) {
  std::array<int, 5> order = {0, 1, 2, 3, 4};
  do {
    Counts counts;
    jaxvjp_context* cx = jaxvjp_context_new(nullptr);
    jaxvjp_context* fork = jaxvjp_context_fork(cx);
    auto* rule = custom_vjp(cx, "f", tenfold_square(&counts));
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* v = jaxvjp_retain(vjp(cx, rule, {jaxvjp_f64(cx, 3)}, &pullback));
    jaxvjp_function_retain(pullback);
    jaxvjp_jaxpr* j = jaxvjp_jaxpr_retain(make_jaxpr(cx, grad(cx, rule), {spec(cx, {})}));
    for (int i : order) {
      if (i == 0) jaxvjp_context_free(cx);
      if (i == 1) jaxvjp_context_free(fork);
      if (i == 2) jaxvjp_release(v);
      if (i == 3) jaxvjp_function_release(pullback);
      if (i == 4) jaxvjp_jaxpr_release(j);
    }
    EXPECT_EQ(counts.destroyed, 1);
  } while (std::next_permutation(order.begin(), order.end()));
}

// -------------------------------------------------------------------------------------
// CHECK_HANDLES

TEST(Lifetimes, a_handle_of_a_closed_scope_is_recognised) {
  Context cx;
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_f64(cx, 1);
  jaxvjp_function* f = function(cx, "f", [](auto, auto args) { return args[0]; });
  jaxvjp_jaxpr* j = make_jaxpr(cx, f, {spec(cx, {})});
  jaxvjp_scope_close(cx, scope, nullptr);
  const std::string number = std::to_string(scope);
  jaxvjp_value* x = jaxvjp_f64(cx, 1);
  auto closed = [&](const void* result) {
    return fails(cx, result, JAXVJP_INVALID_ARGUMENT, {"scope", number.c_str()});
  };
  EXPECT_TRUE(closed(jaxvjp_add(cx, v, x)));
  EXPECT_TRUE(closed(jaxvjp_tuple(cx, &v, 1)));
  EXPECT_TRUE(closed(jaxvjp_data(cx, v)));
  EXPECT_TRUE(closed(jaxvjp_call1(cx, f, x)));
  EXPECT_TRUE(closed(jaxvjp_grad(cx, f, nullptr)));
  EXPECT_TRUE(closed(jaxvjp_jaxpr_text(cx, j)));
  EXPECT_TRUE(closed(jaxvjp_function_of(cx, j)));
}

TEST(Lifetimes, a_callbacks_argument_after_it_returned) {
  Context cx;
  jaxvjp_value* kept = nullptr;
  auto* f = function(cx, "keeper", [&kept](auto cx, auto args) {
    kept = jaxvjp_sin(cx, args[0]);
    return args[0];
  });
  jaxvjp_call1(cx, jit(cx, f), jaxvjp_f64(cx, 1));
  jaxvjp_value* result = jaxvjp_add(cx, kept, jaxvjp_f64(cx, 1));
  EXPECT_TRUE(fails(cx, result, JAXVJP_INVALID_ARGUMENT, {"scope"}));
}

TEST(Lifetimes, a_handle_after_its_last_release) {
  Context cx;
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_retain(jaxvjp_f64(cx, 1));
  jaxvjp_scope_close(cx, scope, nullptr);
  EXPECT_TRUE(near(cx, v, 1.0));
  jaxvjp_release(v);
  EXPECT_TRUE(fails(cx, jaxvjp_sin(cx, v), JAXVJP_INVALID_ARGUMENT));
}

}  // namespace
}  // namespace conformance

// Misuse by mistake: callbacks that are called with too little, handles released too often, numbers
// that nothing can be compared with, errors that come from deep inside. Each is answered, with a
// place where there is one, and the context works afterwards.

#include "misuse.hpp"

namespace conformance {
namespace {

TEST(Misuse, a_callback_that_reads_beyond_its_arguments) {
  Context cx;
  auto* f = function(
      cx, "two", [](auto cx, auto args) { return jaxvjp_add(cx, args.items[0], args.items[1]); });
  for (int i = 0; i < 3; i++)
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, jaxvjp_f64(cx, 1)), JAXVJP_INVALID_ARGUMENT,
                      {"operand 1", "NULL", "add"}));
  EXPECT_TRUE(works(cx));
}

TEST(Misuse, handles_released_too_often) {
  Context cx;
  const size_t scope = jaxvjp_scope_open(cx);
  jaxvjp_value* v = jaxvjp_f64(cx, 1);
  jaxvjp_scope_close(cx, scope, nullptr);
  for (int i = 0; i < 10; i++) jaxvjp_release(v);
  EXPECT_TRUE(fails(cx, jaxvjp_give(cx, v), JAXVJP_INVALID_ARGUMENT, {"scope", "closed"}));
  EXPECT_TRUE(fails(cx, jaxvjp_neg(cx, v), JAXVJP_INVALID_ARGUMENT, {"scope", "closed"}));
  EXPECT_TRUE(works(cx));
}

TEST(Misuse, giving_to_another_session) {
  Context cx, other;
  jaxvjp_value* v = jaxvjp_retain(jaxvjp_f64(other, 1));
  EXPECT_TRUE(fails(cx, jaxvjp_give(cx, v), JAXVJP_INVALID_ARGUMENT, {"session"}));
}

// The place of an operation that failed inside a program is not that of what follows.
TEST(Misuse, the_place_of_an_error_does_not_stay) {
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          jaxvjp_fail(cx, 1000, "inside");
                          return {args[0], args[0]};
                        },
                        .bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; },
                        .primal = [](auto, auto args) { return args[0]; }});
  auto* g = function(cx, "g", [f](auto cx, auto args) {
    jaxvjp_set_location(cx, "inner.c", 42);
    return jaxvjp_call1(cx, f, args[0]);
  });
  jaxvjp_set_location(cx, "outer.c", 7);
  auto* derivative = jaxvjp_grad(cx, jaxvjp_jit(cx, g, nullptr), nullptr);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, derivative, jaxvjp_f64(cx, 1)), 1000, {"inner.c:42"}));
  EXPECT_TRUE(fails(cx, jaxvjp_get(cx, jaxvjp_none(cx), 3), JAXVJP_TREE, {"outer.c:7"}));
}

TEST(Misuse, errors_in_bwd_have_the_place_of_the_call) {
  Context cx;
  auto* f = custom_vjp(cx, "f",
                       {.fwd = [](auto, auto args) -> Fwd {
                          return {args[0], args[0]};
                        },
                        .bwd = [](auto, auto, auto, auto) {}});
  auto* g = function(cx, "g", [f](auto cx, auto args) {
    jaxvjp_set_location(cx, "inner.c", 42);
    return jaxvjp_call1(cx, f, args[0]);
  });
  for (auto [h, how] : eager_and_jit(cx, jaxvjp_grad(cx, g, nullptr))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, h, jaxvjp_f64(cx, 1)), JAXVJP_BWD_UNSET,
                      {"inner.c:42", "argument 0"}));
  }
}

TEST(Misuse, nothing_to_compare) {
  Context cx;
  auto* f = function(cx, "f", [](auto cx, auto args) { return jaxvjp_log(cx, args[0]); });
  jaxvjp_value* x = jaxvjp_f64(cx, -1);
  jaxvjp_check_vjp(cx, f, &x, 1, nullptr);
  EXPECT_TRUE(failed_with(cx, JAXVJP_CHECK));
  jaxvjp_check_options options{};
  options.struct_size = sizeof options;
  for (double tolerance : {-1.0, std::nan("")}) {
    options.tolerance = tolerance;
    jaxvjp_check_vjp(cx, f, &x, 1, &options);
    EXPECT_TRUE(failed_with(cx, JAXVJP_INVALID_ARGUMENT));
  }
}

TEST(Misuse, sizes_of_option_structs) {
  Context cx;
  auto* f = sine(cx);
  jaxvjp_grad_options options{};
  for (size_t size : {size_t{0}, size_t{4}, size_t{1} << 40}) {
    options.struct_size = size;
    EXPECT_TRUE(fails(cx, jaxvjp_grad(cx, f, &options), JAXVJP_INVALID_ARGUMENT, {"struct_size"}));
  }
  options.struct_size = sizeof options;
  options.n_argnums = 2;
  EXPECT_TRUE(fails(cx, jaxvjp_grad(cx, f, &options), JAXVJP_INVALID_ARGUMENT, {"argnums"}));
}

TEST(Misuse, booleans_are_0_or_1) {
  Context cx;
  const int64_t n = 3;
  const unsigned char bytes[] = {0, 1, 5};
  jaxvjp_value* v = jaxvjp_array(cx, JAXVJP_BOOL, &n, 1, bytes);
  const auto* stored = static_cast<const unsigned char*>(jaxvjp_data(cx, v));
  EXPECT_EQ(stored[2], 1);
  EXPECT_TRUE(near(cx, jaxvjp_convert(cx, jaxvjp_sum(cx, v, nullptr, 0), JAXVJP_F64), 2.0));
}

TEST(Misuse, counting_further_than_the_type) {
  Context cx;
  EXPECT_NE(jaxvjp_arange(cx, JAXVJP_U8, 256), nullptr);
  EXPECT_TRUE(fails(cx, jaxvjp_arange(cx, JAXVJP_U8, 257), JAXVJP_DTYPE, {"256"}));
  EXPECT_TRUE(fails(cx, jaxvjp_arange(cx, JAXVJP_F16, 70000), JAXVJP_DTYPE, {"69999"}));
}

TEST(Misuse, numbers_beside_a_mask) {
  Context cx;
  jaxvjp_value* mask = jaxvjp_gt(cx, vec(cx, {1, -1}), jaxvjp_number(cx, 0));
  jaxvjp_value* chosen = jaxvjp_where(cx, mask, jaxvjp_number(cx, 2.5), jaxvjp_number(cx, -0.5));
  EXPECT_EQ(jaxvjp_dtype(chosen), JAXVJP_F64);
  EXPECT_TRUE(near(cx, chosen, {2.5, -0.5}));
}

}  // namespace
}  // namespace conformance

// What an error says beside its code: the rule, callback or function that it came out of, the
// user's line, and what was expected.
#include "../conformance/loops.hpp"

namespace conformance {
namespace {

// A callback of a rule that writes what is no number.
struct Placeholder {
  const char* name;
  const char* where;
  Rule rule;
};
jaxvjp_value* a_spec(jaxvjp_context* cx) { return spec(cx, {}); }
jaxvjp_value* a_zero(jaxvjp_context* cx) { return jaxvjp_zero(cx); }

Rule rule_with(FwdFn fwd, BwdFn bwd) { return {.fwd = std::move(fwd), .bwd = std::move(bwd)}; }

std::vector<Placeholder> placeholders() {
  auto fwd = [](auto cx, auto args) -> Fwd { return {jaxvjp_sin(cx, args[0]), args[0]}; };
  auto bwd = [](auto, auto, auto ct, auto slots) { slots[0] = ct; };
  return {
      {"output is a spec", "output of fwd of custom rule mine",
       rule_with(
           [](auto cx, auto args) -> Fwd {
             return {a_spec(cx), args[0]};
           },
           bwd)},
      {"output is a zero", "output of fwd of custom rule mine",
       rule_with(
           [](auto cx, auto args) -> Fwd {
             return {a_zero(cx), args[0]};
           },
           bwd)},
      {"residual is a spec", "residuals of fwd of custom rule mine",
       rule_with(
           [](auto cx, auto args) -> Fwd {
             return {args[0], a_spec(cx)};
           },
           bwd)},
      {"residual is a zero", "residuals of fwd of custom rule mine",
       rule_with(
           [](auto cx, auto args) -> Fwd {
             return {args[0], tuple(cx, {args[0], a_zero(cx)})};
           },
           bwd)},
      {"slot is a spec", "mine: bwd's cotangent of argument 0",
       rule_with(fwd, [](auto cx, auto, auto, auto slots) { slots[0] = a_spec(cx); })},
  };
}

TEST(ErrorNotes, a_rule_that_writes_a_placeholder_is_named) {
  for (const Placeholder& p : placeholders()) {
    SCOPED_TRACE(p.name);
    Context cx;
    auto* f = custom_vjp(cx, "mine", p.rule);
    const int32_t code = std::string(p.name) == "slot is a spec" ? JAXVJP_BWD_TREE : JAXVJP_TREE;
    for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr))) {
      SCOPED_TRACE(how);
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, num(cx, 2)), code, {p.where, "in grad of mine"}));
    }
  }
}

TEST(ErrorNotes, a_function_takes_and_gives_numbers) {
  Context cx;
  auto* same = function(cx, "same", [](auto, auto args) { return args[0]; });
  auto* giver = function(cx, "giver", [](auto cx, auto) { return a_spec(cx); });
  for (jaxvjp_value* x : {a_spec(cx), a_zero(cx), tuple(cx, {num(cx, 1), a_zero(cx)})})
    for (auto [f, how] : eager_and_jit(cx, same))
      EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, x), JAXVJP_TREE)) << how;
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, same, a_spec(cx)), JAXVJP_TREE,
                    {"f64[]", "argument 0 of function same"}));
  for (auto [f, how] : eager_and_jit(cx, giver))
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, f, num(cx, 1)), JAXVJP_TREE,
                      {"f64[]", "output of function giver"}))
        << how;
}

// custom_jvp whose tangent is the square of the one it gets.
jaxvjp_function* not_linear(jaxvjp_context* cx) {
  return custom_jvp(
      cx, "mine", [](auto cx, auto args) { return jaxvjp_sin(cx, args[0]); },
      [](auto cx, auto primals, auto tangents) -> Jvp {
        jaxvjp_set_location(cx, "rule.c", 31);
        return {primals[0], jaxvjp_square(cx, tangents[0])};
      });
}

TEST(ErrorNotes, what_has_no_transpose_says_where_it_was_made) {
  Context cx;
  auto* f = not_linear(cx);
  jaxvjp_value* x = num(cx, 2);
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_grad(cx, f, nullptr)))
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, g, x), JAXVJP_NO_TRANSPOSE,
                      {"square", "rule.c:31", "in equation", "in grad of mine"}))
        << how;
  jaxvjp_function* pullback = nullptr;
  EXPECT_TRUE(fails(cx, vjp(cx, f, {x}, &pullback), JAXVJP_NO_TRANSPOSE,
                    {"square", "rule.c:31", "in vjp of mine"}));
  auto* square = function(cx, "quadratic", [](auto cx, auto args) {
    jaxvjp_set_location(cx, "f.c", 7);
    return jaxvjp_square(cx, args[0]);
  });
  EXPECT_TRUE(fails(cx, jaxvjp_linear_transpose(cx, square, &x, 1), JAXVJP_NO_TRANSPOSE,
                    {"square", "f.c:7", "in linear_transpose of quadratic"}));
}

TEST(ErrorNotes, calls_at_a_point_name_the_function) {
  Context cx;
  auto* f = function(cx, "wrong", [](auto cx, auto args) {
    return jaxvjp_add(cx, args[0], vec(cx, {1, 2}));
  });
  jaxvjp_value *x = vec(cx, {1, 2, 3}), *tangent = nullptr;
  jaxvjp_function* g = nullptr;
  EXPECT_TRUE(fails(cx, vjp(cx, f, {x}, &g), JAXVJP_SHAPE, {"in vjp of wrong"}));
  EXPECT_TRUE(fails(cx, jvp(cx, f, {x}, {x}, &tangent), JAXVJP_SHAPE, {"in jvp of wrong"}));
  EXPECT_TRUE(fails(cx, linearize(cx, f, {x}, &g), JAXVJP_SHAPE, {"in linearize of wrong"}));
}

void* small_blocks(void*, size_t size, size_t) {
  return size > 1 << 20 ? nullptr : aligned_alloc(64, (size + 63) / 64 * 64);
}

TEST(ErrorNotes, memory_that_is_out_says_for_what) {
  jaxvjp_context_options options = {};
  options.struct_size = sizeof options;
  options.alloc = small_blocks;
  options.dealloc = [](void*, void* block, size_t) { free(block); };
  jaxvjp_context* cx = jaxvjp_context_new(&options);
  auto* big = function(cx, "big", [](auto cx, auto args) {
    const int64_t shape[] = {1 << 20};
    jaxvjp_set_location(cx, "big.c", 11);
    return sum(cx, jaxvjp_broadcast_to(cx, args[0], shape, 1));
  });
  jaxvjp_value* x = num(cx, 3);
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, big, x), JAXVJP_OUT_OF_MEMORY,
                    {"8388", "big.c:11", "broadcast_to", "in function big"}));
  EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jit(cx, big), x), JAXVJP_OUT_OF_MEMORY,
                    {"8388", "big.c:11", "broadcast_in_dim", "in jit of big"}));
  EXPECT_TRUE(near(cx, jaxvjp_sin(cx, x), std::sin(3.0)));
  jaxvjp_context_free(cx);
}

}  // namespace
}  // namespace conformance

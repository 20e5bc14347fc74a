// Group S: rules for vmap: what they get, what they must give, and the rule that is a loop.
#include "batching_rules.hpp"

namespace conformance {
namespace {

TEST(ConformanceS, S1_the_rule_gets_the_size_and_mapped_arguments) {
  VmapRule r = sine_by_cosine();
  std::vector<int64_t> sizes;
  std::vector<std::vector<int64_t>> shapes;
  r.batch = [&](auto cx, auto size, auto args) -> Batched {
    sizes.push_back(size);
    shapes.push_back(shape(args[0]));
    EXPECT_EQ(jaxvjp_is_batched(cx, args[0]), 1);
    return {jaxvjp_cos(cx, args[0]), flag(cx, true)};
  };
  Context cx;
  auto* f = custom_vmap(cx, r);
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 2)), std::sin(2.0)));
  EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jit(cx, f), num(cx, 2)), std::sin(2.0)));
  EXPECT_TRUE(sizes.empty());
  auto* mapped = jaxvjp_vmap(cx, f, nullptr);
  expect_each(cx, mapped, points, cosine_of);
  EXPECT_EQ(sizes, (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(shapes[0], std::vector<int64_t>{3});
  EXPECT_EQ(r.primals, 2) << "the primal does not run where the rule does";
}

// Every composition takes what is in it into account: of two vmaps the inner one is the rule's, and
// what the rule does is mapped by the outer one.
TEST(ConformanceS, S1_in_compositions) {
  VmapRule r = sine_by_cosine();
  Context cx;
  auto* f = custom_vmap(cx, r);
  expect_each(cx, jaxvjp_vmap(cx, jit(cx, f), nullptr), points, cosine_of);
  auto* twice = jaxvjp_vmap(cx, jaxvjp_vmap(cx, f, nullptr), nullptr);
  for (auto [g, how] : eager_and_jit(cx, twice)) {
    SCOPED_TRACE(how);
    jaxvjp_value* xs = array(cx, {2, 2}, {1, 2, 3, 4});
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call1(cx, g, xs), {2, 2},
                            {std::cos(1.0), std::cos(2.0), std::cos(3.0), std::cos(4.0)}));
  }
  // In the body of a scan that is mapped, in a branch, in a program that was made a function again.
  auto* loop = scalar_function(cx, [f](auto cx, auto x) {
    jaxvjp_value* both = scan(
        cx,
        [f](auto cx, auto c, auto) -> Step {
          return {jaxvjp_call1(cx, f, c), jaxvjp_none(cx)};
        },
        x, jaxvjp_none(cx), 2);
    return jaxvjp_get(cx, both, 0);
  });
  expect_each(cx, jaxvjp_vmap(cx, loop, nullptr), points,
              [](double x) { return std::cos(std::cos(x)); });
  auto* branch = scalar_function(cx, [f](auto cx, auto x) {
    const Scalar call = [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); };
    const Scalar minus = [](auto cx, auto x) { return jaxvjp_neg(cx, x); };
    return cond(cx, jaxvjp_gt(cx, x, num(cx, 0)), call, minus, x);
  });
  expect_each(cx, jaxvjp_vmap(cx, branch, nullptr), points,
              [](double x) { return x > 0 ? std::cos(x) : -x; });
  auto* again = jaxvjp_function_of(cx, make_jaxpr(cx, f, {spec(cx, {})}));
  expect_each(cx, jaxvjp_vmap(cx, again, nullptr), points, cosine_of);
  auto* kept = jaxvjp_checkpoint(cx, f, JAXVJP_CHECKPOINT_NOTHING);
  expect_each(cx, jaxvjp_vmap(cx, kept, nullptr), points, cosine_of);
}

// x y + z, whose rule multiplies by 10: only some arguments mapped, along any axis.
TEST(ConformanceS, S2_mixed_arguments_and_axes) {
  std::vector<int> flags;
  std::vector<int64_t> first_shape;
  VmapRule r{[](auto cx, auto args) { return jaxvjp_mul(cx, args[0], args[1]); },
             [&](auto cx, auto, auto args) -> Batched {
               flags = {jaxvjp_is_batched(cx, args[0]), jaxvjp_is_batched(cx, args[1])};
               first_shape = shape(args[0]);
               return {times(cx, 10, jaxvjp_mul(cx, args[0], args[1])), flag(cx, true)};
             }};
  Context cx;
  auto* f = custom_vmap(cx, r);
  jaxvjp_value *x = array(cx, {2, 3}, {1, 2, 3, 4, 5, 6}), *y = vec(cx, {1, 10});
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, f, {1, JAXVJP_AXIS_NONE}))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near_shaped(cx, jaxvjp_call2(cx, g, x, y), {3, 2}, {10, 400, 20, 500, 30, 600}));
    EXPECT_EQ(flags, (std::vector<int>{1, 0}));
    EXPECT_EQ(first_shape, (std::vector<int64_t>{3, 2})) << "the mapped axis comes first";
  }
  auto* out_axis_1 = vmap(cx, f, {1, JAXVJP_AXIS_NONE}, 1);
  EXPECT_TRUE(
      near_shaped(cx, jaxvjp_call2(cx, out_axis_1, x, y), {2, 3}, {10, 20, 30, 400, 500, 600}));
  auto* unmapped = vmap(cx, f, {JAXVJP_AXIS_NONE, JAXVJP_AXIS_NONE}, 0, 4);
  EXPECT_TRUE(near_shaped(cx, jaxvjp_call2(cx, unmapped, y, y), {4, 2}, {1, 100, 1, 100}))
      << "nothing is mapped: the function itself";
}

TEST(ConformanceS, S3_trees_and_several_outputs) {
  VmapRule r{[](auto cx, auto args) {
               jaxvjp_value* a = jaxvjp_lookup(cx, args[0], "a");
               return tuple(cx, {jaxvjp_sin(cx, a), jaxvjp_none(cx), num(cx, 1)});
             },
             [](auto cx, auto, auto args) -> Batched {
               jaxvjp_value *a = jaxvjp_lookup(cx, args[0], "a"),
                            *b = jaxvjp_lookup(cx, args[0], "b");
               EXPECT_EQ(jaxvjp_is_batched(cx, args[0]), 1);
               EXPECT_EQ(jaxvjp_is_batched(cx, a), 1);
               EXPECT_EQ(jaxvjp_is_batched(cx, b), 0);
               return {tuple(cx, {jaxvjp_cos(cx, a), jaxvjp_none(cx), num(cx, 7)}),
                       tuple(cx, {flag(cx, true), jaxvjp_none(cx), flag(cx, false)})};
             }};
  Context cx;
  auto* f = custom_vmap(cx, r);
  auto* of_a = function(cx, "of_a", [f](auto cx, auto args) {
    return jaxvjp_call1(cx, f, dict(cx, {{"a", args[0]}, {"b", args[1]}}));
  });
  for (auto [g, how] : eager_and_jit(cx, vmap(cx, of_a, {0, JAXVJP_AXIS_NONE}))) {
    SCOPED_TRACE(how);
    jaxvjp_value* got = jaxvjp_call2(cx, g, vec(cx, {1, 2}), num(cx, 3));
    jaxvjp_value* cosines = vec(cx, {std::cos(1.0), std::cos(2.0)});
    EXPECT_TRUE(same(cx, got, tuple(cx, {cosines, jaxvjp_none(cx), vec(cx, {7, 7})})));
  }
}

TEST(ConformanceS, S4_wrong_structures_name_the_rule) {
  struct Row {
    const char* what;
    BatchFn batch;
    int32_t code;
    std::initializer_list<const char*> words;
  } const rows[] = {
      {"flags of another structure",
       [](auto cx, auto, auto args) -> Batched {
         return {args[0], tuple(cx, {flag(cx, true)})};
       },
       JAXVJP_TREE,
       {"culprit", "out_batched", "batching rule"}},
      {"another structure than the primal's",
       [](auto cx, auto, auto args) -> Batched {
         return {tuple(cx, {args[0]}), tuple(cx, {flag(cx, true)})};
       },
       JAXVJP_TREE,
       {"culprit", "batching rule", "primal"}},
      {"another shape than the primal's",
       [](auto cx, auto, auto args) -> Batched {
         const int64_t wide[] = {3, 2};
         const int64_t at[] = {0};
         return {jaxvjp_broadcast_in_dim(cx, args[0], wide, 2, at, 1), flag(cx, true)};
       },
       JAXVJP_SHAPE,
       {"culprit", "batching rule", "f64[2]"}},
      {"another dtype",
       [](auto cx, auto, auto args) -> Batched {
         return {jaxvjp_convert(cx, args[0], JAXVJP_F32), flag(cx, true)};
       },
       JAXVJP_DTYPE,
       {"culprit", "f32[]"}},
      {"no axis where it is marked as batched",
       [](auto cx, auto, auto args) -> Batched {
         return {sum(cx, args[0]), flag(cx, true)};
       },
       JAXVJP_SHAPE,
       {"culprit", "f64[]", "3"}},
      {"an axis where it is not marked",
       [](auto cx, auto, auto args) -> Batched {
         return {args[0], flag(cx, false)};
       },
       JAXVJP_SHAPE,
       {"culprit", "f64[3]"}},
      {"a flag that is none",
       [](auto cx, auto, auto args) -> Batched {
         return {args[0], jaxvjp_number(cx, 2)};
       },
       JAXVJP_INVALID_ARGUMENT,
       {"culprit", "out_batched", "2"}},
      {"a flag of many numbers",
       [](auto, auto, auto args) -> Batched {
         return {args[0], args[0]};
       },
       JAXVJP_SHAPE,
       {"culprit", "out_batched", "f64[3]"}},
      {"no output",
       [](auto cx, auto, auto) -> Batched {
         return {nullptr, flag(cx, true)};
       },
       JAXVJP_CALLBACK,
       {"culprit", "output", "unset"}},
      {"no flags",
       [](auto, auto, auto args) -> Batched {
         return {args[0], nullptr};
       },
       JAXVJP_CALLBACK,
       {"culprit", "out_batched", "unset"}},
      {"a failure of its own",
       [](auto cx, auto, auto args) -> Batched {
         jaxvjp_fail(cx, 4242, "stop");
         return {args[0], args[0]};
       },
       4242,
       {"stop", "batching rule of culprit"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    VmapRule r{[](auto, auto args) { return args[0]; }, row.batch};
    Context cx;
    auto* f = custom_vmap(cx, r, "culprit");
    jaxvjp_value* x = vec(cx, {1, 2, 3});
    jaxvjp_call1(cx, f, num(cx, 1));  // now it is known what the primal gives
    auto* mapped = jaxvjp_vmap(cx, f, nullptr);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, mapped, x), row.code, row.words));
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, jit(cx, mapped), x), row.code, row.words));
    auto* staged = jaxvjp_vmap(cx, jit(cx, f), nullptr);
    EXPECT_TRUE(fails(cx, jaxvjp_call1(cx, staged, x), row.code, row.words));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, f, num(cx, 1)), 1.0));
  }
}

TEST(ConformanceS, S4_a_function_needs_both_callbacks) {
  Context cx;
  VmapRule r = sine_by_cosine();
  EXPECT_TRUE(fails(cx, jaxvjp_custom_vmap(cx, "f", run_primal, nullptr, &r, nullptr),
                    JAXVJP_INVALID_ARGUMENT, {"batching rule"}));
  EXPECT_TRUE(fails(cx, jaxvjp_custom_vmap(cx, "f", nullptr, run_batch, &r, nullptr),
                    JAXVJP_INVALID_ARGUMENT, {"primal"}));
}

// Mapped one by one: the function sees one example, and a loop is recorded.
TEST(ConformanceS, S8_a_loop_as_the_rule) {
  std::vector<size_t> ranks;
  Context cx;
  auto* f = function(cx, "f", [&](auto cx, auto args) {
    ranks.push_back(jaxvjp_ndim(args[0]));
    return jaxvjp_mul(cx, jaxvjp_sin(cx, args[0]), args[1]);
  });
  auto* g = jaxvjp_sequential_vmap(cx, f);
  EXPECT_TRUE(near(cx, jaxvjp_call2(cx, g, num(cx, 2), num(cx, 3)), 3 * std::sin(2.0)));
  auto* mapped = vmap(cx, g, {0, JAXVJP_AXIS_NONE});
  for (auto [h, how] : eager_and_jit(cx, mapped)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call2(cx, h, vec(cx, {1, 2}), num(cx, 3)),
                     {3 * std::sin(1.0), 3 * std::sin(2.0)}));
  }
  jaxvjp_jaxpr* j = make_jaxpr(cx, mapped, {spec(cx, {2}), spec(cx, {})});
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "scan"), 1u);
  EXPECT_EQ(jaxvjp_jaxpr_count(j, "custom_vmap_call"), 0u);
  for (size_t rank : ranks) EXPECT_EQ(rank, 0u);
  // Two vmaps, forward mode, and a captured value that is differentiated.
  auto* twice = jaxvjp_vmap(cx, mapped, nullptr);
  jaxvjp_value *xs = array(cx, {2, 2}, {1, 2, 3, 4}), *ys = vec(cx, {3, 5});
  EXPECT_TRUE(
      near_shaped(cx, jaxvjp_call2(cx, twice, xs, ys), {2, 2},
                  {3 * std::sin(1.0), 3 * std::sin(2.0), 5 * std::sin(3.0), 5 * std::sin(4.0)}));
  auto* captured = scalar_function(cx, [](auto cx, auto y) {
    auto* inner = scalar_function(cx, [y](auto cx, auto x) { return jaxvjp_mul(cx, x, y); });
    auto* mapped = jaxvjp_vmap(cx, jaxvjp_sequential_vmap(cx, inner), nullptr);
    return sum(cx, jaxvjp_call1(cx, mapped, vec(cx, {1, 2, 4})));
  });
  for (auto [h, how] : eager_and_jit(cx, captured)) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, grad(cx, h), num(cx, 3)), 7.0));
    EXPECT_TRUE(near(cx, jaxvjp_call1(cx, jaxvjp_jacfwd(cx, h, nullptr), num(cx, 3)), 7.0));
  }
}

// ... in chunks, with a rule inside.
TEST(ConformanceS, S8_in_chunks) {
  VmapRule r = sine_by_cosine();
  std::vector<int64_t> sizes;
  r.batch = [&](auto cx, auto size, auto args) -> Batched {
    sizes.push_back(size);
    return {jaxvjp_cos(cx, args[0]), flag(cx, true)};
  };
  Context cx;
  jaxvjp_value* xs = vec(cx, {1, 2, 3, 4, 5});
  auto* f = custom_vmap(cx, r);
  EXPECT_TRUE(near(cx, jaxvjp_map(cx, f, xs, 2),
                   {std::cos(1.0), std::cos(2.0), std::cos(3.0), std::cos(4.0), std::cos(5.0)}));
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 1}));
  EXPECT_TRUE(near(cx, jaxvjp_map(cx, f, xs, 0),
                   {std::sin(1.0), std::sin(2.0), std::sin(3.0), std::sin(4.0), std::sin(5.0)}));
}

}  // namespace
}  // namespace conformance

// Functions x wrappers: every program of programs.hpp under every wrapper, compared with its closed
// form in plain loops and with differences of that.

#include "differences.hpp"
#include "programs.hpp"

namespace programs {
namespace {

// -------------------------------------------------------------------------------------------- law

class FunctionsWrappers : public testing::TestWithParam<Program> {
 protected:
  const Program& program() const { return GetParam(); }
  static constexpr double tolerance = 1e-7;  // of differences; values are held to 1e-12
  static constexpr double second_tolerance = 1e-5;

  void SetUp() override { f = program().make(cx); }

  Numbers reference(const Numbers& x) const { return program().reference(x); }
  Numbers point(double shift = 0) const {
    Numbers x = program().at;
    for (double& value : x) value += shift;
    return x;
  }
  std::vector<jaxvjp_value*> arguments(jaxvjp_value* first) {
    if (!program().integers) return {first};
    return {first, jaxvjp_convert(cx, vec(cx, {1, 2, 3}), JAXVJP_I64)};
  }
  jaxvjp_value* packed(const Numbers& x) { return program().pack(cx, x); }
  jaxvjp_value* run(jaxvjp_function* g, jaxvjp_value* first) {
    const auto args = arguments(first);
    return jaxvjp_call(cx, g, args.data(), args.size());
  }

  // The numbers of a tree's leaves, one leaf after the other.
  Numbers flat(jaxvjp_value* tree) {
    Numbers all;
    for (size_t i = 0; i < jaxvjp_leaf_count(tree); i++) {
      jaxvjp_value* leaf = jaxvjp_leaf(cx, tree, i);
      if (jaxvjp_dtype(leaf) != JAXVJP_F64) continue;
      for (double number : numbers(cx, leaf)) all.push_back(number);
    }
    return all;
  }
  AssertionResult equal(jaxvjp_value* got, const Numbers& expected, double tolerance = 1e-12) {
    if (auto ok = no_error(cx); !ok) return ok;
    if (!got) return AssertionFailure() << "NULL without an error";
    const Numbers found = flat(got);
    if (found.size() != expected.size())
      return AssertionFailure() << "expected " << expected.size() << " numbers, got "
                                << jaxvjp_to_string(cx, got);
    for (size_t i = 0; i < found.size(); i++)
      if (!close(found[i], expected[i], tolerance))
        return AssertionFailure() << "number " << i << ": expected " << expected[i] << ", got "
                                  << found[i];
    return no_error(cx);
  }

  // A tree like `like` with the numbers f(0), f(1), ...
  jaxvjp_value* tree_like(jaxvjp_value* like, double (*f)(size_t)) {
    std::vector<jaxvjp_value*> leaves;
    size_t next = 0;
    for (size_t i = 0; i < jaxvjp_leaf_count(like); i++) {
      jaxvjp_value* leaf = jaxvjp_leaf(cx, like, i);
      Numbers all(jaxvjp_size(leaf));
      for (double& number : all) number = f(next++);
      leaves.push_back(array(cx, shape(leaf), all));
    }
    return jaxvjp_unflatten(cx, like, leaves.data(), leaves.size());
  }
  // Trees of several points, stacked along a new axis 0 of every leaf.
  jaxvjp_value* stacked(const std::vector<Numbers>& points) {
    std::vector<jaxvjp_value*> trees, leaves;
    for (const Numbers& x : points) trees.push_back(packed(x));
    for (size_t i = 0; i < jaxvjp_leaf_count(trees[0]); i++) {
      std::vector<int64_t> dims = shape(jaxvjp_leaf(cx, trees[0], i));
      dims.insert(dims.begin(), static_cast<int64_t>(points.size()));
      Numbers all;
      for (jaxvjp_value* tree : trees)
        for (double number : numbers(cx, jaxvjp_leaf(cx, tree, i))) all.push_back(number);
      leaves.push_back(array(cx, dims, all));
    }
    return jaxvjp_unflatten(cx, trees[0], leaves.data(), leaves.size());
  }
  // f of many examples; integers are the same for all.
  jaxvjp_function* mapped(jaxvjp_function* g) {
    if (program().integers) return vmap(cx, g, {0, JAXVJP_AXIS_NONE});
    return vmap(cx, g, {});
  }
  // Row `index` of every leaf, one after the other.
  Numbers example(jaxvjp_value* tree, size_t index, size_t count) {
    Numbers all;
    for (size_t i = 0; i < jaxvjp_leaf_count(tree); i++) {
      const Numbers leaf = numbers(cx, jaxvjp_leaf(cx, tree, i));
      const size_t size = leaf.size() / count;
      all.insert(all.end(), leaf.begin() + index * size, leaf.begin() + (index + 1) * size);
    }
    return all;
  }
  void expect_examples(jaxvjp_value* got, const std::vector<Numbers>& expected, double tolerance) {
    ASSERT_TRUE(no_error(cx));
    for (size_t i = 0; i < expected.size(); i++) {
      const Numbers found = example(got, i, expected.size());
      ASSERT_EQ(found.size(), expected[i].size());
      for (size_t k = 0; k < found.size(); k++)
        EXPECT_TRUE(close(found[k], expected[i][k], tolerance))
            << "example " << i << ", number " << k << ": expected " << expected[i][k] << ", got "
            << found[k];
    }
  }

  // A scalar of f's outputs, whose second derivative is not zero where f is linear.
  jaxvjp_function* loss(jaxvjp_function* f) {
    return function(cx, "loss", [f](auto cx, auto args) {
      jaxvjp_value *out = call(cx, f, args), *total = jaxvjp_f64(cx, 0);
      size_t next = 0;
      for (size_t i = 0; i < jaxvjp_leaf_count(out); i++) {
        jaxvjp_value* leaf = jaxvjp_leaf(cx, out, i);
        Numbers weights(jaxvjp_size(leaf));
        for (double& w : weights) w = weight(next++);
        jaxvjp_value* weighted = jaxvjp_mul(cx, leaf, array(cx, shape(leaf), weights));
        jaxvjp_value* half = times(cx, 0.5, jaxvjp_square(cx, leaf));
        total = jaxvjp_add(cx, total, sum(cx, jaxvjp_add(cx, weighted, half)));
      }
      return total;
    });
  }
  // <grad(g), direction>, a scalar function
  jaxvjp_function* slope(jaxvjp_function* g) {
    auto* gradient = grad(cx, g);
    return function(cx, "slope", [=](auto cx, auto args) {
      jaxvjp_value *tree = call(cx, gradient, args), *total = jaxvjp_f64(cx, 0);
      size_t next = 0;
      for (size_t i = 0; i < jaxvjp_leaf_count(tree); i++) {
        jaxvjp_value* leaf = jaxvjp_leaf(cx, tree, i);
        Numbers along(jaxvjp_size(leaf));
        for (double& d : along) d = direction(next++);
        jaxvjp_value* products = jaxvjp_mul(cx, leaf, array(cx, shape(leaf), along));
        total = jaxvjp_add(cx, total, sum(cx, products));
      }
      return total;
    });
  }

  Numbers loss_reference(const Numbers& x) const { return {loss_of(reference(x))}; }
  Numbers gradient_reference(const Numbers& x, double h = 1e-3) const {
    return jacobian([&](const Numbers& x) { return loss_reference(x); }, x, h)[0];
  }
  // Hessian times direction
  Numbers second_reference(const Numbers& x) const {
    const Jacobian hessian =
        jacobian([&](const Numbers& x) { return gradient_reference(x, 3e-3); }, x, 3e-3);
    Numbers product;
    for (const Numbers& row : hessian) {
      product.push_back(0);
      for (size_t i = 0; i < row.size(); i++) product.back() += row[i] * direction(i);
    }
    return product;
  }
  Numbers tangent_reference(const Numbers& x) const {
    Numbers tangent;
    for (const Numbers& row : jacobian(program().reference, x)) {
      tangent.push_back(0);
      for (size_t i = 0; i < row.size(); i++) tangent.back() += row[i] * direction(i);
    }
    return tangent;
  }

  // The tangent of g along the direction, by jvp.
  jaxvjp_value* pushed(jaxvjp_function* g, jaxvjp_value** tangent) {
    const auto primals = arguments(packed(point()));
    std::vector<jaxvjp_value*> tangents(primals.size(), jaxvjp_zero(cx));
    tangents[0] = tree_like(primals[0], direction);
    return jaxvjp_jvp(cx, g, primals.data(), tangents.data(), primals.size(), tangent);
  }

  Context cx;
  jaxvjp_function* f = nullptr;
};

TEST_P(FunctionsWrappers, plain) {
  EXPECT_TRUE(equal(run(f, packed(point())), reference(point())));
}

TEST_P(FunctionsWrappers, jit) {
  auto* compiled = conformance::jit(cx, f);
  for (double shift : {0., 0.125, 0.})  // recorded, then from the cache
    EXPECT_TRUE(equal(run(compiled, packed(point(shift))), reference(point(shift))));
}

TEST_P(FunctionsWrappers, jit_of_jit) {
  auto* compiled = conformance::jit(cx, conformance::jit(cx, f));
  EXPECT_TRUE(equal(run(compiled, packed(point())), reference(point())));
}

// Bit for bit.
TEST_P(FunctionsWrappers, jit_is_eager) {
  const Numbers eager = flat(run(f, packed(point())));
  EXPECT_EQ(flat(run(conformance::jit(cx, f), packed(point()))), eager);
  auto* gradient = grad(cx, loss(f));
  const Numbers slopes = flat(run(gradient, packed(point())));
  EXPECT_EQ(flat(run(conformance::jit(cx, gradient), packed(point()))), slopes);
}

TEST_P(FunctionsWrappers, program) {
  const auto specs = arguments(packed(point()));
  auto* j = jaxvjp_make_jaxpr(cx, f, specs.data(), specs.size());
  for (auto* program : {j, jaxvjp_simplify(cx, j)}) {
    auto* g = jaxvjp_function_of(cx, program);
    EXPECT_TRUE(equal(run(g, packed(point())), reference(point())));
    EXPECT_TRUE(
        equal(run(grad(cx, loss(g)), packed(point())), gradient_reference(point()), tolerance));
  }
}

TEST_P(FunctionsWrappers, jvp) {
  for (auto* g : {f, conformance::jit(cx, f)}) {
    jaxvjp_value* tangent = nullptr;
    EXPECT_TRUE(equal(pushed(g, &tangent), reference(point())));
    EXPECT_TRUE(equal(tangent, tangent_reference(point()), tolerance));
  }
}

// The tangent is that of jvp, bit for bit.
TEST_P(FunctionsWrappers, linearize_then_apply) {
  jaxvjp_value* tangent = nullptr;
  pushed(f, &tangent);
  const auto args = arguments(packed(point()));
  jaxvjp_function* linear = nullptr;
  jaxvjp_value* value = jaxvjp_linearize(cx, f, args.data(), args.size(), &linear);
  EXPECT_TRUE(equal(value, reference(point())));
  std::vector<jaxvjp_value*> tangents(args.size(), jaxvjp_zero(cx));
  tangents[0] = tree_like(args[0], direction);
  jaxvjp_value* applied = jaxvjp_call(cx, linear, tangents.data(), tangents.size());
  EXPECT_TRUE(no_error(cx));
  EXPECT_EQ(flat(applied), flat(tangent));
}

TEST_P(FunctionsWrappers, vjp) {
  const Jacobian rows = jacobian(program().reference, point());
  Numbers expected(point().size());
  for (size_t k = 0; k < rows.size(); k++)
    for (size_t i = 0; i < expected.size(); i++) expected[i] += weight(k) * rows[k][i];
  for (auto* g : {f, conformance::jit(cx, f)}) {
    const auto args = arguments(packed(point()));
    jaxvjp_function* pullback = nullptr;
    jaxvjp_value* value = jaxvjp_vjp(cx, g, args.data(), args.size(), &pullback);
    ASSERT_TRUE(equal(value, reference(point())));
    jaxvjp_value* ct = tree_like(value, weight);
    for (int i = 0; i < 2; i++) {
      jaxvjp_value* cts = jaxvjp_call1(cx, pullback, ct);
      EXPECT_TRUE(equal(jaxvjp_get(cx, cts, 0), expected, tolerance));
    }
  }
}

// <ct, jvp(v)> = <vjp(ct), v>
TEST_P(FunctionsWrappers, jvp_and_vjp_are_adjoint) {
  jaxvjp_value* tangent = nullptr;
  pushed(f, &tangent);
  const auto args = arguments(packed(point()));
  jaxvjp_function* pullback = nullptr;
  jaxvjp_value* value = jaxvjp_vjp(cx, f, args.data(), args.size(), &pullback);
  jaxvjp_value* cts = jaxvjp_call1(cx, pullback, tree_like(value, weight));
  ASSERT_TRUE(no_error(cx));
  const Numbers pulled = flat(jaxvjp_get(cx, cts, 0)), forward = flat(tangent);
  double left = 0, right = 0;
  for (size_t k = 0; k < forward.size(); k++) left += weight(k) * forward[k];
  for (size_t i = 0; i < pulled.size(); i++) right += direction(i) * pulled[i];
  EXPECT_TRUE(close(left, right, 1e-12)) << left << " and " << right;
}

TEST_P(FunctionsWrappers, vmap) {
  const std::vector<Numbers> points = {point(), point(0.125), point(0.25)};
  std::vector<Numbers> expected;
  for (const Numbers& x : points) expected.push_back(reference(x));
  for (auto* g : {mapped(f), mapped(conformance::jit(cx, f)), conformance::jit(cx, mapped(f))})
    expect_examples(run(g, stacked(points)), expected, 1e-12);
}

TEST_P(FunctionsWrappers, vmap_of_one_and_of_none) {
  expect_examples(run(mapped(f), stacked({point()})), {reference(point())}, 1e-12);
  std::vector<jaxvjp_value*> leaves;
  jaxvjp_value* like = packed(point());
  for (size_t i = 0; i < jaxvjp_leaf_count(like); i++) {
    std::vector<int64_t> dims = shape(jaxvjp_leaf(cx, like, i));
    dims.insert(dims.begin(), 0);
    leaves.push_back(array(cx, dims, {}));
  }
  jaxvjp_value* got = run(mapped(f), jaxvjp_unflatten(cx, like, leaves.data(), leaves.size()));
  EXPECT_TRUE(equal(got, {}));
}

TEST_P(FunctionsWrappers, grad) {
  const Numbers expected = gradient_reference(point());
  auto* scalar = loss(f);
  using conformance::grad, conformance::jit;
  for (auto* g : {grad(cx, scalar), jit(cx, grad(cx, scalar)), grad(cx, jit(cx, scalar)),
                  jit(cx, grad(cx, jit(cx, scalar)))}) {
    jaxvjp_value* gradient = run(g, packed(point()));
    EXPECT_TRUE(equal(gradient, expected, tolerance));
    EXPECT_EQ(jaxvjp_same_structure(gradient, packed(point())), 1);
  }
}

TEST_P(FunctionsWrappers, value_and_grad) {
  for (auto [g, how] : eager_and_jit(cx, jaxvjp_value_and_grad(cx, loss(f), nullptr))) {
    SCOPED_TRACE(how);
    jaxvjp_value* both = run(g, packed(point()));
    EXPECT_TRUE(equal(jaxvjp_get(cx, both, 0), loss_reference(point())));
    EXPECT_TRUE(equal(jaxvjp_get(cx, both, 1), gradient_reference(point()), tolerance));
  }
}

TEST_P(FunctionsWrappers, vmap_of_grad) {
  const std::vector<Numbers> points = {point(), point(0.125)};
  std::vector<Numbers> expected;
  for (const Numbers& x : points) expected.push_back(gradient_reference(x));
  auto* gradient = conformance::grad(cx, loss(f));
  for (auto* g : {mapped(gradient), conformance::jit(cx, mapped(gradient))})
    expect_examples(run(g, stacked(points)), expected, tolerance);
}

TEST_P(FunctionsWrappers, grad_of_sum_of_vmap) {
  const std::vector<Numbers> points = {point(), point(0.125)};
  std::vector<Numbers> expected;
  for (const Numbers& x : points) expected.push_back(gradient_reference(x));
  auto* gradient = conformance::grad(cx, sum_of(cx, mapped(loss(f))));
  for (auto [g, how] : eager_and_jit(cx, gradient)) {
    SCOPED_TRACE(how);
    expect_examples(run(g, stacked(points)), expected, tolerance);
  }
}

TEST_P(FunctionsWrappers, grad_of_grad) {
  const Numbers expected = second_reference(point());
  auto* scalar = loss(f);
  using conformance::grad, conformance::jit;
  for (auto* g : {grad(cx, slope(scalar)), jit(cx, grad(cx, slope(scalar))),
                  grad(cx, jit(cx, slope(jit(cx, scalar))))})
    EXPECT_TRUE(equal(run(g, packed(point())), expected, second_tolerance));
}

// Forward over reverse, and reverse over forward.
TEST_P(FunctionsWrappers, jvp_of_grad) {
  const Numbers expected = second_reference(point());
  jaxvjp_value* tangent = nullptr;
  pushed(conformance::grad(cx, loss(f)), &tangent);
  EXPECT_TRUE(equal(tangent, expected, second_tolerance));
}

TEST_P(FunctionsWrappers, grad_of_jvp) {
  auto* scalar = loss(f);
  auto* forward = function(cx, "forward", [=](auto cx, auto args) {
    std::vector<jaxvjp_value*> tangents(args.n, jaxvjp_zero(cx));
    std::vector<jaxvjp_value*> leaves;
    size_t next = 0;
    for (size_t i = 0; i < jaxvjp_leaf_count(args[0]); i++) {
      jaxvjp_value* leaf = jaxvjp_leaf(cx, args[0], i);
      Numbers along(jaxvjp_size(leaf));
      for (double& d : along) d = direction(next++);
      leaves.push_back(array(cx, shape(leaf), along));
    }
    tangents[0] = jaxvjp_unflatten(cx, args[0], leaves.data(), leaves.size());
    jaxvjp_value* tangent = nullptr;
    jaxvjp_jvp(cx, scalar, args.items, tangents.data(), args.n, &tangent);
    return tangent;
  });
  for (auto [g, how] : eager_and_jit(cx, conformance::grad(cx, forward))) {
    SCOPED_TRACE(how);
    EXPECT_TRUE(equal(run(g, packed(point())), second_reference(point()), second_tolerance));
  }
}

// Blocks of a Jacobian, output leaf by input leaf, each of shape out + in.
TEST_P(FunctionsWrappers, jacobians) {
  const Jacobian rows = jacobian(program().reference, point());
  jaxvjp_value *in = packed(point()), *out = run(f, in);
  for (auto* derivative : {jaxvjp_jacfwd(cx, f, nullptr), jaxvjp_jacrev(cx, f, nullptr)})
    for (auto [g, how] : eager_and_jit(cx, derivative)) {
      SCOPED_TRACE(how);
      jaxvjp_value* got = run(g, in);
      ASSERT_TRUE(no_error(cx));
      size_t row = 0, block = 0;
      for (size_t o = 0; o < jaxvjp_leaf_count(out); o++) {
        const size_t height = jaxvjp_size(jaxvjp_leaf(cx, out, o));
        size_t column = 0;
        for (size_t i = 0; i < jaxvjp_leaf_count(in); i++, block++) {
          const size_t width = jaxvjp_size(jaxvjp_leaf(cx, in, i));
          Numbers expected;
          for (size_t k = 0; k < height; k++)
            for (size_t l = 0; l < width; l++) expected.push_back(rows[row + k][column + l]);
          EXPECT_TRUE(equal(jaxvjp_leaf(cx, got, block), expected, tolerance));
          column += width;
        }
        row += height;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Programs, FunctionsWrappers, testing::ValuesIn(all),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace programs

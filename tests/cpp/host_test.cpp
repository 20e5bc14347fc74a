// jaxvjp/host.hpp: host functions from lambdas.
#include "jaxvjp/host.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using namespace jaxvjp;

double number(const Value& v) { return v.item(); }

// x^2, each element on its own, with the rule 10 x ct and x as state.
Function square(const ContextRef& cx, int& batches) {
  using Numbers = std::vector<double>;
  HostOptions options;
  options.bwd = [](const std::any& state, const Saved& saved, const Buffers& cts,
                   const Buffers& arg_cts) {
    EXPECT_FALSE(saved.in[0] || saved.out[0]);
    const auto& x = std::any_cast<const Numbers&>(state);
    for (std::size_t i = 0; i < x.size(); ++i)
      arg_cts[0].data<double>()[i] = 10 * x[i] * cts[0].data<double>()[i];
  };
  options.batch_fwd = [](const jaxvjp_host_batch& batch, const Buffers& in, const Buffers& out) {
    std::vector<std::any> states;
    const std::size_t n = out[0].size() / static_cast<std::size_t>(batch.size);
    const double* x = in[0].data<double>();
    for (std::size_t k = 0; k < out[0].size(); ++k) out[0].data<double>()[k] = x[k] * x[k];
    for (std::int64_t i = 0; i < batch.size; ++i, x += n) states.emplace_back(Numbers(x, x + n));
    return states;
  };
  options.batch_bwd = [&batches](const jaxvjp_host_batch& batch, const States& states, const Saved&,
                                 const Buffers& cts, const Buffers& arg_cts) {
    ++batches;
    const std::size_t n = arg_cts[0].size() / static_cast<std::size_t>(batch.size);
    for (std::size_t k = 0; k < arg_cts[0].size(); ++k) {
      const auto& x = std::any_cast<const Numbers&>(*states[batch.states ? k / n : 0]);
      arg_cts[0].data<double>()[k] =
          10 * x[k % n] * cts[0].data<double>()[batch.cts[0] ? k : k % n];
    }
  };
  options.flags = JAXVJP_HOST_PURE;
  return host_function(
      cx, "square", [](const Values& specs) { return specs[0]; },
      [](const Buffers& in, const Buffers& out) -> std::any {
        const double* x = in[0].data<double>();
        for (std::size_t i = 0; i < in[0].size(); ++i) out[0].data<double>()[i] = x[i] * x[i];
        return Numbers(x, x + in[0].size());
      },
      options);
}

TEST(Host, a_rule_of_lambdas) {
  int batches = 0;
  Context cx;
  const Function f = square(cx, batches);
  EXPECT_EQ(number(f(cx.f64(3))), 9);
  EXPECT_EQ(number(grad(f)(cx.f64(3))), 30);
  EXPECT_EQ(number(jit(grad(f))(cx.f64(4))), 40);
}

TEST(Host, batches) {
  int batches = 0;
  Context cx;
  const Function f = square(cx, batches);
  const Value x = cx.array({1., 2., 3.});
  EXPECT_EQ(vmap(grad(f))(x).to_vector<double>(), (std::vector<double>{10, 20, 30}));
  EXPECT_EQ(batches, 1);
  EXPECT_EQ(jacrev(f)(x).to_vector<double>(), (std::vector<double>{10, 0, 0, 0, 20, 0, 0, 0, 30}));
  EXPECT_EQ(batches, 2);
}

TEST(Host, an_exception_passes_through) {
  struct Diverged {
    int step;
  };
  Context cx;
  const Function f = host_function(
      cx, "f", [](const Values& specs) { return specs[0]; },
      [](const Buffers&, const Buffers&) -> std::any { throw Diverged{7}; });
  try {
    jit(f)(cx.f64(3));
    FAIL();
  } catch (const Diverged& e) {
    EXPECT_EQ(e.step, 7);
  }
}

double sine(unsigned, const double* x, double* grad, void*) {
  if (grad) grad[0] = 5 * std::cos(x[0]);
  return std::sin(x[0]);
}
int32_t doubled(size_t, size_t, const double* x, double* r, double* jacobian, void*) {
  r[0] = 2 * x[0];
  if (jacobian) jacobian[0] = 3;
  return 0;
}
double product(size_t, const double* x, double* partials, void*) {
  if (partials) partials[0] = 11, partials[1] = 13;
  return x[0] * x[1];
}

TEST(Host, adapters) {
  Context cx;
  const Value x = cx.array({2.});
  EXPECT_EQ(grad(from_value_grad(cx, "sine", sine))(x).to_vector<double>()[0], 5 * std::cos(2.));
  EXPECT_EQ(jacfwd(from_residual_jacobian(cx, "doubled", 1, doubled))(x).to_vector<double>()[0], 3);
  EXPECT_EQ(number(grad(from_partials(cx, "product", product))(cx.f64(2), cx.f64(3))), 11);
}

}  // namespace

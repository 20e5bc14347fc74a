// A network with parameters in a dict, trained for 10,000 compiled steps in flat memory.
//
//   train_mlp_cpp [STEPS]
#include <cstdio>
#include <cstdlib>
#include <jaxvjp/jaxvjp.hpp>

using jaxvjp::Function;
using jaxvjp::Ints;
using jaxvjp::Value;

namespace {

// mean((w2 tanh(w1 x + b1) + b2 - y)^2)
Value loss(Value params, Value x, Value y) {
  const Value hidden = tanh(matmul(x, params["w1"]) + params["b1"]);
  const Value prediction = matmul(hidden, params["w2"]) + params["b2"];
  return mean(square(prediction - y));
}

Value descend(Value p, Value g) { return p - 0.05 * g; }

Value weights(const jaxvjp::ContextRef &cx, uint64_t seed, const Ints &shape) {
  return random_normal(cx.random_key(seed), JAXVJP_F32, shape);
}

}  // namespace

int main(int argc, char **argv) try {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 10000;
  jaxvjp::Context cx;
  const Function gradient = value_and_grad(Function(cx, "loss", loss));
  const Function rule(cx, "descend", descend);
  // (params, x, y) -> (loss, new params)
  const Function train = jit(Function(cx, "step", [=](Value params, Value x, Value y) {
    const Value result = gradient(params, x, y);
    return std::pair(result[0], tree_map(rule, {params, result[1]}));
  }));

  Value params = cx.dict({{"b1", cx.zeros(JAXVJP_F32, {64})},
                          {"b2", cx.zeros(JAXVJP_F32, {1})},
                          {"w1", weights(cx, 0, {2, 64})},
                          {"w2", weights(cx, 1, {64, 1})}});
  const Value x = weights(cx, 2, {256, 2});
  const Value y = sin(matmul(x, weights(cx, 3, {2, 1})));

  for (int i = 0; i < steps; i++) {
    const Value result = train(params, x, y);
    params = result[1];  // the old parameters are released here
    if (i % 1000 == 0)
      std::printf("%5d  loss %.5f  live %ld bytes\n", i, result[0].item(),
                  long(cx.stat(JAXVJP_STAT_BYTES)));
  }
} catch (const std::exception &e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}

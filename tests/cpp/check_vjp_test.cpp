// check_vjp, as a law over two tables: functions whose derivatives are right, however awkward their
// numbers, and rules that are wrong, however slightly. Each row with several seeds.
#include <gtest/gtest.h>

#include <cmath>
#include <jaxvjp/jaxvjp.hpp>

namespace {

using jaxvjp::Context;
using jaxvjp::ContextRef;
using jaxvjp::Error;
using jaxvjp::Function;
using jaxvjp::Ints;
using jaxvjp::Value;
using jaxvjp::Values;

// The report of check_vjp, empty where it has nothing to report.
std::string report(const Function& f, const Values& args, int order, uint32_t seed) {
  jaxvjp::CheckOptions options;
  options.order = order;
  options.seed = seed;
  try {
    check_vjp(f, args, options);
  } catch (const Error& e) {
    if (e.code() != JAXVJP_CHECK) throw;
    return e.what();
  }
  return "";
}

// 300 numbers from -1.5 to 1.5: more than are compared one by one.
Value many(const ContextRef& cx) {
  std::vector<double> numbers;
  for (int i = 0; i < 300; ++i) numbers.push_back(0.01 * i - 1.5);
  return Value(cx, numbers);
}
Value three(const ContextRef& cx, int32_t dtype = JAXVJP_F64) {
  return convert(Value(cx, {0.3, -1.2, 2.5}), dtype);
}
Value square_matrix(const ContextRef& cx) { return Value(cx, {1.0, 2.0, 3.0, 4.0}, Ints{2, 2}); }
// A constant of this dtype: a function that uses it refuses others.
Value constant(const Value& like, int32_t dtype) {
  return convert(Value(like.context(), 2.0), dtype);
}

// ---------------------------------------------------------------------------------- right ones

struct Right {
  const char* name;
  int order;
  jaxvjp::CallFn f;
  std::function<Values(const ContextRef&)> args;
};

const std::vector<Right>& right() {
  const auto x3 = [](const ContextRef& cx) { return Values{three(cx)}; };
  const auto x300 = [](const ContextRef& cx) { return Values{many(cx)}; };
  const auto at = [](std::vector<double> x) {
    return [x](const ContextRef& cx) { return Values{Value(cx, x)}; };
  };
  const auto of = [](int32_t dtype) {
    return [dtype](const ContextRef& cx) { return Values{three(cx, dtype)}; };
  };
  const auto two = [](const ContextRef& cx) {
    return Values{square_matrix(cx), Value(cx, {.1, .2})};
  };
  static const std::vector<Right> rows = {
      {"sum", 2, [](Value x) { return sum(sin(x) * x); }, x300},
      {"each_element", 1, [](Value x) { return tanh(x) * exp(x); }, x300},
      {"softmax", 2, [](Value x) { return softmax(x, 0); }, x3},
      {"logsumexp", 2, [](Value x) { return logsumexp(x); }, x300},
      {"matmul", 2, [](Value a, Value b) { return matmul(a, b); }, two},
      {"solve", 2, [](Value a, Value b) { return solve(a, b); }, two},
      // Scales
      {"log_near_zero", 1, [](Value x) { return log(x); }, at({1e-6})},
      {"log_nearer_zero", 1, [](Value x) { return log(x); }, at({1e-12})},
      {"fast", 2, [](Value x) { return sin(1000 * x); }, x3},
      {"steep", 2, [](Value x) { return exp(x); }, at({50, -50, 700})},
      {"far_out", 2, [](Value x) { return sin(x) * x; }, at({1e6, 1e3, 1e-3})},
      {"farther_out", 2, [](Value x) { return square(x); }, at({1e10, 1e3, 1e-3})},
      {"small", 2, [](Value x) { return 1e-9 * sin(x); }, x3},
      {"huge", 1, [](Value x) { return 1e200 * sin(x); }, x3},
      {"cancels", 1, [](Value x) { return (1e8 + x) - 1e8; }, x3},
      {"single_inside", 1,
       [](Value x) { return convert(tanh(convert(x, JAXVJP_F32)), JAXVJP_F64); }, x3},
      // Where differences say little
      {"infinite_slope", 1, [](Value x) { return sqrt(x); }, at({0})},
      {"kinks", 1, [](Value x) { return abs(x) + maximum(x, 0); }, at({1e-5, 0, -3})},
      {"steps", 1, [](Value x) { return floor(x) * x; }, x3},
      {"branches", 1, [](Value x) { return gt(sum(x), 0).truth() ? sin(x) : cos(x); }, x3},
      // Structures
      {"integers", 2,
       [](Value x) { return x * convert(x.context().arange(JAXVJP_I32, 3), JAXVJP_F64); }, x3},
      {"no_floats", 2, [](Value n) { return n * 2; }, of(JAXVJP_I32)},
      {"no_float_output", 2, [](Value x) { return gt(x, 0); }, x3},
      {"tree", 2,
       [](Value x) {
         const ContextRef cx = x.context();
         return std::tuple(cx.dict({{"a", sin(x)}, {"b", cos(x)}}), gt(x, 0), cx.none(), sum(x));
       },
       x3},
      {"empty", 2, [](Value x) { return x * 2; }, at({})},
      {"six_outputs", 2, [](Value x) { return Values{x, x * 2, x * 3, x * x, sin(x), cos(x)}; },
       x3},
      // dtypes: f64 where the function allows it, else its own
      {"bf16_widened", 2, [](Value x) { return tanh(x) * 2; }, of(JAXVJP_BF16)},
      {"f16_widened", 2, [](Value x) { return tanh(x) * 2; }, of(JAXVJP_F16)},
      {"bf16", 2, [](Value x) { return sin(x) * constant(x, JAXVJP_BF16); }, of(JAXVJP_BF16)},
      {"f16", 2, [](Value x) { return sin(x) * constant(x, JAXVJP_F16); }, of(JAXVJP_F16)},
      {"f32", 2, [](Value x) { return sin(x) * constant(x, JAXVJP_F32); }, of(JAXVJP_F32)},
  };
  return rows;
}

class CheckVjpRight : public testing::TestWithParam<size_t> {};

TEST_P(CheckVjpRight, passes) {
  const Right& row = right()[GetParam()];
  Context cx;
  const Function f(cx, row.name, row.f);
  for (uint32_t seed = 0; seed < 10; ++seed)
    EXPECT_EQ(report(f, row.args(cx), row.order, seed), "");
}

INSTANTIATE_TEST_SUITE_P(rows, CheckVjpRight, testing::Range(size_t{0}, right().size()),
                         [](const auto& row) { return std::string(right()[row.param].name); });

TEST(CheckVjpRight, derived_functions_pass) {
  Context cx;
  const Function f(cx, "f", [](Value x) { return sum(sin(x)); });
  const Function each(cx, "each", [](Value x) { return sin(x); });
  for (const Function& g : {grad(f), jit(f), vmap(each), jit(vmap(grad(each)))})
    EXPECT_EQ(report(g, {three(cx)}, 2, 0), "");
}

// ---------------------------------------------------------------------------------- wrong ones

struct Wrong {
  const char* name;
  int order;
  jaxvjp::FwdFn fwd;
  jaxvjp::BwdFn bwd;
  std::function<Value(const ContextRef&)> x;
  std::string says;
};

const std::vector<Wrong>& wrong() {
  const auto sine = [](Value x) { return std::pair(sin(x), x); };
  const auto identity = [](Value x) { return std::pair(x, x); };
  const auto x3 = [](const ContextRef& cx) { return three(cx); };
  const auto of = [](int32_t dtype) {
    return [dtype](const ContextRef& cx) { return three(cx, dtype); };
  };
  const auto doubled = [](int32_t dtype) {
    return [dtype](Value x) { return std::pair(x * constant(x, dtype), x); };
  };
  static const std::vector<Wrong> rows = {
      {"one_element_of_300", 1, sine,
       [](Value x, Value ct) {
         std::vector<double> factor(300, 1.0);
         factor[17] = 1.001;
         return cos(x) * ct * Value(x.context(), factor);
       },
       many, "argument 0[17]: got 0.238715, expected 0.238476"},
      {"sign", 1, sine, [](Value x, Value ct) { return -cos(x) * ct; }, x3, "3 of 9 elements"},
      {"zero", 1, sine, [](Value x, Value) { return x.context().zero(); }, x3, "got 0, "},
      {"nan", 1, sine, [](Value, Value ct) { return ct * std::nan(""); }, x3, "got nan, "},
      {"hundred_thousandth", 1, sine, [](Value x, Value ct) { return (1 + 1e-5) * cos(x) * ct; },
       x3, ""},
      {"small", 1, [](Value x) { return std::pair(1e-9 * sin(x), x); },
       [](Value x, Value ct) { return 2e-9 * cos(x) * ct; }, x3, "e-09, expected"},
      {"transposed", 1, [](Value a) { return std::pair(matmul(a, a), a); },
       [](Value a, Value ct) { return matmul(ct, a) + matmul(a, ct); }, square_matrix,
       "8 of 16 elements"},
      {"f32", 1, doubled(JAXVJP_F32), [](Value, Value ct) { return 2.04 * ct; }, of(JAXVJP_F32),
       "got 2.04, expected 2"},
      {"f16", 1, doubled(JAXVJP_F16), [](Value, Value ct) { return 3 * ct; }, of(JAXVJP_F16),
       "got 3, expected 2"},
      {"bf16", 1, doubled(JAXVJP_BF16), [](Value, Value ct) { return 4 * ct; }, of(JAXVJP_BF16),
       "got 4, expected 2"},
      {"cut_off", 2, [](Value x) { return std::pair(sin(x), stop_gradient(cos(x))); },
       [](Value c, Value ct) { return c * ct; }, x3, "got 0, "},
      {"absolute", 1, identity, [](Value, Value ct) { return abs(ct); }, x3, "not linear"},
      {"clips_at_five", 1, identity, [](Value, Value ct) { return minimum(maximum(ct, -5), 5); },
       x3, "not linear"},
      {"looks_for_numbers", 1, sine,
       [](Value x, Value ct) { return (x.is_concrete() ? 1 : 2) * cos(x) * ct; }, x3, "vmap"},
  };
  return rows;
}

class CheckVjpWrong : public testing::TestWithParam<size_t> {};

TEST_P(CheckVjpWrong, is_reported) {
  const Wrong& row = wrong()[GetParam()];
  Context cx;
  const Function f = custom_vjp(cx, row.name, row.fwd, row.bwd);
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const std::string text = report(f, {row.x(cx)}, row.order, seed);
    EXPECT_EQ(text.find(row.name), 0u) << "seed " << seed << ": " << text;
    EXPECT_NE(text.find(row.says), std::string::npos) << row.says << " is not in " << text;
    EXPECT_NE(text.find("; seed " + std::to_string(seed)), std::string::npos) << text;
    if (row.order == 2) {
      EXPECT_EQ(report(f, {row.x(cx)}, 1, seed), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(rows, CheckVjpWrong, testing::Range(size_t{0}, wrong().size()),
                         [](const auto& row) { return std::string(wrong()[row.param].name); });

}  // namespace

// The elementwise templates keep to the vocabulary of scalar.hpp: they compile over a value type
// that has its words and nothing else, and only writes down which are said. Said again with
// floats or doubles, for elements of any kind, these words give what the kernels compute.
//
// A recorded mask is no bool and a recorded number no double: a template that branches on data, or
// calls the standard library, does not compile here.
#include <functional>
#include <set>

#include "kernels/math.hpp"
#include "kernels/testing.hpp"

namespace jv::kernels {
namespace {

// The words, in order. What they have said is numbers, and 0 or 1 for masks, after the operands.
inline constexpr size_t operands = 2;  // unary templates ignore the second
template <class T>
using Record = std::vector<std::function<T(const std::vector<T>& said)>>;

// The places in the record where a number and a mask stand.
template <class T>
struct Number {
  Number(Record<T>* record, size_t at) : record(record), at(at) {}
  T in(const std::vector<T>& said) const { return said[at]; }
  Record<T>* record;
  size_t at;
};
template <class T>
struct Mask {
  Mask(Record<T>* record, size_t at) : record(record), at(at) {}
  bool in(const std::vector<T>& said) const { return said[at] != 0; }
  Record<T>* record;
  size_t at;
};
static_assert(!std::is_constructible_v<bool, Mask<float>>);
static_assert(!std::is_constructible_v<double, Number<double>>);
static_assert(!std::is_constructible_v<Number<double>, double>);

}  // namespace

template <class T>
struct JV_ISA::Element<Number<T>> {
  using type = T;
};

namespace {

template <template <class> class Result, class T, class Word, class... X>
Result<T> write(Record<T>* record, Word word, X... x) {
  record->push_back([=](const std::vector<T>& said) { return T(word(x.in(said)...)); });
  return {record, operands + record->size() - 1};
}

// --- the words -----------------------------------------------------------------------------------

namespace scalar = JV_ISA;
template <class T>
using N = Number<T>;
template <class T>
using Bits = typename scalar::Format<T>::Bits;

// clang-format off
template <class T> N<T> operator+(N<T> a, N<T> b) { return write<N>(a.record, [](T a, T b) { return a + b; }, a, b); }
template <class T> N<T> operator-(N<T> a, N<T> b) { return write<N>(a.record, [](T a, T b) { return a - b; }, a, b); }
template <class T> N<T> operator*(N<T> a, N<T> b) { return write<N>(a.record, [](T a, T b) { return a * b; }, a, b); }
template <class T> N<T> operator/(N<T> a, N<T> b) { return write<N>(a.record, [](T a, T b) { return a / b; }, a, b); }

template <class T> N<T> constant(N<T> x, double c) { return write<N>(x.record, [c] { return T(c); }); }
template <class T> N<T> constant_bits(N<T> x, Bits<T> bits) { return write<N>(x.record, [bits] { return scalar::from_bits<T>(bits); }); }

template <class T> N<T> fma(N<T> a, N<T> b, N<T> c) { return write<N>(a.record, [](T a, T b, T c) { return scalar::fma(a, b, c); }, a, b, c); }
template <class T> N<T> fnma(N<T> a, N<T> b, N<T> c) { return write<N>(a.record, [](T a, T b, T c) { return scalar::fnma(a, b, c); }, a, b, c); }
template <class T> N<T> sqrt(N<T> x) { return write<N>(x.record, [](T x) { return scalar::sqrt(x); }, x); }
template <class T> N<T> nearest(N<T> x) { return write<N>(x.record, [](T x) { return scalar::nearest(x); }, x); }
template <class T> N<T> min(N<T> a, N<T> b) { return write<N>(a.record, scalar::min<T>, a, b); }
template <class T> N<T> max(N<T> a, N<T> b) { return write<N>(a.record, scalar::max<T>, a, b); }

template <class T> N<T> bit_and(N<T> a, N<T> b) { return write<N>(a.record, scalar::bit_and<T>, a, b); }
template <class T> N<T> bit_or(N<T> a, N<T> b) { return write<N>(a.record, scalar::bit_or<T>, a, b); }
template <class T> N<T> bit_xor(N<T> a, N<T> b) { return write<N>(a.record, scalar::bit_xor<T>, a, b); }
template <class T> N<T> bit_andnot(N<T> a, N<T> b) { return write<N>(a.record, scalar::bit_andnot<T>, a, b); }
template <class T> N<T> bits_add(N<T> a, N<T> b) { return write<N>(a.record, scalar::bits_add<T>, a, b); }
template <class T> N<T> bits_sub(N<T> a, N<T> b) { return write<N>(a.record, scalar::bits_sub<T>, a, b); }
template <int n, class T> N<T> bits_left(N<T> a) { return write<N>(a.record, scalar::bits_left<n, T>, a); }
template <int n, class T> N<T> bits_right(N<T> a) { return write<N>(a.record, scalar::bits_right<n, T>, a); }

template <class T> Mask<T> less(N<T> a, N<T> b) { return write<Mask>(a.record, scalar::less<T>, a, b); }
template <class T> Mask<T> less_equal(N<T> a, N<T> b) { return write<Mask>(a.record, scalar::less_equal<T>, a, b); }
template <class T> Mask<T> equal(N<T> a, N<T> b) { return write<Mask>(a.record, scalar::equal<T>, a, b); }
template <class T> Mask<T> sign_mask(N<T> a) { return write<Mask>(a.record, scalar::sign_mask<T>, a); }
template <class T> N<T> select(Mask<T> mask, N<T> a, N<T> b) { return write<N>(a.record, scalar::select<T>, mask, a, b); }

template <class T> N<T> scale(N<T> p, N<T> n) { return write<N>(p.record, scalar::scale<T>, p, n); }
template <class T> scalar::Parts<N<T>> split(N<T> x) {
  N<T> m = write<N>(x.record, [](T x) { return scalar::split(x).m; }, x);
  return {m, write<N>(x.record, [](T x) { return scalar::split(x).e; }, x)};
}
template <class T> N<T> redo(Mask<T> mask, T (*f)(T), N<T> x, N<T> y) {
  return write<N>(x.record, [f](bool mask, T x, T y) { return scalar::redo(mask, f, x, y); }, mask, x, y);
}
// clang-format on

// --- the law -------------------------------------------------------------------------------------

using namespace JV_ISA;

template <class T>
class SaidAgain {
 public:
  // The template f, which a kernel is made of.
  template <class F>
  void is(UnaryOp op, F f) {
    unary_.insert(op);
    compare(
        name_of(op), [f](N<T> x, N<T>) { return f(x); },
        [&](const Build& b, T* out) { b.unary.at[size_t(op)][slot](x_.data(), out, points); });
  }
  template <class F>
  void is(BinaryOp op, F f) {
    binary_.insert(op);
    compare(name_of(op), f, [&](const Build& b, T* out) {
      b.binary.at[size_t(op)][slot](x_.data(), y_.data(), out, points);
    });
  }
  void is_integer_pow(int64_t exponent) {
    compare(
        "integer_pow", [=](N<T> x, N<T>) { return integer_pow(x, exponent); },
        [&](const Build& b, T* out) {
          b.unary.integer_pow[slot](x_.data(), out, points, exponent);
        });
  }
  // A word that is made of others where a value type has nothing better.
  template <class F, class Word>
  void is_word(const char* name, F f, Word word) {
    compare(name, f, [&](const Build&, T* out) {
      for (size_t i = 0; i < points; ++i) out[i] = word(x_[i], y_[i]);
    });
  }
  bool has(UnaryOp op) const { return unary_.count(op); }
  bool has(BinaryOp op) const { return binary_.count(op); }

 private:
  static constexpr size_t points = 2000;
  const size_t slot = slot_of(dtype_of<T>());

  // f, written down once, against the kernel of every build.
  template <class F, class Kernel>
  void compare(const char* name, F f, Kernel kernel) {
    Record<T> record;
    const size_t result = f(N<T>(&record, 0), N<T>(&record, 1)).at;
    for (const Build* build : runnable_builds()) {
      std::vector<T> out(points);
      kernel(*build, out.data());
      for (size_t i = 0; i < points; ++i) {
        std::vector<T> said = {x_[i], y_[i]};
        for (const auto& word : record) said.push_back(word(said));
        ASSERT_TRUE(same(said[result], out[i]))
            << build->instruction_set << " " << name << " of " << x_[i] << ", " << y_[i] << ": "
            << said[result] << ", not " << out[i];
      }
    }
  }
  static std::vector<T> elements(uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<T> x(points);
    for (T& element : x) element = random_element<T>(random);
    return x;
  }

  const std::vector<T> x_ = elements(21), y_ = elements(22);
  std::set<UnaryOp> unary_;
  std::set<BinaryOp> binary_;
};

template <class T>
SaidAgain<T> every_template() {
  SaidAgain<T> said_again;
  said_again.is(UnaryOp::neg, [](auto x) { return neg(x); });
  said_again.is(UnaryOp::abs, [](auto x) { return abs(x); });
  said_again.is(UnaryOp::sign, [](auto x) { return sign(x); });
  said_again.is(UnaryOp::square, [](auto x) { return square(x); });
  said_again.is(UnaryOp::floor, [](auto x) { return floor(x); });
  said_again.is(UnaryOp::exp, [](auto x) { return exp(x); });
  said_again.is(UnaryOp::expm1, [](auto x) { return expm1(x); });
  said_again.is(UnaryOp::log, [](auto x) { return log(x); });
  said_again.is(UnaryOp::log1p, [](auto x) { return log1p(x); });
  said_again.is(UnaryOp::sin, [](auto x) { return sin(x); });
  said_again.is(UnaryOp::cos, [](auto x) { return cos(x); });
  said_again.is(UnaryOp::tanh, [](auto x) { return tanh(x); });
  said_again.is(UnaryOp::logistic, [](auto x) { return logistic(x); });
  said_again.is(UnaryOp::sqrt, [](auto x) { return sqrt(x); });
  said_again.is(UnaryOp::erf_inv, [](auto x) { return erf_inv(x); });
  said_again.is(BinaryOp::add, [](auto x, auto y) { return x + y; });
  said_again.is(BinaryOp::sub, [](auto x, auto y) { return x - y; });
  said_again.is(BinaryOp::mul, [](auto x, auto y) { return x * y; });
  said_again.is(BinaryOp::div, [](auto x, auto y) { return x / y; });
  said_again.is(BinaryOp::pow, [](auto x, auto y) { return pow(x, y); });
  said_again.is(BinaryOp::max, [](auto x, auto y) { return maximum(x, y); });
  said_again.is(BinaryOp::min, [](auto x, auto y) { return minimum(x, y); });
  for (int64_t exponent : {-3, 0, 5}) said_again.is_integer_pow(exponent);
  said_again.is_word("scale", scale_by_steps<N<T>>, scalar::scale<T>);
  said_again.is_word(
      "split", [](N<T> x, N<T>) { return split_by_bits(x).m; },
      [](T x, T) { return scalar::split(x).m; });
  said_again.is_word(
      "split", [](N<T> x, N<T>) { return split_by_bits(x).e; },
      [](T x, T) { return scalar::split(x).e; });
  return said_again;
}

TEST(Vocabulary, SaidAgainItsWordsGiveWhatTheKernelsCompute) {
  every_template<float>();
  every_template<double>();
}

// Comparisons and is_finite give no number: they are plain C++.
TEST(Vocabulary, EveryTemplateIsHere) {
  const auto said_again = every_template<double>();
  auto is_here = [&](auto kernel) {
    return [&, kernel](auto op) {
      EXPECT_EQ(said_again.has(op), kernel(op, DType::f64) && !gives_bool(op)) << name_of(op);
    };
  };
  for_each_op<UnaryOp>(is_here(unary));
  for_each_op<BinaryOp>(is_here(binary));
}

}  // namespace
}  // namespace jv::kernels

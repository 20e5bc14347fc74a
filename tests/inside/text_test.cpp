// The text of values: what jaxvjp_to_string gives.
#include <gtest/gtest.h>

#include <cmath>

#include "api/function.hpp"
#include "support.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace inside {
namespace {

using jv::DType;
using jv::Kind;
using jv::ValueRef;

class Text : public testing::Test {
 protected:
  jv::Ref<jv::Session> session = make_session();
  jv::View view{jv::make_ref<jv::Root>(*session, 0)};

  std::string text(const ValueRef& v) { return to_text(view, *v); }
  std::string text(const jv::Tracer& t) { return text(value_of(*session, t)); }

  jv::Array array(DType dtype, std::vector<int64_t> shape, std::vector<double> numbers) {
    jv::Array a = jv::Array::allocate(*session, session->aval(dtype, shape));
    visit_dtype(dtype, [&]<class T>(jv::Type<T>) {
      for (size_t i = 0; i < a.aval()->size; ++i) {
        jv::Array one = jv::scalar(*session, dtype, numbers[i % numbers.size()]);
        a.mutable_data<T>()[i] = *one.data<T>();
      }
    });
    return a;
  }
  ValueRef value(DType dtype, std::vector<int64_t> shape, std::vector<double> numbers) {
    return value_of(*session, array(dtype, std::move(shape), std::move(numbers)));
  }
  ValueRef counting(std::vector<int64_t> shape) {
    std::vector<double> numbers;
    int64_t size = 1;
    for (int64_t n : shape) size *= n;
    for (int64_t i = 0; i < size; ++i) numbers.push_back(double(i));
    return value(DType::i32, std::move(shape), std::move(numbers));
  }
  ValueRef number(double x) { return value(DType::f64, {}, {x}); }
  ValueRef sequence(Kind kind, std::vector<ValueRef> items) {
    return sequence_value(*session, kind, items);
  }
};

TEST_F(Text, numbers) {
  struct {
    DType dtype;
    double number;
    const char* text;
  } const rows[] = {
      {DType::f64, 0, "0"},
      {DType::f64, -0.0, "-0"},
      {DType::f64, 2.5, "2.5"},
      {DType::f64, 100000, "100000"},
      {DType::f64, 123456789, "123456789"},
      {DType::f64, 1234567890, "1.23456789e+09"},
      {DType::f64, 2.2994335901234, "2.29943359"},
      {DType::f64, 1.0 / 13, "0.0769230769"},
      {DType::f64, 0.1 + 0.2, "0.3"},
      {DType::f64, 1e-7, "1e-07"},
      {DType::f64, INFINITY, "inf"},
      {DType::f64, -INFINITY, "-inf"},
      {DType::f64, NAN, "nan"},
      {DType::f32, 0.1, "0.1"},
      {DType::f32, 1.0 / 3, "0.33333334"},
      {DType::f32, 16777217, "16777216"},
      {DType::f32, 3.4028234663852886e38, "3.4028235e+38"},
      {DType::f32, 100000, "100000"},
      {DType::f32, -INFINITY, "-inf"},
      {DType::f32, NAN, "nan"},
      {DType::f16, 0.1, "0.1"},
      {DType::f16, 65504, "65500"},
      {DType::bf16, 1.0 / 3, "0.334"},
      {DType::i8, -128, "-128"},
      {DType::u8, 255, "255"},
      {DType::i64, 9007199254740992, "9007199254740992"},
      {DType::u32, 4294967295, "4294967295"},
      {DType::boolean, 1, "True"},
      {DType::boolean, 0, "False"},
  };
  for (const auto& row : rows) EXPECT_EQ(text(value(row.dtype, {}, {row.number})), row.text);
  EXPECT_EQ(text(jv::weak_number(*session, 0.5)), "0.5");
}

TEST_F(Text, arrays) {
  EXPECT_EQ(text(value(DType::f64, {3}, {0.649790583, 0.25, 1.0 / 13})),
            "[0.649790583 0.25 0.0769230769]");
  EXPECT_EQ(text(counting({1})), "[0]");
  EXPECT_EQ(text(counting({2, 2})), "[[0 1] [2 3]]");
  EXPECT_EQ(text(counting({2, 1, 3})), "[[[0 1 2]] [[3 4 5]]]");
  EXPECT_EQ(text(value(DType::boolean, {2}, {1, 0})), "[True False]");
  for (std::vector<int64_t> shape : {std::vector<int64_t>{0}, {2, 0}, {0, 3}, {1 << 30, 0}})
    EXPECT_EQ(text(counting(shape)), "[]");
  jv::Aval float0 = session->aval(DType::float0, std::vector<int64_t>{3});
  EXPECT_EQ(text(value_of(*session, jv::Array::allocate(*session, float0))), "float0[3]");
}

TEST_F(Text, long_arrays_are_shortened) {
  EXPECT_EQ(text(counting({1001})), "[0 1 2 ... 998 999 1000]");
  EXPECT_EQ(text(counting({2, 600})), "[[0 1 2 ... 597 598 599] [600 601 602 ... 1197 1198 1199]]");
  EXPECT_EQ(text(counting({501, 2})), "[[0 1] [2 3] [4 5] ... [996 997] [998 999] [1000 1001]]");
  EXPECT_EQ(text(counting({1000})).find("..."), std::string::npos);
  // Axes too short to be shortened, and very many axes.
  std::string many = text(counting(std::vector<int64_t>(20, 2)));
  EXPECT_LT(many.size(), 10000u);
  EXPECT_TRUE(many.ends_with("..." + std::string(20, ']'))) << many;
  std::vector<int64_t> ones(100000, 1);
  EXPECT_EQ(text(counting(ones)), std::string(100000, '[') + "0" + std::string(100000, ']'));
}

TEST_F(Text, trees) {
  ValueRef one = number(1), two = number(2), none = jv::none_value(*session);
  ValueRef pair = sequence(Kind::tuple, {one, none});
  EXPECT_EQ(text(none), "None");
  EXPECT_EQ(text(pair), "(1, None)");
  EXPECT_EQ(text(sequence(Kind::tuple, {one})), "(1,)");
  EXPECT_EQ(text(sequence(Kind::tuple, {})), "()");
  EXPECT_EQ(text(sequence(Kind::list, {one, two})), "[1, 2]");
  ValueRef items[] = {pair, counting({2})};
  EXPECT_EQ(text(dict_value(*session, {"b", "a"}, items)), "{'a': [0 1], 'b': (1, None)}");
  EXPECT_EQ(text(opaque_value(*session, jv::make_ref<jv::Opaque>(nullptr, nullptr))), "<opaque>");
  jv::FunctionRef f = callback_function(view, "loss", nullptr, nullptr, nullptr);
  EXPECT_EQ(text(function_value(*session, f)), "<function loss>");
}

// As a tree it has 2^40 leaves; the text ends.
TEST_F(Text, shared_subtrees_are_no_bomb) {
  ValueRef v = number(1);
  for (int i = 0; i < 40; ++i) v = sequence(Kind::list, {v, v});
  std::string s = text(v);
  EXPECT_LT(s.size(), size_t{1} << 21);
  EXPECT_NE(s.find("..."), std::string::npos);
}

TEST_F(Text, what_has_no_numbers) {
  jv::Aval aval = session->aval(DType::f32, std::vector<int64_t>{2, 3});
  EXPECT_EQ(text(spec_value(*session, aval)), "f32[2,3]");
  EXPECT_EQ(text(zero_value(*session, nullptr)), "Zero");
  EXPECT_EQ(text(zero_value(*session, aval)), "Zero(f32[2,3])");
}

// Those of values that are being differentiated are shown.
TEST_F(Text, tracers) {
  jv::Root& cx = view.root();
  jv::Tracer x = cx.tracer(array(DType::f64, {2}, {1, 2.5}));
  ValueRef kept;
  {
    jv::Live<jv::JvpTrace> grad(cx, nullptr, cx.eval(), "grad"),
        inner(cx, nullptr, cx.eval(), "jvp");
    jv::Tracer y = grad->put(x, x), z = inner->put(y, y);
    EXPECT_EQ(text(y), "Tracer<f64[2] of grad: [1 2.5]>");
    EXPECT_EQ(text(z), "Tracer<f64[2] of jvp: [1 2.5]>");
    EXPECT_EQ(text(sequence(Kind::list, {value_of(*session, y)})),
              "[Tracer<f64[2] of grad: [1 2.5]>]");
    kept = value_of(*session, y);
  }
  EXPECT_EQ(text(kept), "Tracer<f64[2] of a finished grad>");
  jv::Live<jv::StageTrace> jit(cx);
  EXPECT_EQ(text(jit->input(x.aval())), "Tracer<f64[2] of jit>");
  jv::Live<jv::BatchTrace> vmap(cx, 2, *jit);
  EXPECT_EQ(text(vmap->put({x, true})), "Tracer<f64[] of vmap>");
  // What another context traces is not looked at.
  jv::View other{jv::make_ref<jv::Root>(*session, 0)};
  jv::Live<jv::JvpTrace> grad(cx, nullptr, *jit, "grad");
  EXPECT_EQ(to_text(other, *value_of(*session, grad->put(x, x))), "Tracer<f64[2] of grad>");
}

}  // namespace
}  // namespace inside

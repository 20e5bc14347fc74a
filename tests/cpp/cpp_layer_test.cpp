// The C++ layer: ownership, exceptions through the library, lambdas as functions and rules,
// operators, pytrees. What the library computes is tested elsewhere; here, that it is asked for the
// right thing.
#include <gtest/gtest.h>

#include <cmath>
#include <jaxvjp/jaxvjp.hpp>
#include <stdexcept>

namespace {

using jaxvjp::Context;
using jaxvjp::ContextRef;
using jaxvjp::Error;
using jaxvjp::Function;
using jaxvjp::Ints;
using jaxvjp::Value;
using jaxvjp::Values;
using Doubles = std::vector<double>;

// The code of the Error that `run` throws, 0 when it throws none.
template <class F>
int32_t code_of(F&& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.code();
  }
  return 0;
}

// x^2 with the rule 10 x ct.
Function tenfold(const ContextRef& cx) {
  return custom_vjp(
      cx, "tenfold", [](Value x) { return std::pair(square(x), x); },
      [](Value x, Value ct) { return 10 * x * ct; });
}

// ---------------------------------------------------------------------------------- values

TEST(CppValues, are_made_from_numbers_and_vectors) {
  Context cx;
  EXPECT_EQ(Value(cx, 2.5).str(), "2.5");
  EXPECT_EQ(Value(cx, 2.5).dtype(), JAXVJP_F64);
  EXPECT_EQ(Value(cx, 2.5f).dtype(), JAXVJP_F32);
  EXPECT_EQ(Value(cx, 3).dtype(), JAXVJP_I32);
  EXPECT_EQ(Value(cx, int64_t{3}).item_i64(), 3);
  EXPECT_EQ(Value(cx, uint8_t{3}).dtype(), JAXVJP_U8);
  EXPECT_TRUE(Value(cx, true).truth());
  const Value m(cx, {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, Ints{2, 3});
  EXPECT_EQ(m.shape(), (Ints{2, 3}));
  EXPECT_EQ(m.ndim(), 2u);
  EXPECT_EQ(m.size(), 6u);
  EXPECT_EQ(Value(cx, std::vector<float>{1, 2}).to_vector<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(Value(cx, {true, false}).to_vector<uint8_t>(), (std::vector<uint8_t>{1, 0}));
  EXPECT_EQ(Value(cx, Doubles{}).to_vector<double>(), Doubles{});
}

TEST(CppValues, are_refused_with_a_code) {
  Context cx;
  EXPECT_EQ(code_of([&] { Value(cx, {1.0, 2.0}, Ints{3}); }), JAXVJP_SHAPE);
  EXPECT_EQ(code_of([&] { Value(cx, 1.0).to_vector<float>(); }), JAXVJP_DTYPE);
  EXPECT_EQ(code_of([&] { cx.tuple({}).item(); }), JAXVJP_TREE);
  EXPECT_EQ(code_of([&] { Value(cx, {1.0, 2.0}).item(); }), JAXVJP_SHAPE);
  EXPECT_EQ(code_of([&] { sin(Value()); }), JAXVJP_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { cx.f64(1) + cx.f32(1); }), JAXVJP_DTYPE);
  EXPECT_EQ((cx.f64(1) + 1).item(), 2);  // and the context is usable
}

TEST(CppValues, count_their_references) {
  Context cx;
  const int64_t before = cx.stat(JAXVJP_STAT_VALUES);
  {
    Value a(cx, {1.0, 2.0}), b = a, c = std::move(a);
    EXPECT_FALSE(a);
    a = c;
    c = b + 1;
    b = *&b;  // to itself
    EXPECT_EQ(a.to_vector<double>(), (Doubles{1, 2}));
    EXPECT_EQ(c.to_vector<double>(), (Doubles{2, 3}));
    EXPECT_GT(cx.stat(JAXVJP_STAT_VALUES), before);
  }
  EXPECT_EQ(cx.stat(JAXVJP_STAT_VALUES), before);
}

TEST(CppValues, of_a_loop_do_not_pile_up) {
  Context cx;
  Value x(cx, {1.0, 2.0});
  x = x * 0.5 + 1;
  const int64_t values = cx.stat(JAXVJP_STAT_VALUES), bytes = cx.stat(JAXVJP_STAT_BYTES);
  for (int i = 0; i < 1000; ++i) {
    x = x * 0.5 + 1;
    EXPECT_FALSE(x.str().empty());
  }
  EXPECT_EQ(cx.stat(JAXVJP_STAT_VALUES), values);
  EXPECT_EQ(cx.stat(JAXVJP_STAT_BYTES), bytes);
}

TEST(CppValues, may_outlive_their_context) {
  Value x;
  Function f;
  {
    Context cx;
    x = Value(cx, {1.0, 2.0});
    f = Function(cx, "f", [](Value v) { return v; });
  }
  EXPECT_EQ(x.shape(), Ints{2});
  EXPECT_EQ(code_of([&] { x + 1; }), JAXVJP_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { f(x); }), JAXVJP_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { grad(f); }), JAXVJP_INVALID_ARGUMENT);
}

TEST(CppValues, move_with_their_context) {
  Context first;
  Value x(first, 2.0);
  Context second = std::move(first);
  EXPECT_EQ((x + Value(second, 1.0)).item(), 3);
  second = Context();
  EXPECT_FALSE(x.context().alive());
}

TEST(CppValues, go_to_a_fork) {
  Context cx;
  const Context other = cx.fork();
  const Value x = Value::borrow(other, Value(cx, 2.0).c());
  EXPECT_EQ((x * x).item(), 4);
}

// ---------------------------------------------------------------------------------- operators

TEST(CppOperators, take_numbers_on_either_side) {
  Context cx;
  const Value x(cx, {1.0f, 4.0f});
  EXPECT_EQ(((1 + x) * 2 - x / 2.0).to_vector<float>(), (std::vector<float>{3.5, 8}));
  EXPECT_EQ((2 / x - 1).to_vector<float>(), (std::vector<float>{1, -0.5}));
  EXPECT_EQ((-x).to_vector<float>(), (std::vector<float>{-1, -4}));
  EXPECT_EQ(maximum(x, 2).to_vector<float>(), (std::vector<float>{2, 4}));
  EXPECT_EQ(where(gt(x, 2), x, 0).to_vector<float>(), (std::vector<float>{0, 4}));
  EXPECT_EQ(clip(x, 2, 3).to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_EQ(code_of([] { jaxvjp::add(1, 2); }), JAXVJP_INVALID_ARGUMENT);
}

TEST(CppOperators, compare_by_name) {
  Context cx;
  const Value a(cx, 1.0), b(cx, 2.0);
  EXPECT_TRUE(lt(a, b).truth() && le(a, a).truth() && gt(b, a).truth() && ge(b, b).truth());
  EXPECT_TRUE(eq(a, 1).truth() && ne(a, b).truth());
  EXPECT_FALSE(lt(b, a).truth());
}

TEST(CppOperators, work_over_axes) {
  Context cx;
  const Value m(cx, {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, Ints{2, 3});
  EXPECT_EQ(sum(m).item(), 21);
  EXPECT_EQ(sum(m, {0}).to_vector<double>(), (Doubles{5, 7, 9}));
  EXPECT_EQ(sum(m, Ints{}).shape(), (Ints{2, 3}));  // no axes is not all axes
  EXPECT_EQ(max(m, {-1}).to_vector<double>(), (Doubles{3, 6}));
  EXPECT_EQ(transpose(m).shape(), (Ints{3, 2}));
  EXPECT_EQ(reshape(m, {3, -1}).shape(), (Ints{3, 2}));
  EXPECT_EQ(reshape(cx.f64(1), {}).shape(), Ints{});
  EXPECT_EQ(expand_dims(m, {0}).shape(), (Ints{1, 2, 3}));
  EXPECT_EQ(jaxvjp::stack({m, m}, 2).shape(), (Ints{2, 3, 2}));
  EXPECT_EQ(jaxvjp::concatenate({m, m}).shape(), (Ints{4, 3}));
  EXPECT_EQ(slice(m, {0, 1}, {2, 3}, {1, 1}).to_vector<double>(), (Doubles{2, 3, 5, 6}));
  EXPECT_EQ(matmul(m, transpose(m)).to_vector<double>(), (Doubles{14, 32, 32, 77}));
  EXPECT_EQ(convert(m, JAXVJP_I32).dtype(), JAXVJP_I32);
  EXPECT_EQ(softmax(m, 1).shape(), (Ints{2, 3}));
  EXPECT_EQ(jaxvjp::bind("reduce_sum", {m}, "axes=(1,)").to_vector<double>(), (Doubles{6, 15}));
}

TEST(CppOperators, make_arrays) {
  Context cx;
  EXPECT_EQ(cx.zeros(JAXVJP_F64, {2}).to_vector<double>(), (Doubles{0, 0}));
  EXPECT_EQ(cx.full(JAXVJP_F64, {2}, 7).to_vector<double>(), (Doubles{7, 7}));
  EXPECT_EQ(cx.arange(JAXVJP_I32, 3).to_vector<int32_t>(), (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(cx.eye(JAXVJP_F64, 2).to_vector<double>(), (Doubles{1, 0, 0, 1}));
  const Value key = cx.random_key(1);
  EXPECT_EQ(random_split(key, 2).shape(), (Ints{2, 2}));
  EXPECT_EQ(random_uniform(key, JAXVJP_F64, {3}).shape(), Ints{3});
  EXPECT_EQ(zeros_like(cx.tuple({key})).count(), 1u);
}

// ---------------------------------------------------------------------------------- pytrees

TEST(CppPytrees, are_built_and_read) {
  Context cx;
  const Value x(cx, 1.0), y(cx, 2.0);
  const Value tree = cx.dict({{"w", cx.tuple({x, y})}, {"b", cx.list({cx.none()})}});
  EXPECT_EQ(tree.count(), 2u);
  EXPECT_EQ(tree.key(0), "b");  // sorted
  EXPECT_EQ(tree["w"][1].item(), 2);
  EXPECT_EQ(tree["b"][0].kind(), JAXVJP_NONE);
  EXPECT_EQ(tree.leaf_count(), 2u);
  EXPECT_EQ(tree.leaf(1).item(), 2);
  const Value swapped = tree.unflatten({y, x});
  EXPECT_TRUE(swapped.same_structure(tree));
  EXPECT_EQ(swapped["w"][0].item(), 2);
  EXPECT_EQ(code_of([&] { tree["q"]; }), JAXVJP_NOT_FOUND);
  EXPECT_EQ(code_of([&] { tree["w"][2]; }), JAXVJP_INVALID_ARGUMENT);
  const Value doubled =
      tree_map(Function(cx, "add", [](Value a, Value b) { return a + b; }), {tree, swapped});
  EXPECT_EQ(doubled["w"].leaf(0).item(), 3);
}

TEST(CppPytrees, carry_objects_and_functions) {
  Context cx;
  auto object = std::make_shared<std::string>("solver");
  {
    const Value leaf = cx.opaque(object);
    EXPECT_EQ(object.use_count(), 2);
    EXPECT_EQ(*leaf.as<std::string>(), "solver");
    const Value f = Function(cx, "f", [](Value x) { return x + 1; }).value();
    EXPECT_EQ(f.as_function()(cx.f64(1)).item(), 2);
    EXPECT_EQ(code_of([&] { leaf.as_function(); }), JAXVJP_TREE);
  }
  EXPECT_EQ(object.use_count(), 1);
}

// ---------------------------------------------------------------------------------- functions

TEST(CppFunctions, are_lambdas_of_values_or_of_a_vector) {
  Context cx;
  const Value x(cx, 3.0), y(cx, 4.0);
  const Function two(cx, "two", [](Value a, Value b) { return a * b; });
  const Function any(cx, "any", [](const Values& args) { return args[0] + double(args.size()); });
  const Function generic(cx, "generic", [](auto a) { return sin(a); });
  const Function pair(cx, "pair", [](Value a) { return std::pair(a, std::tuple(a, 2)); });
  EXPECT_EQ(two(x, y).item(), 12);
  EXPECT_EQ(two(x, 5).item(), 15);
  EXPECT_EQ(two(Values{x, y}).item(), 12);
  EXPECT_EQ(any(x, y, y).item(), 6);
  EXPECT_EQ(generic(x).item(), std::sin(3.0));
  EXPECT_EQ(pair(x)[1][1].item(), 2);
  EXPECT_EQ(code_of([&] { two(x); }), JAXVJP_INVALID_ARGUMENT);
}

TEST(CppFunctions, destroy_what_they_capture_once) {
  auto counted = std::make_shared<int>(0);
  {
    Context cx;
    const Function f(cx, "f", [counted](Value x) { return x * 2; });
    const Function g = jit(grad(f));
    EXPECT_EQ(g(cx.f64(1)).item(), 2);
    EXPECT_EQ(counted.use_count(), 2);
  }
  EXPECT_EQ(counted.use_count(), 1);
}

TEST(CppFunctions, are_transformed) {
  Context cx;
  const Function f(cx, "f", [](Value x, Value y) { return sum(square(x) * y); });
  const Value x(cx, {1.0, 2.0}), y(cx, {3.0, 4.0});
  EXPECT_EQ(grad(f)(x, y).to_vector<double>(), (Doubles{6, 16}));
  EXPECT_EQ(grad(f, {{0, 1}})(x, y)[1].to_vector<double>(), (Doubles{1, 4}));
  EXPECT_EQ(value_and_grad(f)(x, y)[0].item(), 19);
  EXPECT_EQ(jacfwd(f)(x, y).to_vector<double>(), (Doubles{6, 16}));
  EXPECT_EQ(jacrev(f)(x, y).to_vector<double>(), (Doubles{6, 16}));
  EXPECT_EQ(hessian(f)(x, y).to_vector<double>(), (Doubles{6, 0, 0, 8}));
  EXPECT_EQ(jit(f)(x, y).item(), 19);
  EXPECT_EQ(jit(f, {1})(x, y).item(), 19);
  const Function product(cx, "product", [](Value a, Value b) { return a * b; });
  EXPECT_EQ(vmap(product, {{0, JAXVJP_AXIS_NONE}})(x, cx.f64(2)).to_vector<double>(),
            (Doubles{2, 4}));
  const Function with_aux(cx, "with_aux", [](Value a) { return std::pair(sum(a), a * 2); });
  jaxvjp::GradOptions aux;
  aux.has_aux = true;
  EXPECT_EQ(grad(with_aux, aux)(x)[1].to_vector<double>(), (Doubles{2, 4}));
}

TEST(CppFunctions, are_differentiated_at_a_point) {
  Context cx;
  const Function f(cx, "f", [](Value x) { return square(x); });
  const Value x(cx, {1.0, 2.0}), v(cx, {1.0, 10.0});
  auto [value, tangent] = jvp(f, {x}, {v});
  EXPECT_EQ(value.to_vector<double>(), (Doubles{1, 4}));
  EXPECT_EQ(tangent.to_vector<double>(), (Doubles{2, 40}));
  EXPECT_EQ(vjp(f, {x}).second(v)[0].to_vector<double>(), (Doubles{2, 40}));
  EXPECT_EQ(linearize(f, {x}).second(v).to_vector<double>(), (Doubles{2, 40}));
  const Function thrice(cx, "thrice", [](Value a) { return 3 * a; });
  EXPECT_EQ(linear_transpose(thrice, {cx.spec(JAXVJP_F64, {2})})(v)[0].to_vector<double>(),
            (Doubles{3, 30}));
  EXPECT_EQ(code_of([&] { jvp(f, {x}, {}); }), JAXVJP_INVALID_ARGUMENT);
}

TEST(CppFunctions, become_jaxprs) {
  Context cx;
  const Function f(cx, "f", [](Value x) { return sin(x) * sin(x); });
  const jaxvjp::Jaxpr j = make_jaxpr(f, {cx.spec(JAXVJP_F64, {})});
  EXPECT_EQ(j.count("sin"), 2u);
  EXPECT_EQ(j.simplified().count("sin"), 1u);
  EXPECT_EQ(parse(cx, j.str().c_str()).str(), j.str());
  EXPECT_EQ(j.function()(cx.f64(0)).item(), 0);
  EXPECT_EQ(code_of([&] { parse(cx, "{ nonsense"); }), JAXVJP_PARSE);
}

TEST(CppFunctions, are_saved_and_loaded) {
  Context here, there;
  const Function rule = custom_vjp(
      here, "square", [](Value x) { return std::pair(x * x, x); },
      [](Value x, Value ct) { return Values{10 * x * ct}; });
  const jaxvjp::Jaxpr j = make_jaxpr(rule, {here.spec(JAXVJP_F64, {})});
  for (int32_t flags : {JAXVJP_SAVE_RULES, JAXVJP_SAVE_TEXT}) {
    const Function f = load(there, j.saved(flags)).function();
    EXPECT_EQ(grad(f)(there.f64(3)).item(), 30);
  }
  EXPECT_EQ(code_of([&] { load(there, "nonsense"); }), JAXVJP_PARSE);
  const Function unruled = load(there, j.saved(JAXVJP_SAVE_PRIMAL)).function();
  EXPECT_EQ(code_of([&] { grad(unruled)(there.f64(3)); }), JAXVJP_NO_RULE);
  auto text = [&](const char* s) { return parse(there, s); };
  const Function g =
      custom_vjp_from_jaxprs("sine", text("{ lambda ; a:f64[]. let b:f64[] = sin a in (b,) }"),
                             text("{ lambda ; a:f64[]. let b:f64[] = sin a in (b, a) }"),
                             text("{ lambda ; a:f64[] b:f64[]. let c:f64[] = mul a b in (c,) }"));
  const Function first(there, "first", [&](Value x) { return g(x)[0]; });
  EXPECT_EQ(grad(first)(there.f64(3)).item(), 3);
}

// A closure over a traced value, under every kind of trace.
TEST(CppFunctions, close_over_values_of_enclosing_traces) {
  Context cx;
  const Function outer(cx, "outer", [](Value w) {
    const Function inner(w.context(), "inner", [w](Value x) { return w * x * x; });
    return grad(inner)(w * 0 + 3);  // 6 w
  });
  for (const Function& f : {grad(outer), jit(grad(outer)), grad(jit(outer))})
    EXPECT_EQ(f(cx.f64(2)).item(), 6);
  EXPECT_EQ(vmap(outer)(Value(cx, {1.0, 2.0})).to_vector<double>(), (Doubles{6, 12}));
}

TEST(CppFunctions, leave_nothing_usable_behind) {
  Context cx;
  Value escaped;
  const Function f(cx, "f", [&escaped](Value x) { return escaped = x * 2; });
  EXPECT_EQ(jit(f)(cx.f64(1)).item(), 2);
  EXPECT_EQ(code_of([&] { escaped + 1; }), JAXVJP_INVALID_ARGUMENT);
  EXPECT_EQ(code_of([&] { escaped + cx.f64(1); }), JAXVJP_STALE_TRACER);
}

// ---------------------------------------------------------------------------------- exceptions

struct Trouble : std::runtime_error {
  Trouble(std::string what, int number) : std::runtime_error(what), number(number) {}
  int number;
};

TEST(CppExceptions, reach_the_outer_caller_as_they_are) {
  Context cx;
  const Function f(cx, "f", [](Value x) -> Value {
    if (x.ndim() == 0) throw Trouble("no solution", 42);
    return x;
  });
  const Value x(cx, 1.0), xs(cx, {1.0, 2.0});
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { f(x); }, [&] { jit(grad(f))(x); }, [&] { vmap(grad(jit(f)))(xs); },
           [&] { hessian(f)(x); }, [&] { vjp(f, {x}); }, [&] { make_jaxpr(f, {x}); }}) {
    try {
      call();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Trouble& e) {
      EXPECT_STREQ(e.what(), "no solution");
      EXPECT_EQ(e.number, 42);
    }
    EXPECT_EQ((x + 1).item(), 2);
  }
}

TEST(CppExceptions, of_any_type_pass_through_several_callbacks) {
  Context cx;
  const Function inner(cx, "inner", [](Value) -> Value { throw 7; });
  const Function outer(cx, "outer", [&](Value x) { return inner(x) + 1; });
  EXPECT_THROW(grad(outer)(cx.f64(1)), int);
  const Function catches(cx, "catches", [&](Value x) {
    try {
      return inner(x);
    } catch (int number) {
      return x * number;
    }
  });
  EXPECT_EQ(jit(grad(catches))(cx.f64(1)).item(), 7);
}

TEST(CppExceptions, leave_every_callback_of_a_rule) {
  Context cx;
  const Value x(cx, 1.0);
  const auto fine = [](Value v) { return std::pair(v, v); };
  const auto back = [](Value, Value ct) { return ct; };
  jaxvjp::CustomVjpOptions options;
  options.primal = [](Value) -> Value { throw Trouble("primal", 1); };
  options.jvp = [](Value, Value) -> std::pair<Value, Value> { throw Trouble("jvp", 2); };
  const Function f = custom_vjp(cx, "f", fine, back, options);
  EXPECT_THROW(f(x), Trouble);
  EXPECT_THROW(jvp(f, {x}, {x}), Trouble);
  EXPECT_EQ(grad(f)(x).item(), 1);
  const auto bad_fwd = [](Value) -> std::pair<Value, Value> { throw Trouble("fwd", 3); };
  EXPECT_THROW(grad(custom_vjp(cx, "g", bad_fwd, back))(x), Trouble);
  const auto bad_back = [](Value, Value) -> Value { throw Trouble("bwd", 4); };
  EXPECT_THROW(grad(custom_vjp(cx, "h", fine, bad_back))(x), Trouble);
}

TEST(CppExceptions, of_the_library_collect_notes_on_their_way) {
  Context cx;
  const Function inner(cx, "inner", [](Value x) { return x + Value(x.context(), {1.0f, 2.0f}); });
  const Function outer(cx, "outer", [&](Value x) {
    x.context().set_location("model.cpp", 12);
    return inner(x);
  });
  try {
    outer(cx.f64(1));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), JAXVJP_DTYPE);
    EXPECT_EQ(e.file(), "model.cpp");
    EXPECT_EQ(e.line(), 12);
    const std::string text = e.what();
    EXPECT_EQ(text.find(e.message()), 0u);
    EXPECT_NE(text.find("inner"), std::string::npos);
    EXPECT_NE(text.find("outer"), std::string::npos);
    EXPECT_GE(e.notes().size(), 2u);
    const Error copy = e;
    EXPECT_EQ(copy.code(), e.code());
  }
}

TEST(CppExceptions, that_nobody_takes_are_destroyed) {
  auto counted = std::make_shared<int>(0);
  struct Holds : std::exception {
    std::shared_ptr<int> held;
  };
  Context cx;
  const Function f(cx, "f", [&](Value) -> Value {
    Holds e;
    e.held = counted;
    throw e;
  });
  jaxvjp_value* x = jaxvjp_f64(cx.c(), 1);
  EXPECT_EQ(jaxvjp_call1(cx.c(), f.c(), x), nullptr);  // as a C program calls it
  EXPECT_EQ(jaxvjp_failed(cx.c()), JAXVJP_CALLBACK);
  EXPECT_EQ(counted.use_count(), 2);
  jaxvjp_clear_error(cx.c());
  EXPECT_EQ(counted.use_count(), 1);
}

// ---------------------------------------------------------------------------------- rules

TEST(CppRules, are_lambdas) {
  Context cx;
  const Function f = tenfold(cx);
  const Value x(cx, 3.0);
  EXPECT_EQ(f(x).item(), 9);
  for (const Function& g : {grad(f), jit(grad(f)), grad(jit(f))}) EXPECT_EQ(g(x).item(), 30);
  EXPECT_EQ(grad(grad(f))(x).item(), 10);
  EXPECT_EQ(vmap(grad(f))(Value(cx, {1.0, 2.0})).to_vector<double>(), (Doubles{10, 20}));
  EXPECT_EQ(code_of([&] { jvp(f, {x}, {x}); }), JAXVJP_FWD_MODE);
}

TEST(CppRules, take_trees_and_give_several_cotangents) {
  Context cx;
  const auto fwd = [](Value p, Value x, Value n) {
    return std::pair(p["w"] * x + convert(n, JAXVJP_F64), std::tuple(p, x));
  };
  const auto bwd = [](Value r, Value ct) {
    const Value w_ct = 2 * r[1] * ct;
    return std::tuple(ct.context().dict({{"w", w_ct}}), 3 * r[0]["w"] * ct, std::optional<Value>());
  };
  const Function f = custom_vjp(cx, "f", fwd, bwd);
  const Value p = cx.dict({{"w", cx.f64(5)}});
  const Value ct = vjp(f, {p, cx.f64(7), Value(cx, 1)}).second(cx.f64(1));
  EXPECT_EQ(ct[0]["w"].item(), 14);
  EXPECT_EQ(ct[1].item(), 15);
  EXPECT_EQ(ct[2].dtype(), JAXVJP_FLOAT0);
  const auto too_few = [](Value, Value c) { return Values{c}; };
  const Function g = custom_vjp(cx, "g", fwd, too_few);
  EXPECT_EQ(code_of([&] {
              vjp(g, {p, p["w"], Value(cx, 1)}).second(p["w"]);
            }),
            JAXVJP_INVALID_ARGUMENT);
}

TEST(CppRules, keep_objects_as_residuals) {
  Context cx;
  auto solver = std::make_shared<double>(10);
  const auto fwd = [solver](Value x) {
    return std::pair(x * x, std::pair(x, x.context().opaque(solver)));
  };
  const auto bwd = [](Value r, Value ct) { return *r[1].as<double>() * r[0] * ct; };
  EXPECT_EQ(grad(custom_vjp(cx, "f", fwd, bwd))(cx.f64(3)).item(), 30);
}

TEST(CppRules, ask_what_is_wanted) {
  Context cx;
  int perturbed = -1, needed = -1;
  const auto fwd = [&](Value x, Value y) {
    perturbed = x.context().is_perturbed(x) + 2 * x.context().is_perturbed(y);
    return std::pair(x.context().self()(x, y), std::pair(x, y));
  };
  const auto bwd = [&](Value r, Value ct) {
    needed = ct.context().is_needed(0) + 2 * ct.context().is_needed(1);
    return std::pair(10 * r[1] * ct, r[0] * ct);
  };
  jaxvjp::CustomVjpOptions options;
  options.primal = [](Value x, Value y) { return x * y; };
  options.arg_names = {"left", "right"};
  const Function f = custom_vjp(cx, "f", fwd, bwd, options);
  EXPECT_EQ(grad(f, {{1}})(cx.f64(3), cx.f64(4))[0].item(), 3);
  EXPECT_EQ(perturbed, 2);
  EXPECT_EQ(needed, 2);
  EXPECT_EQ(code_of([&] { cx.self(); }), JAXVJP_INVALID_ARGUMENT);
}

TEST(CppRules, of_forward_mode) {
  Context cx;
  const auto primal = [](Value x, Value y) { return x * y; };
  const auto rule = [](Value x, Value y, Value dx, Value dy) {
    return std::pair(x * y, 10 * (y * dx + x * dy));
  };
  const auto vectors = [](const Values& p, const Values& t) {
    return std::pair(p[0] * p[1], 10 * (p[1] * t[0] + p[0] * t[1]));
  };
  const Value x(cx, 3.0), y(cx, 4.0), none = cx.zero();
  for (const Function& f :
       {custom_jvp(cx, "f", primal, rule), custom_jvp(cx, "f", primal, vectors)}) {
    EXPECT_EQ(jvp(f, {x, y}, {Value(cx, 1.0), none}).second.item(), 40);
    EXPECT_EQ(grad(f)(x, y).item(), 40);
  }
}

TEST(CppRules, see_symbolic_zeros) {
  Context cx;
  bool seen = false;
  const auto fwd = [](Value x) { return std::pair(std::pair(x, x * 2), x.context().none()); };
  const auto bwd = [&](Value, Value ct) {
    seen = ct[1].is_zero();
    return 10 * ct[0];
  };
  jaxvjp::CustomVjpOptions options;
  options.flags = JAXVJP_SYMBOLIC_ZEROS;
  const Function f = custom_vjp(cx, "f", fwd, bwd, options);
  const Function first(cx, "first", [&](Value x) { return f(x)[0]; });
  EXPECT_EQ(grad(first)(cx.f64(1)).item(), 10);
  EXPECT_TRUE(seen);
}

TEST(CppRules, are_checked) {
  Context cx;
  const auto fwd = [](Value x) { return std::pair(sin(x), x); };
  const Function right =
      custom_vjp(cx, "right", fwd, [](Value x, Value ct) { return cos(x) * ct; });
  const Value x(cx, {0.5, 1.0});
  jaxvjp::CheckOptions options;
  options.order = 2;
  options.seed = 99;
  EXPECT_NO_THROW(check_vjp(right, {x}, options));
  try {
    check_vjp(tenfold(cx), {x}, options);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), JAXVJP_CHECK);
    for (const char* word : {"tenfold", "got 10, expected 2", "[1]", "seed 99"})
      EXPECT_NE(e.message().find(word), std::string::npos) << word << " is not in " << e.message();
  }
  const Function clip = custom_vjp(
      cx, "clip", [](Value v) { return std::pair(v, v); },
      [](Value, Value ct) { return maximum(minimum(ct, 1), -1); });
  EXPECT_EQ(code_of([&] { check_vjp(clip, {x}); }), JAXVJP_CHECK);
  options = {};
  options.nonlinear_ok = true;
  EXPECT_NO_THROW(check_vjp(clip, {x}, options));
}

}  // namespace

// Looking at a running program through the C++ layer.
#include <gtest/gtest.h>

#include <cmath>
#include <jaxvjp/jaxvjp.hpp>

namespace {

using jaxvjp::Context;
using jaxvjp::Error;
using jaxvjp::Function;
using jaxvjp::Value;
using Lines = std::vector<std::string>;

class CppReport : public testing::Test {
 protected:
  static Context printing(Lines& lines) {
    jaxvjp_context_options options{};
    options.struct_size = sizeof options;
    options.user = &lines;
    options.print = [](void* user, const char* text) {
      static_cast<Lines*>(user)->push_back(text);
    };
    return Context(options);
  }
  Lines lines;
  Context cx = printing(lines);
};

TEST_F(CppReport, print) {
  Function f(cx, "f", [](Value x) {
    jaxvjp::debug_print("x {} and {}", x, 0.5);
    jaxvjp::debug_print(x.context(), "hello");
    return sin(x);
  });
  jit(f)(cx.f64(2));
  EXPECT_EQ(lines, (Lines{"x 2 and 0.5", "hello"}));
  EXPECT_THROW(jaxvjp::debug_print("{} {}", cx.f64(2)), Error);
}

TEST_F(CppReport, probe) {
  std::vector<double> seen;
  Function f(cx, "f", [&](Value x) {
    return square(jaxvjp::probe(x, [&](const Value& ct) {
      if (ct.item() > 10) throw std::runtime_error("too steep");
      seen.push_back(ct.item());
    }));
  });
  for (const Function& g : {grad(f), jit(grad(f))}) {
    EXPECT_EQ(g(cx.f64(3)).item(), 6);
    EXPECT_THROW(g(cx.f64(6)), std::runtime_error);
  }
  EXPECT_EQ(seen, (std::vector<double>{6, 6}));
}

TEST_F(CppReport, emit) {
  Function f = custom_vjp(
      cx, "f", [](Value x) { return std::pair(sin(x), x); },
      [](Value x, Value ct) {
        jaxvjp::emit("ct", ct);
        return 10 * x * ct;
      });
  auto [y, pullback] = vjp(f, {cx.f64(2)});
  auto [cts, emitted] = call_emitted(pullback, cx.f64(3));
  EXPECT_EQ(cts[0].item(), 60);
  EXPECT_EQ(emitted["f"]["ct"].item(), 3);
  EXPECT_THROW(jaxvjp::emit("ct", y), Error);
}

}  // namespace

// Saved programs that hold half a derivative: solvers whose equation calls a rule, and linear
// functions. The rules say 2 cos and 3 cos of the sine, so that one sees which was asked.
#include "../conformance/solvers.hpp"
#include "saved.hpp"

namespace conformance {
namespace {

jaxvjp_value* along(jaxvjp_context* cx, double factor, jaxvjp_value* x, jaxvjp_value* d) {
  return scale(cx, factor, jaxvjp_mul(cx, jaxvjp_cos(cx, x), d));
}
jaxvjp_value* sine(jaxvjp_context* cx, Args args) { return jaxvjp_sin(cx, args[0]); }
Jvp thrice(jaxvjp_context* cx, Args x, Args dx) {
  return {jaxvjp_sin(cx, x[0]), along(cx, 3, x[0], dx[0])};
}

Rule doubled() {
  return {.fwd = [](auto cx, auto args) -> Fwd {
            return {jaxvjp_call1(cx, jaxvjp_self(cx), args[0]), args[0]};
          },
          .bwd = [](auto cx, auto res, auto ct, auto slots) { slots[0] = along(cx, 2, res, ct); },
          .primal = sine};
}

using Made = std::function<jaxvjp_function*(jaxvjp_context*)>;
struct Named {
  const char* name;
  Made make;
};

const Named sines[] = {
    {"no rule", [](auto cx) { return function(cx, "sine", sine); }},
    {"bwd alone", [](auto cx) { return custom_vjp(cx, "sine", doubled()); }},
    {"bwd both ways",
     [](auto cx) {
       Rule rule = doubled();
       rule.forward = JAXVJP_FORWARD_TRANSPOSE_BWD;
       return custom_vjp(cx, "sine", rule);
     }},
    {"bwd and another jvp rule",
     [](auto cx) {
       Rule rule = doubled();
       rule.jvp = thrice;
       return custom_vjp(cx, "sine", rule);
     }},
    {"a jvp rule", [](auto cx) { return custom_jvp(cx, "sine", sine, thrice); }},
    {"a host function",
     [](auto cx) {
       return host_function(cx, "sine",
                            {.shape = [](auto, auto args) { return args[0]; },
                             .fwd =
                                 [](auto in, auto out) {
                                   out[0][0] = std::sin(in[0][0]);
                                   return std::cos(in[0][0]);
                                 },
                             .bwd = [](double slope, auto, auto, auto cts,
                                       auto back) { back[0][0] = 2 * slope * cts[0][0]; }});
     }},
    {"in a mapped loop with a branch",
     [](auto cx) {
       auto* f = custom_vjp(cx, "sine", doubled());
       auto* each = scalar_function(cx, [f](auto cx, auto x) {
         return cond(
             cx, jaxvjp_gt(cx, x, num(cx, -9)),
             [f](auto cx, auto x) { return jaxvjp_call1(cx, f, x); },
             [](auto cx, auto x) { return scale(cx, 7, x); }, x);
       });
       return scalar_function(cx, [each](auto cx, auto x) {
         auto* two = jaxvjp_stack(cx, std::array{x, x}.data(), 2, 0);
         return scale(cx, 0.5, sum(cx, jaxvjp_call1(cx, vmap(cx, each, {}), two)));
       });
     }},
};

// Functions of p.
struct Program {
  const char* name;
  std::function<jaxvjp_function*(jaxvjp_context*, jaxvjp_function* f)> make;
};

// x with f(x) = p
jaxvjp_function* inverse_of(jaxvjp_context* cx, jaxvjp_function* f, Solver tangent_solve) {
  return scalar_function(cx, [=](auto cx, auto p) {
    const Scalar residual = [=](auto cx, auto x) {
      return jaxvjp_sub(cx, jaxvjp_call1(cx, f, x), p);
    };
    return root(cx, {residual, newton, tangent_solve}, num(cx, 0.3));
  });
}
jaxvjp_value* by_rule(jaxvjp_context* cx, jaxvjp_function* g, jaxvjp_value* y) {
  const Scalar product = [g](auto cx, auto v) { return jaxvjp_call1(cx, g, v); };
  return linear_solve(cx, {product, divided, divided}, y);
}
// x = p + f(x) / 5
jaxvjp_function* settled(jaxvjp_context* cx, jaxvjp_function* f) {
  return scalar_function(cx, [f](auto cx, auto p) {
    auto* step = scalar_function(cx, [f, p](auto cx, auto x) {
      return jaxvjp_add(cx, p, scale(cx, 0.2, jaxvjp_call1(cx, f, x)));
    });
    return jaxvjp_fixed_point(cx, step, p, num(cx, 0.1), nullptr);
  });
}
// f(p) x = 2
jaxvjp_function* divisor(jaxvjp_context* cx, jaxvjp_function* f) {
  return scalar_function(cx, [f](auto cx, auto p) {
    const Scalar product = [f, p](auto cx, auto v) {
      return jaxvjp_mul(cx, jaxvjp_call1(cx, f, p), v);
    };
    return linear_solve(cx, {product, divided, divided}, num(cx, 2));
  });
}
// The derivative at 0.7, as a function.
jaxvjp_function* tangent_of(jaxvjp_context* cx, jaxvjp_function* f) {
  jaxvjp_function* linear = nullptr;
  jaxvjp_value* x = num(cx, 0.7);
  jaxvjp_linearize(cx, f, &x, 1, &linear);
  return linear;
}

const Program programs[] = {
    {"root", [](auto cx, auto f) { return inverse_of(cx, f, by_rule); }},
    {"root, divided", [](auto cx, auto f) { return inverse_of(cx, f, divided); }},
    {"its gradient", [](auto cx, auto f) { return grad(cx, inverse_of(cx, f, by_rule)); }},
    {"fixed point", settled},
    {"its gradient", [](auto cx, auto f) { return grad(cx, settled(cx, f)); }},
    {"its derivative", [](auto cx, auto f) { return jacfwd(cx, settled(cx, f)); }},
    {"linear solve", divisor},
    {"its gradient", [](auto cx, auto f) { return grad(cx, divisor(cx, f)); }},
    {"linear half", [](auto cx, auto f) { return tangent_of(cx, f); }},
    {"linear half of a fixed point",
     [](auto cx, auto f) { return tangent_of(cx, settled(cx, f)); }},
};

// Of a number, as text: what comes out, or what error.
struct Use {
  const char* name;
  std::function<jaxvjp_value*(jaxvjp_context*, jaxvjp_function*)> at;
};
const Use uses[] = {
    {"value", [](auto cx, auto f) { return jaxvjp_call1(cx, f, num(cx, 0.4)); }},
    {"jit", [](auto cx, auto f) { return jaxvjp_call1(cx, jit(cx, f), num(cx, 0.4)); }},
    {"grad", [](auto cx, auto f) { return jaxvjp_call1(cx, grad(cx, f), num(cx, 0.4)); }},
    {"jacfwd", [](auto cx, auto f) { return jaxvjp_call1(cx, jacfwd(cx, f), num(cx, 0.4)); }},
    {"grad of grad",
     [](auto cx, auto f) { return jaxvjp_call1(cx, grad(cx, grad(cx, f)), num(cx, 0.4)); }},
    {"jacfwd of grad",
     [](auto cx, auto f) { return jaxvjp_call1(cx, jacfwd(cx, grad(cx, f)), num(cx, 0.4)); }},
    {"vmap of jit of grad",
     [](auto cx, auto f) {
       return jaxvjp_call1(cx, vmap(cx, jit(cx, grad(cx, f)), {}), vec(cx, {0.3, 0.4}));
     }},
    {"grad of vmap",
     [](auto cx, auto f) {
       auto* total = scalar_function(
           cx, [f](auto cx, auto x) { return sum(cx, jaxvjp_call1(cx, vmap(cx, f, {}), x)); });
       return jaxvjp_call1(cx, grad(cx, total), vec(cx, {0.3, 0.4}));
     }},
};

std::string outcome(jaxvjp_context* cx, jaxvjp_function* f, const Use& use) {
  jaxvjp_value* y = use.at(cx, f);
  if (int32_t code = jaxvjp_failed(cx)) {
    jaxvjp_clear_error(cx);
    return "error " + std::to_string(code);
  }
  std::string text;
  for (double x : numbers(cx, y)) text += std::to_string(x) + " ";
  return text;
}

bool is_host(const Named& f) { return f.name == std::string_view("a host function"); }
// What the host that loads it gives again.
std::vector<jaxvjp_function*> given(jaxvjp_context* cx, const Named& f) {
  return is_host(f) ? std::vector{f.make(cx)} : std::vector<jaxvjp_function*>();
}

// What is linearized here holds what a host function left.
bool holds_state(const Named& f, const Program& p) {
  return is_host(f) && std::string_view(p.name).starts_with("linear half");
}

// x = p + f(x) / 5 of vectors, where fwd, bwd and the jvp rule hold arrays.
jaxvjp_function* settled_vectors(jaxvjp_context* cx, int32_t forward) {
  auto* f = custom_vjp(cx, "weighted",
                       {.fwd = [](auto cx, auto args) -> Fwd {
                          return {jaxvjp_sin(cx, args[0]), args[0]};
                        },
                        .bwd =
                            [](auto cx, auto res, auto ct, auto slots) {
                              slots[0] = jaxvjp_mul(cx, vec(cx, {1, 2, 3}), along(cx, 2, res, ct));
                            },
                        .forward = forward});
  auto* x = scalar_function(cx, [f](auto cx, auto p) {
    auto* step = scalar_function(cx, [f, p](auto cx, auto x) {
      return jaxvjp_add(cx, p, scale(cx, 0.1, jaxvjp_call1(cx, f, x)));
    });
    return jaxvjp_fixed_point(cx, step, p, vec(cx, {0, 0, 0}), nullptr);
  });
  return scalar_function(cx, [x](auto cx, auto p) { return sum(cx, jaxvjp_call1(cx, x, p)); });
}

TEST(SaveSolvers, rules_with_arrays) {
  for (int32_t forward : {JAXVJP_FORWARD_REFUSE, JAXVJP_FORWARD_TRANSPOSE_BWD})
    for (int32_t flags : {JAXVJP_SAVE_RULES, JAXVJP_SAVE_TEXT}) {
      Context here, there;
      auto* f = settled_vectors(here, forward);
      const std::string data = saved(here, make_jaxpr(here, f, {spec(here, {3})}), flags);
      auto* g = jaxvjp_function_of(there, loaded(there, data));
      ASSERT_TRUE(no_error(there)) << data;
      EXPECT_EQ(numbers(there, jaxvjp_call1(there, grad(there, g), vec(there, {1, 2, 3}))),
                numbers(here, jaxvjp_call1(here, grad(here, f), vec(here, {1, 2, 3}))));
      auto* rows = vmap(there, grad(there, g), {});
      auto* x = jaxvjp_stack(there, std::array{vec(there, {1, 2, 3})}.data(), 1, 0);
      EXPECT_EQ(numbers(there, jaxvjp_call1(there, rows, x)),
                numbers(here, jaxvjp_call1(here, grad(here, f), vec(here, {1, 2, 3}))));
      if (forward == JAXVJP_FORWARD_REFUSE) continue;
      EXPECT_EQ(
          numbers(there,
                  jaxvjp_call1(there, jaxvjp_hessian(there, g, NULL), vec(there, {1, 2, 3}))),
          numbers(here, jaxvjp_call1(here, jaxvjp_hessian(here, f, NULL), vec(here, {1, 2, 3}))));
      // What is loaded is saved as the same program.
      EXPECT_EQ(saved(there, loaded(there, data), JAXVJP_SAVE_TEXT),
                saved(here, make_jaxpr(here, f, {spec(here, {3})}), JAXVJP_SAVE_TEXT));
    }
}

// A solver whose equation has no derivative is saved, and has none then either.
TEST(SaveSolvers, equations_without_a_derivative) {
  Context here, there;
  const HostRule rule{.shape = [](auto, auto args) { return args[0]; },
                      .fwd =
                          [](auto in, auto out) {
                            out[0][0] = std::sin(in[0][0]);
                            return 0;
                          }};
  auto* f = settled(here, host_function(here, "sine", rule));
  const std::string data = saved(here, make_jaxpr(here, f, {spec(here, {})}));
  ASSERT_TRUE(no_error(here));
  auto* g = jaxvjp_function_of(there, loaded(there, data, {host_function(there, "sine", rule)}));
  EXPECT_EQ(numbers(there, jaxvjp_call1(there, g, num(there, 0.4))),
            numbers(here, jaxvjp_call1(here, f, num(here, 0.4))));
  EXPECT_TRUE(fails(there, jaxvjp_call1(there, grad(there, g), num(there, 0.4)), JAXVJP_NO_RULE));
  EXPECT_TRUE(fails(here, jaxvjp_call1(here, grad(here, f), num(here, 0.4)), JAXVJP_NO_RULE));
}

TEST(SaveSolvers, rules_in_the_equation) {
  for (const Named& f : sines)
    for (const Program& p : programs) {
      Context here;
      auto* original = p.make(here, f.make(here));
      std::string bytes = saved(here, make_jaxpr(here, original, {spec(here, {})}));
      std::string text =
          saved(here, make_jaxpr(here, original, {spec(here, {})}), JAXVJP_SAVE_TEXT);
      if (holds_state(f, p)) {
        EXPECT_TRUE(failed_with(here, JAXVJP_INVALID_ARGUMENT, {"state of a host function"}));
        continue;
      }
      ASSERT_TRUE(no_error(here)) << f.name << ", " << p.name;
      for (const std::string& data : {bytes, text}) {
        Context there;
        auto* j = loaded(there, data, given(there, f));
        ASSERT_TRUE(no_error(there)) << f.name << ", " << p.name << "\n" << text;
        for (const Use& use : uses) {
          SCOPED_TRACE(std::string(f.name) + ", " + p.name + ", " + use.name);
          EXPECT_EQ(outcome(there, jaxvjp_function_of(there, j), use),
                    outcome(here, original, use));
        }
        EXPECT_TRUE(saved(there, j, JAXVJP_SAVE_TEXT) == text) << f.name << ", " << p.name;
      }
    }
}

}  // namespace
}  // namespace conformance

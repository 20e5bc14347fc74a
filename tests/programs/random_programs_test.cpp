// Programs of nested transformations, control flow and rules, against a reference of its own: all
// with at most two constructs, and many at random. JAXVJP_SEED=7 runs the program of seed 7 alone.

#include <cstdlib>
#include <map>

#include "../conformance/loops.hpp"
#include "drawing.hpp"
#include "jets.hpp"

namespace programs {
namespace {

using namespace conformance;

// ------------------------------------------------------------------------------ through the
// library

// One program in one session. A closed body is one function, however often and at whatever level
// it is called, so that its cache is used too.
class Runner {
 public:
  double at(const Tree& program, double x) {
    return jaxvjp_item(cx_, value(cx_, *program, {jaxvjp_f64(cx_, x)}));
  }
  std::string error() {
    const std::string text = jaxvjp_failed(cx_) ? jaxvjp_error_text(cx_) : "";
    jaxvjp_clear_error(cx_);
    return text;
  }
  ~Runner() {
    for (auto& [key, f] : kept_) jaxvjp_function_release(f);
  }

 private:
  using Cx = jaxvjp_context*;
  using Scope = std::vector<jaxvjp_value*>;

  jaxvjp_value* value(Cx cx, const Node& node, const Scope& scope) {
    if (node.kind == Kind::variable) return scope[node.index];
    if (node.kind == Kind::constant) return jaxvjp_f64(cx, node.number);
    Scope args;
    for (const Tree& arg : node.args) args.push_back(value(cx, *arg, scope));
    if (node.bodies.empty()) return computed(cx, node.kind, args);
    const Scope around = node.closed ? Scope{} : scope;
    switch (node.kind) {
      case Kind::vmap:
      case Kind::map: return over_rows(cx, node, around, args[0]);
      case Kind::scan: return scan(cx, node, around, args[0]);
      case Kind::fori_loop: return loop(cx, node, around, args[0]);
      case Kind::cond: {
        jaxvjp_value* pred = jaxvjp_gt(cx, args[1], jaxvjp_number(cx, node.number));
        return jaxvjp_cond(cx, pred, body(cx, node, around, 0), body(cx, node, around, 1),
                           args.data(), 1);
      }
      case Kind::select: {
        jaxvjp_function* branches[] = {body(cx, node, around, 0), body(cx, node, around, 1),
                                       body(cx, node, around, 2)};
        jaxvjp_value* index = jaxvjp_convert(cx, times(cx, 2, args[1]), JAXVJP_I32);
        return jaxvjp_switch(cx, index, branches, 3, args.data(), 1);
      }
      default: {
        auto* f = kept(cx, node, "whole", [&] { return transformed(cx, node, around); });
        return jaxvjp_call(cx, f, args.data(), args.size());
      }
    }
  }

  static jaxvjp_value* computed(Cx cx, Kind kind, const Scope& args) {
    switch (kind) {
      case Kind::add: return jaxvjp_add(cx, args[0], args[1]);
      case Kind::mul: return jaxvjp_mul(cx, args[0], args[1]);
      case Kind::quotient:
        return jaxvjp_div(cx, args[0],
                          jaxvjp_add(cx, jaxvjp_number(cx, 1), jaxvjp_square(cx, args[1])));
      case Kind::sin: return jaxvjp_sin(cx, args[0]);
      case Kind::tanh: return jaxvjp_tanh(cx, args[0]);
      case Kind::logistic: return jaxvjp_logistic(cx, args[0]);
      case Kind::exp: return jaxvjp_exp(cx, jaxvjp_sin(cx, args[0]));
      case Kind::stop_gradient: return jaxvjp_stop_gradient(cx, args[0]);
      case Kind::named: return jaxvjp_checkpoint_name(cx, args[0], "kept");
      default: return nullptr;
    }
  }

  // The function that `make` makes, once for a closed node.
  template <class Make>
  jaxvjp_function* kept(Cx cx, const Node& node, std::string which, Make make) {
    if (!node.closed || jaxvjp_failed(cx)) return make();
    auto& f = kept_[{&node, which}];
    if (!f) f = jaxvjp_function_retain(make());
    return f;
  }
  // Body i as a function of the variables that the node binds.
  jaxvjp_function* body(Cx cx, const Node& node, const Scope& around, std::size_t i = 0) {
    return kept(cx, node, std::to_string(i), [&] {
      return function(cx, "body", [this, body = node.bodies[i], around](auto cx, auto args) {
        Scope scope = around;
        scope.insert(scope.end(), args.items, args.items + args.n);
        return value(cx, *body, scope);
      });
    });
  }

  jaxvjp_function* transformed(Cx cx, const Node& node, const Scope& around) {
    auto* f = body(cx, node, around);
    switch (node.kind) {
      case Kind::jit: return jaxvjp_jit(cx, f, nullptr);
      case Kind::recorded: {
        jaxvjp_jaxpr* program = make_jaxpr(cx, f, {spec(cx, {})});
        return jaxvjp_function_of(cx, jaxvjp_simplify(cx, program));
      }
      case Kind::checkpoint:
        return jaxvjp_checkpoint(cx, f,
                                 node.index ? JAXVJP_CHECKPOINT_NAMED : JAXVJP_CHECKPOINT_NOTHING);
      case Kind::grad: return jaxvjp_grad(cx, f, nullptr);
      case Kind::jacfwd: return jaxvjp_jacfwd(cx, f, nullptr);
      default: return rule(cx, node, f);
    }
  }

  jaxvjp_value* over_rows(Cx cx, const Node& node, const Scope& around, jaxvjp_value* x) {
    auto* f = body(cx, node, around);
    jaxvjp_value* xs = jaxvjp_add(cx, x, vec(cx, {std::begin(rows), std::end(rows)}));
    jaxvjp_value* ys = node.kind == Kind::map ? jaxvjp_map(cx, f, xs, node.index ? 2 : 0)
                                              : jaxvjp_call1(cx, vmap(cx, f, {}), xs);
    return sum(cx, jaxvjp_mul(cx, ys, vec(cx, {std::begin(weights), std::end(weights)})));
  }

  jaxvjp_value* scan(Cx cx, const Node& node, const Scope& around, jaxvjp_value* init) {
    auto* f = body(cx, node, around);
    const Body step = [f](auto cx, auto carry, auto x) -> Step {
      jaxvjp_value* out = jaxvjp_call2(cx, f, carry, x);
      return {jaxvjp_tanh(cx, out), jaxvjp_mul(cx, x, out)};
    };
    jaxvjp_value* both = conformance::scan(
        cx, step, init, vec(cx, {std::begin(scanned), std::end(scanned)}), -1, node.index != 0);
    return jaxvjp_add(cx, jaxvjp_get(cx, both, 0), sum(cx, jaxvjp_get(cx, both, 1)));
  }

  jaxvjp_value* loop(Cx cx, const Node& node, const Scope& around, jaxvjp_value* init) {
    auto* f = body(cx, node, around);
    auto* step = function(cx, "step", [f](auto cx, auto args) {
      jaxvjp_value* i = jaxvjp_convert(cx, args[0], JAXVJP_F64);
      return jaxvjp_sin(cx, jaxvjp_call2(cx, f, args[1], i));
    });
    return jaxvjp_fori_loop(cx, jaxvjp_number(cx, 0), jaxvjp_number(cx, steps), step, init);
  }

  // f with derivatives that are wrong by factor(node, i), at every order.
  jaxvjp_function* rule(Cx cx, const Node& node, jaxvjp_function* f) {
    const auto scaled = [&node, f](Cx cx, Derivative by, std::size_t i, Args args, auto* along) {
      auto* derivative = with(by, cx, f, {static_cast<int64_t>(i)});
      jaxvjp_value* slope = jaxvjp_get(cx, call(cx, derivative, args), 0);
      return times(cx, factor(node, i), jaxvjp_mul(cx, slope, along));
    };
    const CallFn primal = [f](auto cx, auto args) { return call(cx, f, args); };
    const JvpFn jvp = [scaled](auto cx, auto args, auto tangents) -> Jvp {
      jaxvjp_value* total = scaled(cx, jaxvjp_jacfwd, 0, args, tangents[0]);
      if (args.n > 1)
        total = jaxvjp_add(cx, total, scaled(cx, jaxvjp_jacfwd, 1, args, tangents[1]));
      return {call(cx, jaxvjp_self(cx), args), total};
    };
    if (node.kind == Kind::jvp_rule) return custom_jvp(cx, "jvp_rule", primal, jvp);
    const BwdFn bwd = [scaled](auto cx, auto saved, auto ct, auto slots) {
      Scope args = {saved};
      if (slots.n > 1) args = {jaxvjp_get(cx, saved, 0), jaxvjp_get(cx, saved, 1)};
      for (std::size_t i = 0; i < slots.n; i++)
        slots[i] = scaled(cx, jaxvjp_grad, i, {args.data(), args.size()}, ct);
    };
    const bool transposed = node.kind == Kind::vjp_rule_transposed;
    return custom_vjp(
        cx, "vjp_rule",
        {.fwd = self_fwd,
         .bwd = bwd,
         .primal = primal,
         .jvp = node.kind == Kind::vjp_rule_with_jvp ? jvp : nullptr,
         .forward = transposed ? JAXVJP_FORWARD_TRANSPOSE_BWD : JAXVJP_FORWARD_REFUSE});
  }

  Context cx_;
  std::map<std::pair<const Node*, std::string>, jaxvjp_function*> kept_;
};

// -------------------------------------------------------------------------------------- comparison

// What a program is put into; outermost first.
using Law = std::vector<Wrapper>;
constexpr Wrapper jit{Kind::jit}, grad{Kind::grad}, jacfwd{Kind::jacfwd}, over_rows{Kind::vmap},
    recorded{Kind::recorded};
const std::vector<Law> laws = {
    {},
    {jit},
    {over_rows},
    {recorded},
    {grad},
    {jit, grad},
    {grad, jit},
    {grad, recorded},
    {over_rows, grad},
    {grad, over_rows},
    {jit, over_rows, grad, jit},
    {grad, grad},
    {grad, jit, grad},
    {grad, over_rows, grad},
};
const std::vector<Law> forward_laws = {
    {jacfwd},       {jit, jacfwd},  {over_rows, jacfwd}, {jacfwd, over_rows},
    {jacfwd, grad}, {grad, jacfwd}, {jacfwd, jacfwd},    {jit, jacfwd, jit, grad},
};

// What differs, or nothing. Programs that amplify beyond measure are not compared.
std::string difference(const Tree& program, const Law& law, double x, bool* compared = nullptr) {
  const Tree whole = nested(law, true, [&](auto, auto) { return program; });
  Reference reference;
  const double expected = reference.at(whole, x);
  const bool tame = reference.largest() < 1e6;
  if (compared) *compared = tame;
  if (!tame) return "";
  Runner runner;
  const double got = runner.at(whole, x);
  const std::string error = runner.error();
  const double rounding = 1e-9 * std::max(1., std::abs(expected)) + 1e-14 * reference.largest();
  if (error.empty() && std::abs(got - expected) <= rounding) return "";
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, "at %g: expected %.17g, got %.17g ", x, expected, got);
  return numbers + error + "\n  " + text(whole);
}

// Smaller as long as it still differs.
Tree shrunk(Tree program, const Law& law, double x) {
  for (bool smaller_one = true; smaller_one;) {
    smaller_one = false;
    for (const Tree& candidate : smaller(program)) {
      if (difference(candidate, law, x).empty()) continue;
      program = candidate;
      smaller_one = true;
      break;
    }
  }
  return program;
}

// Compares the program under every law; the number of comparisons.
int compare(const Tree& program) {
  int count = 0;
  std::vector<Law> all = laws;
  if (has_forward_mode(program)) all.insert(all.end(), forward_laws.begin(), forward_laws.end());
  for (const Law& law : all) {
    const double x = count % 2 ? -0.43 : 0.71;
    bool compared = false;
    const std::string what = difference(program, law, x, &compared);
    count += compared;
    if (what.empty()) continue;
    ADD_FAILURE() << what << "\nsmallest: " << difference(shrunk(program, law, x), law, x);
    break;
  }
  return count;
}

// ------------------------------------------------------------------------------------------- tests

TEST(RandomPrograms, seeds) {
  const char* chosen = std::getenv("JAXVJP_SEED");
  const std::uint64_t first = chosen ? std::strtoull(chosen, nullptr, 10) : 0;
  const std::uint64_t count = chosen ? 1 : 320;
  std::uint64_t compared = 0;
  for (std::uint64_t seed = first; seed < first + count; seed++) {
    const Tree program = Drawing(seed).program();
    SCOPED_TRACE("JAXVJP_SEED=" + std::to_string(seed) + "  " + text(program));
    if (chosen) std::puts(text(program).c_str());
    compared += compare(program) > 0;
  }
  EXPECT_GE(compared, count - count / 20);
}

Tree sine_times_first(std::size_t, std::size_t own) {
  return operation(Kind::mul, {operation(Kind::sin, {variable(own)}), variable(0)});
}

// With bodies that see only their own variable, and with ones that close over the outermost.
TEST(ExhaustivePrograms, two_constructs) {
  using enum Kind;
  const std::vector<Wrapper> wrappers = {
      {Kind::jit},
      {recorded},
      {checkpoint},
      {vmap},
      {map},
      {map, 0, 1},
      {Kind::grad},
      {Kind::jacfwd},
      {scan},
      {scan, 0, 1},
      {fori_loop},
      {cond, 0},
      {cond, 2},
      {select},
      {vjp_rule, 2},
      {vjp_rule_transposed, 2},
      {vjp_rule_with_jvp, 2},
      {jvp_rule, 2},
  };
  std::vector<std::vector<Wrapper>> stacks = {{}};
  for (const Wrapper& outer : wrappers) {
    stacks.push_back({outer});
    for (const Wrapper& inner : wrappers)
      if ((outer.kind != Kind::jacfwd && outer.kind != jvp_rule) || inner.kind != vjp_rule)
        stacks.push_back({outer, inner});
  }
  for (const auto& stack : stacks) {
    std::string last;
    for (bool closed : {true, false}) {
      const Tree program = nested(stack, closed, sine_times_first);
      if (text(program) == last) continue;  // rules are closed in any case
      last = text(program);
      SCOPED_TRACE(text(program));
      EXPECT_GT(compare(program), 0);
    }
  }
}

}  // namespace
}  // namespace programs

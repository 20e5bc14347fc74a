// Programs R -> R as trees: what random_programs_test.cpp draws, prints, and runs in two ways.
//
// A node's bodies are functions of the variables that it binds; they also see the variables around
// it, unless the node is closed. Variables are numbered from the outermost one on.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace programs {

enum class Kind {
  variable,
  constant,
  add,
  mul,
  quotient,  // a / (1 + b^2)
  sin,
  tanh,
  logistic,
  exp,  // of a sine
  stop_gradient,
  named,  // a checkpoint_name
  jit,
  recorded,  // the simplified jaxpr, as a function
  checkpoint,
  vmap,  // a weighted sum over three rows, as of map
  map,
  grad,
  jacfwd,
  scan,
  fori_loop,
  cond,    // which branch: by the second argument, as of switch
  select,  // a switch of three branches
  vjp_rule,
  vjp_rule_transposed,  // forward mode is the transpose of its bwd
  vjp_rule_with_jvp,
  jvp_rule,
};
inline constexpr const char* names[] = {
    "x",         "",           "add",  "mul",    "quotient", "sin",
    "tanh",      "logistic",   "exp",  "stop",   "named",    "jit",
    "recorded",  "checkpoint", "vmap", "map",    "grad",     "jacfwd",
    "scan",      "fori",       "cond", "switch", "vjp_rule", "transposed_rule",
    "both_rule", "jvp_rule",
};

struct Node;
using Tree = std::shared_ptr<const Node>;
struct Node {
  Kind kind;
  std::vector<Tree> args = {};
  std::vector<Tree> bodies = {};
  bool closed = false;
  double number = 0;      // a constant; where a cond branches; the factor by which a rule is wrong
  std::size_t index = 0;  // of a variable; reverse, batch size, policy: as the kind says
};

inline bool is_rule(Kind kind) { return kind >= Kind::vjp_rule; }
inline std::size_t bound(const Node& node) {
  if (is_rule(node.kind)) return node.args.size();
  return node.kind == Kind::scan || node.kind == Kind::fori_loop ? 2 : 1;
}
// The rule's derivative by argument i is so many times the true one.
inline double factor(const Node& rule, std::size_t i) { return i ? 0.75 : rule.number; }

// What the constructs compute with.
inline constexpr double rows[] = {0, 0.25, -0.5}, weights[] = {1, -0.5, 0.75};
inline constexpr double scanned[] = {0.5, -1.2, 0.3};
inline constexpr int steps = 3;

inline Tree variable(std::size_t index) {
  return std::make_shared<Node>(Node{.kind = Kind::variable, .index = index});
}
inline Tree constant(double number) {
  return std::make_shared<Node>(Node{.kind = Kind::constant, .number = number});
}
inline Tree operation(Kind kind, std::vector<Tree> args) {
  return std::make_shared<Node>(Node{.kind = kind, .args = std::move(args)});
}

inline bool contains(const Tree& tree, Kind kind) {
  if (tree->kind == kind) return true;
  for (const auto* children : {&tree->args, &tree->bodies})
    for (const Tree& child : *children)
      if (contains(child, kind)) return true;
  return false;
}
inline bool has_forward_mode(const Tree& tree) { return !contains(tree, Kind::vjp_rule); }

// ---------------------------------------------------------------------------------------------
// text

inline std::string shortest(double number) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", number);
  return digits;
}
// "scan[0](x1 x2: sin(x1))(x0)"; a closed body counts its variables from x0 again.
inline std::string text(const Tree& tree, std::size_t scope = 1) {
  const Node& node = *tree;
  if (node.kind == Kind::variable) return "x" + std::to_string(node.index);
  if (node.kind == Kind::constant) return shortest(node.number);
  std::string out = names[static_cast<int>(node.kind)];
  if (!node.bodies.empty()) {
    const std::size_t first = node.closed ? 0 : scope, end = first + bound(node);
    out += "[" + shortest(node.number) + " " + std::to_string(node.index) +
           (node.closed ? " closed](" : "](");
    for (std::size_t i = first; i < end; i++)
      out += "x" + std::to_string(i) + (i + 1 < end ? " " : ": ");
    for (const Tree& body : node.bodies)
      out += text(body, end) + (body == node.bodies.back() ? ")" : "; ");
  }
  out += "(";
  for (std::size_t i = 0; i < node.args.size(); i++)
    out += (i ? ", " : "") + text(node.args[i], scope);
  return out + ")";
}

}  // namespace programs

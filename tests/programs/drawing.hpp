// Trees at random, the same for a seed everywhere; constructs around a tree; smaller trees of a
// tree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <random>
#include <utility>
#include <vector>

#include "trees.hpp"

namespace programs {

// How the program inside may be used, and how much it may hold.
struct Room {
  int depth;
  std::size_t scope;  // variables around it
  int orders;         // derivatives and rules inside one another
  bool forward;       // something around it needs forward mode
};

class Drawing {
 public:
  explicit Drawing(std::uint64_t seed) : random_(seed) {}

  Tree program() {
    const bool forward = below(2) == 0;
    return draw({.depth = 3 + below(3), .scope = 1, .orders = 2, .forward = forward});
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }

  Tree draw(Room room) {
    if (room.depth == 0) return leaf(room);
    room.depth--;
    return below(20) < 9 ? arithmetic(room) : construct(room);
  }

  Tree leaf(const Room& room) {
    constexpr double constants[] = {0.5, -0.7, 1.3, 2, -1, 0};
    if (below(6) == 0) return constant(constants[below(6)]);
    if (below(2) == 0) return variable(room.scope - 1);
    return variable(static_cast<std::size_t>(below(static_cast<int>(room.scope))));
  }

  static Room shallower(Room room, int depth) {
    room.depth = std::min(room.depth, depth);
    return room;
  }

  Tree arithmetic(const Room& room) {
    using enum Kind;
    constexpr Kind kinds[] = {add, mul,  add, mul,   mul,      quotient,     sin,
                              sin, tanh, exp, named, logistic, stop_gradient};
    const Kind kind = kinds[below(std::size(kinds))];
    const bool two = kind == add || kind == mul || kind == quotient;
    std::vector<Tree> args = {draw(room)};
    if (two) args.push_back(draw(shallower(room, below(room.depth + 1))));
    return operation(kind, std::move(args));
  }

  Kind kind_of_construct(const Room& room) {
    using enum Kind;
    for (;;) {
      const Kind kind = static_cast<Kind>(
          static_cast<int>(jit) + below(static_cast<int>(jvp_rule) - static_cast<int>(jit) + 1));
      if (kind == vjp_rule && room.forward) continue;
      if ((kind == grad || kind == jacfwd || is_rule(kind)) && room.orders == 0) continue;
      return kind;
    }
  }

  // The arguments are shallow, so that the depth goes into the bodies.
  Tree construct(const Room& room) {
    constexpr double factors[] = {2, 0.5, -1.5};
    Node node{.kind = kind_of_construct(room)};
    const Kind kind = node.kind;
    const Room around = shallower(room, below(3));
    node.args.push_back(draw(around));
    const bool branches = kind == Kind::cond || kind == Kind::select;
    if (branches || (is_rule(kind) && below(2) == 0)) node.args.push_back(draw(around));
    node.closed = is_rule(kind) || kind == Kind::recorded || below(4) == 0;
    if (is_rule(kind)) node.number = factors[below(3)];
    if (kind == Kind::cond) node.number = 0.137 * (below(5) - 2) + 0.0625;
    node.index = static_cast<std::size_t>(below(2));

    Room inside = room;
    inside.scope = (node.closed ? 0 : room.scope) + bound(node);
    if (kind == Kind::grad || kind == Kind::jacfwd || is_rule(kind)) inside.orders--;
    if (kind == Kind::jacfwd || kind > Kind::vjp_rule) inside.forward = true;
    const int bodies = kind == Kind::cond ? 2 : kind == Kind::select ? 3 : 1;
    for (int i = 0; i < bodies; i++) node.bodies.push_back(draw(inside));
    return std::make_shared<Node>(std::move(node));
  }

  std::mt19937_64 random_;
};

// ----------------------------------------------------------------------------------- trees in
// trees

// A construct and what it is told, for the exhaustive programs and for what derivatives are taken
// by.
struct Wrapper {
  Kind kind;
  double number = 0;      // a cond is true for less than 1; the factor of a rule
  std::size_t index = 0;  // as a node's
};

// Gets the number of variables that there are, and which of them is its own.
using Core = std::function<Tree(std::size_t scope, std::size_t own)>;

// Wrapper 0 of (x -> wrapper 1 of (... core)). Closed: each body sees only its own variables.
inline Tree nested(const std::vector<Wrapper>& wrappers, bool closed, const Core& core,
                   std::size_t i = 0, std::size_t scope = 1, std::size_t own = 0) {
  if (i == wrappers.size()) return core(scope, own);
  const auto [kind, number, index] = wrappers[i];
  Node node{.kind = kind, .args = {variable(own)}, .number = number, .index = index};
  node.closed = closed || is_rule(kind) || kind == Kind::recorded;
  const std::size_t first = node.closed ? 0 : scope;
  const Tree body = nested(wrappers, closed, core, i + 1, first + bound(node), first);
  const Tree other = operation(Kind::exp, {variable(first)});
  node.bodies = {body};
  if (kind == Kind::cond)
    node.bodies = number < 1 ? std::vector{body, other} : std::vector{other, body};
  if (kind == Kind::select) node.bodies = {other, other, body};
  if (node.bodies.size() > 1) node.args.push_back(constant(1));
  return std::make_shared<Node>(std::move(node));
}

// ---------------------------------------------------------------------------------- smaller trees

inline Tree with_child(const Node& node, bool body, std::size_t i, Tree child) {
  Node copy = node;
  (body ? copy.bodies : copy.args)[i] = std::move(child);
  return std::make_shared<Node>(std::move(copy));
}
// The tree with one node replaced by one of its arguments, a body that stands alone, or a leaf.
inline std::vector<Tree> smaller(const Tree& tree) {
  std::vector<Tree> all = tree->args;
  if (tree->args.empty()) {
    if (tree->kind == Kind::variable && tree->index > 0) all.push_back(variable(0));
    return all;
  }
  all.push_back(variable(0));
  if (tree->closed && bound(*tree) == 1)
    all.insert(all.end(), tree->bodies.begin(), tree->bodies.end());
  for (bool body : {true, false}) {
    const auto& children = body ? tree->bodies : tree->args;
    for (std::size_t i = 0; i < children.size(); i++)
      for (Tree& child : smaller(children[i]))
        all.push_back(with_child(*tree, body, i, std::move(child)));
  }
  return all;
}

}  // namespace programs

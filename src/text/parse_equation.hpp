// An equation as the text has it, and how it becomes one of a jaxpr: its parameters are completed,
// its types inferred and compared with those that the text gives. Knows no grammar.
#pragma once
#include "core/jaxpr.hpp"
#include "text/parse_values.hpp"

namespace jv {

// A name and its type: `b:f32[3]`.
struct Binder {
  std::string_view name;
  size_t place = 0;
  Aval aval = nullptr;
};

struct ReadEquation {
  size_t place = 0;
  const Primitive* primitive = nullptr;
  std::vector<Param> params;
  std::vector<Binder> results;
  Small<Atom, 4> operands;
};

// Adds it to the jaxpr, and returns its first result. In JAX an operation without parameters takes
// numbers, and axes of size 1, among arrays; ours take equal shapes: such operands get a
// broadcast_in_dim of their own.
Var add_equation(Jaxpr& j, const Lexer& lex, Find find, ReadEquation& e);

}  // namespace jv

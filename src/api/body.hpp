// Bodies: functions of the user's that are recorded for the equation of an operation.
#pragma once
#include "api/transform.hpp"
#include "control/call.hpp"

namespace jv {

// One pytree, flat: weak numbers have become arrays.
struct Flat {
  Flat(View& cx, const Value& v);
  Tree tree;
  Tracers leaves;
  Avals avals;
};

// Calls f inside the trace that is being made, on values of these structures; or on these values.
Tracers call_inside(View& cx, Function& f, std::span<const Tree> trees, Operands leaves, Tree& out);
Tracers call_inside(View& cx, Function& f, Args args, Tree& out);

StageTrace::Closed simplified(StageTrace::Closed c);

// What a body gives must be of the type that is asked for.
void check_same(const char* who, const char* what, const Tree& want, std::span<const Aval> wanted,
                const Tree& got, Operands leaves);

// f(), with a note on errors that pass: the function that the user called.
template <class F>
auto noted_in(const char* who, F&& f) {
  return noted(f, "in ", who);
}

}  // namespace jv

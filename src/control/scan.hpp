// scan: a body that runs once for each row of its inputs, and carries values from one to the next.
#pragma once
#include "control/flow.hpp"

namespace jv {

struct Loop {
  int64_t length;
  bool reverse = false;  // from the last row to the first
};
// The body takes the carry and one row of xs, and gives the next carry and one row of each y. What
// it captured is the same in each step. Returns the last carry and the stacked ys.
Tracers scan(Context& cx, Trace& at, const StageTrace::Closed& body, Operands init, Operands xs,
             Loop loop);

// f of one element after the other, over those that are mapped: its stacked results.
template <class F>
Tracers in_turn(Context& cx, int64_t size, MappedOperands in, F&& f) {
  Tracers values = values_of(in), rows = pick(values, mapped_of(in)), holes = values;
  Avals elements;
  for (const Tracer& x : rows) elements.push_back(element_of(cx.session(), x.aval()));
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].mapped) holes[i] = Tracer();
  auto body = stage(cx, elements, [&](Operands row) { return f(Operands(plug(holes, row))); });
  return scan(cx, home_of(cx, values), body, {}, rows, {size});
}

}  // namespace jv

// Arithmetic on tracers, and constants that go with them. ops.hpp includes it.
//
// C++ leaves open which argument of an operator or a call is evaluated first, and a rule must emit
// the same equations in the same order everywhere: at most one of them may bind anything.
#pragma once
#include "primitives/ops.hpp"

namespace jv {

// An array of `number` of this type, made where constants of the trace are made.
Tracer full(Trace& trace, Aval aval, double number);
inline Tracer full_like(const Tracer& x, double number) {
  return full(x.trace(), x.aval(), number);
}
inline Tracer zeros(Trace& trace, Aval aval) { return full(trace, aval, 0); }
inline Tracer zeros_like(const Tracer& x) { return full_like(x, 0); }

inline Tracer operator-(const Tracer& x) { return neg(x); }
inline Tracer operator+(const Tracer& x, const Tracer& y) { return add(x, y); }
inline Tracer operator-(const Tracer& x, const Tracer& y) { return sub(x, y); }
inline Tracer operator*(const Tracer& x, const Tracer& y) { return mul(x, y); }
inline Tracer operator/(const Tracer& x, const Tracer& y) { return div(x, y); }
inline Tracer operator+(const Tracer& x, double y) { return add(x, full_like(x, y)); }
inline Tracer operator-(const Tracer& x, double y) { return sub(x, full_like(x, y)); }
inline Tracer operator*(const Tracer& x, double y) { return mul(x, full_like(x, y)); }
inline Tracer operator/(const Tracer& x, double y) { return div(x, full_like(x, y)); }
inline Tracer operator+(double x, const Tracer& y) { return add(full_like(y, x), y); }
inline Tracer operator-(double x, const Tracer& y) { return sub(full_like(y, x), y); }
inline Tracer operator*(double x, const Tracer& y) { return mul(full_like(y, x), y); }
inline Tracer operator/(double x, const Tracer& y) { return div(full_like(y, x), y); }

// condition ? on_true : on_false, each element.
inline Tracer select(const Tracer& condition, const Tracer& on_true, const Tracer& on_false) {
  const Tracer cases[] = {on_false, on_true};
  return select_n(condition, cases);
}

}  // namespace jv

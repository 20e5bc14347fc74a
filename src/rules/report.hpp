// Equations that tell the host of values and give none: what debug_print and probe are made of.
#pragma once
#include "trace/trace.hpp"

namespace jv {

// Prints `format` with the numbers of a value in place of each {}; {{ and }} are braces. In `at` or
// deeper.
void debug_print(Trace& at, const std::string& format, Operands values);

// A function of the host that an equation holds; it is called with numbers.
struct HostCallback : RefCounted {
  virtual void call(Context& cx, Operands values) const = 0;
};
void debug_callback(Trace& at, Ref<const HostCallback> callback, Operands values);

}  // namespace jv

// Control flow on pytrees: cond, switch, while_loop, fori_loop, scan, map; linear_call; and
// checkpoint.
#pragma once
#include "api/transform.hpp"
#include "control/checkpoint.hpp"

namespace jv {

// Each traces its functions on values of the arguments' types and binds one equation.
// Branch 0 is taken where the predicate is false (`cond`), or the index 0 or less (`switch_case`).
ValueRef cond(View& cx, const Value& predicate, Function& on_true, Function& on_false, Args args);
ValueRef switch_case(View& cx, const Value& index, std::span<const FunctionRef> branches,
                     Args args);
ValueRef while_loop(View& cx, Function& condition, Function& body, const ValueRef& init);
// body(i, carry) -> carry for lower <= i < upper; a scan where both are numbers.
ValueRef fori_loop(View& cx, const Value& lower, const Value& upper, Function& body,
                   const ValueRef& init);
// body(carry, x) -> (carry, y); the result is (last carry, stacked ys). length < 0: that of xs.
ValueRef scan(View& cx, Function& body, const ValueRef& init, const ValueRef& xs, int64_t length,
              bool reverse);
// f for each row of xs, the results stacked; batch_size > 0: so many rows at a time, by vmap.
ValueRef map(View& cx, FunctionRef f, const ValueRef& xs, int64_t batch_size);

// f(residual, linear), linear in the second, whose transpose is t(residual, cotangent).
ValueRef linear_call(View& cx, Function& f, Function& t, const ValueRef& residual,
                     const ValueRef& linear);

// f, whose derivative computes again what the forward pass does not keep.
FunctionRef checkpointed(FunctionRef f, Keep keep);
// Marks every array of v.
ValueRef checkpoint_name(View& cx, const ValueRef& v, const std::string& name);

}  // namespace jv

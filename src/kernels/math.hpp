// The elementary functions, written once over a value type B with the vocabulary of scalar.hpp:
// branch-free, and the same bits whether B is a batch, a scalar or (later) a recorder.
//
// Errors are at most 2 units in the last place over the whole range of float and double, subnormals
// included; tanh and logistic 2.5, pow 4, erf_inv 8 (tests/kernels/accuracy_test.cpp measures
// them). NaN goes in and comes out; its payload and sign are not promised.
#pragma once
#include "kernels/arithmetic.hpp"
#include "kernels/erf_inv.hpp"
#include "kernels/exp_log.hpp"
#include "kernels/power.hpp"
#include "kernels/trig.hpp"

// jaxvjp.hpp - the C++17 layer of libjaxvjp: values with operators, lambdas as functions and rules, exceptions.
//
// Written with the functions of jaxvjp.h and ops.h alone, whose conventions hold. What is different here:
//
//  1. OWNERSHIP. A Value, Function or Jaxpr owns one reference; copies are cheap and share what is immutable. No scopes.
//  2. CONTEXT. A Context is a session. Values and functions remember theirs (in a callback, the callback's), and what is
//     computed from them happens there. What a callback leaves behind has none once it has returned: Error
//     (INVALID_ARGUMENT) when it is computed with; a callback hands out values by returning them.
//  3. FAILURE is an exception, Error, with the library's code, message and notes; the context is usable again at once.
//  4. CALLBACKS are anything that can be called with Values, one an argument, or with one std::vector<Value>. They return a
//     Value, a number, or a std::pair, std::tuple or std::vector of such, which is a tuple. An exception that leaves one
//     travels through the library and reaches the outer caller as the same exception.
//  5. NUMBERS. Where an operation takes an Operand, that is a Value or a plain number, which takes the dtype of the array
//     beside it: 2 * x, maximum(x, 0).
//
//    jaxvjp::Context cx;
//    jaxvjp::Function f(cx, "f", [](jaxvjp::Value x) { return sin(x) * x + 1; });
//    double slope = grad(f)(cx.f64(2)).item();
#ifndef JAXVJP_JAXVJP_HPP
#define JAXVJP_JAXVJP_HPP

#include <jaxvjp/jaxvjp.h>

#include <jaxvjp/cpp/control.hpp>
#include <jaxvjp/cpp/error.hpp>
#include <jaxvjp/cpp/function.hpp>
#include <jaxvjp/cpp/operations.hpp>
#include <jaxvjp/cpp/program.hpp>
#include <jaxvjp/cpp/rules.hpp>
#include <jaxvjp/cpp/value.hpp>

#endif

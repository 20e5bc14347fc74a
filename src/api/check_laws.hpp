// The laws that check_vjp tries, one function each. A broken one is CHECK, with a report.
#pragma once
#include "api/check.hpp"
#include "api/check_differences.hpp"
#include "api/check_space.hpp"
#include "api/transform.hpp"

namespace jv {

// A function at a point, differentiated there.
class Subject {
 public:
  Subject(View& cx, Function& f, Args args, const CheckOptions& options);

  Vector value_at(const Vector& x) const;  // NaN where f fails
  Vector pull(const ValueRef& ct) const;   // cotangents of the arguments
  Vector pull(const Vector& u) const { return pull(out.cotangent(u)); }
  ValueRef pulled(const ValueRef& ct) const { return pullback->call(cx, Args(&ct, 1)); }
  std::string argument(size_t element) const;  // argument 0 (w)['b'][2]
  std::string output(size_t element) const { return "output" + out.path(element); }

  // Numbers agree: relative to `scale`, beyond an error that is known.
  bool agree(double got, double expected, double scale, double error = 0) const;
  [[noreturn]] void report(const std::string& what, double got, double expected,
                           std::vector<std::string> notes = {}, const char* format = "%g") const;
  // The same for two lists of cotangents of the arguments, where the worst two differ too much.
  // What is not finite says nothing: 0 times inf is no mistake of a rule's.
  void compare_cotangents(const std::string& what, const Vector& got, const Vector& expected) const;

  View& cx;
  Function& f;
  std::string name;  // of the rule, for reports
  CheckOptions options;
  Values args;
  ValueRef value;  // as fwd gives it
  FunctionRef pullback;
  Space in, out;
  Precision precision;
};

// Two calls with the same inputs give the same bits.
void check_repeats(const Subject& s);
// Reverse mode gives the value that f has where nothing is differentiated.
void check_value(const Subject& s);
void check_linear(const Subject& s, Random random);
// Forward mode, where there is one, is the transpose of reverse mode.
void check_forward(const Subject& s, Random random);
// A cotangent that is jaxvjp_zero gives what zeros give.
void check_zeros(const Subject& s, Random random);
void check_vmap(const Subject& s, Random random);

// The derivative is what differences say. With `twice`, f is the gradient of something, and its
// outputs are named as `twice` names its arguments.
void check_derivative(const Subject& s, Random random, const Subject* twice = nullptr);

// The cotangents of f's floating arguments, as a tuple of leaves, for the cotangent `u` of its
// output (all ones where it is empty).
FunctionRef gradient_function(Function& f, Vector u);

}  // namespace jv

#include "api/check.hpp"

#include <algorithm>

#include "api/check_laws.hpp"
#include "primitives/ops.hpp"

namespace jv {
namespace {

bool any_spec(Args args) {
  Leaves leaves(args);
  return std::any_of(leaves.all.begin(), leaves.all.end(),
                     [](const ValueRef& v) { return v->kind == Kind::spec; });
}

// Everything is recorded once, without numbers: what is of a wrong structure, shape or dtype fails.
void check_types(View& cx, Function& f, Args args, int order) {
  make_jaxpr(cx, f, args);
  FunctionRef gradient = gradient_function(f, {});
  make_jaxpr(cx, *gradient, args);
  if (order == 2) make_jaxpr(cx, *gradient_function(*gradient, {}), args);
}

void check_order_two(const Subject& s, Random random) {
  CheckOptions options = s.options;
  options.nonlinear_ok = false;
  for (const Vector& u : {Vector(s.out.size(), 1), random.direction(s.out.size())}) {
    FunctionRef gradient = gradient_function(s.f, u);
    Subject second(s.cx, *gradient, s.args, options);
    check_derivative(second, random, &s);
  }
}

void check_laws(View& cx, Function& f, Args args, const CheckOptions& options) {
  Subject s(cx, f, args, options);
  Random random(options.seed);
  check_repeats(s);
  check_value(s);
  if (s.in.size() == 0 || s.out.size() == 0) return;
  check_derivative(s, random);
  if (!options.nonlinear_ok) check_linear(s, random);
  check_forward(s, random);
  check_zeros(s, random);
  check_vmap(s, random);
  if (options.order == 2) check_order_two(s, random);
}

// The arguments with floats of f64; `changed` where there were others.
Values widened(View& cx, Args args, bool& changed) {
  Leaves leaves(args);
  for (size_t i = 0; i < leaves.all.size(); ++i) {
    if (!leaves.free[i] || leaves.all[i]->aval->dtype == DType::f64) continue;
    Tracer wide = convert_element_type(tracer_of(cx, *leaves.all[i]), DType::f64);
    leaves.all[i] = value_of(cx.session(), wide);
    changed = true;
  }
  Values wide;
  Args rest = leaves.all;
  for (const ValueRef& a : args) wide.push_back(unflatten_values(cx.session(), a->tree, rest));
  return wide;
}

}  // namespace

void check_vjp(View& caller, Function& f, Args args, const CheckOptions& options) {
  View cx{Ref<Root>(&caller.root())};  // runs at once, also where the caller is recorded
  if (options.order != 1 && options.order != 2)
    fail(Code::invalid_argument, "check_vjp: order must be 1 or 2, got ", options.order);
  if (any_spec(args)) return check_types(cx, f, args, options.order);
  bool changed = false;
  Values wide = widened(cx, args, changed);
  try {
    return check_laws(cx, f, wide, options);
  } catch (const Error& e) {
    if (e.is(Code::check) || !changed) throw;
  }
  check_laws(cx, f, args, options);  // f has dtypes of its own
}

}  // namespace jv

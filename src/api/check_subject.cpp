// A function at a point: its value, its pullback, and how a broken law is reported.
#include <algorithm>
#include <cmath>
#include <limits>

#include "api/check_laws.hpp"

namespace jv {
namespace {

// The coarsest dtype among the arguments and outputs says how precise anything can be.
Precision coarsest(const Space& in, const Space& out) {
  Precision p = precision_of(DType::f64);
  for (const Space* space : {&in, &out})
    for (const Space::Leaf& leaf : space->leaves())
      if (Precision q = precision_of(leaf.aval->dtype); q.epsilon > p.epsilon) p = q;
  return p;
}

std::string text_of(double x, const char* format) {
  char text[40];
  std::snprintf(text, sizeof text, format, x + 0.0);  // no -0
  return text;
}

class Gradient final : public BaseFunction {
 public:
  Gradient(Function& f, Vector u) : BaseFunction(*f.session, f.name()), f_(&f), u_(std::move(u)) {}

  std::string argument(size_t i) const override { return f_->argument(i); }

  ValueRef call(View& cx, Args args) override {
    FunctionRef pullback;
    ValueRef value = vjp(cx, *f_, args, pullback);
    size_t at = 0;
    ValueRef ct = cotangent_like(*value, [&](size_t, Aval aval) {
      Vector ones(u_.empty() ? aval->size : 0, 1);
      const double* numbers = u_.empty() ? ones.data() : &u_[at];
      at += aval->size;
      return value_of(cx.session(), array_from(cx.session(), aval, numbers));
    });
    ValueRef cts = pullback->call(cx, Args(&ct, 1));
    return tuple_of(cx, Leaves(Args(&cts, 1)).free_ones());
  }

 private:
  FunctionRef f_;
  Vector u_;
};

}  // namespace

FunctionRef gradient_function(Function& f, Vector u) { return make_ref<Gradient>(f, std::move(u)); }

Subject::Subject(View& cx, Function& f, Args args, const CheckOptions& options)
    : cx(cx), f(f), name(f.name()), options(options), args(args), in(cx, args) {
  value = vjp(cx, f, args, pullback);
  out = Space(cx, Args(&value, 1));
  for (double x : out.origin())
    if (!std::isfinite(x))
      fail(Code::check, "check_vjp of ", name, ": its value has an element ", x,
           " at these arguments, and nothing can be compared there");
  precision = coarsest(in, out);
  if (options.tolerance > 0) precision.tolerance = options.tolerance;
}

Vector Subject::value_at(const Vector& x) const {
  try {
    ValueRef y = f.call(cx, in.at(x));
    return out.read(cx, Args(&y, 1));
  } catch (const Error& e) {
    if (e.is(Code::out_of_memory)) throw;
    return Vector(out.size(), std::numeric_limits<double>::quiet_NaN());
  }
}

Vector Subject::pull(const ValueRef& ct) const { return in.read(cx, pulled(ct)->items); }

std::string Subject::argument(size_t element) const {
  return f.argument(in.leaf_of(element).value) + in.path(element);
}

bool Subject::agree(double got, double expected, double scale, double error) const {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return true;
  return std::fabs(got - expected) <= precision.tolerance * scale + error;
}

void Subject::report(const std::string& what, double got, double expected,
                     std::vector<std::string> notes, const char* format) const {
  Error error(Code::check, name + ": " + what + ": got " + text_of(got, format) + ", expected " +
                               text_of(expected, format) + "; seed " +
                               std::to_string(options.seed));
  error.notes = std::move(notes);
  throw error;
}

void Subject::compare_cotangents(const std::string& what, const Vector& got,
                                 const Vector& expected) const {
  size_t worst = got.size();
  double worst_apart = 0;
  for (const Space::Leaf& leaf : in.leaves()) {
    double scale = 0;
    for (size_t i = leaf.first; i < leaf.first + leaf.aval->size; ++i)
      scale = std::max({scale, std::fabs(got[i]), std::fabs(expected[i])});
    for (size_t i = leaf.first; i < leaf.first + leaf.aval->size; ++i) {
      if (!std::isfinite(expected[i]) || agree(got[i], expected[i], scale)) continue;
      double apart = std::fabs(got[i] - expected[i]) / scale;
      if (worst == got.size() || !(apart <= worst_apart)) worst = i, worst_apart = apart;
    }
  }
  if (worst < got.size())
    report(what + ": cotangent of " + argument(worst), got[worst], expected[worst]);
}

}  // namespace jv

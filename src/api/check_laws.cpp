#include "api/check_laws.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace jv {

// ---- repeatability

namespace {

// The first leaf whose bits differ in two results of the same call.
void compare_bits(const Subject& s, const std::string& what, const Value& a, const Value& b) {
  ValueRef first(const_cast<Value*>(&a)), second(const_cast<Value*>(&b));
  Leaves x(Args(&first, 1)), y(Args(&second, 1));
  if (a.tree != b.tree)
    fail(Code::check, s.name, ": ", what, ": another structure the second time");
  for (size_t i = 0; i < x.all.size(); ++i) {
    Array p = numbers_of(s.cx, *x.all[i], "check_vjp"),
          q = numbers_of(s.cx, *y.all[i], "check_vjp");
    if (p.aval() != q.aval())
      fail(Code::check, s.name, ": ", what, ": ", to_string(p.aval()), " and then ",
           to_string(q.aval()));
    if (!std::memcmp(p.data(), q.data(), p.aval()->bytes())) continue;
    size_t k = 0;
    while (k + 1 < p.aval()->size && element(p, k) == element(q, k)) ++k;
    s.report(what + a.tree->path(i), element(q, k), element(p, k), {}, "%.17g");
  }
}

}  // namespace

void check_repeats(const Subject& s) {
  ValueRef first = s.f.call(s.cx, s.args), second = s.f.call(s.cx, s.args);
  compare_bits(s, "does not repeat itself: output", *first, *second);
  if (s.out.size() == 0) return;
  ValueRef ct = s.out.cotangent(Vector(s.out.size(), 1));
  ValueRef back = s.pulled(ct), again = s.pulled(ct);
  compare_bits(s, "bwd does not repeat itself: cotangents", *back, *again);
  FunctionRef pullback;
  ValueRef value = vjp(s.cx, s.f, s.args, pullback);
  compare_bits(s, "fwd does not repeat itself: output", *s.value, *value);
  again = pullback->call(s.cx, Args(&ct, 1));
  compare_bits(s, "the rule does not repeat itself: cotangents", *back, *again);
}

void check_value(const Subject& s) {
  ValueRef primal = s.f.call(s.cx, s.args);
  Leaves got(Args(&s.value, 1)), expected(Args(&primal, 1));
  if (s.value->tree != primal->tree)
    fail(Code::fwd_tree, s.name, ": fwd gives the structure ", s.value->tree->text(),
         ", primal gives ", primal->tree->text());
  for (size_t i = 0; i < got.all.size(); ++i) {
    Array a = numbers_of(s.cx, *got.all[i], "check_vjp");
    Array b = numbers_of(s.cx, *expected.all[i], "check_vjp");
    double scale = 0;
    for (size_t k = 0; k < b.aval()->size; ++k) scale = std::max(scale, std::fabs(element(b, k)));
    for (size_t k = 0; k < b.aval()->size; ++k) {
      double x = element(a, k), y = element(b, k);
      if (b.aval()->is_float() ? s.agree(x, y, scale) : x == y) continue;
      s.report("fwd and primal give different values: output" + primal->tree->path(i) +
                   str(" element ", k),
               x, y, {"got is what fwd gives, expected what primal gives"});
    }
  }
}

// ---- linearity

static Vector combined(double a, const Vector& u, double b, const Vector& v) {
  Vector w(u.size());
  for (size_t i = 0; i < u.size(); ++i) w[i] = a * u[i] + b * v[i];
  return w;
}

void check_linear(const Subject& s, Random random) {
  Vector u = random.direction(s.out.size()), v = random.direction(s.out.size());
  Vector back_u = s.pull(u), back_v = s.pull(v);
  double large = s.precision.epsilon < 1e-6 ? 1024 : 8;  // halves overflow soon
  for (double size : {1.0, large, 1 / large}) {
    double a = size * random.number(), b = size * random.number();
    s.compare_cotangents("bwd is not linear in its cotangent", s.pull(combined(a, u, b, v)),
                         combined(a, back_u, b, back_v));
  }
  Vector none(s.in.size(), 0), zero = s.pull(Vector(s.out.size(), 0));
  for (size_t i = 0; i < zero.size(); ++i)
    if (!std::isfinite(back_u[i])) zero[i] = 0;
  s.compare_cotangents("bwd is not linear: of a cotangent of zeros", zero, none);
}

// ---- forward mode

static bool has_forward(const Subject& s, const Values& tangents, ValueRef& tangent) {
  try {
    jvp(s.cx, s.f, s.args, tangents, tangent);
    return true;
  } catch (const Error& e) {
    bool none = e.is(Code::fwd_mode) || e.is(Code::no_rule) ||
                (e.is(Code::no_transpose) && s.options.nonlinear_ok);
    if (!none) throw;
  }
  return false;
}

void check_forward(const Subject& s, Random random) {
  Vector u = random.direction(s.out.size()), v = random.direction(s.in.size());
  ValueRef tangent;
  if (!has_forward(s, s.in.tangents(v), tangent)) return;
  Vector pushed = s.out.read(s.cx, Args(&tangent, 1)), back = s.pull(u);
  double forward = 0, reverse = 0, scale = 0;
  for (size_t j = 0; j < u.size(); ++j)
    forward += u[j] * pushed[j], scale += std::fabs(u[j] * pushed[j]);
  for (size_t i = 0; i < v.size(); ++i)
    reverse += back[i] * v[i], scale = std::max(scale, std::fabs(back[i] * v[i]));
  if (!s.agree(forward, reverse, scale))
    s.report("jvp and vjp disagree: <ct, jvp(v)>", forward, reverse, {"expected is <vjp(ct), v>"});
}

// ---- zeros

void check_zeros(const Subject& s, Random random) {
  Vector u = random.direction(s.out.size());
  const auto& leaves = s.out.leaves();
  size_t slots = std::min<size_t>(leaves.size(), 4);
  for (size_t mask = 1; mask < size_t{1} << slots; ++mask) {
    std::vector<bool> zero(leaves.size(), false);
    Vector with_zeros = u;
    std::string which;
    for (size_t l = 0; l < slots; ++l) {
      if (!(zero[l] = mask >> l & 1)) continue;
      std::fill_n(with_zeros.begin() + long(leaves[l].first), leaves[l].aval->size, 0.0);
      which += (which.empty() ? "output" : ", output") + s.out.leaf_path(leaves[l]);
    }
    bool all = std::count(zero.begin(), zero.end(), true) == long(leaves.size());
    if (all && s.options.nonlinear_ok) continue;
    s.compare_cotangents("jaxvjp_zero and zeros as cotangent of " + which + " differ",
                         s.pull(s.out.cotangent(u, zero)), s.pull(with_zeros));
  }
}

}  // namespace jv

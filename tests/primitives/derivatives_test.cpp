// Laws of differentiation.
#include <cmath>

#include "support.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv::laws {

static bool differentiable_floats(const Instance& i) {
  return (i.dtype == DType::f64 || i.dtype == DType::f32) && primitive_of(i).differentiable;
}
static bool not_differentiable(const Instance& i) { return !primitive_of(i).differentiable; }

class Derivatives : public Law {
 protected:
  auto function() const {
    return [this](Operands x) { return f(x); };
  }
  // x + h dx
  Tracers moved(Operands x, Operands dx, double h) const {
    Tracers all(x);
    for (size_t i = 0; i < x.size(); ++i)
      if (dx[i]) all[i] = x[i] + dx[i] * h;
    return all;
  }
  Dual along(Operands x, Operands dx) { return jvp(cx_, function(), x, dx); }
  // Symmetric differences of g along dx, and whether g's results are all f64.
  template <class G>
  Tracers difference(G&& g, Operands x, Operands dx) {
    const double h = 1e-5;
    Tracers above = g(moved(x, dx, h)), below = g(moved(x, dx, -h)), all;
    for (size_t k = 0; k < above.size(); ++k) {
      bool compared = above[k] && above[k].dtype() == DType::f64;
      all.push_back(compared ? (above[k] - below[k]) * (0.5 / h) : Tracer());
    }
    return all;
  }
  Linearized linear(Operands x, Operands dx) {
    Flags perturbed;
    for (const Tracer& d : dx) perturbed.push_back(bool(d));
    return linearize(cx_, function(), x, perturbed);
  }
  // The linear part at a direction: one tangent a result, null where there is none.
  Tracers at(const Linearized& l, Operands dx) {
    Tracers in = l.residuals, out;
    for (const Tracer& d : dx)
      if (d) in.push_back(d);
    Tracers found = eval_jaxpr(cx_, *l.linear, in);
    size_t k = 0;
    for (bool has : l.has_tangent) out.push_back(has ? found[k++] : Tracer());
    return out;
  }
  // Cotangents of the perturbed operands.
  Tracers back(const Linearized& l, Operands ct) {
    Tracers known = l.residuals, live;
    for (size_t k = 0; k < ct.size(); ++k)
      if (l.has_tangent[k]) live.push_back(ct[k]);
    size_t n = known.size();
    known.resize(l.linear->invars.size());
    Tracers all = transpose(cx_, *l.linear, known, live);
    return Tracers(all.begin() + n, all.end());
  }
};

class Tangents : public Derivatives {};
TEST_P(Tangents, are_differences) {
  Tracers x = operands(), dx = directions(x, 7);
  Tracers expected = difference([&](Operands at) { return f(at); }, x, dx);
  Dual d = along(x, dx);
  for (size_t k = 0; k < expected.size(); ++k) {
    if (!expected[k]) continue;
    Tracer dy = d.dy[k] ? d.dy[k] : zeros_like(d.y[k]);
    EXPECT_TRUE(near(dy, expected[k], 1e-7)) << "result " << k;
  }
}

TEST_P(Tangents, have_tangents_that_are_differences) {
  Tracers x = operands(), dx = directions(x, 7), ddx = directions(x, 8);
  auto tangent = [&](Operands at) {
    Dual d = jvp(cx_, function(), at, dx);
    for (size_t k = 0; k < d.dy.size(); ++k)
      if (!d.dy[k] && is_float(d.y[k].dtype())) d.dy[k] = zeros_like(d.y[k]);
    return d.dy;
  };
  Tracers expected = difference(tangent, x, ddx);
  auto without_nulls = [&](Operands at) {
    Tracers all;
    for (const Tracer& t : tangent(at))
      if (t) all.push_back(t);
    return all;
  };
  Dual second = jvp(cx_, without_nulls, x, ddx);
  size_t at = 0;
  for (const Tracer& want : expected) {
    if (!want) continue;
    Tracer dy = second.dy[at] ? second.dy[at] : zeros_like(second.y[at]);
    ++at;
    EXPECT_TRUE(near(dy, want, 1e-6));
  }
}

// The linear part is linear: of a v + b w it makes a L v + b L w.
TEST_P(Tangents, are_linear_in_the_direction) {
  Tracers x = operands(), v = directions(x, 7), w = directions(x, 8), mixed;
  for (size_t i = 0; i < v.size(); ++i) mixed.push_back(v[i] ? v[i] * 1.5 - w[i] * 0.25 : Tracer());
  Linearized l = linear(x, v);
  Tracers of_v = at(l, v), of_w = at(l, w), of_both = at(l, mixed);
  for (size_t k = 0; k < of_v.size(); ++k)
    if (of_v[k]) {
      Tracer sum = of_v[k] * 1.5 - of_w[k] * 0.25;
      EXPECT_TRUE(near(of_both[k], sum, 1024 * precision()));
    }
}

// Transposing the pullback gives the linear part back.
TEST_P(Tangents, are_transposed_twice) {
  Tracers x = operands(), v = directions(x, 7);
  Linearized l = linear(x, v);
  Tracers expected = at(l, v), ct;
  for (const Tracer& t : expected)
    if (t) ct.push_back(zeros_like(t));
  EXPECT_EQ(ct.empty(), l.linear->outs.empty());
  Avals types;
  for (const Tracer& t : ct) types.push_back(t.aval());
  // The pullback as a program of its own; operands that get no cotangent get zeros.
  StageTrace::Closed pulled = stage(cx_, types, [&](Operands cts) {
    Tracers known = l.residuals;
    size_t n = known.size();
    known.resize(l.linear->invars.size());
    Tracers all = transpose(cx_, *l.linear, known, cts), out;
    for (size_t i = n; i < all.size(); ++i)
      out.push_back(all[i] ? all[i] : zeros(cx_.top(), l.linear->vars[l.linear->invars[i]]));
    return out;
  });
  typecheck(*pulled.jaxpr);
  Tracers known = pulled.captured, directions;
  known.resize(pulled.jaxpr->invars.size());
  for (const Tracer& t : v)
    if (t) directions.push_back(t);
  Tracers twice = transpose(cx_, *pulled.jaxpr, known, directions);
  size_t k = pulled.captured.size();
  for (const Tracer& want : expected) {
    if (!want) continue;
    Tracer got = twice[k] ? twice[k] : zeros_like(want);
    ++k;
    EXPECT_TRUE(near(got, want, 1024 * precision()));
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Tangents, testing::ValuesIn(instances(in_f64)),
                         [](auto& info) { return name_of(info.param); });

class Cotangents : public Derivatives {};
// <ct, L v> = <L^T ct, v>
TEST_P(Cotangents, are_adjoint_to_tangents) {
  Tracers x = operands(), v = directions(x, 7);
  Linearized l = linear(x, v);
  typecheck(*l.linear);
  Tracers dy = at(l, v), ct = cotangents(l.out, 9), pulled = back(l, ct);
  double left = 0, right = 0, scale = 1;
  for (size_t k = 0; k < dy.size(); ++k)
    if (dy[k]) left += inner_product(ct[k], dy[k]), scale += std::fabs(inner_product(ct[k], dy[k]));
  size_t at = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    if (!v[i]) continue;
    if (pulled[at]) {
      EXPECT_EQ(pulled[at].aval(), v[i].aval());
      right += inner_product(pulled[at], v[i]);
    }
    ++at;
  }
  EXPECT_NEAR(left, right, 512 * scale * precision());
}

// Forward mode and linearize bind the same rules: the same bits, also once simplified.
TEST_P(Cotangents, belong_to_the_linear_part_that_forward_mode_computes) {
  Tracers x = operands(), v = directions(x, 7);
  Dual d = along(x, v);
  Linearized l = linear(x, v);
  Tracers plain = at(l, v);
  simplify_linear(l);
  typecheck(*l.linear);
  Tracers simpler = at(l, v);
  for (size_t k = 0; k < plain.size(); ++k) {
    EXPECT_TRUE(same_bits(l.out[k], d.y[k]));
    ASSERT_EQ(bool(plain[k]), bool(d.dy[k]));
    if (!plain[k]) continue;
    EXPECT_TRUE(same_bits(plain[k], d.dy[k]));
    if (simpler[k]) {
      EXPECT_TRUE(same_bits(simpler[k], d.dy[k]));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Cotangents, testing::ValuesIn(instances(differentiable_floats)),
                         [](auto& info) { return name_of(info.param); });

// A linear equation's own transpose, which derivatives may never need (the tangent of a difference
// has no `sub`): <ct, f(x)> = <f^T ct, x> in its marked operands together, or in each, the others
// fixed.
static bool linear_floats(const Instance& i) {
  return differentiable_floats(i) && primitive_of(i).sig.any_linear();
}
class Transposes : public Derivatives {
 protected:
  void expect_adjoint(Operands x, const Flags& linear) {
    Avals types;
    for (const Tracer& t : x) types.push_back(t.aval());
    JaxprRef j = stage(cx_, types, function()).jaxpr;
    Tracers known, y = f(x), ct = cotangents(y, 9);
    if (!ct[0]) return;  // to an integer: no cotangent
    for (size_t i = 0; i < x.size(); ++i) known.push_back(linear[i] ? Tracer() : x[i]);
    Tracers back = transpose(cx_, *j, known, ct);
    double left = inner_product(ct[0], y[0]), right = 0, scale = 1 + std::fabs(left);
    for (size_t i = 0; i < x.size(); ++i)
      if (linear[i] && back[i]) {
        EXPECT_EQ(back[i].aval(), x[i].aval());
        right += inner_product(back[i], x[i]);
        scale += std::fabs(inner_product(back[i], x[i]));
      }
    EXPECT_NEAR(left, right, 512 * scale * precision());
  }
};
TEST_P(Transposes, are_adjoint_to_the_equation) {
  Tracers x = operands();
  Flags marked;
  for (size_t i = 0; i < x.size(); ++i) marked.push_back(p_.sig.operand(i).linear);
  if (p_.linearity == Linearity::linear) return expect_adjoint(x, marked);
  for (size_t i = 0; i < x.size(); ++i) {
    if (!marked[i]) continue;
    Flags one(x.size(), false);
    one[i] = true;
    expect_adjoint(x, one);
  }
}
INSTANTIATE_TEST_SUITE_P(Laws, Transposes, testing::ValuesIn(instances(linear_floats)),
                         [](auto& info) { return name_of(info.param); });

class Constants : public Derivatives {};
TEST_P(Constants, have_no_tangent) {
  Tracers x = operands(), dx = directions(x, 7);
  Dual d = along(x, dx);
  for (const Tracer& t : d.dy) EXPECT_FALSE(t);
}
INSTANTIATE_TEST_SUITE_P(Laws, Constants, testing::ValuesIn(instances(not_differentiable)),
                         [](auto& info) { return name_of(info.param); });

// --- kinks, which no difference sees -------------------------------------------------------------

struct Kink {
  const char* name;
  const char* jaxpr;
  Numbers x;
  Numbers derivative;  // with respect to each input, rank 0 or the first input's elements
};
void PrintTo(const Kink& k, std::ostream* out) { *out << k.name; }

class Kinks : public testing::TestWithParam<Kink> {};
TEST_P(Kinks, are_as_in_jax) {
  auto session = make_ref<Session>(MemoryHooks{}, std::make_unique<ReferenceExecutor>());
  Context cx(*session);
  JaxprRef j =
      parse_jaxpr(*session, std::string("{ lambda ; ") + GetParam().jaxpr + " }", find_primitive);
  Tracers x;
  Flags perturbed(j->invars.size(), true);
  size_t k = 0;
  for (Var v : j->invars) {
    Numbers part(GetParam().x.begin() + int64_t(k),
                 GetParam().x.begin() + int64_t(k + j->vars[v]->size));
    x.push_back(cx.tracer(array_of(*session, DType::f64, j->vars[v]->shape, part)));
    k += part.size();
  }
  Linearized l = linearize(
      cx, [&](Operands in) { return eval_jaxpr(cx, *j, in); }, x, perturbed);
  Tracers known = l.residuals;
  known.resize(l.linear->invars.size());
  Tracers one;
  if (l.has_tangent[0]) one.push_back(full_like(l.out[0], 1));
  Tracers ct = transpose(cx, *l.linear, known, one);
  Numbers all;
  for (size_t i = l.residuals.size(); i < ct.size(); ++i) {
    Numbers part = ct[i] ? numbers_of(ct[i]) : Numbers(x[i - l.residuals.size()].aval()->size);
    all.insert(all.end(), part.begin(), part.end());
  }
  ASSERT_EQ(all.size(), GetParam().derivative.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_DOUBLE_EQ(all[i], GetParam().derivative[i]) << i;
}
const Kink kinks[] = {
    {"abs_at_0", "a:f64[]. let b:f64[] = abs a in (b,)", {0}, {0}},
    {"abs_at_minus_0", "a:f64[]. let b:f64[] = abs a in (b,)", {-0.0}, {0}},
    {"max_tie", "a:f64[] b:f64[]. let c:f64[] = max a b in (c,)", {2, 2}, {0.5, 0.5}},
    {"max_zeros", "a:f64[] b:f64[]. let c:f64[] = max a b in (c,)", {0.0, -0.0}, {0.5, 0.5}},
    {"min_tie", "a:f64[] b:f64[]. let c:f64[] = min a b in (c,)", {2, 2}, {0.5, 0.5}},
    {"max_first", "a:f64[] b:f64[]. let c:f64[] = max a b in (c,)", {3, 2}, {1, 0}},
    {"min_first", "a:f64[] b:f64[]. let c:f64[] = min a b in (c,)", {3, 2}, {0, 1}},
    {"reduce_max_tie",
     "a:f64[4]. let b:f64[] = reduce_max[axes=(0,)] a in (b,)",
     {2, 1, 2, 0},
     {0.5, 0, 0.5, 0}},
    {"reduce_min_tie",
     "a:f64[3]. let b:f64[] = reduce_min[axes=(0,)] a in (b,)",
     {2, 2, 2},
     {1 / 3., 1 / 3., 1 / 3.}},
    {"pow_to_0_of_0", "a:f64[] b:f64[]. let c:f64[] = pow a b in (c,)", {0, 0}, {0, 0}},
    {"pow_to_1_of_0", "a:f64[] b:f64[]. let c:f64[] = pow a b in (c,)", {0, 1}, {1, 0}},
    {"pow_of_negative", "a:f64[] b:f64[]. let c:f64[] = pow a 2.0:f64[] in (c,)", {-3, 0}, {-6, 0}},
    {"integer_pow_0", "a:f64[]. let b:f64[] = integer_pow[y=0] a in (b,)", {0}, {0}},
    {"integer_pow_1", "a:f64[]. let b:f64[] = integer_pow[y=1] a in (b,)", {0}, {1}},
    {"sign", "a:f64[]. let b:f64[] = sign a in (b,)", {0}, {0}},
    {"floor", "a:f64[]. let b:f64[] = floor a in (b,)", {2}, {0}},
    {"logistic_far", "a:f64[]. let b:f64[] = logistic a in (b,)", {-800}, {0}},
    {"tanh_far", "a:f64[]. let b:f64[] = tanh a in (b,)", {40}, {0}},
};
INSTANTIATE_TEST_SUITE_P(Laws, Kinks, testing::ValuesIn(kinks),
                         [](auto& info) { return info.param.name; });

}  // namespace jv::laws

// How a primitive is declared. A block of designated initialisers goes through a family, which
// fills in what its members share, and through define, which parses the signature and checks that
// no rule is missing: a forgotten one does not compile, and the message is a sentence.
//
//   constexpr Primitive sin_p = unary<sin_p, Takes::floats>({
//       .name = "sin",
//       .doc = "Sine of each element, in radians.",
//       .eval = map1<UnaryOp::sin>,
//       .jvp = [](auto x, auto, auto& dx, auto, auto&) { return dx * cos(x[0]); },
//   });
//
// ops.hpp, which tools/gen_ops.py writes from the blocks, declares them.
#pragma once
#include "kernels/kernels.hpp"
#include "primitives/check.hpp"
#include "primitives/define.hpp"
#include "primitives/fold.hpp"

namespace jv {

using kernels::BinaryOp;
using kernels::UnaryOp;

// Element by element: one more axis changes nothing.
inline Tracer vectorized(const Primitive& p, std::span<const Mapped> in, int64_t size,
                         const Params& params) {
  Tracers x;
  for (const Mapped& m : in) x.push_back(m.value);
  Trace& home =
      home_of(x[0].trace().cx, x);  // not where a number is: that would make an array of it now
  for (size_t i = 0; i < in.size(); ++i) x[i] = materialise(in[i], size, home);
  return bind1(p, x, ParamsRef(&params));
}

template <UnaryOp op>
void map1(const EvalArgs& a) {
  Aval in = a.in[0].aval();
  a.out[0] = Array::allocate(a.session, a.out_avals[0]);
  kernels::unary(op, in->dtype)(a.in[0].data(), a.out[0].mutable_data(), in->size);
}

template <BinaryOp op>
void map2(const EvalArgs& a) {
  Aval in = a.in[0].aval();
  a.out[0] = Array::allocate(a.session, a.out_avals[0]);
  kernels::binary(op, in->dtype)(a.in[0].data(), a.in[1].data(), a.out[0].mutable_data(), in->size);
}

template <const Primitive& p, Takes takes>
void unary_aval(Session&, std::span<const Aval> in, const Params&, Avals& out) {
  check_dtype(p.name, takes, in[0]);
  out.push_back(in[0]);
}

template <const Primitive& p, Takes takes>
void binary_aval(Session&, std::span<const Aval> in, const Params&, Avals& out) {
  check_dtype(p.name, takes, in[0]);
  check_same(p.name, in[0], in[1]);
  out.push_back(in[0]);
}

template <const Primitive& p, Takes takes>
void comparison_aval(Session& session, std::span<const Aval> in, const Params&, Avals& out) {
  check_dtype(p.name, takes, in[0]);
  check_same(p.name, in[0], in[1]);
  out.push_back(session.with_dtype(in[0], DType::boolean));
}

// y[i] = f(x[i]), of x's type.
template <const Primitive& self, Takes takes>
consteval Primitive unary(Primitive p) {
  if (!*p.signature) p.signature = p.linearity == Linearity::linear ? "x'" : "x";
  if (!p.abstract_eval) p.abstract_eval = unary_aval<self, takes>;
  if (!p.batch) p.batch = vectorized;
  return define(p);
}

// z[i] = f(x[i], y[i]), all of one type.
template <const Primitive& self, Takes takes>
consteval Primitive binary(Primitive p) {
  if (!*p.signature) p.signature = "x, y";
  p.abstract_eval = binary_aval<self, takes>;
  p.batch = vectorized;
  return define(p);
}

// b[i] = x[i] ? y[i], booleans.
template <const Primitive& self>
consteval Primitive comparison(Primitive p) {
  p.signature = "x, y";
  p.abstract_eval = comparison_aval<self, Takes::scalars>;
  p.batch = vectorized;
  p.differentiable = false;
  return define(p);
}

}  // namespace jv

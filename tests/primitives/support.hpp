// What the laws share: an instance of a row, its operands, and comparison of arrays.
#pragma once
#include <gtest/gtest.h>

#include <memory>

#include "exec/reference.hpp"
#include "primitives/ops.hpp"
#include "primitives/registry.hpp"
#include "rows.hpp"
#include "text/parse.hpp"
#include "text/print.hpp"

namespace jv::laws {

struct Instance {
  const Row* row;
  DType dtype;
};
std::string name_of(const Instance& i);
inline void PrintTo(const Instance& i, std::ostream* out) { *out << name_of(i); }
// Every row at each of its dtypes, where `wanted` says so.
std::vector<Instance> instances(bool (*wanted)(const Instance&));
const Primitive& primitive_of(const Instance& i);
inline bool all(const Instance&) { return true; }
// Rows whose derivative is compared with differences.
inline bool in_f64(const Instance& i) {
  return i.dtype == DType::f64 && primitive_of(i).differentiable;
}

using Numbers = std::vector<double>;

// One test's session, and the instance as a function.
class Law : public testing::TestWithParam<Instance> {
 protected:
  Law();
  const Row& row() const { return *GetParam().row; }
  Tracers f(Operands x) const;
  Avals types() const;
  // The spacing at 1 of the coarsest type among operands and results.
  double precision() const;
  // Its operands, always the same; others with another seed.
  Tracers operands(uint32_t seed = 1) const;
  // A direction for each floating operand, null for others.
  Tracers directions(Operands x, uint32_t seed) const;
  // A cotangent for each result that has one.
  Tracers cotangents(Operands y, uint32_t seed) const { return directions(y, seed); }

  Ref<Session> session_;
  mutable Context cx_;
  const Primitive& p_;
  ParamsRef params_;
};

Tracers draw(Context& cx, const Row& row, DType dtype, uint32_t seed, int64_t batch = -1,
             const std::vector<bool>& batched = {});
Array array_of(Session& session, DType dtype, std::span<const int64_t> shape, const Numbers& x);
Numbers numbers_of(const Array& a);
Numbers numbers_of(const Tracer& t);

// Equal types and bits; NaNs are alike.
testing::AssertionResult same_bits(const Tracer& a, const Tracer& b);
// Equal types; elements no further apart than `tolerance` times the largest of them (at least 1).
testing::AssertionResult near(const Tracer& a, const Tracer& b, double tolerance);
// The distance of neighbours at x.
double spacing(DType dtype, double x);
double inner_product(const Tracer& a, const Tracer& b);

// Independent evaluation in extended precision, one element after the other: the results of a
// primitive, before rounding.
struct Tensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<long double> at;
};
std::vector<Tensor> reference(const Primitive& p, const Params& params,
                              const std::vector<Tensor>& in, std::span<const Aval> out);

}  // namespace jv::laws

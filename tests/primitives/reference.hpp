// Every primitive a second time, as its definition says: one element after the other, in extended
// precision, by index arithmetic, and nothing shared with the library.
#pragma once
#include <array>

#include "support.hpp"

namespace jv::laws {

using Real = long double;
using Index = std::vector<int64_t>;

// An integer as this dtype holds it.
Real wrapped(DType dtype, Real x);
// Bits as a number of a type.
Real from_bits(DType dtype, uint64_t bits);
// The cipher of J. K. Salmon and others, Parallel random numbers: as easy as 1, 2, 3 (2011).
std::array<uint32_t, 2> threefry(uint32_t k0, uint32_t k1, uint32_t x0, uint32_t x1);

inline size_t count(const Index& shape) {
  size_t n = 1;
  for (int64_t d : shape) n *= size_t(d);
  return n;
}
inline Index index_of(size_t flat, const Index& shape) {
  Index index(shape.size());
  for (size_t i = shape.size(); i-- > 0; flat /= size_t(shape[i]))
    index[i] = int64_t(flat % size_t(shape[i]));
  return index;
}
inline Real at(const Tensor& x, const Index& index) {
  size_t flat = 0;
  for (size_t i = 0; i < index.size(); ++i) flat = flat * size_t(x.shape[i]) + size_t(index[i]);
  return x.at[flat];
}
inline Index list(const Ints& ints) { return Index(ints.begin(), ints.end()); }
inline bool contains(const Ints& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), int64_t(axis)) != axes.end();
}

// A tensor whose element at each index is f(index).
template <class F>
Tensor build(Aval aval, F&& f) {
  Tensor out{aval->dtype, list(aval->shape), {}};
  for (size_t i = 0; i < count(out.shape); ++i) out.at.push_back(f(index_of(i, out.shape)));
  return out;
}

// What is not element by element; null for what is.
using Op = Tensor (*)(const Params&, const std::vector<Tensor>& in, Aval out);
Op find_operation(const std::string& name);
std::vector<Tensor> lu_reference(const std::vector<Tensor>& in, std::span<const Aval> out);

}  // namespace jv::laws

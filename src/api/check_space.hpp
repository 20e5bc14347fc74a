// Trees of arrays as vectors of doubles: what check_vjp computes with. Function leaves, integers
// and whatever else has no derivative stay as they are.
#pragma once
#include <functional>
#include <random>

#include "api/function.hpp"

namespace jv {

using Vector = std::vector<double>;

// The leaves of a value, those that functions hold included; `free` marks floats outside of them.
struct Leaves {
  Values all;
  std::vector<bool> free;
  explicit Leaves(Args values);
  Values free_ones() const;
};

// The free elements of some values as the coordinates of one vector.
class Space {
 public:
  Space() = default;
  Space(View& cx, Args values);

  size_t size() const { return origin_.size(); }
  const Vector& origin() const { return origin_; }  // the numbers of the values themselves
  // The numbers that values of these dtypes have for x.
  Vector rounded(Vector x) const;
  // Values of this structure with other numbers.
  Values at(const Vector& x) const;
  // One an example, along a new leading axis.
  Values stacked(View& cx, std::span<const Vector> examples) const;
  // Tangents or cotangents: zeros for what is not free, and for the free leaves that `zero` marks.
  Values tangents(const Vector& x, const std::vector<bool>& zero = {}) const;
  // The same of the only value.
  ValueRef cotangent(const Vector& x, const std::vector<bool>& zero = {}) const {
    return tangents(x, zero)[0];
  }
  // The numbers of values of this structure, or of their tangents.
  Vector read(View& cx, Args values) const;

  // A free leaf: elements [first, first + aval->size) of the vector.
  struct Leaf {
    size_t value, index;  // which value, and which of its leaves
    Aval aval;
    size_t first;
  };
  const std::vector<Leaf>& leaves() const { return free_; }
  const Leaf& leaf_of(size_t element) const;
  // Path and index of an element within its value: ['w'][2]
  std::string path(size_t element) const;
  std::string leaf_path(const Leaf& leaf) const { return trees_[leaf.value]->path(leaf.index); }

 private:
  template <class Replace>
  Values rebuilt(Replace&& replace) const;
  Session* session_ = nullptr;
  std::vector<Tree> trees_;
  Leaves leaves_{Args()};
  std::vector<Leaf> free_;
  Vector origin_;
};

// An array of these numbers, each rounded once to the dtype.
Array array_from(Session& session, Aval aval, const double* numbers);

// A cotangent of `like`: `leaf(i, aval)` for its i-th free leaf, zeros for the rest.
ValueRef cotangent_like(const Value& like, const std::function<ValueRef(size_t, Aval)>& leaf);

// Random numbers that are the same everywhere.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  double number();  // 0.5 to 1.5, of either sign
  Vector direction(size_t n);
  // All of 0 ... n - 1, or `most` of them.
  std::vector<size_t> sample(size_t n, size_t most);

 private:
  std::mt19937 engine_;
};

}  // namespace jv

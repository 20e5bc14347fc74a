// ShapedArray: what is known of an array before it has numbers. Avals are interned: equal ones are
// the same pointer.
#pragma once
#include <atomic>
#include <mutex>
#include <span>
#include <string>

#include "core/dtype.hpp"
#include "core/small.hpp"

namespace jv {

using Shape = Ints;

struct ShapedArray {
  DType dtype;
  Shape shape;
  size_t size;     // elements
  size_t n_bytes;  // of all of them
  size_t ndim() const { return shape.size(); }
  size_t bytes() const { return n_bytes; }
  bool is_float() const { return jv::is_float(dtype); }
};
using Aval = const ShapedArray*;
using Avals = Small<Aval, 4>;

std::string to_string(Aval aval);                       // f32[2,3]
std::string to_string(std::span<const int64_t> shape);  // (2, 3)

// The intern table of a session. Reading takes no lock; entries live as long as the table.
class AvalTable {
 public:
  AvalTable() = default;
  AvalTable(const AvalTable&) = delete;
  ~AvalTable();
  // Negative dimensions and sizes beyond 2^58 elements are errors (SHAPE).
  Aval find(DType dtype, std::span<const int64_t> shape);

 private:
  struct Node {
    ShapedArray aval;
    Node* next;
  };
  static constexpr size_t n_buckets = 1024;
  std::atomic<Node*> buckets_[n_buckets] = {};
  std::mutex insert_;
};

}  // namespace jv

#include "core/aval.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace jv {

std::string to_string(std::span<const int64_t> shape) {
  std::string s = "(";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

std::string to_string(Aval aval) {
  std::string s(name_of(aval->dtype));
  s += '[';
  for (size_t i = 0; i < aval->ndim(); ++i) s += (i ? "," : "") + std::to_string(aval->shape[i]);
  return s + ']';
}

static size_t checked_size(std::span<const int64_t> shape) {
  size_t n = 1;
  bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  for (int64_t d : shape) {
    if (d < 0) fail(Code::shape, "a dimension is negative: ", to_string(shape));
    if (!empty && n > (size_t{1} << 58) / size_t(d))
      fail(Code::shape, "shape too large: ", to_string(shape));
    n *= size_t(d);
  }
  return n;
}

AvalTable::~AvalTable() {
  for (auto& bucket : buckets_)
    for (Node* n = bucket.load(); n;) delete std::exchange(n, n->next);
}

Aval AvalTable::find(DType dtype, std::span<const int64_t> shape) {
  uint64_t hash = uint64_t(dtype) * 0x9e3779b97f4a7c15;
  for (int64_t d : shape) hash = (hash ^ uint64_t(d)) * 0x9e3779b97f4a7c15, hash ^= hash >> 29;
  std::atomic<Node*>& bucket = buckets_[(hash >> 20) % n_buckets];
  auto seek = [&](Node* n) {
    while (n && !(n->aval.dtype == dtype && std::equal(shape.begin(), shape.end(),
                                                       n->aval.shape.begin(), n->aval.shape.end())))
      n = n->next;
    return n;
  };
  if (Node* n = seek(bucket.load(std::memory_order_acquire))) return &n->aval;
  if (!is_valid(dtype)) fail(Code::dtype, "no such dtype: ", int32_t(dtype));
  std::lock_guard lock(insert_);
  Node* head = bucket.load(std::memory_order_acquire);
  if (Node* n = seek(head)) return &n->aval;
  size_t size = checked_size(shape);
  Node* fresh = new Node{{dtype, Shape(shape), size, size * size_of(dtype)}, head};
  bucket.store(fresh, std::memory_order_release);
  return &fresh->aval;
}

}  // namespace jv

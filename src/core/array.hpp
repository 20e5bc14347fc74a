// Array: numbers, dense and row-major, immutable once they are shared. One block holds header and
// elements; a view (of a reshape, or of adopted memory) holds what owns the elements.
#pragma once
#include "core/aval.hpp"
#include "core/ref.hpp"

namespace jv {

class Session;

class ArrayBlock {
 public:
  Aval aval;
  void* data;

  void retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) dispose();
  }
  Session& session() const { return *session_; }
  bool is_view() const { return bool(base_); }

 private:
  friend class Array;
  ArrayBlock(Aval aval, void* data, Session& session, size_t bytes);
  void dispose() const;
  bool owns_references() const { return aval->dtype == DType::opaque && !base_; }

  mutable std::atomic<uint32_t> refs_{0};
  Session* session_;  // counted
  size_t bytes_;      // of this block, as allocated
  Ref<ArrayBlock> base_;
  void* user_ = nullptr;
  void (*destroy_)(void*) = nullptr;
};

class Array : public Ref<ArrayBlock> {
 public:
  Array() = default;
  Array(Ref<ArrayBlock> block) : Ref(std::move(block)) {}

  // Uninitialised elements, aligned to 64 bytes.
  static Array allocate(Session& session, Aval aval);
  // The same elements under another shape (or dtype of the same size).
  static Array view(const Array& base, Aval aval);
  // Memory of the user's, given back by destroy(user) when the last reader is gone.
  static Array adopt(Session& session, Aval aval, const void* data, void* user,
                     void (*destroy)(void*));

  Aval aval() const { return get()->aval; }
  template <class T = void>
  const T* data() const {
    return static_cast<const T*>(get()->data);
  }
  template <class T = void>
  T* mutable_data() {
    return static_cast<T*>(get()->data);
  }
};

// Elements of dtype opaque are counted references, or null, which are released with their block.
// Who copies n of them into it, from `first` on, says so here.
void retain_elements(const Array& array, size_t first, size_t n);

// A rank-0 array of this dtype, rounded once from a double.
Array scalar(Session& session, DType dtype, double number);
// Element i as a double; integers beyond 2^53 lose digits.
double element(const Array& array, size_t i);
int64_t element_i64(const Array& array, size_t i);
// For people: numbers in brackets as NumPy shows them, on one line, long arrays shortened.
std::string to_string(const Array& array);

}  // namespace jv

#include "core/array.hpp"

#include <cmath>
#include <cstring>
#include <new>

#include "core/error.hpp"
#include "core/session.hpp"

namespace jv {

static_assert(sizeof(ArrayBlock) % 64 == 0 || sizeof(ArrayBlock) < 128);
static constexpr size_t header = (sizeof(ArrayBlock) + 63) / 64 * 64;

ArrayBlock::ArrayBlock(Aval aval, void* data, Session& session, size_t bytes)
    : aval(aval), data(data), session_(&session), bytes_(bytes) {
  session.retain();
}

void ArrayBlock::dispose() const {
  auto* self = const_cast<ArrayBlock*>(this);
  if (destroy_) destroy_(user_);
  if (owns_references())
    for (size_t i = 0; i < aval->size; ++i)
      if (auto* object = static_cast<const RefCounted* const*>(data)[i]) object->release();
  Session* session = session_;
  size_t bytes = bytes_;
  self->~ArrayBlock();
  session->deallocate(self, bytes);
  session->release();
}

Array Array::allocate(Session& session, Aval aval) {
  size_t bytes = header + (aval->bytes() + 63) / 64 * 64;
  void* block = session.allocate(bytes);
  Array a = Ref<ArrayBlock>(
      new (block) ArrayBlock(aval, static_cast<char*>(block) + header, session, bytes));
  if (aval->dtype == DType::opaque) std::memset(a->data, 0, aval->bytes());
  return a;
}

void retain_elements(const Array& array, size_t first, size_t n) {
  auto* objects = array.data<const RefCounted*>();
  for (size_t i = first; i < first + n; ++i)
    if (objects[i]) objects[i]->retain();
}

Array Array::view(const Array& base, Aval aval) {
  Session& session = base->session();
  void* block = session.allocate(header);
  Array a = Ref<ArrayBlock>(new (block) ArrayBlock(aval, base->data, session, header));
  a->base_ = base->base_ ? base->base_ : static_cast<const Ref<ArrayBlock>&>(base);
  return a;
}

Array Array::adopt(Session& session, Aval aval, const void* data, void* user,
                   void (*destroy)(void*)) {
  void* block = session.allocate(header);
  Array a = Ref<ArrayBlock>(new (block) ArrayBlock(aval, const_cast<void*>(data), session, header));
  a->user_ = user;
  a->destroy_ = destroy;
  return a;
}

// Rounded to odd: a second rounding, to fewer bits, then gives what one rounding would have given.
static float to_odd(double x) {
  float f = float(x);
  if (double(f) == x || !std::isfinite(f)) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f) - (std::fabs(double(f)) > std::fabs(x));
  return std::bit_cast<float>(bits | 1);
}

template <class T>
static T number_as(double x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return T(to_odd(x));
  else if constexpr (std::is_same_v<T, bool>) return x != 0;
  else return T(x);
}

Array scalar(Session& session, DType dtype, double number) {
  Array a = Array::allocate(session, session.aval(dtype, {}));
  if (dtype == DType::float0) return a;
  visit_dtype(dtype, [&]<class T>(Type<T>) { *a.mutable_data<T>() = number_as<T>(number); });
  return a;
}

double element(const Array& array, size_t i) {
  if (array.aval()->dtype == DType::float0) return 0;
  return visit_dtype(array.aval()->dtype, [&]<class T>(Type<T>) {
    const T& x = array.data<T>()[i];
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) return double(float(x));
    else return double(x);
  });
}

int64_t element_i64(const Array& array, size_t i) {
  DType dtype = array.aval()->dtype;
  if (dtype == DType::i64) return array.data<int64_t>()[i];
  if (dtype == DType::u64) return int64_t(array.data<uint64_t>()[i]);
  return int64_t(element(array, i));
}

}  // namespace jv

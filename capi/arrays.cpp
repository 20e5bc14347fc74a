// Arrays and numbers.
#include <cstring>

#include "capi/wrap.hpp"
#include "kernels/kernels.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_value* no_value = nullptr;

static Aval array_aval(View& cx, int32_t code, const int64_t* shape, size_t ndim) {
  DType d = DType(code);
  if (!is_public(d) || d == DType::float0)
    fail(Code::invalid_argument, "an array cannot have the dtype ", code);
  for (int64_t n : ints(shape, ndim, "shape"))
    if (n < 0) fail(Code::invalid_argument, "an array cannot have the size ", n);
  return cx.session().aval(d, ints(shape, ndim, "shape"));
}

jaxvjp_value* jaxvjp_array(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim,
                           const void* data) {
  return guard(cx, "array", no_value, [&](View& view) {
    Aval aval = array_aval(view, dtype, shape, ndim);
    if (aval->size && !data) fail_null("data");
    Array a = Array::allocate(view.session(), aval);
    if (aval->bytes()) std::memcpy(a.mutable_data(), data, aval->bytes());
    if (aval->dtype == DType::boolean)
      for (int64_t i = 0; i < int64_t(aval->size); ++i)
        if (uint8_t& b = a.mutable_data<uint8_t>()[i]; b > 1) b = 1;
    return keep(view, value_of(view.session(), std::move(a)));
  });
}

static bool is_compact(Aval aval, const int64_t* strides) {
  int64_t step = 1;
  for (size_t i = aval->ndim(); i-- > 0;) {
    if (aval->shape[i] > 1 && strides[i] != step) return false;
    step *= aval->shape[i];
  }
  return true;
}

static Ints row_major(const Shape& shape) {
  Ints strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0; step *= shape[i]) strides[i] = step;
  return strides;
}

jaxvjp_value* jaxvjp_array_adopt(jaxvjp_context* cx, int32_t dtype, const int64_t* shape,
                                 size_t ndim, const int64_t* strides, const void* data, void* user,
                                 jaxvjp_destroy_fn destroy) {
  struct Owned {  // consumed, also on failure
    void* user;
    jaxvjp_destroy_fn destroy;
    ~Owned() {
      if (destroy) destroy(user);
    }
  } owned{user, destroy};
  return guard(cx, "array_adopt", no_value, [&](View& view) {
    Aval aval = array_aval(view, dtype, shape, ndim);
    if (aval->size && !data) fail_null("data");
    if (strides && !is_compact(aval, strides)) {
      Array copy = Array::allocate(view.session(), aval);
      kernels::copy_strided(size_of(aval->dtype), aval->shape, data, {strides, ndim},
                            copy.mutable_data(), row_major(aval->shape));
      return keep(view, value_of(view.session(), std::move(copy)));
    }
    Array a = Array::adopt(view.session(), aval, data, user, destroy);
    owned.destroy = nullptr;
    return keep(view, value_of(view.session(), std::move(a)));
  });
}

jaxvjp_value* jaxvjp_number(jaxvjp_context* cx, double number) {
  return guard(cx, "number", no_value,
               [&](View& view) { return keep(view, weak_number(view.session(), number)); });
}

template <class T>
static jaxvjp_value* typed_scalar(jaxvjp_context* cx, DType dtype, T number) {
  return guard(cx, "scalar", no_value, [&](View& view) {
    Array a = Array::allocate(view.session(), view.session().aval(dtype, {}));
    *a.mutable_data<T>() = number;
    return keep(view, value_of(view.session(), std::move(a)));
  });
}
jaxvjp_value* jaxvjp_f32(jaxvjp_context* cx, float number) {
  return typed_scalar(cx, DType::f32, number);
}
jaxvjp_value* jaxvjp_f64(jaxvjp_context* cx, double number) {
  return typed_scalar(cx, DType::f64, number);
}
jaxvjp_value* jaxvjp_i64(jaxvjp_context* cx, int64_t number) {
  return typed_scalar(cx, DType::i64, number);
}

jaxvjp_value* jaxvjp_spec(jaxvjp_context* cx, int32_t dtype, const int64_t* shape, size_t ndim) {
  return guard(cx, "spec", no_value, [&](View& view) {
    return keep(view, spec_value(view.session(), array_aval(view, dtype, shape, ndim)));
  });
}

static Aval aval_of(const jaxvjp_value* v) { return known(v) ? unwrap(v)->aval : nullptr; }
int32_t jaxvjp_dtype(const jaxvjp_value* v) { return aval_of(v) ? int32_t(aval_of(v)->dtype) : 0; }
size_t jaxvjp_ndim(const jaxvjp_value* v) { return aval_of(v) ? aval_of(v)->ndim() : 0; }
const int64_t* jaxvjp_shape(const jaxvjp_value* v) {
  return aval_of(v) ? aval_of(v)->shape.data() : nullptr;
}
size_t jaxvjp_size(const jaxvjp_value* v) { return aval_of(v) ? aval_of(v)->size : 0; }

static bool all_concrete(const Value& v) {
  if (v.is_leaf()) return is_concrete(v);
  for (const ValueRef& item : v.items)
    if (!all_concrete(*item)) return false;
  return true;
}
int32_t jaxvjp_is_concrete(const jaxvjp_value* v) { return known(v) && all_concrete(*unwrap(v)); }

const void* jaxvjp_data(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "data", static_cast<const void*>(nullptr), [&](View& view) -> const void* {
    Value& x = value(view, v, "the value");
    Array a = numbers_of(view, x, "data");
    // The numbers belong to the handle from now on, whatever trace they came from.
    if (!x.shown) x.shown = a;
    return x.shown.data();
  });
}

int32_t jaxvjp_read(jaxvjp_context* cx, jaxvjp_value* v, void* destination, size_t bytes) {
  int32_t done = guard(cx, "read", int32_t{1}, [&](View& view) {
    Array a = numbers_of(view, value(view, v, "the value"), "read");
    if (a.aval()->bytes() != bytes)
      fail(Code::invalid_argument, "read: ", to_string(a.aval()), " has ", a.aval()->bytes(),
           " bytes, got room for ", bytes);
    if (bytes && !destination) fail_null("destination");
    if (bytes) std::memcpy(destination, a.data(), bytes);
    return int32_t{0};
  });
  return done ? jaxvjp_failed(cx) : 0;
}

static Array one_element(View& cx, jaxvjp_value* v, const char* who) {
  Array a = numbers_of(cx, value(cx, v, "the value"), who);
  if (a.aval()->size != 1)
    fail(Code::shape, who, ": expected one element, got ", to_string(a.aval()));
  return a;
}

double jaxvjp_item(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "item", std::numeric_limits<double>::quiet_NaN(),
               [&](View& view) { return element(one_element(view, v, "item"), 0); });
}

int64_t jaxvjp_item_i64(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "item_i64", int64_t{0}, [&](View& view) {
    Array a = one_element(view, v, "item_i64");
    DType d = a.aval()->dtype;
    if (!is_integer(d) && d != DType::boolean)
      fail(Code::dtype, "item_i64: expected an integer, got ", to_string(a.aval()));
    if (d == DType::u64 && a.data<uint64_t>()[0] > uint64_t(INT64_MAX))
      fail(Code::dtype, "item_i64: the number is beyond int64");
    return element_i64(a, 0);
  });
}

int32_t jaxvjp_truth(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "truth", int32_t{-1}, [&](View& view) {
    Array a = one_element(view, v, "truth");
    if (a.aval()->dtype != DType::boolean)
      fail(Code::dtype, "truth: expected a bool, got ", to_string(a.aval()));
    return int32_t(element(a, 0) != 0);
  });
}

const char* jaxvjp_to_string(jaxvjp_context* cx, jaxvjp_value* v) {
  return guard(cx, "to_string", static_cast<const char*>(nullptr),
               [&](View& view) { return keep(view, to_text(view, value(view, v, "the value"))); });
}

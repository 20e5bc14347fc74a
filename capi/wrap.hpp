// What every C function is made of: unwrap, call, wrap. Exceptions become the context's waiting
// error here and nowhere else.
#pragma once
#include <new>

#include "api/custom.hpp"
#include "jaxvjp/jaxvjp.h"

namespace jv::capi {

using jv::unwrap;
using jv::wrap;
inline Function* unwrap(jaxvjp_function* f) { return reinterpret_cast<Function*>(f); }
inline jaxvjp_function* wrap(Function* f) { return reinterpret_cast<jaxvjp_function*>(f); }
inline TypedJaxpr* unwrap(jaxvjp_jaxpr* j) { return reinterpret_cast<TypedJaxpr*>(j); }
inline const TypedJaxpr* unwrap(const jaxvjp_jaxpr* j) {
  return reinterpret_cast<const TypedJaxpr*>(j);
}
inline jaxvjp_jaxpr* wrap(TypedJaxpr* j) { return reinterpret_cast<jaxvjp_jaxpr*>(j); }
inline Error* unwrap(jaxvjp_error* e) { return reinterpret_cast<Error*>(e); }
inline const Error* unwrap(const jaxvjp_error* e) { return reinterpret_cast<const Error*>(e); }
inline jaxvjp_error* wrap(Error* e) { return reinterpret_cast<jaxvjp_error*>(e); }

bool failed(const View& cx);
// The exception being handled becomes the context's error, unless one waits. `who`: the function,
// for messages.
void catch_error(View& cx, const char* who) noexcept;

// f(view) with exceptions caught; `failure` when the context has failed, or fails now.
template <class R, class F>
R guard(jaxvjp_context* cx, const char* who, R failure, F&& f) noexcept {
  if (!cx || failed(*unwrap(cx))) return failure;
  try {
    return f(*unwrap(cx));
  } catch (...) {
    catch_error(*unwrap(cx), who);
    return failure;
  }
}

// A callback's user pointer until somebody owns it: destroyed on failure too.
class User {
 public:
  User(void* user, jaxvjp_destroy_fn destroy) : user_(user), destroy_(destroy) {}
  ~User() {
    if (destroy_) destroy_(user_);
  }
  void given() { destroy_ = nullptr; }

 private:
  void* user_;
  jaxvjp_destroy_fn destroy_;
};

// ---- checked unwrapping
[[noreturn]] void fail_null(const char* what);
template <class T>
T& required(T* p, const char* what) {
  if (!p) fail_null(what);
  return *p;
}
// A live handle. With JAXVJP_CHECK_HANDLES one whose scope is closed is recognised.
Value& value(View& cx, jaxvjp_value* v, const char* what);
Function& function(View& cx, jaxvjp_function* f, const char* what);
TypedJaxpr& jaxpr(View& cx, jaxvjp_jaxpr* j, const char* what);
Values values(View& cx, jaxvjp_value* const* items, size_t n, const char* what);
std::span<const int64_t> ints(const int64_t* p, size_t n, const char* what);
DType dtype(int32_t code);

// For functions without a context: null for a handle that is NULL, or closed.
inline const Value* known(const jaxvjp_value* v) {
  return v && !unwrap(v)->closed ? unwrap(v) : nullptr;
}

template <class T>
auto keep(View& cx, Ref<T> handle) {
  return wrap(cx.keep(std::move(handle)));
}
const char* keep(View& cx, std::string text);

// Options: struct_size says how much of the struct the caller knows. Later fields are zero; a tail
// this version does not know must be zero.
template <class T>
T read_options(const T* given, const char* what);
void read_options_bytes(void* to, size_t known, const void* from, const char* what);
template <class T>
T read_options(const T* given, const char* what) {
  T options{};
  if (given) read_options_bytes(&options, sizeof(T), given, what);
  return options;
}
void check_flags(int32_t given, int32_t known, const char* what);

// ---- operations
using Handles = std::initializer_list<jaxvjp_value*>;
// Operands as tracers: numbers adapt to the arrays' dtype; under a staging context all are values
// of its trace.
void operands(View& cx, std::span<jaxvjp_value* const> handles, Tracers& out);
void broadcast(const char* name, Tracers& x);

template <class F>
jaxvjp_value* operation(jaxvjp_context* cx, const char* name,
                        std::span<jaxvjp_value* const> handles, F&& f) {
  return guard(cx, name, static_cast<jaxvjp_value*>(nullptr), [&](View& view) {
    Tracers x;
    operands(view, handles, x);
    return keep(view, value_of(view.session(), f(Operands(x))));
  });
}
template <class F>
jaxvjp_value* operation(jaxvjp_context* cx, const char* name, Handles handles, F&& f) {
  return operation(cx, name, std::span<jaxvjp_value* const>(handles.begin(), handles.size()),
                   std::forward<F>(f));
}
// The same with NumPy's broadcasting.
template <class F>
jaxvjp_value* elementwise(jaxvjp_context* cx, const char* name, Handles handles, F&& f) {
  return operation(cx, name, handles, [&](Operands x) {
    Tracers same(x);
    broadcast(name, same);
    return f(Operands(same));
  });
}
// Without operands.
template <class F>
jaxvjp_value* creation(jaxvjp_context* cx, const char* name, F&& f) {
  return guard(cx, name, static_cast<jaxvjp_value*>(nullptr),
               [&](View& view) { return keep(view, value_of(view.session(), f(view.place()))); });
}
// With several results.
template <class F>
jaxvjp_value* several(jaxvjp_context* cx, const char* name, Handles handles, F&& f) {
  return guard(cx, name, static_cast<jaxvjp_value*>(nullptr), [&](View& view) {
    Tracers x;
    operands(view, std::span<jaxvjp_value* const>(handles.begin(), handles.size()), x);
    Values items;
    for (const Tracer& t : f(Operands(x))) items.push_back(value_of(view.session(), t));
    return keep(view, sequence_value(view.session(), Kind::tuple, items));
  });
}

}  // namespace jv::capi

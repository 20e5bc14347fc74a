#include "capi/wrap.hpp"

#include <cstring>

#include "control/call.hpp"
#include "ops/numpy.hpp"

namespace jv::capi {

bool failed(const View& cx) { return cx.root().error || cx.root().out_of_memory; }

// `who`: the C function that failed; noted where the message does not say so.
static void set_error(View& cx, Error error, const char* who) {
  Root& root = cx.root();
  if (failed(cx)) return;
  if (error.notes.empty() && error.message.rfind(who, 0) != 0)
    error.notes.push_back(str("in ", who));
  if (error.file.empty() && root.location) {
    Location place = root.session().location(root.location);
    error.file = place.file;
    error.line = place.line;
  }
  root.error = std::make_unique<Error>(std::move(error));
}

void catch_error(View& cx, const char* who) noexcept {
  try {
    try {
      throw;
    } catch (Error& e) {
      set_error(cx, std::move(e), who);
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      set_error(cx, Error(Code::internal, str(who, ": ", e.what())), who);
    }
  } catch (...) {
    cx.root().out_of_memory = true;
  }
}

void fail_null(const char* what) { fail(Code::invalid_argument, what, " is NULL"); }

template <class H>
static H& open_handle(H* handle, const char* what) {
  if (required(handle, what).closed)
    fail(Code::invalid_argument, what, " is a handle of scope ", handle->scope,
         ", which is closed; retain it to keep it");
  return *handle;
}

Value& value(View& cx, jaxvjp_value* v, const char* what) {
  Value& value = open_handle(unwrap(v), what);
  check_usable(cx, value);
  return value;
}
Function& function(View& cx, jaxvjp_function* f, const char* what) {
  Function& function = open_handle(unwrap(f), what);
  if (function.session.get() != &cx.session())
    fail(Code::invalid_argument, what, " is of another session");
  return function;
}
TypedJaxpr& jaxpr(View& cx, jaxvjp_jaxpr* j, const char* what) {
  TypedJaxpr& typed = open_handle(unwrap(j), what);
  if (typed.jaxpr->session.get() != &cx.session())
    fail(Code::invalid_argument, what, " is of another session");
  return typed;
}

Values values(View& cx, jaxvjp_value* const* items, size_t n, const char* what) {
  if (n && !items) fail_null(what);
  Values all;
  for (size_t i = 0; i < n; ++i) {
    if (!items[i]) fail(Code::invalid_argument, what, "[", i, "] is NULL");
    all.push_back(ValueRef(&value(cx, items[i], what)));
  }
  return all;
}

std::span<const int64_t> ints(const int64_t* p, size_t n, const char* what) {
  if (n && !p) fail_null(what);
  return {p, n};
}

DType dtype(int32_t code) {
  if (!is_public(DType(code))) fail(Code::invalid_argument, "there is no dtype ", code);
  return DType(code);
}

const char* keep(View& cx, std::string text) {
  return static_cast<StringHandle*>(cx.keep(make_ref<StringHandle>(std::move(text))))->text.c_str();
}

void read_options_bytes(void* to, size_t known, const void* from, const char* what) {
  size_t size;
  std::memcpy(&size, from, sizeof size);
  constexpr size_t largest = 4096;  // no version's struct is larger
  if (size < sizeof size || size > largest)
    fail(Code::invalid_argument, what, ": struct_size is ", size, "; set it to sizeof the struct");
  auto* bytes = static_cast<const unsigned char*>(from);
  for (size_t i = known; i < size; ++i)
    if (bytes[i])
      fail(Code::abi_mismatch, what, ": an option that this version of the library does not know");
  std::memcpy(to, from, std::min(size, known));
}

void check_flags(int32_t given, int32_t known, const char* what) {
  if (given & ~known) fail(Code::invalid_argument, what, ": unknown flags ", given & ~known);
}

// Checks the operands, and finds the dtype that numbers take: that of the first array which is no
// mask, else f64.
static DType common_dtype(View& cx, std::span<jaxvjp_value* const> handles) {
  DType found = DType::none;
  for (size_t i = 0; i < handles.size(); ++i) {
    if (!handles[i]) fail(Code::invalid_argument, "operand ", i, " is NULL");
    const Value& v = value(cx, handles[i], "an operand");
    bool counts = v.kind == Kind::array && !v.weak && v.aval->dtype != DType::boolean;
    if (found == DType::none && counts) found = v.aval->dtype;
  }
  return found == DType::none ? DType::f64 : found;
}

void operands(View& cx, std::span<jaxvjp_value* const> handles, Tracers& out) {
  DType dtype = common_dtype(cx, handles);
  for (jaxvjp_value* handle : handles) {
    Tracer t = tracer_of(cx, *unwrap(handle), dtype);  // common_dtype has checked it
    out.push_back(cx.lift(t));
  }
}

// ---- broadcasting

void broadcast(const char* name, Tracers& x) {
  bool same = true;
  for (const Tracer& t : x) same = same && t.shape() == x[0].shape();
  if (same) return;
  Ints shape = np::broadcast_shape(name, avals_of(x));
  for (Tracer& t : x) t = np::broadcast_to(t, shape);
}

}  // namespace jv::capi

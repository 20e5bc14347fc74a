// Errors: a code of jaxvjp.h, one line that says what was expected and what came, and notes that
// say where.
#pragma once
#include <cstdint>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace jv {

enum class Code : int32_t {
  ok = 0,
  cancelled = 1,
  invalid_argument = 3,
  not_found = 5,
  out_of_memory = 8,
  internal = 13,
  shape = 100,
  dtype = 101,
  tree = 102,
  concrete = 103,
  stale_tracer = 104,
  no_rule = 105,
  fwd_mode = 106,
  no_transpose = 107,
  closure_diff = 108,
  fwd_unset = 109,
  fwd_tree = 110,
  fwd_aval = 111,
  bwd_unset = 112,
  bwd_tree = 113,
  bwd_aval = 114,
  ct_tree = 115,
  ct_aval = 116,
  not_scalar = 117,
  in_dtype = 118,
  out_dtype = 119,
  effect = 120,
  callback = 121,
  unlinked = 122,
  check = 123,
  parse = 124,
  abi_mismatch = 126,
};

// A foreign object that travels with an error: a panic, an exception, a Go error.
struct Payload {
  const void* tag = nullptr;
  void* object = nullptr;
  void (*destroy)(void*) = nullptr;
  Payload() = default;
  Payload(const void* tag, void* object, void (*destroy)(void*))
      : tag(tag), object(object), destroy(destroy) {}
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;
  ~Payload() {
    if (object && destroy) destroy(object);
  }
};

class Error : public std::exception {
 public:
  Error(int32_t code, std::string message) : code(code), message(std::move(message)) {}
  Error(Code code, std::string message) : Error(int32_t(code), std::move(message)) {}
  const char* what() const noexcept override { return message.c_str(); }
  bool is(Code c) const { return code == int32_t(c); }
  // What it is to those above. That memory is out stays what it is.
  void becomes(Code c) {
    if (!is(Code::out_of_memory)) code = int32_t(c);
  }

  int32_t code;
  std::string message;
  std::string file;  // of the user's code, where jaxvjp_set_location told it
  int32_t line = 0;
  std::vector<std::string> notes;  // innermost first
  std::shared_ptr<Payload> payload;
};

template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}
template <class... Parts>
[[noreturn]] void fail(Code code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

// f(), with a note, made of these parts, on an error that passes.
template <class F, class... Parts>
auto noted(F&& f, const Parts&... parts) {
  try {
    return f();
  } catch (Error& e) {
    e.notes.push_back(str(parts...));
    throw;
  }
}

}  // namespace jv

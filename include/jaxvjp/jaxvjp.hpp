// jaxvjp.hpp - the C++17 layer of libjaxvjp: values with operators, lambdas as functions and rules, exceptions.
//
// Written with the functions of jaxvjp.h and ops.h alone, whose conventions hold. What is different here:
//
//  1. OWNERSHIP. A Value, Function or Jaxpr owns one reference; copies are cheap and share what is immutable. No scopes.
//  2. CONTEXT. A Context is a session. Values and functions remember theirs (in a callback, the callback's), and what is
//     computed from them happens there. What a callback leaves behind has none once it has returned: Error
//     (INVALID_ARGUMENT) when it is computed with; a callback hands out values by returning them.
//  3. FAILURE is an exception, Error, with the library's code, message and notes; the context is usable again at once.
//  4. CALLBACKS are anything that can be called with Values, one an argument, or with one std::vector<Value>. They return a
//     Value, a number, or a std::pair, std::tuple or std::vector of such, which is a tuple. An exception that leaves one
//     travels through the library and reaches the outer caller as the same exception.
//  5. NUMBERS. Where an operation takes an Operand, that is a Value or a plain number, which takes the dtype of the array
//     beside it: 2 * x, maximum(x, 0).
//
//    jaxvjp::Context cx;
//    jaxvjp::Function f(cx, "f", [](jaxvjp::Value x) { return sin(x) * x + 1; });
//    double slope = grad(f)(cx.f64(2)).item();
#ifndef JAXVJP_JAXVJP_HPP
#define JAXVJP_JAXVJP_HPP

#include <jaxvjp/jaxvjp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace jaxvjp {

class Value;
class Function;
using Values = std::vector<Value>;
using Ints = std::vector<std::int64_t>;  // shapes and axes

// ------------------------------------------------------------------------------------------- errors

// What a call failed with. Copies share one report.
class Error final : public std::exception {
 public:
  Error(std::int32_t code, std::string message) : report_(std::make_shared<Report>()) {
    report_->code = code;
    report_->message = report_->text = std::move(message);
  }
  // Takes the error over. `text`: all of it, as jaxvjp_error_text gives it.
  Error(jaxvjp_error *error, std::string text) : report_(std::make_shared<Report>()) {
    report_->raw.reset(error);
    report_->text = std::move(text);
    report_->code = jaxvjp_error_code(error);
    report_->message = jaxvjp_error_message(error);
    if (const char *file = jaxvjp_error_file(error, &report_->line)) report_->file = file;
    for (std::size_t i = 0; const char *note = jaxvjp_error_note(error, i); ++i) report_->notes.push_back(note);
  }

  std::int32_t code() const noexcept { return report_->code; }                       // JAXVJP_SHAPE ...
  const char *what() const noexcept override { return report_->text.c_str(); }       // message, place and notes
  const std::string &message() const noexcept { return report_->message; }           // one line
  const std::vector<std::string> &notes() const noexcept { return report_->notes; }  // innermost first
  const std::string &file() const noexcept { return report_->file; }                 // of the user's code; or empty
  std::int32_t line() const noexcept { return report_->line; }
  // The library's error with its notes, now the caller's; NULL when it was given away before, or never was one.
  jaxvjp_error *release() const noexcept { return report_->raw.release(); }

 private:
  struct Free {
    void operator()(jaxvjp_error *error) const { jaxvjp_error_free(error); }
  };
  struct Report {
    std::int32_t code = 0, line = 0;
    std::string message, text, file;
    std::vector<std::string> notes;
    std::unique_ptr<jaxvjp_error, Free> raw;
  };
  std::shared_ptr<Report> report_;
};

namespace detail {

inline const char exception_tag = 0;  // its address says that an error's payload is an exception

inline void destroy_exception(void *payload) { delete static_cast<std::exception_ptr *>(payload); }

// Throws what the context failed with, and leaves it usable.
[[noreturn]] inline void throw_failure(jaxvjp_context *cx) {
  std::string text = jaxvjp_error_text(cx);
  jaxvjp_error *error = jaxvjp_take_error(cx);
  if (!error) throw Error(JAXVJP_INTERNAL, "a call failed without an error");
  if (void *payload = jaxvjp_error_take_payload(error, &exception_tag)) {
    std::unique_ptr<std::exception_ptr> exception(static_cast<std::exception_ptr *>(payload));
    jaxvjp_error_free(error);
    std::rethrow_exception(*exception);
  }
  throw Error(error, std::move(text));
}

inline void check(jaxvjp_context *cx) {
  if (jaxvjp_failed(cx)) throw_failure(cx);
}

// The exception that is being handled becomes the context's error. Returns its code.
inline std::int32_t fail_with_exception(jaxvjp_context *cx, const char *what) noexcept {
  auto *payload = new (std::nothrow) std::exception_ptr(std::current_exception());
  if (!payload) return jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, what);
  jaxvjp_error *error = jaxvjp_error_new(JAXVJP_CALLBACK, what, &exception_tag, payload, destroy_exception);
  return error ? jaxvjp_fail_with(cx, error) : jaxvjp_fail(cx, JAXVJP_OUT_OF_MEMORY, what);
}
inline std::int32_t fail_with_current(jaxvjp_context *cx) noexcept {
  try {
    throw;
  } catch (const Error &e) {
    jaxvjp_error *error = e.release();
    return error ? jaxvjp_fail_with(cx, error) : jaxvjp_fail(cx, e.code(), e.message().c_str());
  } catch (const std::exception &e) {
    return fail_with_exception(cx, e.what());
  } catch (...) {
    return fail_with_exception(cx, "an exception");
  }
}

// The dtype of a C++ type.
template <class T>
constexpr std::int32_t dtype_of() {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8, "no dtype has elements of this type");
  if (std::is_same_v<T, bool>) return JAXVJP_BOOL;
  const int kind = std::is_floating_point_v<T> ? 0x200 : std::is_signed_v<T> ? 0x000 : 0x100;
  return kind + static_cast<int>(8 * sizeof(T));
}

struct State {
  explicit State(jaxvjp_context *cx) : cx(cx), serial(next()) {}
  jaxvjp_context *cx;     // NULL when it is gone
  const unsigned serial;  // of two contexts that are there, the one made later is the inner one

 private:
  static unsigned next() {
    static std::atomic<unsigned> last{0};
    return ++last;
  }
};

}  // namespace detail

// ------------------------------------------------------------------------------------------- contexts and values

// A context that somebody else owns: that of a Context, a Value or a callback.
class ContextRef {
 public:
  ContextRef() = default;
  explicit ContextRef(std::shared_ptr<detail::State> state) : state_(std::move(state)) {}
  // For calls of C functions. Error where there is no context, or no longer.
  jaxvjp_context *c() const {
    if (!alive()) throw Error(JAXVJP_INVALID_ARGUMENT, "an empty value, or one whose context or callback is gone");
    return state_->cx;
  }
  bool alive() const { return state_ && state_->cx; }
  // Made later than that one, which may be empty or gone? What both can do belongs to it then.
  bool inside(const ContextRef &other) const { return alive() && (!other.alive() || state_->serial > other.state_->serial); }

  inline Value number(double number) const;  // without a dtype: it takes that of the arrays beside it
  inline Value f32(float number) const;      // arrays of rank 0
  inline Value f64(double number) const;
  inline Value i64(std::int64_t number) const;
  // An array of these elements, row-major; of rank 1 when no shape is given.
  template <class T>
  Value array(const std::vector<T> &elements, std::optional<Ints> shape = {}) const;
  template <class T>
  Value array(std::initializer_list<T> elements, std::optional<Ints> shape = {}) const;
  inline Value spec(std::int32_t dtype, const Ints &shape) const;                 // a type without numbers
  inline Value zeros(std::int32_t dtype, const Ints &shape) const;                // an array of zeros
  inline Value ones(std::int32_t dtype, const Ints &shape) const;                 // an array of ones
  inline Value full(std::int32_t dtype, const Ints &shape, double number) const;  // an array of one number
  inline Value arange(std::int32_t dtype, std::int64_t stop) const;               // 0, 1 ... stop - 1
  inline Value eye(std::int32_t dtype, std::int64_t n) const;                     // the identity matrix
  inline Value random_key(std::uint64_t seed) const;                              // the key of a seed

  inline Value none() const;  // an empty subtree
  inline Value zero() const;  // "no derivative"
  inline Value tuple(const Values &items) const;
  inline Value list(const Values &items) const;
  inline Value dict(const std::vector<std::pair<std::string, Value>> &items) const;  // sorted by key
  template <class T>
  Value opaque(std::shared_ptr<T> object) const;  // a leaf that is carried and never computed with

  // Inside a rule: the function whose rule runs; is any leaf of this argument differentiated (fwd); will anyone use the
  // cotangent of this argument (bwd)?
  inline Function self() const;
  inline bool is_perturbed(const Value &argument) const;
  inline bool is_needed(std::size_t argument) const;
  // In a batching rule: is any leaf of this argument, or of this part of one, mapped?
  inline bool is_batched(const Value &argument) const;

  // Equations and errors that follow carry this file and line.
  void set_location(const char *file, std::int32_t line) const { jaxvjp_set_location(c(), file, line); }
  // A counter of the session: JAXVJP_STAT_BYTES ...
  std::int64_t stat(std::int32_t which) const {
    const std::int64_t n = jaxvjp_stat(c(), which);
    detail::check(c());
    return n;
  }

 protected:
  std::shared_ptr<detail::State> state_;
};

// A session, which ends with it; values may outlive it, but not be computed with.
class Context : public ContextRef {
 public:
  Context() : Context(jaxvjp_context_new(nullptr)) {}
  explicit Context(const jaxvjp_context_options &options) : Context(jaxvjp_context_new(&options)) {}
  // Takes over a context made by C.
  explicit Context(jaxvjp_context *cx) : ContextRef(std::make_shared<detail::State>(cx)) {
    if (!cx) throw std::bad_alloc();
    if (!jaxvjp_failed(cx)) return;
    const Error error(jaxvjp_failed(cx), jaxvjp_error_text(cx));
    free();
    throw error;
  }
  Context(Context &&) noexcept = default;
  Context &operator=(Context &&other) noexcept {
    if (this == &other) return *this;
    free();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Context() { free(); }
  // Another context of the same session, for another thread.
  Context fork() const { return Context(jaxvjp_context_fork(c())); }

 private:
  void free() {
    if (alive()) jaxvjp_context_free(std::exchange(state_->cx, nullptr));
  }
};

// A pytree: an array, number or tracer, a container, an opaque leaf; or empty.
class Value {
 public:
  Value() = default;
  // A number, as an array of rank 0 of its own type.
  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Value(const ContextRef &cx, T number) : Value(cx.array(std::initializer_list<T>{number}, Ints{})) {}
  // An array of these elements, row-major; of rank 1 when no shape is given.
  template <class T>
  Value(const ContextRef &cx, const std::vector<T> &elements, std::optional<Ints> shape = {})
      : Value(cx.array(elements, std::move(shape))) {}
  template <class T>
  Value(const ContextRef &cx, std::initializer_list<T> elements, std::optional<Ints> shape = {})
      : Value(cx.array(elements, std::move(shape))) {}

  Value(const Value &other) : cx_(other.cx_), v_(jaxvjp_retain(other.v_)) {}
  Value(Value &&other) noexcept : cx_(std::move(other.cx_)), v_(std::exchange(other.v_, nullptr)) {}
  Value &operator=(Value other) noexcept {
    std::swap(cx_, other.cx_);
    std::swap(v_, other.v_);
    return *this;
  }
  ~Value() { jaxvjp_release(v_); }

  // The handle of a C call that has just returned; NULL throws what the context failed with.
  static Value take(const ContextRef &cx, jaxvjp_value *v) {
    if (!v) detail::throw_failure(cx.c());
    return Value(cx, jaxvjp_take(v));
  }
  // One more reference to a handle that somebody else holds.
  static Value borrow(const ContextRef &cx, jaxvjp_value *v) { return Value(cx, jaxvjp_retain(v)); }
  jaxvjp_value *c() const { return v_; }  // for calls of C functions; the Value keeps it alive
  const ContextRef &context() const { return cx_; }
  explicit operator bool() const { return v_ != nullptr; }

  std::int32_t kind() const { return jaxvjp_kind(v_); }    // JAXVJP_ARRAY ... JAXVJP_FUNCTION
  std::int32_t dtype() const { return jaxvjp_dtype(v_); }  // 0 when it is not an array, tracer or spec
  std::size_t ndim() const { return jaxvjp_ndim(v_); }
  std::size_t size() const { return jaxvjp_size(v_); }  // elements
  Ints shape() const {
    const std::int64_t *shape = jaxvjp_shape(v_);
    return shape ? Ints(shape, shape + ndim()) : Ints();
  }
  bool is_concrete() const { return jaxvjp_is_concrete(v_) == 1; }  // has it numbers?
  bool is_zero() const { return jaxvjp_is_zero(v_) == 1; }          // "no derivative"

  // The number of an array of one element, of any dtype.
  double item() const { return checked(jaxvjp_item(cx_.c(), v_)); }
  std::int64_t item_i64() const { return checked(jaxvjp_item_i64(cx_.c(), v_)); }  // exact; of integers and booleans
  bool truth() const { return checked(jaxvjp_truth(cx_.c(), v_)) == 1; }           // of one bool: how a callback branches
  // The elements, row-major. DTYPE unless they are of this type.
  template <class T>
  std::vector<T> to_vector() const {
    static_assert(!std::is_same_v<T, bool>, "read booleans as uint8_t");
    const bool fits = dtype() == detail::dtype_of<T>() || (dtype() == JAXVJP_BOOL && std::is_same_v<T, std::uint8_t>);
    if (!fits && kind() == JAXVJP_ARRAY)
      throw Error(JAXVJP_DTYPE, "to_vector: the elements of " + str() + " are of another type");
    std::vector<T> elements(size());
    checked(jaxvjp_read(cx_.c(), v_, elements.data(), elements.size() * sizeof(T)));
    return elements;
  }
  // For people: f64[3] [1, 2, 3]
  std::string str() const {
    jaxvjp_context *cx = cx_.c();
    const std::size_t scope = jaxvjp_scope_open(cx);
    const char *text = jaxvjp_to_string(cx, v_);
    std::string copy = text ? text : "";
    jaxvjp_scope_close(cx, scope, nullptr);
    return checked(std::move(copy));
  }

  std::size_t count() const { return jaxvjp_count(v_); }  // items of a container
  std::string key(std::size_t i) const {                  // of a dict's i-th item
    const char *key = jaxvjp_key(v_, i);
    return key ? key : "";
  }
  Value get(std::size_t i) const { return take(cx_, jaxvjp_get(cx_.c(), v_, i)); }  // i-th item of a container
  Value lookup(const std::string &key) const { return take(cx_, jaxvjp_lookup(cx_.c(), v_, key.c_str())); }
  Value operator[](std::size_t i) const { return get(i); }
  Value operator[](const std::string &key) const { return lookup(key); }
  std::size_t leaf_count() const { return jaxvjp_leaf_count(v_); }
  Value leaf(std::size_t i) const { return take(cx_, jaxvjp_leaf(cx_.c(), v_, i)); }
  inline Value unflatten(const Values &leaves) const;  // a tree of this structure
  bool same_structure(const Value &other) const { return jaxvjp_same_structure(v_, other.v_) == 1; }
  // What ContextRef::opaque put in, as the same type.
  template <class T>
  std::shared_ptr<T> as() const {
    return *static_cast<std::shared_ptr<T> *>(checked(jaxvjp_as_pointer(cx_.c(), v_)));
  }
  inline Function as_function() const;  // what Function::value put in

 private:
  Value(const ContextRef &cx, jaxvjp_value *v) : cx_(cx), v_(v) {}
  template <class T>
  T checked(T result) const {
    detail::check(cx_.c());
    return result;
  }
  ContextRef cx_;
  jaxvjp_value *v_ = nullptr;
};

// A Value, or a number that takes the dtype of the array beside it.
class Operand {
 public:
  Operand(const Value &value) : value_(value) {}
  Operand(Value &&value) : value_(std::move(value)) {}
  template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
  Operand(T number) : number_(static_cast<double>(number)) {}
  const ContextRef &context() const { return value_.context(); }
  Value in(const ContextRef &cx) const { return value_ || !number_ ? value_ : cx.number(*number_); }

 private:
  Value value_;
  std::optional<double> number_;
};

namespace detail {

// Handles for a C call, alive as long as this.
class Handles {
 public:
  explicit Handles(const Values &values) : values_(values) { fill(); }
  Handles(const ContextRef &cx, const std::vector<Operand> &operands) {
    for (const Operand &o : operands) values_.push_back(o.in(cx));
    fill();
  }
  jaxvjp_value *const *data() const { return raw_.data(); }
  std::size_t size() const { return raw_.size(); }

 private:
  void fill() {
    for (const Value &v : values_) raw_.push_back(v.c());
  }
  Values values_;
  std::vector<jaxvjp_value *> raw_;
};

// The innermost context of some operands; empty where there is none.
template <class Items>
ContextRef innermost(const Items &items) {
  ContextRef found;
  for (const auto &item : items)
    if (item.context().inside(found)) found = item.context();
  return found;
}
inline ContextRef context_of(const std::vector<Operand> &operands) {
  if (ContextRef cx = innermost(operands); cx.alive()) return cx;
  throw Error(JAXVJP_INVALID_ARGUMENT, "no operand has a context: numbers alone, or values whose callback is gone");
}
template <class Call>
Value apply(Call &&call, const std::vector<Operand> &operands) {
  const ContextRef cx = context_of(operands);
  const Handles handles(cx, operands);
  return Value::take(cx, call(cx.c(), handles.data()));
}

inline const std::int64_t *data(const Ints &ints) {  // never NULL, which would mean "all" or "none given"
  static constexpr std::int64_t none = 0;
  return ints.empty() ? &none : ints.data();
}

}  // namespace detail

inline Value ContextRef::number(double number) const { return Value::take(*this, jaxvjp_number(c(), number)); }
inline Value ContextRef::f32(float number) const { return Value::take(*this, jaxvjp_f32(c(), number)); }
inline Value ContextRef::f64(double number) const { return Value::take(*this, jaxvjp_f64(c(), number)); }
inline Value ContextRef::i64(std::int64_t number) const { return Value::take(*this, jaxvjp_i64(c(), number)); }

template <class T>
Value ContextRef::array(const std::vector<T> &elements, std::optional<Ints> shape) const {
  const Ints dims = shape ? *std::move(shape) : Ints{static_cast<std::int64_t>(elements.size())};
  std::int64_t size = 1;
  for (std::int64_t n : dims) size *= n;
  if (size != static_cast<std::int64_t>(elements.size()))
    throw Error(JAXVJP_SHAPE,
                "array: " + std::to_string(elements.size()) + " elements for a shape of " + std::to_string(size));
  const auto make = [&](const void *data) {
    return Value::take(*this, jaxvjp_array(c(), detail::dtype_of<T>(), dims.data(), dims.size(), data));
  };
  if constexpr (std::is_same_v<T, bool>) {  // its elements are bits
    const std::vector<unsigned char> bytes(elements.begin(), elements.end());
    return make(bytes.data());
  } else {
    return make(elements.data());
  }
}
template <class T>
Value ContextRef::array(std::initializer_list<T> elements, std::optional<Ints> shape) const {
  return array(std::vector<T>(elements), std::move(shape));
}

inline Value ContextRef::spec(std::int32_t dtype, const Ints &shape) const {
  return Value::take(*this, jaxvjp_spec(c(), dtype, shape.data(), shape.size()));
}
inline Value ContextRef::zeros(std::int32_t dtype, const Ints &shape) const {
  return Value::take(*this, jaxvjp_zeros(c(), dtype, shape.data(), shape.size()));
}
inline Value ContextRef::ones(std::int32_t dtype, const Ints &shape) const {
  return Value::take(*this, jaxvjp_ones(c(), dtype, shape.data(), shape.size()));
}
inline Value ContextRef::full(std::int32_t dtype, const Ints &shape, double number) const {
  return Value::take(*this, jaxvjp_full(c(), dtype, shape.data(), shape.size(), number));
}
inline Value ContextRef::arange(std::int32_t dtype, std::int64_t stop) const {
  return Value::take(*this, jaxvjp_arange(c(), dtype, stop));
}
inline Value ContextRef::eye(std::int32_t dtype, std::int64_t n) const {
  return Value::take(*this, jaxvjp_eye(c(), dtype, n));
}
inline Value ContextRef::random_key(std::uint64_t seed) const { return Value::take(*this, jaxvjp_random_key(c(), seed)); }

inline Value ContextRef::none() const { return Value::take(*this, jaxvjp_none(c())); }
inline Value ContextRef::zero() const { return Value::take(*this, jaxvjp_zero(c())); }
inline Value ContextRef::tuple(const Values &items) const {
  const detail::Handles handles(items);
  return Value::take(*this, jaxvjp_tuple(c(), handles.data(), handles.size()));
}
inline Value ContextRef::list(const Values &items) const {
  const detail::Handles handles(items);
  return Value::take(*this, jaxvjp_list(c(), handles.data(), handles.size()));
}
inline Value ContextRef::dict(const std::vector<std::pair<std::string, Value>> &items) const {
  std::vector<const char *> keys;
  std::vector<jaxvjp_value *> raw;
  for (const auto &item : items) keys.push_back(item.first.c_str()), raw.push_back(item.second.c());
  return Value::take(*this, jaxvjp_dict(c(), keys.data(), raw.data(), raw.size()));
}
template <class T>
Value ContextRef::opaque(std::shared_ptr<T> object) const {
  jaxvjp_context *cx = c();
  auto *held = new std::shared_ptr<T>(std::move(object));
  const auto destroy = [](void *pointer) { delete static_cast<std::shared_ptr<T> *>(pointer); };
  return Value::take(*this, jaxvjp_opaque(cx, held, destroy));
}
inline bool ContextRef::is_perturbed(const Value &argument) const {
  const bool answer = jaxvjp_is_perturbed(c(), argument.c()) == 1;
  detail::check(c());
  return answer;
}
inline bool ContextRef::is_needed(std::size_t argument) const {
  const bool answer = jaxvjp_is_needed(c(), argument) == 1;
  detail::check(c());
  return answer;
}
inline bool ContextRef::is_batched(const Value &argument) const {
  const bool answer = jaxvjp_is_batched(c(), argument.c()) == 1;
  detail::check(c());
  return answer;
}

inline Value Value::unflatten(const Values &leaves) const {
  const detail::Handles handles(leaves);
  return take(cx_, jaxvjp_unflatten(cx_.c(), v_, handles.data(), handles.size()));
}

// ------------------------------------------------------------------------------------------- operations

// The functions of ops.h under their names there; what each does is said there. Axes that are left out: all.
#define JAXVJP_UNARY(name)                                                                \
  inline Value name(const Operand &x) {                                                   \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0]); }, {x}); \
  }
#define JAXVJP_BINARY(name)                                                                        \
  inline Value name(const Operand &x, const Operand &y) {                                          \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], v[1]); }, {x, y}); \
  }
#define JAXVJP_OVER_AXES(name)                                                                                     \
  inline Value name(const Operand &x, const Ints &axes) {                                                          \
    const auto call = [&](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], detail::data(axes), axes.size()); }; \
    return detail::apply(call, {x});                                                                               \
  }
#define JAXVJP_OVER_ALL_AXES(name)                                                                    \
  JAXVJP_OVER_AXES(name)                                                                              \
  inline Value name(const Operand &x) {                                                               \
    return detail::apply([](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], nullptr, 0); }, {x}); \
  }
#define JAXVJP_WITH(name, type, parameter)                                                            \
  inline Value name(const Operand &x, type parameter) {                                               \
    return detail::apply([&](auto *cx, auto *v) { return jaxvjp_##name(cx, v[0], parameter); }, {x}); \
  }
#define JAXVJP_OF_SEVERAL(name)                                                                     \
  inline Value name(const Values &arrays, std::int64_t axis = 0) {                                  \
    const auto call = [&](auto *cx, auto *v) { return jaxvjp_##name(cx, v, arrays.size(), axis); }; \
    return detail::apply(call, {arrays.begin(), arrays.end()});                                     \
  }

// clang-format off
// One operand, each element.
JAXVJP_UNARY(abs) JAXVJP_UNARY(neg) JAXVJP_UNARY(sign) JAXVJP_UNARY(floor) JAXVJP_UNARY(exp) JAXVJP_UNARY(expm1)
JAXVJP_UNARY(log) JAXVJP_UNARY(log1p) JAXVJP_UNARY(sin) JAXVJP_UNARY(cos) JAXVJP_UNARY(tanh) JAXVJP_UNARY(logistic)
JAXVJP_UNARY(sqrt) JAXVJP_UNARY(square) JAXVJP_UNARY(erf_inv) JAXVJP_UNARY(is_finite) JAXVJP_UNARY(stop_gradient)
JAXVJP_UNARY(relu) JAXVJP_UNARY(sigmoid) JAXVJP_UNARY(softplus) JAXVJP_UNARY(bitwise_not) JAXVJP_UNARY(logical_not)
JAXVJP_WITH(integer_pow, std::int64_t, y)
// Two operands, which broadcast.
JAXVJP_BINARY(add) JAXVJP_BINARY(sub) JAXVJP_BINARY(mul) JAXVJP_BINARY(div) JAXVJP_BINARY(pow) JAXVJP_BINARY(maximum)
JAXVJP_BINARY(minimum) JAXVJP_BINARY(eq) JAXVJP_BINARY(ne) JAXVJP_BINARY(lt) JAXVJP_BINARY(le) JAXVJP_BINARY(gt)
JAXVJP_BINARY(ge) JAXVJP_BINARY(bitwise_and) JAXVJP_BINARY(bitwise_or) JAXVJP_BINARY(bitwise_xor)
JAXVJP_BINARY(shift_left) JAXVJP_BINARY(shift_right_logical) JAXVJP_BINARY(logical_and) JAXVJP_BINARY(logical_or)
// Products and linear algebra. lu gives a tuple.
JAXVJP_BINARY(matmul) JAXVJP_BINARY(dot) JAXVJP_BINARY(solve) JAXVJP_UNARY(lu) JAXVJP_UNARY(matrix_transpose)
// Over axes.
JAXVJP_OVER_ALL_AXES(sum) JAXVJP_OVER_ALL_AXES(mean) JAXVJP_OVER_ALL_AXES(var) JAXVJP_OVER_ALL_AXES(max)
JAXVJP_OVER_ALL_AXES(min) JAXVJP_OVER_ALL_AXES(logsumexp) JAXVJP_WITH(softmax, std::int64_t, axis)
JAXVJP_WITH(log_softmax, std::int64_t, axis)
// Shapes: `axes` is the new shape of reshape and broadcast_to, the order of the axes for transpose.
JAXVJP_OVER_AXES(reshape) JAXVJP_OVER_AXES(broadcast_to) JAXVJP_OVER_AXES(expand_dims) JAXVJP_OVER_ALL_AXES(transpose)
JAXVJP_OVER_ALL_AXES(squeeze) JAXVJP_OF_SEVERAL(concatenate) JAXVJP_OF_SEVERAL(stack)
// Types.
JAXVJP_WITH(convert, std::int32_t, dtype) JAXVJP_WITH(bitcast_convert_type, std::int32_t, dtype)
// Random numbers: of a key.
JAXVJP_WITH(random_split, std::int64_t, n) JAXVJP_BINARY(random_fold_in)
// clang-format on
#undef JAXVJP_UNARY
#undef JAXVJP_BINARY
#undef JAXVJP_OVER_AXES
#undef JAXVJP_OVER_ALL_AXES
#undef JAXVJP_WITH
#undef JAXVJP_OF_SEVERAL

    // x where the condition holds, y elsewhere.
    inline Value where(const Operand &condition, const Operand &x, const Operand &y) {
  return detail::apply([](auto *cx, auto *v) { return jaxvjp_where(cx, v[0], v[1], v[2]); }, {condition, x, y});
}
// x no smaller than low and no larger than high.
inline Value clip(const Operand &x, const Operand &low, const Operand &high) {
  return detail::apply([](auto *cx, auto *v) { return jaxvjp_clip(cx, v[0], v[1], v[2]); }, {x, low, high});
}
// Uniformly distributed numbers, 0 <= x < 1.
inline Value random_uniform(const Value &key, std::int32_t dtype, const Ints &shape) {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_random_uniform(cx, v[0], dtype, shape.data(), shape.size()); };
  return detail::apply(call, {key});
}
// Normally distributed numbers, of mean 0 and variance 1.
inline Value random_normal(const Value &key, std::int32_t dtype, const Ints &shape) {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_random_normal(cx, v[0], dtype, shape.data(), shape.size()); };
  return detail::apply(call, {key});
}
// Elements start, start + stride ... below limit along each axis.
inline Value slice(const Value &x, const Ints &start, const Ints &limit, const Ints &strides) {
  const auto call = [&](auto *cx, auto *v) {
    return jaxvjp_slice(cx, v[0], start.data(), start.size(), limit.data(), limit.size(), strides.data(), strides.size());
  };
  return detail::apply(call, {x});
}
// Any primitive by name, its parameters as they are printed: bind("reduce_sum", {x}, "axes=(0,)").
inline Value bind(const char *primitive, const Values &operands, const char *params = "") {
  const auto call = [&](auto *cx, auto *v) { return jaxvjp_bind(cx, primitive, v, operands.size(), params); };
  return detail::apply(call, {operands.begin(), operands.end()});
}
// Arrays of zeros in the structure of v.
inline Value zeros_like(const Value &v) { return Value::take(v.context(), jaxvjp_zeros_like(v.context().c(), v.c())); }

inline Value operator-(const Operand &x) { return neg(x); }
inline Value operator+(const Operand &x, const Operand &y) { return add(x, y); }
inline Value operator-(const Operand &x, const Operand &y) { return sub(x, y); }
inline Value operator*(const Operand &x, const Operand &y) { return mul(x, y); }
inline Value operator/(const Operand &x, const Operand &y) { return div(x, y); }

// ------------------------------------------------------------------------------------------- callbacks

namespace detail {

// ---- what a callback returns
inline Value to_value(const ContextRef &, Value v) { return v; }
template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
Value to_value(const ContextRef &cx, T number) {
  return cx.number(static_cast<double>(number));
}
inline Value to_value(const ContextRef &cx, const Values &items) { return cx.tuple(items); }
template <class A, class B>
Value to_value(const ContextRef &cx, const std::pair<A, B> &items);
template <class... T>
Value to_value(const ContextRef &cx, const std::tuple<T...> &items) {
  return std::apply([&](const T &...item) { return cx.tuple({to_value(cx, item)...}); }, items);
}
template <class A, class B>
Value to_value(const ContextRef &cx, const std::pair<A, B> &items) {
  return cx.tuple({to_value(cx, items.first), to_value(cx, items.second)});
}

using Slots = std::vector<std::optional<Value>>;
inline Slots to_slots(Value v) { return {std::move(v)}; }
inline Slots to_slots(std::optional<Value> v) { return {std::move(v)}; }
inline Slots to_slots(Slots slots) { return slots; }
inline Slots to_slots(const Values &values) { return {values.begin(), values.end()}; }
template <class A, class B>
Slots to_slots(const std::pair<A, B> &slots) {
  return {slots.first, slots.second};
}
template <class... T>
Slots to_slots(const std::tuple<T...> &slots) {
  return std::apply([](const T &...slot) { return Slots{slot...}; }, slots);
}

// ---- how a callback is called
template <std::size_t>
using OneOf = const Value &;
template <class F, class N>
struct TakesValues;
template <class F, std::size_t... I>
struct TakesValues<F, std::index_sequence<I...>> : std::is_invocable<const F &, OneOf<I>...> {};

template <class F, std::size_t... I>
decltype(auto) spread(const F &f, const Values &v, std::index_sequence<I...>) {
  return f(v[I]...);
}
// How many Values f takes, one an argument: 1 to 8, or 0; or any number of them, in a vector.
constexpr std::size_t in_a_vector = 9;
template <class F, std::size_t N = 1>
constexpr std::size_t values_taken() {
  if constexpr (N == in_a_vector) {
    return TakesValues<F, std::index_sequence<>>::value ? 0 : in_a_vector;
  } else if constexpr (TakesValues<F, std::make_index_sequence<N>>::value) {
    return N;
  } else {
    return values_taken<F, N + 1>();
  }
}
template <class F>
decltype(auto) call_with(const F &f, const Values &v) {
  constexpr std::size_t n = values_taken<F>();
  if constexpr (n == in_a_vector) {
    return f(v);
  } else {
    if (v.size() != n)
      throw Error(JAXVJP_INVALID_ARGUMENT,
                  "a callback takes " + std::to_string(n) + " values, got " + std::to_string(v.size()));
    return spread(f, v, std::make_index_sequence<n>());
  }
}
template <class Pair>
std::pair<Value, Value> to_values(const ContextRef &cx, const Pair &pair) {
  return {to_value(cx, std::get<0>(pair)), to_value(cx, std::get<1>(pair))};
}

}  // namespace detail

// What each parameter below takes: any callable of the form that is said, which must be const (a lambda is not `mutable`).

// (arguments...) -> output
class CallFn {
 public:
  CallFn() = default;
  template <class F, std::enable_if_t<!std::is_base_of_v<CallFn, std::decay_t<F>>, int> = 0>
  CallFn(F &&f)
      : f_([f = std::forward<F>(f)](const ContextRef &cx, const Values &args) {
          return detail::to_value(cx, detail::call_with(f, args));
        }) {}
  explicit operator bool() const { return bool(f_); }
  Value operator()(const ContextRef &cx, const Values &args) const { return f_(cx, args); }

 private:
  std::function<Value(const ContextRef &, const Values &)> f_;
};

// (arguments...) -> std::pair of output and residuals
class FwdFn {
 public:
  using Result = std::pair<Value, Value>;
  template <class F, std::enable_if_t<!std::is_base_of_v<FwdFn, std::decay_t<F>>, int> = 0>
  FwdFn(F &&f)
      : f_([f = std::forward<F>(f)](const ContextRef &cx, const Values &args) {
          return detail::to_values(cx, detail::call_with(f, args));
        }) {}
  Result operator()(const ContextRef &cx, const Values &args) const { return f_(cx, args); }

 private:
  std::function<Result(const ContextRef &, const Values &)> f_;
};

// (residuals, cotangent) -> the cotangents of the arguments: a Value of the only one, or a pair, tuple or vector of Value or
// std::optional<Value>, where std::nullopt is "no derivative"
class BwdFn {
 public:
  template <class F, std::enable_if_t<!std::is_base_of_v<BwdFn, std::decay_t<F>>, int> = 0>
  BwdFn(F &&f)
      : f_([f = std::forward<F>(f)](const Value &residuals, const Value &ct) { return detail::to_slots(f(residuals, ct)); }) {
  }
  detail::Slots operator()(const Value &residuals, const Value &ct) const { return f_(residuals, ct); }

 private:
  std::function<detail::Slots(const Value &, const Value &)> f_;
};

// (primals..., tangents...) or (vector of primals, vector of tangents) -> std::pair of output and tangent
class JvpFn {
 public:
  using Result = std::pair<Value, Value>;
  JvpFn() = default;
  template <class F, std::enable_if_t<!std::is_base_of_v<JvpFn, std::decay_t<F>>, int> = 0>
  JvpFn(F &&f)
      : f_([f = std::forward<F>(f)](const ContextRef &cx, Values primals, const Values &tangents) {
          if constexpr (detail::values_taken<std::decay_t<F>>() == detail::in_a_vector) {
            return detail::to_values(cx, f(primals, tangents));
          } else {
            primals.insert(primals.end(), tangents.begin(), tangents.end());
            return detail::to_values(cx, detail::call_with(f, primals));
          }
        }) {}
  explicit operator bool() const { return bool(f_); }
  Result operator()(const ContextRef &cx, Values primals, const Values &tangents) const {
    return f_(cx, std::move(primals), tangents);
  }

 private:
  std::function<Result(const ContextRef &, Values, const Values &)> f_;
};

// (axis_size, vector of arguments) -> std::pair of the output and of what in it is batched: 1 or 0, or a tree of them
class BatchFn {
 public:
  using Result = std::pair<Value, Value>;
  BatchFn() = default;
  template <class F, std::enable_if_t<!std::is_base_of_v<BatchFn, std::decay_t<F>>, int> = 0>
  BatchFn(F &&f)
      : f_([f = std::forward<F>(f)](const ContextRef &cx, std::int64_t axis_size, const Values &args) {
          return detail::to_values(cx, f(axis_size, args));
        }) {}
  explicit operator bool() const { return bool(f_); }
  Result operator()(const ContextRef &cx, std::int64_t axis_size, const Values &args) const {
    return f_(cx, axis_size, args);
  }

 private:
  std::function<Result(const ContextRef &, std::int64_t, const Values &)> f_;
};

namespace detail {

// The callbacks of a function or rule, and the C functions that call them.
struct Callbacks {
  CallFn primal;
  std::optional<FwdFn> fwd;
  std::optional<BwdFn> bwd;
  JvpFn jvp;
  BatchFn batch = {};

  // Runs `body` with the context of a callback, which ends with it; no exception leaves.
  template <class Body>
  static std::int32_t guarded(jaxvjp_context *cx, const Body &body) noexcept {
    struct Frame {
      std::shared_ptr<State> state;
      ~Frame() { state->cx = nullptr; }
    };
    try {
      const Frame frame{std::make_shared<State>(cx)};
      body(ContextRef(frame.state));
      return 0;
    } catch (...) {
      return fail_with_current(cx);
    }
  }
  static Values borrowed(const ContextRef &cx, jaxvjp_value *const *args, std::size_t n) {
    Values values;
    for (std::size_t i = 0; i < n; ++i) values.push_back(Value::borrow(cx, args[i]));
    return values;
  }
  static jaxvjp_value *given(const ContextRef &cx, const Value &v) {
    return v ? jaxvjp_give(cx.c(), jaxvjp_retain(v.c())) : nullptr;
  }
  static const Callbacks &of(void *user) { return *static_cast<const Callbacks *>(user); }
  static void destroy(void *user) { delete static_cast<Callbacks *>(user); }

  static std::int32_t call_primal(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, std::size_t n,
                                  jaxvjp_value **out) {
    return guarded(cx, [&](const ContextRef &here) { *out = given(here, of(user).primal(here, borrowed(here, args, n))); });
  }
  static std::int32_t call_fwd(jaxvjp_context *cx, void *user, jaxvjp_value *const *args, std::size_t n, jaxvjp_value **out,
                               jaxvjp_value **residuals) {
    return guarded(cx, [&](const ContextRef &here) {
      const auto result = (*of(user).fwd)(here, borrowed(here, args, n));
      *out = given(here, result.first);
      *residuals = given(here, result.second);
    });
  }
  static std::int32_t call_bwd(jaxvjp_context *cx, void *user, jaxvjp_value *residuals, jaxvjp_value *ct,
                               jaxvjp_value **arg_cts, std::size_t n) {
    return guarded(cx, [&](const ContextRef &here) {
      const Slots slots = (*of(user).bwd)(Value::borrow(here, residuals), Value::borrow(here, ct));
      if (slots.size() != n)
        throw Error(JAXVJP_INVALID_ARGUMENT,
                    "bwd returned " + std::to_string(slots.size()) + " cotangents for " + std::to_string(n) + " arguments");
      for (std::size_t i = 0; i < n; ++i) arg_cts[i] = given(here, slots[i] ? *slots[i] : here.zero());
    });
  }
  static std::int32_t call_jvp(jaxvjp_context *cx, void *user, jaxvjp_value *const *primals, jaxvjp_value *const *tangents,
                               std::size_t n, jaxvjp_value **out, jaxvjp_value **tangent_out) {
    return guarded(cx, [&](const ContextRef &here) {
      const auto result = of(user).jvp(here, borrowed(here, primals, n), borrowed(here, tangents, n));
      *out = given(here, result.first);
      *tangent_out = given(here, result.second);
    });
  }
  static std::int32_t call_batch(jaxvjp_context *cx, void *user, std::int64_t axis_size, jaxvjp_value *const *args,
                                 std::size_t n, jaxvjp_value **out, jaxvjp_value **out_batched) {
    return guarded(cx, [&](const ContextRef &here) {
      const auto result = of(user).batch(here, axis_size, borrowed(here, args, n));
      *out = given(here, result.first);
      *out_batched = given(here, result.second);
    });
  }
};

}  // namespace detail

// ------------------------------------------------------------------------------------------- functions

// Anything that can be called and transformed.
class Function {
 public:
  Function() = default;
  // A base function; `name` is for messages and printing.
  Function(const ContextRef &cx, const char *name, CallFn call) : Function(cx, make(cx.c(), name, std::move(call))) {}

  Function(const Function &other) : cx_(other.cx_), f_(jaxvjp_function_retain(other.f_)) {}
  Function(Function &&other) noexcept : cx_(std::move(other.cx_)), f_(std::exchange(other.f_, nullptr)) {}
  Function &operator=(Function other) noexcept {
    std::swap(cx_, other.cx_);
    std::swap(f_, other.f_);
    return *this;
  }
  ~Function() { jaxvjp_function_release(f_); }

  // The handle of a C call that has just returned; NULL throws what the context failed with.
  static Function take(const ContextRef &cx, jaxvjp_function *f) { return Function(cx, f); }
  jaxvjp_function *c() const { return f_; }
  const ContextRef &context() const { return cx_; }
  explicit operator bool() const { return f_ != nullptr; }

  template <class... T, std::enable_if_t<(std::is_convertible_v<const T &, Operand> && ...), int> = 0>
  Value operator()(const T &...args) const {
    return call({Operand(args)...});
  }
  Value operator()(const Values &args) const { return call({args.begin(), args.end()}); }
  // As a leaf of a pytree: a residual, say.
  Value value() const { return Value::take(cx_, jaxvjp_from_function(cx_.c(), f_)); }

  // Where a call with these values happens.
  template <class Items>
  ContextRef place(const Items &items) const {
    const ContextRef cx = detail::innermost(items);
    return cx.alive() ? cx : cx_;
  }

 private:
  Function(const ContextRef &cx, jaxvjp_function *f) : cx_(cx), f_(jaxvjp_function_take(f)) {
    if (!f) detail::throw_failure(cx.c());
  }
  static jaxvjp_function *make(jaxvjp_context *cx, const char *name, CallFn call) {
    auto *callbacks = new detail::Callbacks{std::move(call), {}, {}, {}};
    return jaxvjp_function_new(cx, name, detail::Callbacks::call_primal, callbacks, detail::Callbacks::destroy);
  }
  Value call(const std::vector<Operand> &args) const {
    const ContextRef cx = place(args);
    const detail::Handles handles(cx, args);
    return Value::take(cx, jaxvjp_call(cx.c(), f_, handles.data(), handles.size()));
  }
  ContextRef cx_;
  jaxvjp_function *f_ = nullptr;
};

inline Function ContextRef::self() const { return Function::take(*this, jaxvjp_self(c())); }
inline Function Value::as_function() const { return Function::take(cx_, jaxvjp_as_function(cx_.c(), v_)); }

struct GradOptions {
  Ints argnums = {};       // empty: argument 0, whose gradient comes bare; else a tuple
  bool has_aux = false;    // f returns (loss, aux)
  bool allow_int = false;  // leaves of integers have gradients of dtype FLOAT0
};
struct VmapOptions {
  Ints in_axes = {};           // one an argument, or JAXVJP_AXIS_NONE; empty: 0 for each
  std::int64_t out_axis = 0;   // of every output leaf
  std::int64_t axis_size = 0;  // 0: that of the mapped arguments
};

namespace detail {
using Derivative = jaxvjp_function *(*)(jaxvjp_context *, jaxvjp_function *, const jaxvjp_grad_options *);
inline Function derivative(Derivative make, const Function &f, const GradOptions &options) {
  jaxvjp_grad_options o{};
  o.struct_size = sizeof o;
  o.argnums = options.argnums.empty() ? nullptr : options.argnums.data();
  o.n_argnums = options.argnums.size();
  o.flags = (options.has_aux ? JAXVJP_HAS_AUX : 0) | (options.allow_int ? JAXVJP_ALLOW_INT : 0);
  return Function::take(f.context(), make(f.context().c(), f.c(), &o));
}
}  // namespace detail

// The gradient of f, whose output is one number.
inline Function grad(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_grad, f, options);
}
// The tuple (value, gradient).
inline Function value_and_grad(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_value_and_grad, f, options);
}
// The Jacobian by forward mode: for few inputs.
inline Function jacfwd(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_jacfwd, f, options);
}
// The Jacobian by reverse mode: for few outputs.
inline Function jacrev(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_jacrev, f, options);
}
// The Jacobian of the Jacobian.
inline Function hessian(const Function &f, const GradOptions &options = {}) {
  return detail::derivative(jaxvjp_hessian, f, options);
}
// f of one example as a function of many.
inline Function vmap(const Function &f, const VmapOptions &options = {}) {
  jaxvjp_vmap_options o{};
  o.struct_size = sizeof o;
  o.in_axes = options.in_axes.empty() ? nullptr : options.in_axes.data();
  o.n_in_axes = options.in_axes.size();
  o.out_axis = options.out_axis;
  o.axis_size = options.axis_size;
  return Function::take(f.context(), jaxvjp_vmap(f.context().c(), f.c(), &o));
}
// f, recorded once for each structure, shapes and dtypes of its arguments, and run as a program from then on.
inline Function jit(const Function &f) { return Function::take(f.context(), jaxvjp_jit(f.context().c(), f.c(), nullptr)); }

// f's value, and its derivative in the direction of the tangents.
inline std::pair<Value, Value> jvp(const Function &f, const Values &primals, const Values &tangents) {
  if (primals.size() != tangents.size())
    throw Error(JAXVJP_INVALID_ARGUMENT,
                "jvp: " + std::to_string(primals.size()) + " primals, " + std::to_string(tangents.size()) + " tangents");
  const ContextRef cx = f.place(primals);
  const detail::Handles x(primals), dx(tangents);
  jaxvjp_value *tangent = nullptr;
  Value out = Value::take(cx, jaxvjp_jvp(cx.c(), f.c(), x.data(), dx.data(), x.size(), &tangent));
  return {std::move(out), Value::take(cx, tangent)};
}
// f's value, and the pullback: from a cotangent of the output to a tuple with one cotangent an argument.
inline std::pair<Value, Function> vjp(const Function &f, const Values &args) {
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  jaxvjp_function *pullback = nullptr;
  Value out = Value::take(cx, jaxvjp_vjp(cx.c(), f.c(), x.data(), x.size(), &pullback));
  return {std::move(out), Function::take(cx, pullback)};
}
// f's value, and a linear function: from tangents of the arguments to the tangent of the output.
inline std::pair<Value, Function> linearize(const Function &f, const Values &args) {
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  jaxvjp_function *linear = nullptr;
  Value out = Value::take(cx, jaxvjp_linearize(cx.c(), f.c(), x.data(), x.size(), &linear));
  return {std::move(out), Function::take(cx, linear)};
}
// The transpose of a linear f; the specs say what its arguments are.
inline Function linear_transpose(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Function::take(cx, jaxvjp_linear_transpose(cx.c(), f.c(), x.data(), x.size()));
}
// f(leaf of the first tree, leaf of the second, ...) for every leaf.
inline Value tree_map(const Function &f, const Values &trees) {
  const ContextRef cx = f.place(trees);
  const detail::Handles x(trees);
  return Value::take(cx, jaxvjp_tree_map(cx.c(), f.c(), x.data(), x.size()));
}

// ------------------------------------------------------------------------------------------- control flow

namespace detail {
// What a control-flow operation works with: the innermost context among its operands.
template <class Call>
Value flow(const std::vector<Operand> &operands, const Call &call) {
  const ContextRef cx = context_of(operands);
  const Handles handles(cx, operands);
  return Value::take(cx, call(cx.c(), handles.data(), handles.size()));
}
}  // namespace detail

// on_true(args...) or on_false(args...), of the same structure and types.
template <class... T>
Value cond(const Value &pred, const Function &on_true, const Function &on_false, const T &...args) {
  return detail::flow({pred, Operand(args)...}, [&](auto *cx, auto *v, std::size_t n) {
    return jaxvjp_cond(cx, v[0], on_true.c(), on_false.c(), v + 1, n - 1);
  });
}
// branches[index](args...); an index beyond the ends takes the first or the last.
template <class... T>
Value switch_case(const Value &index, const std::vector<Function> &branches, const T &...args) {
  std::vector<jaxvjp_function *> raw;
  for (const Function &f : branches) raw.push_back(f.c());
  return detail::flow({index, Operand(args)...}, [&](auto *cx, auto *v, std::size_t n) {
    return jaxvjp_switch(cx, v[0], raw.data(), raw.size(), v + 1, n - 1);
  });
}
// carry = body(carry) from init on, as long as condition(carry) is true. No reverse mode.
inline Value while_loop(const Function &condition, const Function &body, const Value &init) {
  return detail::flow({init},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_while_loop(cx, condition.c(), body.c(), v[0]); });
}
// carry = body(i, carry) for lower <= i < upper; with a reverse mode where both are known.
inline Value fori_loop(const Operand &lower, const Operand &upper, const Function &body, const Value &init) {
  return detail::flow({lower, upper, init},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_fori_loop(cx, v[0], v[1], body.c(), v[2]); });
}
struct ScanOptions {
  std::int64_t length = -1;  // -1: that of xs
  bool reverse = false;      // from the last row to the first
};
// body(carry, x) -> (carry, y) for each row of xs; the pair (last carry, stacked ys).
inline std::pair<Value, Value> scan(const Function &body, const Value &init, const Value &xs,
                                    const ScanOptions &options = {}) {
  const Value both = detail::flow({init, xs}, [&](auto *cx, auto *v, std::size_t) {
    return jaxvjp_scan(cx, body.c(), v[0], v[1], options.length, options.reverse);
  });
  return {both[0], both[1]};
}
// f of each row of xs, stacked; batch_size: so many rows at a time, as by vmap.
inline Value map(const Function &f, const Value &xs, std::int64_t batch_size = 0) {
  return detail::flow({xs}, [&](auto *cx, auto *v, std::size_t) { return jaxvjp_map(cx, f.c(), v[0], batch_size); });
}

// ------------------------------------------------------------------------------------------- solvers

struct LinearSolveOptions {
  std::optional<Function> transpose_solve = {};  // reverse mode needs it, unless symmetric
  bool symmetric = false;                        // matvec is its own transpose
  bool has_aux = false;                          // the solves give (x, aux), and so does the call
};
// x with matvec(x) = b, as solve(matvec, b) finds it; its first argument is a Value that holds a function.
inline Value custom_linear_solve(const Function &matvec, const Value &b, const Function &solve,
                                 const LinearSolveOptions &options = {}) {
  jaxvjp_linear_solve_options o{};
  o.struct_size = sizeof o;
  if (options.transpose_solve) o.transpose_solve = options.transpose_solve->c();
  if (options.symmetric) o.flags |= JAXVJP_SYMMETRIC;
  if (options.has_aux) o.flags |= JAXVJP_HAS_AUX;
  return detail::flow(
      {b}, [&](auto *cx, auto *v, std::size_t) { return jaxvjp_custom_linear_solve(cx, matvec.c(), v[0], solve.c(), &o); });
}
// x with f(x) = 0, as solve(f, guess) finds it; tangent_solve(g, y) solves g(v) = y for f linearized at the root.
inline Value custom_root(const Function &f, const Value &guess, const Function &solve, const Function &tangent_solve,
                         bool has_aux = false) {
  jaxvjp_root_options o{};
  o.struct_size = sizeof o;
  if (has_aux) o.flags = JAXVJP_HAS_AUX;
  return detail::flow({guess}, [&](auto *cx, auto *v, std::size_t) {
    return jaxvjp_custom_root(cx, f.c(), v[0], solve.c(), tangent_solve.c(), &o);
  });
}

struct FixedPointOptions {
  double tolerance = 0;             // relative; 0: by dtype
  double absolute_tolerance = 0;    // beside it
  std::int64_t max_iterations = 0;  // 0: 10,000
  bool keep_last = false;           // the last iterate where that was not enough, instead of NaN
};
// x with x = f(params, x), by iteration from the guess on.
inline Value fixed_point(const Function &f, const Value &params, const Value &guess, const FixedPointOptions &options = {}) {
  jaxvjp_fixed_point_options o{};
  o.struct_size = sizeof o;
  o.tolerance = options.tolerance;
  o.absolute_tolerance = options.absolute_tolerance;
  o.max_iterations = options.max_iterations;
  if (options.keep_last) o.flags = JAXVJP_KEEP_LAST;
  return detail::flow({params, guess},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_fixed_point(cx, f.c(), v[0], v[1], &o); });
}

// ------------------------------------------------------------------------------------------- rules of one's own

struct CustomVjpOptions {
  CallFn primal = {};                            // runs where nothing is differentiated; none: fwd without its residuals
  JvpFn jvp = {};                                // forward mode; none: see `forward`
  std::int32_t forward = JAXVJP_FORWARD_REFUSE;  // or JAXVJP_FORWARD_TRANSPOSE_BWD
  std::int32_t flags = 0;                        // JAXVJP_SYMBOLIC_ZEROS, JAXVJP_RUN_ON_ZERO, JAXVJP_WIDEN
  std::vector<const char *> arg_names = {};
  BatchFn batch = {};  // vmap where nothing is differentiated
};

// A function with a derivative of one's own, honoured under every mixture of transformations.
inline Function custom_vjp(const ContextRef &cx, const char *name, FwdFn fwd, BwdFn bwd, CustomVjpOptions options = {}) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  jaxvjp_custom_vjp_options o{};
  o.struct_size = sizeof o;
  o.primal = options.primal ? Callbacks::call_primal : nullptr;
  o.jvp = options.jvp ? Callbacks::call_jvp : nullptr;
  o.forward = options.forward;
  o.flags = options.flags;
  o.arg_names = options.arg_names.data();
  o.n_arg_names = options.arg_names.size();
  o.batch = options.batch ? Callbacks::call_batch : nullptr;
  auto *user = new Callbacks{std::move(options.primal), std::move(fwd), std::move(bwd), std::move(options.jvp),
                             std::move(options.batch)};
  return Function::take(
      cx, jaxvjp_custom_vjp(here, name, Callbacks::call_fwd, Callbacks::call_bwd, user, Callbacks::destroy, &o));
}
// The same from a rule for forward mode, which serves reverse mode too.
inline Function custom_jvp(const ContextRef &cx, const char *name, CallFn primal, JvpFn jvp) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  auto *user = new Callbacks{std::move(primal), {}, {}, std::move(jvp)};
  return Function::take(cx,
                        jaxvjp_custom_jvp(here, name, Callbacks::call_primal, Callbacks::call_jvp, user, Callbacks::destroy));
}
// A function with a rule for vmap. It has a forward mode, and no reverse mode: for both there is CustomVjpOptions::batch.
inline Function custom_vmap(const ContextRef &cx, const char *name, CallFn primal, BatchFn batch) {
  using detail::Callbacks;
  jaxvjp_context *here = cx.c();
  auto *user = new Callbacks{std::move(primal), {}, {}, {}, std::move(batch)};
  return Function::take(
      cx, jaxvjp_custom_vmap(here, name, Callbacks::call_primal, Callbacks::call_batch, user, Callbacks::destroy));
}
// f, of which a vmap does one example after the other.
inline Function sequential_vmap(const Function &f) {
  return Function::take(f.context(), jaxvjp_sequential_vmap(f.context().c(), f.c()));
}
// f(residual, linear), linear in the second, with the transpose t(residual, cotangent).
inline Value linear_call(const Function &f, const Function &t, const Value &residual, const Value &linear) {
  return detail::flow({residual, linear},
                      [&](auto *cx, auto *v, std::size_t) { return jaxvjp_linear_call(cx, f.c(), t.c(), v[0], v[1]); });
}
// f recorded for such arguments, with the traced values that it captured as leaves of its value(): a residual, say.
inline Function closure_convert(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Function::take(cx, jaxvjp_closure_convert(cx.c(), f.c(), x.data(), x.size()));
}
// The leaf of the arguments, counted over all, that the i-th array is which a pullback holds; -1: it was computed.
inline std::int64_t residual_source(const Function &linear, std::size_t i) {
  std::int64_t leaf = -1;
  jaxvjp_residual_source(linear.context().c(), linear.c(), i, &leaf);
  detail::check(linear.context().c());
  return leaf;
}

struct CheckOptions {
  std::int32_t order = 1;  // 2: the derivative of the derivative too
  std::uint32_t seed = 0;
  double tolerance = 0;       // relative; 0: by dtype
  bool nonlinear_ok = false;  // a bwd that is not linear is not reported
};
// Throws Error (CHECK) with a report when f's derivative at args is wrong.
inline void check_vjp(const Function &f, const Values &args, const CheckOptions &options = {}) {
  jaxvjp_check_options o{};
  o.struct_size = sizeof o;
  o.order = options.order;
  o.seed = options.seed;
  o.tolerance = options.tolerance;
  o.flags = options.nonlinear_ok ? JAXVJP_CHECK_NONLINEAR_OK : 0;
  const ContextRef cx = f.place(args);
  const detail::Handles x(args);
  if (jaxvjp_check_vjp(cx.c(), f.c(), x.data(), x.size(), &o)) detail::throw_failure(cx.c());
}

// ------------------------------------------------------------------------------------------- a running program

// Prints the format with the numbers of a value in place of each {}, when the program runs. Where there is no value, the
// context says where: that of the callback.
template <class... T>
void debug_print(const ContextRef &cx, const char *format, const T &...values) {
  const std::vector<Operand> operands{Operand(values)...};
  const detail::Handles handles(cx, operands);
  if (jaxvjp_debug_print(cx.c(), format, handles.data(), handles.size())) detail::throw_failure(cx.c());
}
template <class... T>
void debug_print(const char *format, const Value &first, const T &...rest) {
  debug_print(detail::innermost(std::vector<Operand>{first, Operand(rest)...}), format, first, rest...);
}
// x itself; `callback` is called with the cotangent of x, as numbers, each time a backward pass comes by.
inline Value probe(const Value &x, std::function<void(const Value &ct)> callback) {
  using Callback = std::function<void(const Value &)>;
  const jaxvjp_probe_fn call = [](jaxvjp_context *cx, void *user, jaxvjp_value *ct) {
    return detail::Callbacks::guarded(
        cx, [&](const ContextRef &here) { (*static_cast<Callback *>(user))(Value::borrow(here, ct)); });
  };
  jaxvjp_context *cx = x.context().c();
  auto *user = new Callback(std::move(callback));
  const auto destroy = [](void *user) { delete static_cast<Callback *>(user); };
  return Value::take(x.context(), jaxvjp_probe(cx, x.c(), call, user, destroy));
}
// In a rule's bwd: gives v to who called the pullback by call_emitted.
inline void emit(const char *name, const Value &v) {
  if (jaxvjp_emit(v.context().c(), name, v.c())) detail::throw_failure(v.context().c());
}
// The pair (cotangents, {rule: {name: value}}).
inline std::pair<Value, Value> call_emitted(const Function &pullback, const Value &ct) {
  const ContextRef cx = pullback.place(Values{ct});
  const Value both = Value::take(cx, jaxvjp_call_emitted(cx.c(), pullback.c(), ct.c()));
  return {both[0], both[1]};
}

// ------------------------------------------------------------------------------------------- jaxprs

// A closed, typed program.
class Jaxpr {
 public:
  Jaxpr(const Jaxpr &other) : cx_(other.cx_), j_(jaxvjp_jaxpr_retain(other.j_)) {}
  Jaxpr(Jaxpr &&other) noexcept : cx_(std::move(other.cx_)), j_(std::exchange(other.j_, nullptr)) {}
  Jaxpr &operator=(Jaxpr other) noexcept {
    std::swap(cx_, other.cx_);
    std::swap(j_, other.j_);
    return *this;
  }
  ~Jaxpr() { jaxvjp_jaxpr_release(j_); }

  // The handle of a C call that has just returned; NULL throws what the context failed with.
  static Jaxpr take(const ContextRef &cx, jaxvjp_jaxpr *j) { return Jaxpr(cx, j); }
  jaxvjp_jaxpr *c() const { return j_; }
  // In JAX's notation.
  std::string str() const {
    jaxvjp_context *cx = cx_.c();
    const std::size_t scope = jaxvjp_scope_open(cx);
    const char *text = jaxvjp_jaxpr_text(cx, j_);
    std::string copy = text ? text : "";
    jaxvjp_scope_close(cx, scope, nullptr);
    detail::check(cx);
    return copy;
  }
  // Equations of this primitive, those of nested programs included; none given: all.
  std::size_t count(const char *primitive = nullptr) const { return jaxvjp_jaxpr_count(j_, primitive); }
  // The same program without dead, repeated and constant equations.
  Jaxpr simplified() const { return take(cx_, jaxvjp_simplify(cx_.c(), j_)); }
  Function function() const { return Function::take(cx_, jaxvjp_function_of(cx_.c(), j_)); }
  // The program with its rules (JAXVJP_SAVE_PRIMAL: without) as bytes (JAXVJP_SAVE_TEXT: as text), for load.
  std::string saved(std::int32_t flags = JAXVJP_SAVE_RULES) const {
    jaxvjp_context *cx = cx_.c();
    const std::size_t scope = jaxvjp_scope_open(cx);
    std::size_t bytes = 0;
    const void *data = jaxvjp_save(cx, j_, flags, &bytes);
    std::string copy = data ? std::string(static_cast<const char *>(data), bytes) : std::string();
    jaxvjp_scope_close(cx, scope, nullptr);
    detail::check(cx);
    return copy;
  }
  const ContextRef &context() const { return cx_; }

 private:
  Jaxpr(const ContextRef &cx, jaxvjp_jaxpr *j) : cx_(cx), j_(jaxvjp_jaxpr_take(j)) {
    if (!j) detail::throw_failure(cx.c());
  }
  ContextRef cx_;
  jaxvjp_jaxpr *j_;
};

// Records f for arguments as the specs say; arrays serve as well.
inline Jaxpr make_jaxpr(const Function &f, const Values &specs) {
  const ContextRef cx = f.place(specs);
  const detail::Handles x(specs);
  return Jaxpr::take(cx, jaxvjp_make_jaxpr(cx.c(), f.c(), x.data(), x.size()));
}
// The program that a text says. PARSE with line and column.
inline Jaxpr parse(const ContextRef &cx, const char *text) { return Jaxpr::take(cx, jaxvjp_parse(cx.c(), text)); }
// The program that Jaxpr::saved gave. `functions` stand in for the rules of their names.
inline Jaxpr load(const ContextRef &cx, const std::string &data, const std::vector<Function> &functions = {}) {
  std::vector<jaxvjp_function *> given;
  for (const Function &f : functions) given.push_back(f.c());
  return Jaxpr::take(cx, jaxvjp_load(cx.c(), data.data(), data.size(), given.data(), given.size()));
}
// The rule that three programs are: (args) -> outs; (args) -> outs, residuals; (residuals, cotangents) -> cotangents.
inline Function custom_vjp_from_jaxprs(const char *name, const Jaxpr &primal, const Jaxpr &fwd, const Jaxpr &bwd) {
  const ContextRef &cx = primal.context();
  return Function::take(cx, jaxvjp_custom_vjp_from_jaxprs(cx.c(), name, primal.c(), fwd.c(), bwd.c()));
}

}  // namespace jaxvjp

#endif

// Contexts and values. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_VALUE_HPP
#define JAXVJP_CPP_VALUE_HPP

#include <functional>
#include <initializer_list>
#include <jaxvjp/cpp/error.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace jaxvjp {

class Value;
class Function;
using Values = std::vector<Value>;
using Ints = std::vector<std::int64_t>;  // shapes and axes

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

}  // namespace jaxvjp

#endif

// Lambdas as callbacks of the library. Included by jaxvjp.hpp, which says what holds of all.
#ifndef JAXVJP_CPP_CALLBACKS_HPP
#define JAXVJP_CPP_CALLBACKS_HPP

#include <functional>
#include <jaxvjp/cpp/operations.hpp>
#include <tuple>
#include <type_traits>

namespace jaxvjp {

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

}  // namespace jaxvjp

#endif

// jaxvjp/host.hpp - host functions from C++ lambdas: code that cannot be traced, run on buffers when the program runs, with a
// state of any type from fwd to bwd. See "custom rules, opaque" in jaxvjp.h for what holds of them.
//
//   jaxvjp::HostOptions options;
//   options.flags = JAXVJP_HOST_PURE;
//   options.bwd = [](const std::any &state, const jaxvjp::Saved &, const jaxvjp::Buffers &cts,
//                    const jaxvjp::Buffers &arg_cts) { ... };                               // fills arg_cts
//   auto solve = jaxvjp::host_function(
//       cx, "solve",
//       [](const jaxvjp::Values &specs) { return specs[1]; },                              // what the outputs look like
//       [](const jaxvjp::Buffers &in, const jaxvjp::Buffers &out) -> std::any { ... },     // fills out, returns the state
//       options);
#ifndef JAXVJP_HOST_HPP
#define JAXVJP_HOST_HPP

#include <any>

#include "jaxvjp.hpp"

namespace jaxvjp {

// A leaf at run time: row-major, compact. Empty where C gives NULL: not saved, or no float.
class Buffer {
 public:
  explicit Buffer(const jaxvjp_buffer *b) : b_(b) {}
  explicit operator bool() const { return b_; }
  // The elements; T must be as wide as the dtype.
  template <class T>
  T *data() const {
    return static_cast<T *>(b_->data);
  }
  std::int32_t dtype() const { return b_->dtype; }
  std::size_t ndim() const { return b_->ndim; }
  std::int64_t shape(std::size_t axis) const { return b_->shape[axis]; }
  std::size_t size() const {
    std::size_t n = 1;
    for (std::size_t i = 0; i < b_->ndim; ++i) n *= static_cast<std::size_t>(b_->shape[i]);
    return n;
  }

 private:
  const jaxvjp_buffer *b_;
};
using Buffers = std::vector<Buffer>;

// What bwd gets besides its state: fwd's leaves, where JAXVJP_HOST_SAVE_INPUTS and _OUTPUTS ask for them.
struct Saved {
  Buffers in, out;
};
using States = std::vector<const std::any *>;  // null: the element took a branch without this call

struct HostOptions {
  // (state, saved, cotangents of the outputs, cotangents of the inputs to be filled); none: not differentiable
  std::function<void(const std::any &, const Saved &, const Buffers &, const Buffers &)> bwd = {};
  // For a batch: fwd returns a state an element; bwd has as many, or one for all where batch.states is 0.
  std::function<std::vector<std::any>(const jaxvjp_host_batch &, const Buffers &, const Buffers &)> batch_fwd = {};
  std::function<void(const jaxvjp_host_batch &, const States &, const Saved &, const Buffers &, const Buffers &)> batch_bwd =
      {};
  std::int32_t flags = 0;  // JAXVJP_HOST_PURE ...
};

namespace detail {

// The callbacks of a host function, and the C functions that call them.
struct HostCallbacks {
  std::function<Value(const Values &)> shape;
  std::function<std::any(const Buffers &, const Buffers &)> fwd;
  HostOptions options;

  static const HostCallbacks &of(void *user) { return *static_cast<const HostCallbacks *>(user); }
  static void destroy(void *user) { delete static_cast<HostCallbacks *>(user); }
  static void destroy_state(void *state) { delete static_cast<std::any *>(state); }
  static Buffers buffers(const jaxvjp_buffer *const *items, std::size_t n) {
    Buffers all;
    for (std::size_t i = 0; i < n; ++i) all.emplace_back(items[i]);
    return all;
  }

  static std::int32_t call_shape(jaxvjp_context *cx, void *user, jaxvjp_value *const *specs, std::size_t n,
                                 jaxvjp_value **out) {
    return Callbacks::guarded(cx, [&](const ContextRef &here) {
      *out = Callbacks::given(here, of(user).shape(Callbacks::borrowed(here, specs, n)));
    });
  }
  static std::int32_t call_fwd(jaxvjp_context *cx, void *user, const jaxvjp_buffer *const *in, std::size_t n_in,
                               const jaxvjp_buffer *const *out, std::size_t n_out, void **state) {
    return Callbacks::guarded(cx, [&](const ContextRef &) {
      std::any kept = of(user).fwd(buffers(in, n_in), buffers(out, n_out));
      if (of(user).options.bwd) *state = new std::any(std::move(kept));
    });
  }
  static std::int32_t call_bwd(jaxvjp_context *cx, void *user, void *state, const jaxvjp_buffer *const *in,
                               const jaxvjp_buffer *const *out, const jaxvjp_buffer *const *cts, std::size_t n_out,
                               const jaxvjp_buffer *const *arg_cts, std::size_t n_in) {
    return Callbacks::guarded(cx, [&](const ContextRef &) {
      of(user).options.bwd(*static_cast<const std::any *>(state), {buffers(in, n_in), buffers(out, n_out)},
                           buffers(cts, n_out), buffers(arg_cts, n_in));
    });
  }
  static std::int32_t call_batch_fwd(jaxvjp_context *cx, void *user, const jaxvjp_host_batch *batch,
                                     const jaxvjp_buffer *const *in, std::size_t n_in, const jaxvjp_buffer *const *out,
                                     std::size_t n_out, void **states) {
    return Callbacks::guarded(cx, [&](const ContextRef &) {
      std::vector<std::any> kept = of(user).options.batch_fwd(*batch, buffers(in, n_in), buffers(out, n_out));
      if (!of(user).options.bwd) return;
      if (kept.size() != static_cast<std::size_t>(batch->size))
        throw Error(JAXVJP_INVALID_ARGUMENT, "batch_fwd returned " + std::to_string(kept.size()) + " states for " +
                                                 std::to_string(batch->size) + " elements");
      for (std::size_t i = 0; i < kept.size(); ++i) states[i] = new std::any(std::move(kept[i]));
    });
  }
  static std::int32_t call_batch_bwd(jaxvjp_context *cx, void *user, const jaxvjp_host_batch *batch, void *const *states,
                                     const jaxvjp_buffer *const *in, const jaxvjp_buffer *const *out,
                                     const jaxvjp_buffer *const *cts, std::size_t n_out, const jaxvjp_buffer *const *arg_cts,
                                     std::size_t n_in) {
    return Callbacks::guarded(cx, [&](const ContextRef &) {
      States kept;
      for (std::int64_t i = 0; i < (batch->states ? batch->size : 1); ++i)
        kept.push_back(static_cast<const std::any *>(states[i]));
      of(user).options.batch_bwd(*batch, kept, {buffers(in, n_in), buffers(out, n_out)}, buffers(cts, n_out),
                                 buffers(arg_cts, n_in));
    });
  }
};

}  // namespace detail

// shape: (specs of the arguments) -> spec, or pytree of specs, of the outputs. fwd: (input leaves, output leaves to be
// filled) -> state, an empty std::any for none.
inline Function host_function(const ContextRef &cx, const char *name, std::function<Value(const Values &)> shape,
                              std::function<std::any(const Buffers &, const Buffers &)> fwd, HostOptions options = {}) {
  using detail::HostCallbacks;
  jaxvjp_context *here = cx.c();
  jaxvjp_host_options o{};
  o.struct_size = sizeof o;
  o.bwd = options.bwd ? HostCallbacks::call_bwd : nullptr;
  o.state_destroy = options.bwd ? HostCallbacks::destroy_state : nullptr;
  o.flags = options.flags;
  o.batch_fwd = options.batch_fwd ? HostCallbacks::call_batch_fwd : nullptr;
  o.batch_bwd = options.batch_bwd ? HostCallbacks::call_batch_bwd : nullptr;
  auto *user = new HostCallbacks{std::move(shape), std::move(fwd), std::move(options)};
  return Function::take(cx, jaxvjp_host_function(here, name, HostCallbacks::call_shape, HostCallbacks::call_fwd, user,
                                                 HostCallbacks::destroy, &o));
}

// Functions that people have, as C takes them: see jaxvjp_from_value_grad and its neighbours. `data` outlives the function.
inline Function from_value_grad(const ContextRef &cx, const char *name, jaxvjp_value_grad_fn f, void *data = nullptr) {
  return Function::take(cx, jaxvjp_from_value_grad(cx.c(), name, f, data, nullptr));
}
inline Function from_residual_jacobian(const ContextRef &cx, const char *name, std::size_t m, jaxvjp_residual_jacobian_fn f,
                                       void *data = nullptr) {
  return Function::take(cx, jaxvjp_from_residual_jacobian(cx.c(), name, m, f, data, nullptr));
}
inline Function from_partials(const ContextRef &cx, const char *name, jaxvjp_partials_fn f, void *data = nullptr) {
  return Function::take(cx, jaxvjp_from_partials(cx.c(), name, f, data, nullptr));
}

}  // namespace jaxvjp
#endif

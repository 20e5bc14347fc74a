// Host functions with C++ lambdas as callbacks, and counts of what ran.
#pragma once

#include <cstring>

#include "support.hpp"

namespace conformance {

struct Leaf {  // a buffer, as the doubles that it holds here
  const jaxvjp_buffer* buffer;
  double* data() const { return static_cast<double*>(buffer->data); }
  double& operator[](size_t i) const { return data()[i]; }
  size_t size() const {
    size_t n = 1;
    for (size_t i = 0; i < buffer->ndim; ++i) n *= size_t(buffer->shape[i]);
    return n;
  }
  explicit operator bool() const { return buffer; }
};
struct Leaves {
  const jaxvjp_buffer* const* items;
  size_t n;
  Leaf operator[](size_t i) const { return {items[i]}; }
};
struct HostCounts {
  int fwd = 0, bwd = 0, batch_fwd = 0, batch_bwd = 0, states = 0, destroyed = 0, freed = 0;
};

// What is left out is NULL in the C call. A state is a number; NaN is a state of NULL.
struct HostRule {
  using Shape = std::function<jaxvjp_value*(jaxvjp_context*, Args)>;
  using Fwd = std::function<double(Leaves in, Leaves out)>;
  using Bwd = std::function<void(double state, Leaves in, Leaves out, Leaves cts, Leaves arg_cts)>;
  using BatchFwd = std::function<void(const jaxvjp_host_batch&, Leaves in, Leaves out,
                                      std::vector<double>& states)>;
  using BatchBwd = std::function<void(const jaxvjp_host_batch&, const std::vector<double>& states,
                                      Leaves in, Leaves out, Leaves cts, Leaves arg_cts)>;
  Shape shape;
  Fwd fwd;
  Bwd bwd = nullptr;
  BatchFwd batch_fwd = nullptr;
  BatchBwd batch_bwd = nullptr;
  int32_t flags = JAXVJP_HOST_PURE | JAXVJP_HOST_VMAP_LOOP;
  HostCounts* counts = nullptr;
  HostCounts own = {};  // where nobody counts
};

namespace host_detail {

struct State {
  double number;
  HostCounts* counts;
};
inline HostRule& rule(void* user) { return *static_cast<HostRule*>(user); }
inline HostCounts& counts(void* user) {
  return rule(user).counts ? *rule(user).counts : rule(user).own;
}
inline void keep(void* user, double number, void** state) {
  if (std::isnan(number) || !rule(user).bwd) return;
  ++counts(user).states;
  *state = new State{number, rule(user).counts};
}
inline double number_of(void* state) {
  return state ? static_cast<State*>(state)->number : std::nan("");
}
inline void destroy_state(void* state) {
  auto* s = static_cast<State*>(state);
  if (s->counts) ++s->counts->destroyed;
  delete s;
}
inline void destroy(void* user) {
  ++counts(user).freed;
  delete &rule(user);
}
inline int32_t shape(jaxvjp_context* cx, void* user, jaxvjp_value* const* args, size_t n,
                     jaxvjp_value** out) {
  *out = rule(user).shape(cx, {args, n});
  return jaxvjp_failed(cx);
}
inline int32_t fwd(jaxvjp_context* cx, void* user, const jaxvjp_buffer* const* in, size_t n_in,
                   const jaxvjp_buffer* const* out, size_t n_out, void** state) {
  ++counts(user).fwd;
  keep(user, rule(user).fwd({in, n_in}, {out, n_out}), state);
  return jaxvjp_failed(cx);
}
inline int32_t bwd(jaxvjp_context* cx, void* user, void* state, const jaxvjp_buffer* const* in,
                   const jaxvjp_buffer* const* out, const jaxvjp_buffer* const* cts, size_t n_out,
                   const jaxvjp_buffer* const* arg_cts, size_t n_in) {
  ++counts(user).bwd;
  rule(user).bwd(number_of(state), {in, n_in}, {out, n_out}, {cts, n_out}, {arg_cts, n_in});
  return jaxvjp_failed(cx);
}
inline int32_t batch_fwd(jaxvjp_context* cx, void* user, const jaxvjp_host_batch* batch,
                         const jaxvjp_buffer* const* in, size_t n_in,
                         const jaxvjp_buffer* const* out, size_t n_out, void** states) {
  ++counts(user).batch_fwd;
  std::vector<double> kept(size_t(batch->size), std::nan(""));
  rule(user).batch_fwd(*batch, {in, n_in}, {out, n_out}, kept);
  for (size_t i = 0; i < kept.size(); ++i) keep(user, kept[i], states + i);
  return jaxvjp_failed(cx);
}
inline int32_t batch_bwd(jaxvjp_context* cx, void* user, const jaxvjp_host_batch* batch,
                         void* const* states, const jaxvjp_buffer* const* in,
                         const jaxvjp_buffer* const* out, const jaxvjp_buffer* const* cts,
                         size_t n_out, const jaxvjp_buffer* const* arg_cts, size_t n_in) {
  ++counts(user).batch_bwd;
  std::vector<double> kept;
  for (int64_t i = 0; i < (batch->states ? batch->size : 1); ++i)
    kept.push_back(number_of(states[i]));
  rule(user).batch_bwd(*batch, kept, {in, n_in}, {out, n_out}, {cts, n_out}, {arg_cts, n_in});
  return jaxvjp_failed(cx);
}

}  // namespace host_detail

inline jaxvjp_function* host_function(jaxvjp_context* cx, const char* name, HostRule rule) {
  auto* user = new HostRule(std::move(rule));
  jaxvjp_host_options o{};
  o.struct_size = sizeof o;
  o.bwd = user->bwd ? host_detail::bwd : nullptr;
  o.state_destroy = user->bwd ? host_detail::destroy_state : nullptr;
  o.flags = user->flags;
  o.batch_fwd = user->batch_fwd ? host_detail::batch_fwd : nullptr;
  o.batch_bwd = user->batch_bwd ? host_detail::batch_bwd : nullptr;
  return jaxvjp_host_function(cx, name, host_detail::shape, host_detail::fwd, user,
                              host_detail::destroy, &o);
}

// x^2 of numbers, with the rule 10 x ct; the state is x.
inline HostRule opaque_square() {
  return {.shape = [](auto, auto args) { return args[0]; },
          .fwd =
              [](auto in, auto out) {
                out[0][0] = in[0][0] * in[0][0];
                return in[0][0];
              },
          .bwd = [](double x, auto, auto, auto cts,
                    auto arg_cts) { arg_cts[0][0] = 10 * x * cts[0][0]; }};
}
// x^2 y with the rule (3 x y ct, 5 x ct), from the saved inputs.
inline HostRule opaque_product() {
  return {.shape = [](auto, auto args) { return args[0]; },
          .fwd =
              [](auto in, auto out) {
                out[0][0] = in[0][0] * in[0][0] * in[1][0];
                return 0;
              },
          .bwd =
              [](double, auto in, auto, auto cts, auto arg_cts) {
                arg_cts[0][0] = 3 * in[0][0] * in[1][0] * cts[0][0];
                arg_cts[1][0] = 5 * in[0][0] * cts[0][0];
              },
          .flags = JAXVJP_HOST_PURE | JAXVJP_HOST_VMAP_LOOP | JAXVJP_HOST_SAVE_INPUTS};
}

}  // namespace conformance

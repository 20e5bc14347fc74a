// Host functions: buffers in C's terms, and adapters.
#include "api/host.hpp"

#include "capi/wrap.hpp"

using namespace jv;
using namespace jv::capi;

static constexpr jaxvjp_function* no_function = nullptr;

namespace {

// Buffers as callbacks take them; NULL for a leaf that is not there.
class Buffers {
 public:
  explicit Buffers(const HostBuffers& from) {
    buffers_.reserve(from.size());
    for (const HostBuffer& b : from) {
      if (!b.aval) {
        pointers_.push_back(nullptr);
        continue;
      }
      buffers_.push_back({sizeof(jaxvjp_buffer), b.data, b.aval->shape.data(), b.aval->ndim(),
                          int32_t(b.aval->dtype)});
      pointers_.push_back(&buffers_.back());
    }
  }
  const jaxvjp_buffer* const* data() const { return pointers_.data(); }
  size_t size() const { return pointers_.size(); }

 private:
  std::vector<jaxvjp_buffer> buffers_;
  std::vector<const jaxvjp_buffer*> pointers_;
};

// What a batched callback learns.
class Batch {
 public:
  explicit Batch(const HostBatch& b)
      : in_(b.in.begin(), b.in.end()),
        out_(b.out.begin(), b.out.end()),
        cts_(b.cts.begin(), b.cts.end()),
        batch_{sizeof(jaxvjp_host_batch),
               b.size,
               in_.data(),
               out_.data(),
               cts_.empty() ? nullptr : cts_.data(),
               b.states} {}
  const jaxvjp_host_batch* get() const { return &batch_; }

 private:
  std::vector<int32_t> in_, out_, cts_;
  jaxvjp_host_batch batch_;
};

void set_fwd(UserHost& host, jaxvjp_host_fwd_fn fwd, jaxvjp_host_batch_fwd_fn batch_fwd) {
  host.batched_fwd = batch_fwd;
  host.run_fwd = [user = host.user, fwd, batch_fwd](View& view, const HostBatch* batch,
                                                    const HostBuffers& in, const HostBuffers& out,
                                                    std::span<void*> states) {
    Buffers i(in), o(out);
    if (!batch)
      return fwd(wrap(&view), user, i.data(), i.size(), o.data(), o.size(), states.data());
    return batch_fwd(wrap(&view), user, Batch(*batch).get(), i.data(), i.size(), o.data(), o.size(),
                     states.data());
  };
}

void set_bwd(UserHost& host, jaxvjp_host_bwd_fn bwd, jaxvjp_host_batch_bwd_fn batch_bwd) {
  host.has_bwd = bwd;
  host.batched_bwd = batch_bwd;
  host.run_bwd = [user = host.user, bwd, batch_bwd](
                     View& view, const HostBatch* batch, std::span<void* const> states,
                     const HostBuffers& in, const HostBuffers& out, const HostBuffers& cts,
                     const HostBuffers& arg_cts) {
    Buffers i(in), o(out), c(cts), a(arg_cts);
    if (!batch)
      return bwd(wrap(&view), user, states[0], i.data(), o.data(), c.data(), c.size(), a.data(),
                 a.size());
    return batch_bwd(wrap(&view), user, Batch(*batch).get(), states.data(), i.data(), o.data(),
                     c.data(), c.size(), a.data(), a.size());
  };
}

void set_shape(UserHost& host, jaxvjp_host_shape_fn shape) {
  host.shape = [user = host.user, shape](View& view, Args specs, ValueRef& out) {
    auto handles = hand_out(view, specs);
    jaxvjp_value* found = nullptr;
    int32_t code = shape(wrap(&view), user, handles.data(), specs.size(), &found);
    out = written(found);
    return code;
  };
}

constexpr int32_t host_flags =
    JAXVJP_HOST_PURE | JAXVJP_HOST_SAVE_INPUTS | JAXVJP_HOST_SAVE_OUTPUTS | JAXVJP_HOST_VMAP_LOOP;

// A function of the user's, and who makes one of the library's of it.
template <class T, class F, class Make>
jaxvjp_function* adapt(jaxvjp_context* cx, const char* who, const char* name, F f, void* data,
                       jaxvjp_destroy_fn destroy, Make&& make) {
  User owned(data, destroy);
  return guard(cx, who, no_function, [&](View& view) {
    if (!f) fail_null("the function");
    auto adapter = make_ref<T>();
    adapter->name = name ? name : "f";
    adapter->data = data;
    adapter->destroy = destroy;
    owned.given();
    adapter->f = f;
    return keep(view, make(view, adapter));
  });
}

}  // namespace

jaxvjp_function* jaxvjp_host_function(jaxvjp_context* cx, const char* name,
                                      jaxvjp_host_shape_fn shape, jaxvjp_host_fwd_fn fwd,
                                      void* user, jaxvjp_destroy_fn destroy,
                                      const jaxvjp_host_options* given) {
  User owned(user, destroy);
  return guard(cx, "host_function", no_function, [&](View& view) {
    auto o = read_options(given, "host_function");
    check_flags(o.flags, host_flags, "host_function");
    if (!shape) fail_null("shape");
    if (!fwd) fail_null("fwd");
    if (!o.bwd && (o.batch_bwd || o.state_destroy))
      fail(Code::invalid_argument, "host_function ", name ? name : "f",
           ": batch_bwd or state_destroy is given without a bwd");
    auto host = make_ref<UserHost>();
    host->label = name ? name : "f";
    host->user = user;
    host->destroy = destroy;
    owned.given();
    host->pure = o.flags & JAXVJP_HOST_PURE;
    host->saves_inputs = o.flags & JAXVJP_HOST_SAVE_INPUTS;
    host->saves_outputs = o.flags & JAXVJP_HOST_SAVE_OUTPUTS;
    host->loops = o.flags & JAXVJP_HOST_VMAP_LOOP;
    host->destroy_state = o.state_destroy;
    set_shape(*host, shape);
    set_fwd(*host, fwd, o.batch_fwd);
    set_bwd(*host, o.bwd, o.batch_bwd);
    return keep(view, host_function(view, host));
  });
}

jaxvjp_function* jaxvjp_from_value_grad(jaxvjp_context* cx, const char* name,
                                        jaxvjp_value_grad_fn f, void* data,
                                        jaxvjp_destroy_fn destroy) {
  return adapt<ValueGrad>(cx, "from_value_grad", name, f, data, destroy, from_value_grad);
}

jaxvjp_function* jaxvjp_from_residual_jacobian(jaxvjp_context* cx, const char* name, size_t m,
                                               jaxvjp_residual_jacobian_fn f, void* data,
                                               jaxvjp_destroy_fn destroy) {
  auto make = [m](View& view, const Ref<ResidualJacobian>& adapter) {
    adapter->m = m;
    return from_residual_jacobian(view, adapter);
  };
  return adapt<ResidualJacobian>(cx, "from_residual_jacobian", name, f, data, destroy, make);
}

jaxvjp_function* jaxvjp_from_partials(jaxvjp_context* cx, const char* name, jaxvjp_partials_fn f,
                                      void* data, jaxvjp_destroy_fn destroy) {
  return adapt<Partials>(cx, "from_partials", name, f, data, destroy, from_partials);
}

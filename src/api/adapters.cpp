// Functions that compute a value together with its derivative, as they are written for optimisers.
// A rule in forward mode: the derivative is an array, and the tangent a product with it, which jit,
// vmap and reverse mode treat like any other.
#include <limits>

#include "api/host.hpp"
#include "ops/numpy.hpp"
#include "primitives/ops.hpp"

namespace jv {
namespace {

double* numbers(const HostBuffer& b) { return static_cast<double*>(b.data); }

// The foreign function: the value, and where asked for its derivative.
class AdaptedHost : public Host {
 public:
  AdaptedHost(const std::string& name, bool derivative) : derivative_(derivative) {
    label = derivative ? name + "_with_derivative" : name;
    pure = loops = true;
  }
  const char* no_bwd() const override {
    return "what it computes beside its value has no derivative; derivatives of order 2 need a "
           "traced rule";
  }
  void bwd(Context&, const HostBatch*, std::span<void* const>, const HostBuffers&,
           const HostBuffers&, const HostBuffers&, const HostBuffers&) const override {}

 protected:
  double* derivative(const HostBuffers& out) const {
    return derivative_ ? numbers(out[1]) : nullptr;
  }
  const bool derivative_;
};

class ValueGradHost final : public AdaptedHost {
 public:
  ValueGradHost(Ref<const ValueGrad> f, bool derivative)
      : AdaptedHost(f->name, derivative), f_(std::move(f)) {}
  void fwd(Context& cx, const HostBatch*, const HostBuffers& in, const HostBuffers& out,
           std::span<void*>) const override {
    cx.session().counters.callbacks.fetch_add(1, std::memory_order_relaxed);
    *numbers(out[0]) = f_->f(unsigned(in[0].aval->size), numbers(in[0]), derivative(out), f_->data);
  }

 private:
  Ref<const ValueGrad> f_;
};

class ResidualJacobianHost final : public AdaptedHost {
 public:
  ResidualJacobianHost(Ref<const ResidualJacobian> f, bool derivative)
      : AdaptedHost(f->name, derivative), f_(std::move(f)) {}
  void fwd(Context& cx, const HostBatch*, const HostBuffers& in, const HostBuffers& out,
           std::span<void*>) const override {
    cx.session().counters.callbacks.fetch_add(1, std::memory_order_relaxed);
    int32_t code =
        f_->f(f_->m, in[0].aval->size, numbers(in[0]), numbers(out[0]), derivative(out), f_->data);
    if (code) throw Error(code, str(f_->name, " returned the code ", code));
  }

 private:
  Ref<const ResidualJacobian> f_;
};

class PartialsHost final : public AdaptedHost {
 public:
  PartialsHost(Ref<const Partials> f, bool derivative)
      : AdaptedHost(f->name, derivative), f_(std::move(f)) {}
  // Element by element; the derivatives are outputs 1 to n.
  void fwd(Context& cx, const HostBatch*, const HostBuffers& in, const HostBuffers& out,
           std::span<void*>) const override {
    cx.session().counters.callbacks.fetch_add(1, std::memory_order_relaxed);
    std::vector<double> x(in.size()), partials(in.size());
    for (size_t i = 0; i < out[0].aval->size; ++i) {
      for (size_t k = 0; k < in.size(); ++k) x[k] = numbers(in[k])[i];
      numbers(out[0])[i] =
          f_->f(x.size(), x.data(), derivative_ ? partials.data() : nullptr, f_->data);
      for (size_t k = 0; derivative_ && k < in.size(); ++k) numbers(out[k + 1])[i] = partials[k];
    }
  }

 private:
  Ref<const Partials> f_;
};

// ---- the rule

struct Adapter : RefCounted {
  HostRef value, both;
  virtual Avals types(Session& session, std::span<const Aval> in, bool derivative) const = 0;
  // From the derivatives and the tangents of the arguments, of which at least one is there.
  virtual Tracer tangent(Operands derivatives, Operands dx) const = 0;
};

class AdaptedRule final : public CustomRule {
 public:
  explicit AdaptedRule(Ref<const Adapter> adapter) : adapter_(std::move(adapter)) {}
  const std::string& name() const override { return adapter_->value->name(); }
  bool has_forward() const override { return true; }
  bool has_reverse() const override { return false; }

  Tracers primal(Context& cx, Operands args) const override { return run(cx, args, false); }
  Dual jvp(Context& cx, Operands x, Operands dx) const override {
    Tracers all = run(cx, x, true);
    return {{all[0]}, {adapter_->tangent(Operands(all).subspan(1), dx)}};
  }
  Residuals fwd(Context&, Operands, std::span<const bool>, Tracers&) const override { unused(); }
  Tracers bwd(Context&, const Residuals&, Operands, std::span<const Aval>,
              std::span<const bool>) const override {
    unused();
  }

 private:
  // A rule of forward mode is transposed as what it computes.
  [[noreturn]] void unused() const { fail(Code::internal, name(), ": has neither fwd nor bwd"); }

  Tracers run(Context& cx, Operands args, bool derivative) const {
    Avals in;
    for (const Tracer& t : args) in.push_back(t.aval());
    return host_call(derivative ? adapter_->both : adapter_->value, cx, home_of(cx, args), args,
                     adapter_->types(cx.session(), in, derivative));
  }
  Ref<const Adapter> adapter_;
};

struct ValueGradAdapter final : Adapter {
  Avals types(Session& session, std::span<const Aval> in, bool derivative) const override {
    Avals out{session.aval(DType::f64, {})};
    if (derivative) out.push_back(in[0]);
    return out;
  }
  Tracer tangent(Operands derivatives, Operands dx) const override {
    return dot_general(derivatives[0], dx[0], {{0}, {0}, {}, {}}, DType::f64);
  }
};

struct ResidualJacobianAdapter final : Adapter {
  int64_t m = 0;
  Avals types(Session& session, std::span<const Aval> in, bool derivative) const override {
    Avals out{session.aval(DType::f64, Ints{m})};
    if (derivative) out.push_back(session.aval(DType::f64, Ints{m, int64_t(in[0]->size)}));
    return out;
  }
  Tracer tangent(Operands derivatives, Operands dx) const override {
    return dot_general(derivatives[0], dx[0], {{1}, {0}, {}, {}}, DType::f64);
  }
};

struct PartialsAdapter final : Adapter {
  Avals types(Session&, std::span<const Aval> in, bool derivative) const override {
    return Avals(derivative ? in.size() + 1 : 1, in[0]);
  }
  Tracer tangent(Operands derivatives, Operands dx) const override {
    Tracer sum;
    for (size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i]) continue;
      Tracer term = derivatives[i] * dx[i];
      sum = sum ? sum + term : term;
    }
    return sum;
  }
};

class AdaptedFunction final : public BaseFunction {
 public:
  AdaptedFunction(Session& session, Ref<const Adapter> adapter, bool elementwise)
      : BaseFunction(session, adapter->value->name()),
        adapter_(std::move(adapter)),
        elementwise_(elementwise) {}

  std::vector<HostRef> hosts() const override { return {adapter_->value, adapter_->both}; }

  ValueRef call(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    check(args, flat.leaves);
    Tracers x = flat.leaves;
    if (elementwise_) {
      Avals avals;
      for (const Tracer& t : x) avals.push_back(t.aval());
      Ints shape = np::broadcast_shape(name().c_str(), avals);
      for (Tracer& t : x) t = np::broadcast_to(t, shape);
    }
    CustomRuleRef rule = make_ref<const AdaptedRule>(adapter_);
    return value_of(cx.session(), custom_jvp_call(rule, cx.root(), x, cx.place())[0]);
  }

 private:
  void check(Args args, Operands leaves) const {
    if (leaves.size() != args.size() || args.empty() || (!elementwise_ && args.size() != 1))
      fail(Code::invalid_argument, name(), ": takes ",
           elementwise_ ? "arrays, one an argument" : "one array", "; got ", args.size(),
           " arguments, which hold ", leaves.size(), " arrays");
    for (const Tracer& t : leaves) {
      if (t.dtype() != DType::f64)
        fail(Code::dtype, name(), ": takes f64, got ", to_string(t.aval()));
      if (!elementwise_ && t.shape().size() != 1)
        fail(Code::shape, name(), ": takes a vector, got ", to_string(t.aval()));
      if (t.aval()->size > std::numeric_limits<unsigned>::max())
        fail(Code::shape, name(), ": takes fewer than 2^32 numbers, got ", to_string(t.aval()));
    }
  }
  Ref<const Adapter> adapter_;
  bool elementwise_;
};

template <class HostType, class F>
FunctionRef adapted(View& cx, Ref<Adapter> adapter, const Ref<const F>& f, bool elementwise) {
  adapter->value = make_ref<const HostType>(f, false);
  adapter->both = make_ref<const HostType>(f, true);
  return make_ref<AdaptedFunction>(cx.session(), adapter, elementwise);
}

}  // namespace

FunctionRef from_value_grad(View& cx, Ref<const ValueGrad> f) {
  return adapted<ValueGradHost>(cx, make_ref<ValueGradAdapter>(), f, false);
}

FunctionRef from_residual_jacobian(View& cx, Ref<const ResidualJacobian> f) {
  if (f->m > size_t(INT64_MAX))
    fail(Code::invalid_argument, "from_residual_jacobian: ", f->m, " residuals are too many");
  auto adapter = make_ref<ResidualJacobianAdapter>();
  adapter->m = int64_t(f->m);
  return adapted<ResidualJacobianHost>(cx, adapter, f, false);
}

FunctionRef from_partials(View& cx, Ref<const Partials> f) {
  return adapted<PartialsHost>(cx, make_ref<PartialsAdapter>(), f, true);
}

}  // namespace jv

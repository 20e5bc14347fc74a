// Host functions as users make them: from callbacks on buffers, and from what they already have.
#pragma once
#include "api/function.hpp"
#include "rules/host.hpp"

namespace jv {

// A host function's callbacks, and the user's data behind them.
class UserHost final : public Host {
 public:
  std::function<int32_t(View&, const HostBatch*, const HostBuffers& in, const HostBuffers& out,
                        std::span<void*> states)>
      run_fwd;
  std::function<int32_t(View&, const HostBatch*, std::span<void* const> states,
                        const HostBuffers& in, const HostBuffers& out, const HostBuffers& cts,
                        const HostBuffers& arg_cts)>
      run_bwd;
  // Writes the pytree of the outputs' types for arguments of these types.
  std::function<int32_t(View&, Args specs, ValueRef& out)> shape;
  void* user = nullptr;
  void (*destroy)(void*) = nullptr;

  ~UserHost() override {
    if (destroy) destroy(user);
  }
  void fwd(Context& cx, const HostBatch* batch, const HostBuffers& in, const HostBuffers& out,
           std::span<void*> states) const override;
  void bwd(Context& cx, const HostBatch* batch, std::span<void* const> states,
           const HostBuffers& in, const HostBuffers& out, const HostBuffers& cts,
           const HostBuffers& arg_cts) const override;
};

FunctionRef host_function(View& cx, Ref<const UserHost> host);

// ---- adapters: values with derivatives in one function, which is a function of its arguments
struct Adapted : RefCounted {
  std::string name;
  void* data = nullptr;
  void (*destroy)(void*) = nullptr;
  ~Adapted() override {
    if (destroy) destroy(data);
  }
};
// Each gives a code. Null where no derivative is asked for.
struct ValueGrad final : Adapted {
  double (*f)(unsigned n, const double* x, double* grad, void* data) = nullptr;
};
struct ResidualJacobian final : Adapted {
  int32_t (*f)(size_t m, size_t n, const double* x, double* residuals, double* jacobian,
               void* data) = nullptr;
  size_t m = 0;
};
struct Partials final : Adapted {
  double (*f)(size_t n, const double* x, double* partials, void* data) = nullptr;
};
FunctionRef from_value_grad(View& cx, Ref<const ValueGrad> f);
FunctionRef from_residual_jacobian(View& cx, Ref<const ResidualJacobian> f);
FunctionRef from_partials(View& cx, Ref<const Partials> f);

}  // namespace jv

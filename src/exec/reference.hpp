// The reference executor: a jaxpr run one equation at a time with the kernels that eager operations
// use. Whatever is faster must give the same bits.
#pragma once
#include "core/session.hpp"

namespace jv {

class ReferenceExecutor final : public Executor {
 public:
  void run(Context& cx, const Jaxpr& jaxpr, std::span<const Array> in,
           Small<Array, 4>& out) const override;
};

}  // namespace jv

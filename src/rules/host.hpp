// Host functions: code of the user's that is not traced. An equation runs it on buffers when the
// program runs; its derivative is a custom rule whose fwd keeps one opaque state for bwd.
#pragma once
#include "rules/rule.hpp"

namespace jv {

// A leaf as the user's code sees it. With a leading axis where it is mapped and a whole batch is
// asked for at once.
struct HostBuffer {
  void* data = nullptr;  // null: a leaf without a derivative, or one that was not saved
  Aval aval = nullptr;
};
using HostBuffers = Small<HostBuffer, 4>;

// Which leaves have the leading axis.
struct HostBatch {
  int64_t size;
  Flags in, out, cts;
  bool states;  // a state an element, or one for all
};

class Host : public Callee {
 public:
  const std::string& name() const override { return label; }
  Saved saved() const override { return Saved::by_name; }

  virtual const char* no_bwd() const { return "a host function without a bwd has no derivative"; }

  std::string label;
  bool pure = false;          // may be dropped, and run again
  bool saves_inputs = false;  // for bwd
  bool saves_outputs = false;
  bool loops = false;  // mapped, it runs once an element
  bool batched_fwd = false, batched_bwd = false;
  bool has_bwd = false;
  void (*destroy_state)(void*) = nullptr;

  // `batch` is null where one element is asked for. `states` are preset to null: one, or one an
  // element of the batch.
  virtual void fwd(Context& cx, const HostBatch* batch, const HostBuffers& in,
                   const HostBuffers& out, std::span<void*> states) const = 0;
  virtual void bwd(Context& cx, const HostBatch* batch, std::span<void* const> states,
                   const HostBuffers& in, const HostBuffers& out, const HostBuffers& cts,
                   const HostBuffers& arg_cts) const = 0;
};
using HostRef = Ref<const Host>;

// INVALID_ARGUMENT where an equation with these parameters cannot call this function in the place
// of the one that it was recorded with.
void check_linked(const Params& params, const Host& host);

// The outputs have types `out`.
Tracers host_call(const HostRef& host, Context& cx, Trace& at, Operands args, const Avals& out);

}  // namespace jv

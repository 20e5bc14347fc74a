// host_bwd runs the bwd of a host function: (state, mark, saved inputs, saved outputs, cotangents
// of the outputs that are floats) -> cotangents of the inputs that are.
#include <cstring>

#include "primitives/define.hpp"
#include "rules/host_parts.hpp"

namespace jv {
namespace {

// How its operands divide.
struct Backward : HostParams {
  Backward(Session& session, const Params& params)
      : HostParams(params),
        in(types_of(session, params.dims("in"))),
        out(types_of(session, params.dims("out"))),
        saves_inputs(params.flag("inputs")),
        saves_outputs(params.flag("outputs")) {}
  size_t first_out() const { return 2 + (saves_inputs ? in.size() : 0); }
  size_t first_ct() const { return first_out() + (saves_outputs ? out.size() : 0); }
  // Types of one element of each.
  Avals operands(Session& session) const {
    Avals all{state_aval(session), mark_aval(session)};
    if (saves_inputs) all.append(in);
    if (saves_outputs) all.append(out);
    all.append(pick(out, floats(out)));
    return all;
  }

  Avals in, out;  // types of one element
  bool saves_inputs, saves_outputs;
};

void host_bwd_aval(Session& session, std::span<const Aval> in, const Params& params, Avals& out) {
  Backward b(session, params);
  b.check("host_bwd", in);
  Avals elements(in);
  for (size_t i = 0; i < in.size(); ++i)
    if (b.mapped[i]) elements[i] = element_of(session, in[i]);
  check_call("host_bwd", b.operands(session), elements);
  for (Aval aval : b.in)
    if (aval->is_float()) out.push_back(b.whole(session, aval));
}

// Fills what an element has without running bwd: its branch was not taken, and there is no state.
void fill_zeros(const HostBuffers& arg_cts) {
  for (const HostBuffer& b : arg_cts)
    if (b.data) std::memset(b.data, 0, b.aval->bytes());
}

class BackwardRun {
 public:
  BackwardRun(Context& cx, const Backward& b, Operands operands)
      : cx_(cx), b_(b), operands_(operands) {
    for (Aval aval : b.in)
      results_.push_back(
          aval->is_float() ? Array::allocate(cx.session(), b.whole(cx.session(), aval)) : Array());
  }

  Tracers run() {
    Tracers out;
    if (!b_.batched()) one({}, 0);
    else if (b_.host->batched_bwd) whole();
    else
      for (int64_t i = 0; i < b_.size; ++i) one({i}, b_.mapped[0] ? size_t(i) : 0);
    for (Array& a : results_)
      if (a) out.push_back(cx_.tracer(std::move(a)));
    return out;
  }

 private:
  const HostState* state(size_t i) const {
    auto* s = static_cast<const HostState*>(operands_[0].array().data<const RefCounted*>()[i]);
    if (s && &s->host() != b_.host.get())
      fail(Code::invalid_argument, b_.host->name(), ": its bwd got a state of ", s->host().name());
    return s;
  }

  struct Leaves {
    HostBuffers in, out, cts, arg_cts;
  };
  Leaves leaves(Window window) const {
    Leaves l;
    size_t k = 2;
    auto next = [&](bool there) {
      if (!there) return HostBuffer();
      HostBuffer buffer = window.of(operands_[k].array(), b_.mapped[k]);
      ++k;
      return buffer;
    };
    for (size_t i = 0; i < b_.in.size(); ++i) l.in.push_back(next(b_.saves_inputs));
    for (size_t i = 0; i < b_.out.size(); ++i) l.out.push_back(next(b_.saves_outputs));
    for (Aval aval : b_.out) l.cts.push_back(next(aval->is_float()));
    for (const Array& a : results_) l.arg_cts.push_back(window.of(a, b_.batched()));
    return l;
  }

  void one(Window window, size_t i) const {
    Leaves l = leaves(window);
    const HostState* s = state(i);
    if (!s) return fill_zeros(l.arg_cts);
    void* pointer = s->pointer;
    b_.host->bwd(cx_, nullptr, {&pointer, 1}, l.in, l.out, l.cts, l.arg_cts);
  }

  void whole() const {
    if (b_.size == 0) return;
    std::vector<void*> pointers;
    for (size_t i = 0; i < operands_[0].aval()->size; ++i)
      pointers.push_back(state(i) ? state(i)->pointer : nullptr);
    Leaves l = leaves({});
    HostBatch batch = flags();
    b_.host->bwd(cx_, &batch, pointers, l.in, l.out, l.cts, l.arg_cts);
    for (size_t i = 0; i < size_t(b_.size); ++i)
      if (!state(b_.mapped[0] ? i : 0)) fill_zeros(leaves({int64_t(i)}).arg_cts);
  }

  HostBatch flags() const {
    HostBatch f{b_.size, {}, {}, {}, b_.mapped[0] != 0};
    size_t k = 2;
    auto next = [&](bool there) { return there && b_.mapped[k++]; };
    for (size_t i = 0; i < b_.in.size(); ++i) f.in.push_back(next(b_.saves_inputs));
    for (size_t i = 0; i < b_.out.size(); ++i) f.out.push_back(next(b_.saves_outputs));
    for (Aval aval : b_.out) f.cts.push_back(next(aval->is_float()));
    return f;
  }

  Context& cx_;
  const Backward& b_;
  Operands operands_;
  Arrays results_;
};

Tracers host_bwd_expand(Context& cx, const Primitive& primitive, Operands operands,
                        const Params& params) {
  Backward b(cx.session(), params);
  Tracers found = BackwardRun(cx, b, operands).run();
  check_host_nans(cx, primitive, operands, found);
  return found;
}

// Linear in the cotangents; of what else it depends on nobody knows the derivative.
Dual host_bwd_linearize(JvpTrace& t, const Primitive& p, Operands x, Operands dx,
                        const Params& params) {
  Backward b(t.cx.session(), params);
  Tracers tangents(x);
  for (size_t i = 0; i < x.size(); ++i) {
    bool ct = i >= b.first_ct();
    if (dx[i] && !ct)
      fail(Code::no_rule, b.host->name(),
           ": the bwd of a host function has no derivative of its own; derivatives of order 2 need "
           "a traced rule");
    if (ct) tangents[i] = dx[i] ? dx[i] : zeros_like(x[i]);
  }
  return {jv::bind(p, x, ParamsRef(&params)), jv::bind(p, tangents, ParamsRef(&params))};
}

Batched host_bwd_batch(BatchTrace& t, const Primitive& p, MappedOperands in, const Params& params) {
  Backward b(t.cx.session(), params);
  check_batching(*b.host, b.host->batched_bwd, "batch_bwd");
  Merged m = merge(t, in, b);
  Tracers found =
      bind_at(home_of(t.cx, m.operands), p, m.operands, with_batch(t.cx.session(), params, m));
  for (Tracer& r : found) r = parted(r, t, b);
  return each_mapped(found);
}

}  // namespace

constexpr Primitive host_bwd_p = define({
    .name = "host_bwd",
    .signature = "operands..., host: object, in: types, inputs: bool, mapped: bools, name: word, "
                 "out: types, outputs: bool, size: int",
    .doc = "The bwd of a host function, from its state and the outputs' cotangents.",
    .abstract_eval = host_bwd_aval,
    .expand = host_bwd_expand,
    .linearize = host_bwd_linearize,
    .batch_all = host_bwd_batch,
    .unlinked = unlinked_host,
    .no_transpose = "the bwd of a host function has no derivative of its own",
    .internal = true,
});

}  // namespace jv

// What the primitives that hold jaxprs share: lists with holes, and the flags of a loop's carries.
#pragma once
#include "control/call.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace jv {

// ---- lists with holes: a null tracer is a zero, or what is not known
Tracers present(Operands t);
// The inverse: a value where `at` says, null elsewhere.
Tracers spread(std::span<const bool> at, Operands some);
Tracers join(Operands a, Operands b, Operands c = {});
// The values that `at` marks, zeros of these types made at `home` for those that are missing.
Tracers filled(Operands t, std::span<const bool> at, std::span<const Aval> types, Trace& home);
Avals tangent_avals(Session& session, std::span<const Aval> avals);

// ---- one axis more in front, one less
Aval stacked(Session& session, Aval element, int64_t length);
Aval element_of(Session& session, Aval stacked);
Small<Mapped, 4> mapped_where(Operands values, std::span<const bool> mapped);
Tracers values_of(std::span<const Mapped> in);
Flags mapped_of(std::span<const Mapped> in);
// The results of a jaxpr over these arguments, all of them mapped.
Tracers eval_mapped(BatchTrace& t, const Jaxpr& j, std::span<const Mapped> args);
Tracer swap_leading(const Tracer& x);  // axes 0 and 1 exchanged

// EFFECT where vmap would run what acts for elements that do not ask for it.
void refuse_to_act(Effects effects, const char* name, const char* what, const char* runs);

// The parameters with another value under a name.
ParamsRef with_param(Session& session, const Params& params, std::string_view name, Param value);
// Runs a jaxpr on numbers.
Tracers run_jaxpr(Context& cx, const Jaxpr& j, Operands operands);

// Which inputs and outputs of a loop's body have tangents, or are mapped.
struct Flow {
  Flags in;   // constants, carry, elements
  Flags out;  // carry, elements
};
// `round` traces the body for some flags of its inputs and gives those of its outputs. A carry that
// comes out flagged goes in flagged, until nothing changes; the last round is that of the result.
template <class Round>
Flow settle(Flags in, size_t n_consts, size_t n_carry, Round&& round) {
  for (;;) {
    Flags out = round(in), before = in;
    for (size_t i = 0; i < n_carry; ++i) {
      bool flagged = out[i] || in[n_consts + i];
      out[i] = in[n_consts + i] = flagged;
    }
    if (std::equal(in.begin(), in.end(), before.begin())) return {in, out};
  }
}

// The inputs of a loop's body that the `needed` results need. A carry that is among them is needed
// too, and `needed` grows until nothing changes; it is kept as input and as result.
Small<bool, 4> needed_in_loop(const Jaxpr& body, size_t n_consts, size_t n_carry, Flags& needed);
size_t count_of(std::span<const bool> flags);

}  // namespace jv

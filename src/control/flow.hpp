// What the primitives that hold jaxprs share: lists with holes, and the flags of a loop's carries.
#pragma once
#include "control/call.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"

namespace jv {

// ---- lists with holes: a null tracer is a zero, or what is not known
Tracers present(Operands t);
// The items that `at` marks.
Tracers pick(Operands t, std::span<const bool> at);
Avals pick(std::span<const Aval> avals, std::span<const bool> at);
// The inverse: a value where `at` says, null elsewhere.
Tracers spread(std::span<const bool> at, Operands some);
// The holes filled with `some`, in order.
Tracers plug(Operands holes, Operands some);
Tracers join(Operands a, Operands b, Operands c = {});
// The values that `at` marks, zeros of these types made at `home` for those that are missing.
Tracers filled(Operands t, std::span<const bool> at, std::span<const Aval> types, Trace& home);
Tracers filled(Operands t, std::span<const Aval> types, Trace& home);  // all
Avals tangent_avals(Session& session, std::span<const Aval> avals);
Flags floats(std::span<const Aval> avals);
bool any(std::span<const bool> flags);

// ---- one axis more in front, one less
Aval stacked(Session& session, Aval element, int64_t length);
Aval element_of(Session& session, Aval stacked);
Avals stacked_where(Session& session, std::span<const Aval> avals, std::span<const bool> mapped,
                    int64_t size);
Batched mapped_where(Operands values, std::span<const bool> mapped);
Tracers values_of(MappedOperands in);
Flags mapped_of(MappedOperands in);
// The values, along the batch axis where `at` says.
Tracers materialised(MappedOperands in, std::span<const bool> at, int64_t size);
Tracers materialised(MappedOperands in, int64_t size);  // all
// The results of a jaxpr over these arguments, all of them mapped.
Tracers eval_mapped(BatchTrace& t, const Jaxpr& j, MappedOperands args);
// The jaxpr for all elements: inputs mapped where `mapped` says, and every result.
StageTrace::Closed mapped_jaxpr(BatchTrace& t, const Jaxpr& j, std::span<const bool> mapped);

// EFFECT where vmap would run what acts for elements that do not ask for it.
void refuse_to_act(Effects effects, const char* name, const char* what, const char* runs);

// A jaxpr that runs again for its tangents, the values having run: without its effects; EFFECT
// where these give results.
JaxprRef silent_again(std::string_view name, const char* what, const Jaxpr& j);

// The parameters with another value under a name.
ParamsRef with_param(Session& session, const Params& params, std::string_view name, Param value);
// Runs a jaxpr on numbers.
Tracers run_jaxpr(Context& cx, const Jaxpr& j, Operands operands);

// ---- the linear half of a body that has been traced
// Residuals that are values of outer traces stay what they are; others are known outside by their
// place in a list, which grows by those that are not in it.
struct Forwarded {
  Tracers outer;               // null: it is in the list
  std::vector<size_t> places;  // there, of each of those
  Tracers inside(Operands list) const;
  Tracers all(Operands list) const { return plug(outer, inside(list)); }
};
Forwarded forward_residuals(Operands residuals, const Trace& body, Tracers& list);

// ---- loops
// A body, and how its operands divide.
struct LoopBody {
  const Jaxpr& body;
  size_t n_consts, n_carry;

  auto consts(const auto& all) const { return all.subspan(0, n_consts); }
  auto carry(const auto& all) const { return all.subspan(n_consts, n_carry); }
  auto xs(const auto& all) const { return all.subspan(n_consts + n_carry); }
};

// A body in two: what depends on numbers and on constants alone, without those that are `varying`,
// and each step, which has the results of that as further constants.
struct SplitBody {
  JaxprRef before;  // (constants, carry) -> what is the same in each step
  JaxprRef step;
};
SplitBody split_invariants(const Jaxpr& body, size_t n_consts, size_t n_carry,
                           std::span<const bool> varying);

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

// The body with tangents: carries, then theirs; elements, then theirs.
struct DualBody {
  Flow flow;
  StageTrace::Closed body;
  Avals carry;   // types of the carries and of their tangents
  Tracers init;  // their first values
};
DualBody dual_body(JvpTrace& t, const LoopBody& s, Operands x, Operands dx, Trace& home);

// The inputs of a loop's body that the `needed` results need. A carry that is among them is needed
// too, and `needed` grows until nothing changes; it is kept as input and as result.
Flags needed_in_loop(Simplifier& s, const Jaxpr& body, size_t n_consts, size_t n_carry,
                     Flags& needed);
size_t count_of(std::span<const bool> flags);

}  // namespace jv

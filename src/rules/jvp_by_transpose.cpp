// Forward mode of a rule that has only a reverse mode.
#include "control/emit.hpp"
#include "control/flow.hpp"
#include "rules/rule.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

void check_linear(const CustomRule& rule, const StageTrace::Closed& bwd) {
  try {
    check_transposable(*bwd.jaxpr, bwd.captured.size());
  } catch (Error& e) {
    e.message =
        rule.name() + ": its bwd has no transpose, which forward mode asks for: " + e.message;
    throw;
  }
}

}  // namespace

Dual jvp_by_transpose(Context& cx, const CustomRule& rule, Operands x, Operands dx) {
  Flags perturbed = nonzero(dx), wanted;
  Tracers y;
  CustomRule::Residuals residuals = rule.fwd(cx, x, perturbed, y);
  Avals types = avals_of(y);
  Flags float_out = floats(types);
  StageTrace::Closed bwd;  // ct -> bwd(residuals, ct), where that is wanted
  {
    Emitting dropped(cx, nullptr);
    bwd = stage(cx, pick(types, float_out), [&](Operands cts) {
      Tracers found = rule.bwd(cx, residuals, spread(float_out, cts), types, perturbed);
      for (size_t i = 0; i < found.size(); ++i) wanted.push_back(perturbed[i] && found[i]);
      return pick(found, wanted);
    });
  }
  check_linear(rule, bwd);
  Tracers known = join(bwd.captured, Tracers(count_of(float_out)));
  Tracers out = transpose(cx, *bwd.jaxpr, known, pick(dx, wanted));
  return {y, spread(float_out, out.subspan(bwd.captured.size()))};
}

}  // namespace jv

// Forward mode of a rule that has only a reverse mode.
#include "control/call.hpp"
#include "control/emit.hpp"
#include "rules/rule.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

bool wanted(size_t i, const Flags& perturbed, const Tracers& cts) { return perturbed[i] && cts[i]; }

// ct -> bwd(residuals, ct); `found`: which arguments have a cotangent.
StageTrace::Closed stage_bwd(Context& cx, const CustomRule& rule,
                             const CustomRule::Residuals& residuals, std::span<const Aval> types,
                             const Flags& perturbed, Tracers& found) {
  Avals ports;
  for (Aval aval : types)
    if (aval->is_float()) ports.push_back(aval);
  Emitting dropped(cx, nullptr);
  return stage(cx, ports, [&](Operands cts) {
    Tracers all, some;
    size_t k = 0;
    for (Aval aval : types) all.push_back(aval->is_float() ? cts[k++] : Tracer());
    found = rule.bwd(cx, residuals, all, types, perturbed);
    for (size_t i = 0; i < found.size(); ++i)
      if (wanted(i, perturbed, found)) some.push_back(found[i]);
    return some;
  });
}

void check_linear(const CustomRule& rule, const StageTrace::Closed& bwd) {
  Flags known(bwd.jaxpr->invars.size(), false);
  for (size_t i = 0; i < bwd.captured.size(); ++i) known[i] = true;
  try {
    check_transposable(*bwd.jaxpr, known);
  } catch (const Error& e) {
    fail(Code::no_transpose, rule.name(),
         ": its bwd has no transpose, which forward mode asks for: ", e.message);
  }
}

}  // namespace

void jvp_by_transpose(Context& cx, const CustomRule& rule, Operands x, Operands dx, Tracers& y,
                      Tracers& dy) {
  Flags perturbed = nonzero(dx);
  CustomRule::Residuals residuals = rule.fwd(cx, x, perturbed, y);
  Avals types = avals_of(y);
  Tracers found, tangents;
  auto bwd = stage_bwd(cx, rule, residuals, types, perturbed, found);
  check_linear(rule, bwd);
  size_t n = bwd.captured.size();
  Tracers inputs = bwd.captured;
  inputs.resize(bwd.jaxpr->invars.size());
  for (size_t i = 0; i < found.size(); ++i)
    if (wanted(i, perturbed, found)) tangents.push_back(dx[i]);
  Tracers out = transpose(cx, *bwd.jaxpr, inputs, tangents);
  for (Aval aval : types) dy.push_back(aval->is_float() ? out[n++] : Tracer());
}

}  // namespace jv

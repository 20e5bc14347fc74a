// Values that are defined by an equation, whatever found them: their derivative is that of the
// equation (the implicit function theorem). Both are rules for forward mode whose linear part is
// transposed, so that they hold in both modes and at every order.
#pragma once
#include "rules/linear_solve.hpp"
#include "rules/rule.hpp"

namespace jv {

// x with f(x) = 0. Derivatives flow to what f captured; auxiliary results have none.
struct RootSolve {
  StageTrace::Closed f;
  StageTrace::Closed solve;    // guess -> (x, auxiliary results)
  StageTrace::Closed tangent;  // (x, df) -> dx, where df is the change of f at a fixed x
};
Tracers custom_root(Context& cx, Trace& at, const RootSolve& s, Operands guess);

// How long to iterate: until a step changes no element by more than
// tolerance * (the largest element) + absolute.
struct Iteration {
  double tolerance = 0;  // 0: the 3/4th power of the dtype's precision
  double absolute = 0;
  int64_t limit = 10000;
  bool keep_last = false;  // give the last iterate where `limit` steps were not enough, not NaN
};
// x = f(x), from a guess by iteration; so are the linear equations of its derivative solved.
Tracers fixed_point(Context& cx, Trace& at, const StageTrace::Closed& f, Operands guess,
                    const Iteration& iteration);

// What rules of this kind share. Operands: what f captured, what else the rule needs, the guess.
class ImplicitRule : public CustomRule {
 public:
  ImplicitRule(std::string name, JaxprRef f, size_t n_captured)
      : name_(std::move(name)), f_(std::move(f)), n_captured_(n_captured) {}

  const std::string& name() const final { return name_; }
  bool has_forward() const final { return true; }
  bool has_reverse() const override { return false; }
  Residuals fwd(Context&, Operands, std::span<const bool>, Tracers&) const final { refuse(); }
  Tracers bwd(Context&, const Residuals&, Operands, std::span<const Aval>,
              std::span<const bool>) const final {
    refuse();
  }
  Dual jvp(Context& cx, Operands x, Operands dx) const final;

 protected:
  // dx from the solution x and the change of f there; `args` are the call's operands.
  virtual Tracers tangent(Context& cx, Operands args, Operands x, Operands df) const = 0;

  const Jaxpr& f() const { return *f_; }
  // f at (captured, solution), linearized in what `perturbed` marks; without its effects.
  Linearized linearized(Context& cx, Operands args, Operands solution,
                        const Flags& perturbed) const;
  size_t n_unknowns() const { return f_->outs.size(); }
  Operands captured(Operands args) const { return args.subspan(0, n_captured_); }
  Operands guess(Operands args) const { return args.subspan(args.size() - n_unknowns()); }

 private:
  [[noreturn]] void refuse() const { fail(Code::internal, name_, ": has no rule of this kind"); }
  Tracers change(Context& cx, Operands args, Operands dargs, Operands solution) const;

  std::string name_;
  JaxprRef f_;
  size_t n_captured_;
};

}  // namespace jv

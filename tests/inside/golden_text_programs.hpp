// Programs for golden text that text cannot say: those with custom rules.
#pragma once
#include "primitives/ops.hpp"
#include "rules/rule.hpp"
#include "trace/stage.hpp"

namespace inside {

// y = log(1 + exp(x)), dy = logistic(x) dx.
class Softplus final : public jv::CustomRule {
 public:
  explicit Softplus(bool has_forward) : has_forward_(has_forward) {}
  const std::string& name() const override { return name_; }
  bool has_forward() const override { return has_forward_; }

  jv::Tracers primal(jv::Context&, jv::Operands args) const override {
    return {log1p(exp(args[0]))};
  }
  Residuals fwd(jv::Context& cx, jv::Operands args, std::span<const bool>,
                jv::Tracers& out) const override {
    out = primal(cx, args);
    return {{args[0]}, nullptr, nullptr};
  }
  jv::Tracers bwd(jv::Context&, const Residuals& residuals, jv::Operands cts,
                  std::span<const jv::Aval>, std::span<const bool>) const override {
    jv::Tracer slope = logistic(residuals.leaves[0]);
    return {cts[0] ? cts[0] * slope : jv::Tracer()};
  }
  jv::Dual jvp(jv::Context& cx, jv::Operands x, jv::Operands dx) const override {
    jv::Tracers y = primal(cx, x);
    jv::Tracer slope = logistic(x[0]);
    return {y, {dx[0] ? dx[0] * slope : jv::Tracer()}};
  }

 private:
  bool has_forward_;
  std::string name_ = "softplus";
};

// x -> x softplus(x), or the sum of that, for x: f64[3].
inline jv::JaxprRef softplus_program(jv::Context& cx, bool custom_jvp, bool summed) {
  auto rule = jv::make_ref<Softplus>(custom_jvp);
  jv::Aval in[] = {cx.session().aval(jv::DType::f64, jv::Shape{3})};
  return stage(cx, in,
               [&](jv::Operands x) -> jv::Tracers {
                 auto call = custom_jvp ? jv::custom_jvp_call : jv::custom_vjp_call;
                 jv::Tracer y = call(rule, cx, x, jv::home_of(cx, x))[0];
                 jv::Tracer z = x[0] * y;
                 return {summed ? reduce_sum(z, {0}) : z};
               })
      .jaxpr;
}

}  // namespace inside

#include "exec/reference.hpp"

#include "trace/trace.hpp"

namespace jv {
namespace {

class Run {
 public:
  Run(Context& cx, const Jaxpr& j) : cx_(cx), j_(j), env_(j.vars.size()), uses_(j.vars.size()) {
    for (Atom a : j.atoms) count(a);
    for (Atom a : j.outs) count(a);
  }

  void bind(Var v, const Array& value) {
    if (uses_[v]) env_[v] = value;
  }

  void step(size_t k) {
    const Eqn& e = j_.eqns[k];
    Arrays in;
    for (Atom a : j_.operands(e)) in.push_back(use(a));
    Small<Array, 2> out(e.n_results);
    if (j_.locations[k]) cx_.location = j_.locations[k];
    if (e.primitive->expand) expand(e, in, out);
    else eval(e, in, out);
    for (size_t i = 0; i < e.n_results; ++i)
      if (uses_[e.first_result + i]) env_[e.first_result + i] = std::move(out[i]);
  }

  // The value of an atom; a variable is let go at its last use.
  Array use(Atom a) {
    if (a.is_literal()) return j_.literals[a.index()];
    return --uses_[a.index()] ? env_[a.index()] : std::move(env_[a.index()]);
  }

 private:
  void count(Atom a) {
    if (!a.is_literal()) ++uses_[a.index()];
  }

  void eval(const Eqn& e, std::span<const Array> in, Small<Array, 2>& out) {
    std::span<const Aval> types(j_.vars.data() + e.first_result, e.n_results);
    evaluate(*e.primitive, {*j_.session, in, *e.params, types, {out.data(), out.size()}});
    if (cx_.check_nans) check_nans(*e.primitive, in, out);
  }

  void expand(const Eqn& e, std::span<const Array> in, Small<Array, 2>& out) {
    Tracers operands;
    for (const Array& a : in) operands.push_back(cx_.tracer(a));
    Tracers results = e.primitive->expand(cx_, *e.primitive, operands, *e.params);
    for (size_t i = 0; i < results.size(); ++i) out[i] = results[i].array();
  }

  Context& cx_;
  const Jaxpr& j_;
  std::vector<Array> env_;
  std::vector<uint32_t> uses_;
};

}  // namespace

void ReferenceExecutor::run(Context& cx, const Jaxpr& j, std::span<const Array> in,
                            Small<Array, 4>& out) const {
  Run run(cx, j);
  KeepLocation keep(cx);
  for (size_t i = 0; i < j.consts.size(); ++i) run.bind(j.constvars[i], j.consts[i]);
  for (size_t i = 0; i < in.size(); ++i) run.bind(j.invars[i], in[i]);
  for (size_t k = 0; k < j.eqns.size(); ++k) {
    try {
      run.step(k);
    } catch (Error& e) {
      note_equation(e, j, k);
      throw;
    }
  }
  for (Atom a : j.outs) out.push_back(run.use(a));
}

}  // namespace jv

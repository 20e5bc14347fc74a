// grad and value_and_grad of functions of pytrees.
#include <algorithm>

#include "api/transform.hpp"
#include "control/emit.hpp"
#include "control/flow.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

void check_scalar(const std::string& name, const Value& loss) {
  if (!loss.is_leaf())
    fail(Code::not_scalar, "grad of ", name, ": the output must be a scalar, got the structure ",
         loss.tree->text(), "; return one array of shape (), or (loss, aux) with JAXVJP_HAS_AUX");
  if (loss.aval->ndim() != 0)
    fail(Code::not_scalar, "grad of ", name, ": the output must be a scalar, got ",
         to_string(loss.aval), "; ",
         loss.aval->size == 1 ? "reshape or index it, take its sum, or use jacrev"
                              : "take its sum, or use jacrev");
  if (!loss.aval->is_float())
    fail(Code::out_dtype, "grad of ", name, ": the output must be a float, got ",
         to_string(loss.aval));
}

// Calls f, which returns (loss, aux): the loss alone is differentiated, aux rides along.
class Grad final : public DerivedFunction {
 public:
  Grad(FunctionRef f, GradOptions options, bool with_value)
      : DerivedFunction(std::move(f), grad_words(with_value ? 'G' : 'g', options)),
        options_(std::move(options)),
        with_value_(with_value) {}

  ValueRef apply(View& cx, Args args) override {
    Flags wanted(args.size(), false);
    std::vector<size_t> argnums = chosen_arguments(options_, "grad of " + name(), args.size());
    for (size_t n : argnums) {
      wanted[n] = true;
      check_inputs(*args[n], n);
    }
    LinearizedCall l =
        linearize_call(cx, *inner, args, wanted, with_value_ ? "value_and_grad" : "grad");
    ValueRef out = unflatten_all(cx.session(), l.out, l.flat.out), loss = out, aux;
    if (options_.has_aux) {
      if (out->kind != Kind::tuple || out->items.size() != 2)
        fail(Code::tree, "grad of ", name(), ": with HAS_AUX the output must be (loss, aux), got ",
             l.out->text());
      loss = out->items[0];
      aux = out->items[1];
    }
    check_scalar(name(), *loss);
    ValueRef gradient = gradient_of(cx, l, argnums);
    if (with_value_) return tuple_of(cx, Values{out, gradient});
    return options_.has_aux ? tuple_of(cx, Values{gradient, aux}) : gradient;
  }

 private:
  void check_inputs(const Value& arg, size_t n) {
    Values leaves;
    collect_leaves(arg, leaves);
    for (const ValueRef& leaf : leaves)
      if (!options_.allow_int && leaf->aval && !leaf->aval->is_float())
        fail(Code::in_dtype, "grad of ", name(), ": argument ", n, " is ", to_string(leaf->aval),
             "; grad needs floats (JAXVJP_ALLOW_INT allows others, with float0 gradients)");
  }

  ValueRef gradient_of(View& cx, LinearizedCall& l, const std::vector<size_t>& argnums) {
    Tracers cts, known = l.flat.residuals;
    for (size_t i = 0; i < l.flat.has_tangent.size(); ++i) {
      if (!l.flat.has_tangent[i]) continue;
      cts.push_back(i == 0 ? one(cx, l.flat.out[0].dtype()) : Tracer());
    }
    size_t n = known.size();
    known.resize(l.flat.linear->invars.size());
    Emitting dropped(cx.root(), nullptr);
    Tracers found = checked_transpose(cx.root(), *l.flat.linear, known, cts);
    Tracers back = spread(l.perturbed, found.subspan(n));
    back = instantiate_wanted(cx, back, l, argnums);
    Values gradients = unflatten_args(cx.session(), l.args.trees, back), picked;
    for (size_t i : argnums) picked.push_back(gradients[i]);
    return options_.argnums.empty() ? picked[0] : tuple_of(cx, picked);
  }

  // The cotangent of the loss; recorded where the call is.
  static Tracer one(View& cx, DType dtype) {
    Tracer t = cx.root().number(dtype, 1);
    return cx.lift(t);
  }

  // Zeros only for the arguments that were asked for; the others' gradients are nobody's.
  static Tracers instantiate_wanted(View& cx, Operands back, const LinearizedCall& l,
                                    const std::vector<size_t>& argnums) {
    Avals avals = avals_of(l.args.leaves);
    Tracers all;
    size_t leaf = 0;
    for (size_t i = 0; i < l.args.trees.size(); ++i) {
      size_t n = l.args.trees[i]->n_leaves;
      bool asked = std::find(argnums.begin(), argnums.end(), i) != argnums.end();
      std::span<const Aval> types(avals.data() + leaf, n);
      if (asked) all.append(instantiate(cx, back.subspan(leaf, n), types));
      else all.append(Operands(l.args.leaves).subspan(leaf, n));
      leaf += n;
    }
    return all;
  }

  const char* verb() const override { return with_value_ ? "value_and_grad" : "grad"; }

  GradOptions options_;
  bool with_value_;
};

}  // namespace

FunctionRef grad(FunctionRef f, GradOptions options) {
  return make_ref<Grad>(std::move(f), std::move(options), false);
}
FunctionRef value_and_grad(FunctionRef f, GradOptions options) {
  return make_ref<Grad>(std::move(f), std::move(options), true);
}

}  // namespace jv

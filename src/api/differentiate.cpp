// vjp, jvp, linearize and linear_transpose of functions of pytrees.
#include <algorithm>
#include <map>

#include "api/transform.hpp"
#include "control/emit.hpp"
#include "control/flow.hpp"
#include "primitives/ops.hpp"
#include "transforms/jvp.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {

LinearizedCall linearize_call(View& cx, Function& f, Args args, const Flags& wanted,
                              const char* verb) {
  LinearizedCall r{{}, nullptr, FlatArgs(cx, args), {}};
  size_t leaf = 0;
  for (size_t i = 0; i < args.size(); ++i)
    for (size_t k = 0; k < r.args.trees[i]->n_leaves; ++k)
      r.perturbed.push_back(is_float(r.args.leaves[leaf++].dtype()) && wanted[i]);
  if (std::count(wanted.begin(), wanted.end(), true) == 0)
    fail(Code::invalid_argument, verb, ": no argument to differentiate");
  r.flat = linearize(
      cx.root(), [&](Operands x) { return call_flat(cx, f, r.args.trees, x, r.out); },
      r.args.leaves, r.perturbed, verb);
  return r;
}

namespace {

const Port cotangent_port{"cotangent", Code::ct_tree, Code::ct_aval, Code::ct_aval};
const Port tangent_port{"tangent", Code::tree, Code::shape, Code::dtype};

// A linearized function without the arrays it captured: structure, as a leaf of a pytree.
struct LinearStructure final : FunctionStructure {
  std::string name;
  JaxprRef linear;
  std::vector<Tree> in;
  Tree out;
  Avals in_avals, out_avals;
  Flags perturbed, has_tangent;  // inputs and outputs of the linear jaxpr among the leaves
  Ints sources;                  // the argument leaf that each captured array is; -1: none
  bool pullback = false;
  FunctionRef around(Args held) const override;
};
using StructureRef = Ref<const LinearStructure>;

class LinearFunction final : public BaseFunction {
 public:
  LinearFunction(StructureRef s, Values residuals, Session& session)
      : BaseFunction(session, s->name), s_(std::move(s)), residuals_(std::move(residuals)) {}

  Tree tree(Session& session) override {
    return session.trees().object(s_, std::vector<Tree>(residuals_.size(), session.trees().leaf()));
  }
  Values held(Session&) override { return residuals_; }

  int64_t source(size_t i) const {
    if (i >= residuals_.size())
      fail(Code::invalid_argument, "residual_source: array ", i, " of the ", residuals_.size(),
           " that ", name(), "'s holds");
    return s_->sources[i];
  }

  ValueRef call(View& cx, Args args) override { return call(cx, args, nullptr); }
  bool is_pullback() const { return s_->pullback; }

  ValueRef call(View& cx, Args args, Emissions* emissions) {
    auto run = [&] {
      Tracers residuals;
      for (const ValueRef& r : residuals_) residuals.push_back(tracer_of(cx, *r));
      Emitting emitting(cx.root(), emissions);
      return s_->pullback ? pull_back(cx, args, residuals) : apply(cx, args, residuals);
    };
    return noted(run, s_->pullback ? "in pullback of " : "in linear function of ", name());
  }

 private:
  ValueRef pull_back(View& cx, Args args, Tracers& residuals) {
    if (args.size() != 1)
      fail(Code::invalid_argument, "pullback of ", name(), ": takes one cotangent, got ",
           args.size(), " arguments");
    Tracers cts;
    read_port(cx, cotangent_port, *args[0], s_->out, s_->out_avals, cts);
    size_t n = residuals.size();
    residuals.resize(n + count_of(s_->perturbed));
    Tracers found = transpose(cx.root(), *s_->linear, residuals, pick(cts, s_->has_tangent));
    Tracers back = spread(s_->perturbed, found.subspan(n));
    return tuple_of(cx, unflatten_args(cx.session(), s_->in, instantiate(cx, back, s_->in_avals)));
  }

  ValueRef apply(View& cx, Args args, Tracers& operands) {
    if (args.size() != s_->in.size())
      fail(Code::invalid_argument, "linear ", name(), ": takes ", s_->in.size(), " tangents, got ",
           args.size());
    Tracers tangents;
    std::span<const Aval> avals = s_->in_avals;
    for (size_t i = 0; i < args.size(); ++i) {
      read_port(cx, tangent_port, *args[i], s_->in[i], avals, tangents);
      avals = avals.subspan(s_->in[i]->n_leaves);
    }
    tangents = instantiate(cx, tangents, s_->in_avals);
    for (const Tracer& t : pick(tangents, s_->perturbed)) operands.push_back(cx.lift(t));
    Tracers out = spread(s_->has_tangent, eval_jaxpr(cx.root(), *s_->linear, operands));
    return unflatten_all(cx.session(), s_->out, instantiate(cx, out, s_->out_avals));
  }

  StructureRef s_;
  Values residuals_;
};

FunctionRef LinearStructure::around(Args held) const {
  return make_ref<LinearFunction>(StructureRef(this), Values(held), *linear->session);
}

FunctionRef linear_function(View& cx, const StructureRef& s, Operands residuals) {
  Values held;
  for (const Tracer& r : residuals) held.push_back(value_of(cx.session(), r));
  return s->around(held);
}

// Which of the arguments' leaves a residual is.
int64_t source_of(const Tracer& residual, Operands args) {
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i].same(residual)) return int64_t(i);
  return -1;
}

StructureRef structure_of(const Function& f, const LinearizedCall& l, bool pullback) {
  auto s = make_ref<LinearStructure>();
  s->name = f.name();
  s->linear = l.flat.linear;
  s->in = l.args.trees;
  s->out = l.out;
  s->in_avals = avals_of(l.args.leaves);
  s->out_avals = avals_of(l.flat.out);
  s->perturbed = l.perturbed;
  s->has_tangent = l.flat.has_tangent;
  for (const Tracer& r : l.flat.residuals) s->sources.push_back(source_of(r, l.args.leaves));
  s->pullback = pullback;
  return s;
}

void check_reverse(const LinearizedCall& l) {
  check_transposable(*l.flat.linear, l.flat.residuals.size());
}

ValueRef linearized(View& cx, Function& f, Args args, bool pullback, FunctionRef& linear) {
  const char* verb = pullback ? "vjp" : "linearize";
  auto run = [&] {
    LinearizedCall l = linearize_call(cx, f, args, Flags(args.size(), true), verb);
    simplify_linear(l.flat);  // it is kept, and may be called often
    if (pullback) check_reverse(l);
    linear = linear_function(cx, structure_of(f, l, pullback), l.flat.residuals);
    return unflatten_all(cx.session(), l.out, l.flat.out);
  };
  return noted(run, "in ", verb, " of ", f.name());
}

}  // namespace

int64_t residual_source(const Function& f, size_t i) {
  auto* linear = dynamic_cast<const LinearFunction*>(&f);
  if (!linear)
    fail(Code::invalid_argument, "residual_source: ", f.name(),
         " is no pullback or linear function");
  return linear->source(i);
}

ValueRef vjp(View& cx, Function& f, Args args, FunctionRef& pullback) {
  return linearized(cx, f, args, true, pullback);
}
ValueRef linearize(View& cx, Function& f, Args args, FunctionRef& linear) {
  return linearized(cx, f, args, false, linear);
}

FunctionRef linear_map(View& cx, std::string name, const Linearized& l, const Tree& tree,
                       std::span<const Aval> avals) {
  auto s = make_ref<LinearStructure>();
  s->name = std::move(name);
  s->linear = l.linear;
  s->in = {tree};
  s->out = tree;
  s->in_avals = s->out_avals = Avals(avals);
  s->perturbed = Flags(avals.size(), true);
  s->has_tangent = l.has_tangent;
  s->sources = Ints(l.residuals.size(), -1);
  return linear_function(cx, s, l.residuals);
}

// Emitted values by rule and name: {rule: {name: value}}.
static ValueRef emitted_dict(Session& session, const Emissions& emissions) {
  std::map<std::string, std::pair<std::vector<std::string>, Values>> rules;
  for (const Emission& e : emissions.all) {
    auto& [names, values] = rules[e.rule];
    names.push_back(e.name);
    values.push_back(unflatten_all(session, e.tree, e.leaves));
  }
  std::vector<std::string> keys;
  Values dicts;
  for (auto& [rule, entries] : rules) {
    keys.push_back(rule);
    dicts.push_back(dict_value(session, entries.first, entries.second));
  }
  return dict_value(session, keys, dicts);
}

ValueRef call_emitted(View& cx, Function& pullback, const ValueRef& ct) {
  auto* linear = dynamic_cast<LinearFunction*>(&pullback);
  if (!linear || !linear->is_pullback())
    fail(Code::invalid_argument, "call_emitted: ", pullback.name(), " is no pullback");
  Emissions emissions;
  ValueRef cts = linear->call(cx, Args(&ct, 1), &emissions);
  return tuple_of(cx, Values{cts, emitted_dict(cx.session(), emissions)});
}

static FunctionRef transposed(View& cx, Function& f, Args specs) {
  Tracers captured;  // what f closes over is known, as residuals are
  Ref<TypedJaxpr> typed = make_jaxpr(cx, f, specs, "linear_transpose", captured);
  auto s = make_ref<LinearStructure>();
  s->name = f.name();
  s->in = typed->in;
  s->out = typed->out;
  Avals all = in_avals(*typed->jaxpr);
  s->in_avals = Avals(all.subspan(captured.size()));
  s->sources = Ints(captured.size(), -1);
  for (Aval aval : s->in_avals)
    if (!aval->is_float())
      fail(Code::in_dtype, "linear_transpose: ", f.name(), " takes ", to_string(aval),
           "; a linear function takes floats");
  s->out_avals = out_avals(*typed->jaxpr);
  s->linear = simplify(typed->jaxpr);
  s->perturbed = Flags(s->in_avals.size(), true);
  s->has_tangent = Flags(s->out_avals.size(), true);
  s->pullback = true;
  check_transposable(*s->linear, captured.size());
  return linear_function(cx, s, captured);
}

FunctionRef linear_transpose(View& cx, Function& f, Args specs) {
  return noted([&] { return transposed(cx, f, specs); }, "in linear_transpose of ", f.name());
}

static ValueRef push_forward(View& cx, Function& f, Args primals, Args tangents,
                             ValueRef& tangent_out) {
  FlatArgs x(cx, primals);
  Tracers dx;
  std::vector<Aval> avals;
  for (const Tracer& t : x.leaves) avals.push_back(t.aval());
  std::span<const Aval> rest = avals;
  for (size_t i = 0; i < tangents.size(); ++i) {
    read_port(cx, tangent_port, *tangents[i], x.trees[i], rest, dx);
    rest = rest.subspan(x.trees[i]->n_leaves);
  }
  Tree out;
  Dual d = jvp(
      cx.root(), [&](Operands a) { return call_flat(cx, f, x.trees, a, out); }, x.leaves, dx);
  tangent_out = unflatten_all(cx.session(), out, instantiate(cx, d.dy, avals_of(d.y)));
  return unflatten_all(cx.session(), out, d.y);
}

ValueRef jvp(View& cx, Function& f, Args primals, Args tangents, ValueRef& tangent_out) {
  return noted([&] { return push_forward(cx, f, primals, tangents, tangent_out); }, "in jvp of ",
               f.name());
}

// ---- grad

CacheKey grad_words(char kind, const GradOptions& o) {
  CacheKey key{uint64_t(kind), uint64_t(o.has_aux) | uint64_t(o.allow_int) << 1, o.argnums.size()};
  for (int64_t n : o.argnums) key.push_back(uint64_t(n));
  return key;
}

std::vector<size_t> chosen_arguments(const GradOptions& options, const std::string& who, size_t n) {
  return arguments_at(options.argnums.empty() ? std::vector<int64_t>{0} : options.argnums, who, n);
}

}  // namespace jv

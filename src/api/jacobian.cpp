// Jacobians and Hessians: vmaps over a basis, of forward or of reverse mode.
#include <algorithm>

#include "api/transform.hpp"
#include "control/emit.hpp"
#include "control/flow.hpp"
#include "primitives/define.hpp"
#include "transforms/batch.hpp"
#include "transforms/jvp.hpp"
#include "transforms/simplify.hpp"
#include "transforms/transpose.hpp"

namespace jv {
namespace {

// The n unit arrays of this type, along a new axis 0.
Tracer basis(View& cx, Aval aval) {
  int64_t n = int64_t(aval->size);
  Session& session = cx.session();
  Array eye = Array::allocate(session, session.aval(aval->dtype, Ints{n, n}));
  visit_dtype(aval->dtype, [&]<class T>(Type<T>) {
    if constexpr (requires { T(1.0f); }) {
      T* p = eye.mutable_data<T>();
      for (int64_t i = 0; i < n * n; ++i) p[i] = T(i % (n + 1) == 0 ? 1.0f : 0.0f);
    }
  });
  Ints shape{n};
  shape.append(aval->shape);
  return cx.root().tracer(Array::view(eye, session.aval(aval->dtype, shape)));
}

Tracer with_leading(const Tracer& x, std::span<const int64_t> leading) {
  Ints shape{leading};
  shape.append(std::span<const int64_t>(x.shape()).subspan(1));
  return reshape(x, shape);
}

// What both Jacobians share: f's arguments as leaves, which of them are asked for, and the result
// as a tree of trees.
class Jacobian : public DerivedFunction {
 public:
  Jacobian(FunctionRef f, GradOptions options, char kind)
      : DerivedFunction(std::move(f), grad_words(kind, options)), options_(std::move(options)) {}

  ValueRef apply(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    std::vector<size_t> argnums = chosen_arguments(options_, "Jacobian of " + name(), args.size());
    std::vector<size_t> wanted = wanted_leaves(flat, argnums);
    Tree out;
    Tracers values;
    // blocks[o][w]: the derivative of output leaf o with respect to wanted leaf w.
    std::vector<Tracers> blocks;
    run(cx, flat, wanted, out, values, blocks);
    return assemble(cx, flat, argnums, out, values, blocks);
  }

 protected:
  virtual void run(View& cx, const FlatArgs& flat, const std::vector<size_t>& wanted, Tree& out,
                   Tracers& values, std::vector<Tracers>& blocks) = 0;

  // Output leaves to differentiate: all, or with aux those of the first item of (value, aux).
  size_t differentiated_outputs(const Tree& out) const {
    if (!options_.has_aux) return out->n_leaves;
    if (out->node != Node::tuple || out->children.size() != 2)
      fail(Code::tree, "Jacobian of ", name(),
           ": with HAS_AUX the output must be (value, aux), got ", out->text());
    return out->children[0]->n_leaves;
  }
  void check_output(Aval aval) const {
    if (!aval->is_float())
      fail(Code::out_dtype, "Jacobian of ", name(), ": the output must be floats, got ",
           to_string(aval));
  }

  GradOptions options_;

 private:
  std::vector<size_t> wanted_leaves(const FlatArgs& flat,
                                    const std::vector<size_t>& argnums) const {
    std::vector<size_t> wanted;
    for (size_t a : argnums) {
      size_t first = 0;
      for (size_t i = 0; i < a; ++i) first += flat.trees[i]->n_leaves;
      for (size_t k = 0; k < flat.trees[a]->n_leaves; ++k) {
        Aval aval = flat.leaves[first + k].aval();
        if (!aval->is_float() && !options_.allow_int)
          fail(Code::in_dtype, "Jacobian of ", name(), ": argument ", a, " is ", to_string(aval),
               "; it needs floats");
        wanted.push_back(first + k);
      }
    }
    return wanted;
  }

  ValueRef assemble(View& cx, const FlatArgs& flat, const std::vector<size_t>& argnums,
                    const Tree& out, Operands values, std::vector<Tracers>& blocks) {
    std::vector<ValueRef> rows;
    for (Tracers& row : blocks) {
      Values trees;
      Operands rest = row;
      for (size_t a : argnums) trees.push_back(unflatten(cx.session(), flat.trees[a], rest));
      rows.push_back(options_.argnums.empty() ? trees[0] : tuple_of(cx, trees));
    }
    const Tree& tree = options_.has_aux ? out->children[0] : out;
    Args rest = rows;
    ValueRef jacobian = graft(cx.session(), tree, rest);
    if (!options_.has_aux) return jacobian;
    return tuple_of(cx, Values{jacobian, unflatten_all(cx.session(), out->children[1],
                                                       values.subspan(tree->n_leaves))});
  }

  // The tree with whole values in the place of its leaves.
  static ValueRef graft(Session& session, const Tree& tree, Args& rest) {
    if (tree->node == Node::leaf) {
      ValueRef v = rest[0];
      rest = rest.subspan(1);
      return v;
    }
    if (tree->children.empty())
      return tree->node == Node::none ? none_value(session) : unflatten_all(session, tree, {});
    Values items;
    for (const Tree& child : tree->children) items.push_back(graft(session, child, rest));
    if (tree->node == Node::dict) return dict_value(session, tree->keys, items);
    return sequence_value(session, tree->node == Node::tuple ? Kind::tuple : Kind::list, items);
  }
};

// float0 blocks for integers, zeros where nothing flows.
Tracer zero_block(View& cx, Aval out, Aval in) {
  Ints shape(out->shape);
  shape.append(in->shape);
  return instantiate(cx, Tracers(1), Avals{cx.session().aval(in->dtype, shape)})[0];
}

class Jacfwd final : public Jacobian {
 public:
  Jacfwd(FunctionRef f, GradOptions options) : Jacobian(std::move(f), std::move(options), 'F') {}

 private:
  const char* verb() const override { return "jacfwd"; }

  void run(View& cx, const FlatArgs& flat, const std::vector<size_t>& wanted, Tree& out,
           Tracers& values, std::vector<Tracers>& blocks) override {
    for (size_t w : wanted) {
      Aval in = flat.leaves[w].aval();
      Tracers columns = in->is_float() ? push(cx, flat, w, out, values) : Tracers();
      if (!in->is_float() && !out) values = call_flat(cx, *inner, flat.trees, flat.leaves, out);
      size_t n_out = differentiated_outputs(out);
      blocks.resize(n_out);
      for (size_t o = 0; o < n_out; ++o) {
        check_output(values[o].aval());
        blocks[o].push_back(columns.empty() || !columns[o] ? zero_block(cx, values[o].aval(), in)
                                                           : to_last(columns[o], in));
      }
    }
  }

  // Tangents of the outputs along every unit of leaf w, mapped along axis 0; null where zero.
  Tracers push(View& cx, const FlatArgs& flat, size_t w, Tree& out, Tracers& values) {
    Aval in = flat.leaves[w].aval();
    Flags has;
    values = {};
    Small<Mapped, 4> args;
    for (const Tracer& x : flat.leaves) args.push_back({x, false});
    args.push_back({basis(cx, in), true});
    auto results = batch(
        cx.root(),
        [&](Operands a) {
          Tracers dx(flat.leaves.size());
          dx[w] = a.back();
          Dual d = jvp(
              cx.root(), [&](Operands x) { return call_flat(cx, *inner, flat.trees, x, out); },
              a.subspan(0, a.size() - 1), dx, "jacfwd");
          Tracers all = d.y;
          has = nonzero(d.dy);
          return join(all, present(d.dy));
        },
        args, int64_t(in->size));
    Tracers columns;
    size_t n = has.size();
    for (size_t i = 0; i < n; ++i) {
      const Mapped& m = results[i];
      values.push_back(m.mapped ? first_element(m.value) : m.value);
    }
    size_t k = n;
    for (bool h : has)
      columns.push_back(h ? materialise(results[k++], int64_t(in->size)) : Tracer());
    return columns;
  }

  // The values do not depend on the direction: any element of a batch of them is the value.
  static Tracer first_element(const Tracer& x) {
    Ints start(x.shape().size(), 0), limit(x.shape()), stride(x.shape().size(), 1);
    limit[0] = 1;
    return reshape(slice(x, start, limit, stride),
                   Ints(std::span<const int64_t>(x.shape()).subspan(1)));
  }

  static Tracer to_last(const Tracer& column, Aval in) {
    Tracer t = move_axis(column, 0, int64_t(column.aval()->ndim()) - 1);
    Ints shape(std::span<const int64_t>(t.shape()).subspan(0, t.shape().size() - 1));
    shape.append(in->shape);
    return reshape(t, shape);
  }
};

class Jacrev final : public Jacobian {
 public:
  Jacrev(FunctionRef f, GradOptions options) : Jacobian(std::move(f), std::move(options), 'R') {}

 private:
  const char* verb() const override { return "jacrev"; }

  void run(View& cx, const FlatArgs& flat, const std::vector<size_t>& wanted, Tree& out,
           Tracers& values, std::vector<Tracers>& blocks) override {
    Flags perturbed(flat.leaves.size(), false);
    for (size_t w : wanted) perturbed[w] = flat.leaves[w].aval()->is_float();
    Linearized l = linearize(
        cx.root(), [&](Operands x) { return call_flat(cx, *inner, flat.trees, x, out); },
        flat.leaves, perturbed, "jacrev");
    simplify_linear(l);
    check_transposable(*l.linear, l.residuals.size());
    values = l.out;
    size_t n_out = differentiated_outputs(out);
    for (size_t o = 0; o < n_out; ++o) {
      Aval aval = values[o].aval();
      check_output(aval);
      Tracers rows =
          l.has_tangent[o] ? pull(cx, l, o) : Tracers(l.linear->invars.size() - l.residuals.size());
      Tracers block;
      for (size_t w : wanted) {
        size_t k = size_t(std::count(perturbed.begin(), perturbed.begin() + w, true));
        bool flows = perturbed[w] && rows[k];
        block.push_back(flows ? with_leading(rows[k], aval->shape)
                              : zero_block(cx, aval, flat.leaves[w].aval()));
      }
      blocks.push_back(std::move(block));
    }
  }

  // Cotangents of the perturbed inputs for every unit of output o, mapped along axis 0; null where
  // zero.
  Tracers pull(View& cx, const Linearized& l, size_t o) {
    Flags has;
    int64_t n = int64_t(l.out[o].aval()->size);
    auto results = batch(
        cx.root(),
        [&](Operands a) {
          Tracers known = l.residuals, cts;
          known.resize(l.linear->invars.size());
          for (size_t i = 0; i < l.has_tangent.size(); ++i)
            if (l.has_tangent[i]) cts.push_back(i == o ? a[0] : Tracer());
          Emitting dropped(cx.root(), nullptr);
          Tracers back = transpose(cx.root(), *l.linear, known, cts);
          has = nonzero(back.subspan(l.residuals.size()));
          return present(back);
        },
        Small<Mapped, 1>{{basis(cx, l.out[o].aval()), true}}, n);
    Tracers rows;
    size_t k = 0;
    for (bool h : has) rows.push_back(h ? materialise(results[k++], n) : Tracer());
    return rows;
  }
};

// Forward over reverse; where that meets a rule without a forward mode, reverse over reverse.
class Hessian final : public DerivedFunction {
 public:
  Hessian(FunctionRef f, const GradOptions& options)
      : DerivedFunction(std::move(f), grad_words('H', options)) {
    GradOptions outer = options, inner_options = options;
    FunctionRef gradient = jacrev(inner, inner_options);
    forward_ = jacfwd(gradient, outer);
    reverse_ = jacrev(gradient, outer);
  }

  ValueRef apply(View& cx, Args args) override {
    try {
      return forward_->call(cx, args);
    } catch (const Error& e) {
      if (!e.is(Code::fwd_mode)) throw;
    }
    return reverse_->call(cx, args);
  }

 private:
  const char* verb() const override { return "hessian"; }

  FunctionRef forward_, reverse_;
};

}  // namespace

FunctionRef jacfwd(FunctionRef f, GradOptions options) {
  return make_ref<Jacfwd>(std::move(f), std::move(options));
}
FunctionRef jacrev(FunctionRef f, GradOptions options) {
  return make_ref<Jacrev>(std::move(f), std::move(options));
}
FunctionRef hessian(FunctionRef f, GradOptions options) {
  return make_ref<Hessian>(std::move(f), options);
}

}  // namespace jv

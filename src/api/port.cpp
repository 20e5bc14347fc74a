// Cotangents and tangents that users hand in: matched against the structure and types of what they
// belong to.
#include "api/transform.hpp"
#include "control/call.hpp"
#include "primitives/ops.hpp"

namespace jv {
namespace {

class PortReader {
 public:
  PortReader(View& cx, const Port& port, const Tree& whole, std::span<const Aval> avals,
             Tracers& leaves)
      : cx_(cx), port_(port), whole_(whole), avals_(avals), leaves_(leaves) {}

  void read(const Value& v, const Tree& tree) {
    if (v.kind == Kind::zero && tree->node != Node::leaf) return skip(tree->n_leaves);
    if (tree->node == Node::object && !tree->n_leaves) return;
    if (v.function && v.tree.get() == tree.get()) return read_held(v);
    if (tree->node == Node::leaf && v.is_leaf()) return read_leaf(v);
    bool same = v.tree->node == tree->node && v.tree->keys == tree->keys &&
                v.items.size() == tree->children.size();
    if (!same)
      fail(port_.tree_code, port_.what, where(), ": expected the structure ", tree->text(),
           ", got ", describe(v));
    for (size_t i = 0; i < v.items.size(); ++i) read(*v.items[i], tree->children[i]);
  }

 private:
  void skip(size_t n) {
    for (size_t i = 0; i < n; ++i) leaves_.push_back(Tracer());
    next_ += n;
  }

  // A function whose arrays are the cotangents of those that the other one holds.
  void read_held(const Value& v) {
    for (const ValueRef& held : v.function->held(cx_.session())) read_leaf(*held);
  }

  void read_leaf(const Value& v) {
    Aval want = cx_.session().tangent(avals_[next_]);
    Tracer t;
    if (v.kind == Kind::zero) {
      if (v.aval && v.aval != want && v.aval != avals_[next_])
        mismatch(v.aval, want, "; jaxvjp_zero needs no type");
    } else if (v.kind == Kind::spec) {
      fail(port_.tree_code, port_.what, where(), ": expected ", to_string(want), ", got a spec ",
           to_string(v.aval), ", which has no numbers");
    } else if (want->dtype != DType::float0) {
      t = tracer_of(cx_, v, want->dtype);
      bool wider = is_float(t.dtype()) && size_of(t.dtype()) > size_of(want->dtype);
      if (port_.widen && wider && t.shape() == want->shape)
        t = convert_element_type(t, want->dtype);
      if (t.aval() != want) mismatch(t.aval(), want);
    }
    leaves_.push_back(t);
    ++next_;
  }

  std::string where() const { return next_ < whole_->n_leaves ? whole_->path(next_) : ""; }
  [[noreturn]] void mismatch(Aval got, Aval want, const char* hint = "") {
    bool shapes = got->dtype == want->dtype;
    fail(shapes ? port_.shape_code : port_.dtype_code, port_.what, where(), ": expected ",
         to_string(want), ", got ", to_string(got), shapes ? "; shapes differ" : "; dtypes differ",
         hint);
  }
  static std::string describe(const Value& v) {
    return v.is_leaf() && v.aval ? to_string(v.aval) : v.tree->text();
  }

  View& cx_;
  const Port& port_;
  const Tree& whole_;
  std::span<const Aval> avals_;
  Tracers& leaves_;
  size_t next_ = 0;
};

}  // namespace

void read_port(View& cx, const Port& port, const Value& v, const Tree& tree,
               std::span<const Aval> avals, Tracers& leaves) {
  PortReader(cx, port, tree, avals, leaves).read(v, tree);
}

Tracer zeros_of(View& cx, Aval aval) {
  if (aval->dtype == DType::float0) return cx.root().tracer(Array::allocate(cx.session(), aval));
  return zeros(cx.place(), aval);
}

Tracers instantiate(View& cx, Operands t, std::span<const Aval> primal_avals) {
  Tracers all;
  for (size_t i = 0; i < t.size(); ++i)
    all.push_back(t[i] ? t[i] : zeros_of(cx, cx.session().tangent(primal_avals[i])));
  return all;
}

ValueRef tuple_of(View& cx, Args items) { return sequence_value(cx.session(), Kind::tuple, items); }

}  // namespace jv

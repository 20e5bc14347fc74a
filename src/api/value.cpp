#include "api/value.hpp"

#include <algorithm>
#include <cmath>

#include "api/custom.hpp"

namespace jv {

static ValueRef leaf(Session& session, Kind kind, Aval aval) {
  auto v = make_ref<Value>(session);
  v->kind = kind;
  v->tree = session.trees().leaf();
  v->aval = aval;
  return v;
}

ValueRef value_of(Session& session, Array array) {
  ValueRef v = leaf(session, Kind::array, array.aval());
  v->array = std::move(array);
  return v;
}

ValueRef value_of(Session& session, const Tracer& t) {
  if (t.is_concrete()) return value_of(session, t.array());
  ValueRef v = leaf(session, Kind::array, t.aval());
  v->trace = Ref<Trace>(&t.trace());
  v->index = t.index();
  v->location = t.trace().cx.location;
  return v;
}

ValueRef weak_number(Session& session, double number) {
  ValueRef v = leaf(session, Kind::array, session.aval(DType::f64, {}));
  v->weak = true;
  v->number = number;
  return v;
}

ValueRef spec_value(Session& session, Aval aval) { return leaf(session, Kind::spec, aval); }
ValueRef zero_value(Session& session, Aval aval) { return leaf(session, Kind::zero, aval); }

ValueRef none_value(Session& session) {
  ValueRef v = leaf(session, Kind::none, nullptr);
  v->tree = session.trees().none();
  return v;
}

static void set_items(Value& v, std::vector<ValueRef> items) {
  v.items = std::move(items);
  for (const ValueRef& item : v.items) {
    const Ref<Trace>& t = item->trace;
    bool deeper =
        t && (!v.trace || (v.trace->alive() && (t->depth > v.trace->depth || !t->alive())));
    if (deeper) v.trace = t;
  }
}

static std::vector<Tree> trees_of(std::span<const ValueRef> items) {
  std::vector<Tree> trees;
  for (const ValueRef& item : items) trees.push_back(item->tree);
  return trees;
}

ValueRef sequence_value(Session& session, Kind kind, std::span<const ValueRef> items) {
  ValueRef v = leaf(session, kind, nullptr);
  v->tree =
      session.trees().sequence(kind == Kind::tuple ? Node::tuple : Node::list, trees_of(items));
  set_items(*v, {items.begin(), items.end()});
  return v;
}

ValueRef dict_value(Session& session, std::vector<std::string> keys,
                    std::span<const ValueRef> items) {
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  ValueRef v = leaf(session, Kind::dict, nullptr);
  std::vector<std::string> sorted;
  std::vector<ValueRef> in_order;
  for (size_t i : order) {
    if (!sorted.empty() && sorted.back() == keys[i])
      fail(Code::invalid_argument, "dict: the key '", keys[i], "' occurs twice");
    sorted.push_back(keys[i]);
    in_order.push_back(items[i]);
  }
  set_items(*v, std::move(in_order));
  v->tree = session.trees().dict(std::move(sorted), trees_of(v->items));
  return v;
}

ValueRef opaque_value(Session& session, Ref<Opaque> opaque) {
  ValueRef v = leaf(session, Kind::opaque, nullptr);
  v->tree = session.trees().object(opaque);
  v->opaque = std::move(opaque);
  return v;
}

ValueRef function_value(Session& session, Ref<Function> function) {
  ValueRef v = leaf(session, Kind::function, nullptr);
  v->tree = function->tree(session);
  v->function = std::move(function);
  return v;
}

static std::string described(const Value& v) {
  if (!v.aval) return str("a container ", v.tree->text());
  return str("a value ", to_string(v.aval), made_at(*v.session, v.location));
}

void check_alive(View& cx, const Value& v) {
  if (v.session.get() != &cx.session())
    fail(Code::invalid_argument, "a value of another session is used");
  if (!v.trace) return;
  bool alive = v.trace->alive();
  if (!alive && cx.rule && cx.rule->differentiating && cx.rule->differentiating->inside(*v.trace))
    fail(Code::closure_diff, cx.rule->rule->name, ": its bwd uses ", described(v),
         " that is being differentiated; pass it as an argument");
  if (!alive)
    fail(Code::stale_tracer, described(v), " of a finished ", v.trace->verb(), " is used");
  if (&v.trace->cx != &cx.root())
    fail(Code::stale_tracer, described(v), " that another context traces is used");
}

void check_usable(View& cx, const Value& v) {
  check_alive(cx, v);
  if (v.trace && !cx.holds(*v.trace))
    fail(Code::stale_tracer, described(v), " of a ", v.trace->verb(),
         " is used with a context from outside of it");
}

// ---- trees

static Tracer weak_tracer(View& cx, double number, DType dtype) {
  bool exact = !is_integer(dtype) && dtype != DType::boolean;
  Array a = scalar(cx.session(), dtype, exact ? number : 0);
  bool finite = number == number && number - number == 0;
  if (exact) {
    if (finite && !(element(a, 0) - element(a, 0) == 0))
      fail(Code::dtype, "the number ", number, " is out of range for ", name_of(dtype));
    return cx.root().tracer(std::move(a));
  }
  double low = dtype == DType::boolean || is_unsigned(dtype)
                   ? 0
                   : -std::ldexp(1.0, int(size_of(dtype)) * 8 - 1);
  double high =
      dtype == DType::boolean ? 2 : std::ldexp(1.0, int(size_of(dtype)) * 8 - is_signed(dtype));
  if (!finite || number < low || number >= high || number != std::floor(number))
    fail(Code::dtype, "the number ", number, " is not one of ", name_of(dtype));
  return cx.root().tracer(scalar(cx.session(), dtype, number));
}

void refuse_placeholders(const Value& v) {
  if (v.kind == Kind::spec)
    fail(Code::tree, "a spec ", to_string(v.aval),
         " has no numbers; it stands for an argument only");
  if (v.kind == Kind::zero) fail(Code::tree, "jaxvjp_zero stands for a cotangent or tangent only");
  for (const ValueRef& item : v.items) refuse_placeholders(*item);
}

Tracer tracer_of(View& cx, const Value& v, DType dtype) {
  check_alive(cx, v);
  if (v.kind != Kind::array) {
    refuse_placeholders(v);
    fail(Code::tree, "expected an array, got a container or an opaque leaf: ", v.tree->text());
  }
  if (v.weak) return weak_tracer(cx, v.number, dtype);
  if (v.array) return cx.root().tracer(v.array);
  return Tracer(*v.trace, v.index);
}

void collect_leaves(const Value& v, Values& leaves) {
  if (v.is_leaf()) leaves.push_back(ValueRef(const_cast<Value*>(&v)));
  for (const ValueRef& item : v.items) collect_leaves(*item, leaves);
  if (v.function)
    for (const ValueRef& held : v.function->held(*v.session)) leaves.push_back(held);
}

void flatten(View& cx, const Value& v, Tracers& leaves) {
  if (v.kind == Kind::array) return leaves.push_back(tracer_of(cx, v));
  if (v.is_leaf()) return leaves.push_back(tracer_of(cx, v));
  check_alive(cx, v);
  for (const ValueRef& item : v.items) flatten(cx, *item, leaves);
  if (v.function)
    for (const ValueRef& held : v.function->held(*v.session))
      leaves.push_back(tracer_of(cx, *held));
}

// Rebuilds a value around leaves that `next` gives in order.
template <class Next>
static ValueRef rebuild(Session& session, const Tree& tree, Next& next) {
  switch (tree->node) {
    case Node::leaf: return next();
    case Node::none: return none_value(session);
    case Node::object: {
      Values held;
      for (size_t i = 0; i < tree->n_leaves; ++i) held.push_back(next());
      if (auto* opaque = dynamic_cast<const Opaque*>(tree->object.get()))
        return opaque_value(session, Ref<Opaque>(const_cast<Opaque*>(opaque)));
      return function_value(session, function_from(tree->object, held));
    }
    default: break;
  }
  std::vector<ValueRef> items;
  for (const Tree& child : tree->children) items.push_back(rebuild(session, child, next));
  auto v = make_ref<Value>(session);
  v->kind = tree->node == Node::tuple  ? Kind::tuple
            : tree->node == Node::list ? Kind::list
                                       : Kind::dict;
  v->tree = tree;
  set_items(*v, std::move(items));
  return v;
}

ValueRef unflatten(Session& session, const Tree& tree, Operands& leaves) {
  auto next = [&] {
    ValueRef v = value_of(session, leaves[0]);
    leaves = leaves.subspan(1);
    return v;
  };
  return rebuild(session, tree, next);
}

ValueRef unflatten_all(Session& session, const Tree& tree, Operands leaves) {
  return unflatten(session, tree, leaves);
}

ValueRef unflatten_values(Session& session, const Tree& tree, std::span<const ValueRef>& leaves) {
  auto next = [&] {
    ValueRef v = leaves[0];
    leaves = leaves.subspan(1);
    return v;
  };
  return rebuild(session, tree, next);
}

// ---- numbers

bool is_concrete(const Value& v) {
  if (v.kind != Kind::array) return false;
  if (v.weak || v.array) return true;
  if (!v.trace->alive()) return false;
  Tracer t(*v.trace, v.index);
  while (!t.is_concrete()) {
    Tracer below = t.trace().primal(t);
    if (below.same(t)) return false;
    t = below;
  }
  return true;
}

Array numbers_of(View& cx, const Value& v, const char* asker, bool anyway) {
  if (v.kind == Kind::spec)
    fail(Code::concrete, asker, ": a spec ", to_string(v.aval), " has no numbers");
  Tracer t = tracer_of(cx, v);
  while (!t.is_concrete()) {
    if (!anyway && t.trace().perturbed(t))
      fail(Code::concrete, asker, ": a value ", to_string(v.aval), " that ", t.trace().verb(),
           " is differentiating cannot be read; that would lose its derivative");
    Tracer below = t.trace().primal(t);
    if (below.same(t))
      fail(Code::concrete, asker, ": a value ", to_string(v.aval), " under ", t.trace().verb(),
           " has no numbers");
    t = below;
  }
  return t.array();
}

}  // namespace jv

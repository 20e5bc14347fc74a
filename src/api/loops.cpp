#include "api/loops.hpp"

#include "api/body.hpp"
#include "control/cond.hpp"
#include "control/scan.hpp"
#include "control/while.hpp"
#include "ops/numpy.hpp"

namespace jv {
namespace {

Tracer scalar_of(View& cx, const char* who, const char* what, const Value& v) {
  Tracer t = tracer_of(cx, v, DType::i32);
  if (t.aval()->ndim())
    fail(Code::shape, who, ": ", what, " is a scalar, got ", to_string(t.aval()));
  return cx.lift(t);
}

ValueRef branch_on(View& cx, const char* who, const Tracer& index,
                   std::span<const FunctionRef> branches, Args args) {
  FlatArgs flat(cx, args);
  Tree out, first;
  Avals types;
  Tracers results =
      cond(cx.root(), cx.place(), index, branches.size(), flat.leaves, [&](size_t k, Operands a) {
        Tracers leaves = call_inside(cx, *branches[k], flat.trees, a, out);
        if (k == 0) first = out, types = avals_of(leaves);
        std::string what = str("the result of branch ", k, ", ", branches[k]->name(), ",");
        check_same(who, what.c_str(), first, types, out, leaves);
        return leaves;
      });
  return unflatten_all(cx.session(), first, results);
}

}  // namespace

ValueRef cond(View& cx, const Value& predicate, Function& on_true, Function& on_false, Args args) {
  return noted_in("cond", [&] {
    Tracer p = scalar_of(cx, "cond", "the predicate", predicate);
    if (p.dtype() != DType::boolean)
      fail(Code::dtype, "cond: the predicate is bool[], got ", to_string(p.aval()));
    FunctionRef branches[] = {FunctionRef(&on_false), FunctionRef(&on_true)};
    return branch_on(cx, "cond", convert_element_type(p, DType::i32), branches, args);
  });
}

ValueRef switch_case(View& cx, const Value& index, std::span<const FunctionRef> branches,
                     Args args) {
  return noted_in("switch", [&] {
    if (branches.empty()) fail(Code::invalid_argument, "switch: no branches");
    Tracer i = scalar_of(cx, "switch", "the index", index);
    if (!is_integer(i.dtype()))
      fail(Code::dtype, "switch: the index is an integer, got ", to_string(i.aval()));
    // Clamped before it is narrowed.
    Tracer first = zeros_like(i), last = full_like(i, double(branches.size() - 1));
    i = maximum(i, first);
    i = minimum(i, last);
    if (i.dtype() != DType::i32) i = convert_element_type(i, DType::i32);
    return branch_on(cx, "switch", i, branches, args);
  });
}

ValueRef while_loop(View& cx, Function& condition, Function& body, const ValueRef& init) {
  return noted_in("while_loop", [&] {
    Flat carry(cx, *init);
    Tree out;
    auto keep = simplified(stage(
        cx.root(), carry.avals,
        [&](Operands a) {
          Tracers truth = call_inside(cx, condition, {&carry.tree, 1}, a, out);
          if (out->node != Node::leaf)
            fail(Code::tree, "while_loop: the condition gives bool[], got the structure ",
                 out->text());
          Aval aval = truth[0].aval();
          if (aval->dtype != DType::boolean || aval->ndim())
            fail(aval->ndim() ? Code::shape : Code::dtype,
                 "while_loop: the condition gives bool[], got ", to_string(aval));
          return truth;
        },
        "while_loop"));
    auto next = simplified(stage(
        cx.root(), carry.avals,
        [&](Operands a) {
          Tracers leaves = call_inside(cx, body, {&carry.tree, 1}, a, out);
          check_same("while_loop", "the body's carry", carry.tree, carry.avals, out, leaves);
          return leaves;
        },
        "while_loop"));
    Tracers results = while_loop(cx.root(), cx.place(), keep, next, carry.leaves);
    return unflatten_all(cx.session(), carry.tree, results);
  });
}

namespace {

// What fori_loop carries: (i, upper, the user's carry) in a while, (i, carry) in a scan.
Tracers fori_step(View& cx, Function& body, const Flat& carry, const Tracer& i, Operands a) {
  Tree out;
  Tree trees[] = {cx.session().trees().leaf(), carry.tree};
  Tracers leaves = call_inside(cx, body, trees, join(Operands(&i, 1), a), out);
  check_same("fori_loop", "the body's carry", carry.tree, carry.avals, out, leaves);
  return leaves;
}

ValueRef fori_while(View& cx, const Tracer& lower, const Tracer& upper, Function& body,
                    const Flat& carry) {
  Tracer bounds[] = {lower, upper};
  Tracers init = join(bounds, carry.leaves);
  auto keep = stage(cx.root(), avals_of(init), [&](Operands a) { return Tracers{lt(a[0], a[1])}; });
  auto next = simplified(stage(
      cx.root(), avals_of(init),
      [&](Operands a) {
        Tracers leaves = fori_step(cx, body, carry, a[0], a.subspan(2));
        Tracer following[] = {add(a[0], full_like(a[0], 1)), a[1]};
        return join(following, leaves);
      },
      "fori_loop"));
  Tracers results = while_loop(cx.root(), cx.place(), keep, next, init);
  return unflatten_all(cx.session(), carry.tree, Operands(results).subspan(2));
}

// Of a range of this dtype: none where it is empty.
int64_t steps_between(const Array& lower, const Array& upper, DType dtype) {
  int64_t first = element_i64(lower, 0), end = element_i64(upper, 0);
  bool empty = is_unsigned(dtype) ? uint64_t(first) >= uint64_t(end) : first >= end;
  uint64_t steps = empty ? 0 : uint64_t(end) - uint64_t(first);
  if (steps > uint64_t(INT64_MAX))
    fail(Code::invalid_argument, "fori_loop: ", steps, " steps are too many");
  return int64_t(steps);
}

}  // namespace

ValueRef fori_loop(View& cx, const Value& lower, const Value& upper, Function& body,
                   const ValueRef& init) {
  return noted_in("fori_loop", [&] {
    Tracer low = scalar_of(cx, "fori_loop", "lower", lower),
           high = scalar_of(cx, "fori_loop", "upper", upper);
    for (const Tracer& t : {low, high})
      if (!is_integer(t.dtype()))
        fail(Code::dtype, "fori_loop: the bounds are integers, got ", to_string(t.aval()));
    if (low.aval() != high.aval())
      fail(Code::dtype, "fori_loop: lower is ", to_string(low.aval()), ", upper ",
           to_string(high.aval()));
    Flat carry(cx, *init);
    if (!is_concrete(lower) || !is_concrete(upper)) return fori_while(cx, low, high, body, carry);
    int64_t steps = steps_between(numbers_of(cx, lower, "fori_loop"),
                                  numbers_of(cx, upper, "fori_loop"), low.dtype());
    Avals avals{low.aval()};
    avals.append(carry.avals);
    auto step = simplified(stage(
        cx.root(), avals,
        [&](Operands a) {
          Tracers leaves = fori_step(cx, body, carry, a[0], a.subspan(1));
          Tracer following = add(a[0], full_like(a[0], 1));
          return join(Operands(&following, 1), leaves);
        },
        "fori_loop"));
    Loop loop{steps};
    Tracers results =
        scan(cx.root(), cx.place(), step, join(Operands(&low, 1), carry.leaves), {}, loop);
    return unflatten_all(cx.session(), carry.tree, Operands(results).subspan(1));
  });
}

namespace {

// The number of rows: that which is given, and that of each leaf.
int64_t rows_of(const char* who, const Flat& xs, int64_t length) {
  for (size_t i = 0; i < xs.avals.size(); ++i) {
    Aval aval = xs.avals[i];
    if (aval->ndim() == 0)
      fail(Code::shape, who, ": xs", xs.tree->path(i), " is ", to_string(aval),
           ", which has no rows");
    if (length < 0) length = aval->shape[0];
    if (aval->shape[0] != length)
      fail(Code::shape, who, ": xs", xs.tree->path(i), " is ", to_string(aval), ", expected ",
           length, " rows");
  }
  if (length < 0) fail(Code::invalid_argument, who, ": xs has no arrays; give a length");
  return length;
}

}  // namespace

ValueRef scan(View& cx, Function& body, const ValueRef& init, const ValueRef& xs, int64_t length,
              bool reverse) {
  return noted_in("scan", [&] {
    if (length < -1) fail(Code::invalid_argument, "scan: the length is ", length);
    Flat carry(cx, *init), rows(cx, *xs);
    Loop loop{rows_of("scan", rows, length), reverse};
    Tree trees[] = {carry.tree, rows.tree}, out;
    Avals avals = carry.avals;
    for (Aval x : rows.avals) avals.push_back(element_of(cx.session(), x));
    auto step = simplified(stage(
        cx.root(), avals,
        [&](Operands a) {
          Tracers leaves = call_inside(cx, body, trees, a, out);
          if (out->node != Node::tuple || out->children.size() != 2)
            fail(Code::tree, "scan: the body gives (carry, y), got the structure ", out->text());
          check_same("scan", "the body's carry", carry.tree, carry.avals, out->children[0], leaves);
          return leaves;
        },
        "scan"));
    Tracers results = scan(cx.root(), cx.place(), step, carry.leaves, rows.leaves, loop);
    return unflatten_all(cx.session(), out, results);
  });
}

namespace {

// f as a body without carry.
ValueRef map_rows(View& cx, Function& f, const Flat& xs, Operands leaves, int64_t length) {
  Avals avals;
  for (const Tracer& x : leaves) avals.push_back(element_of(cx.session(), x.aval()));
  Tree out;
  auto step = simplified(stage(
      cx.root(), avals,
      [&](Operands a) {
        return call_inside(cx, f, {&xs.tree, 1}, a, out);
      },
      "map"));
  return unflatten_all(cx.session(), out, scan(cx.root(), cx.place(), step, {}, leaves, {length}));
}

Tracer rows_between(const Tracer& x, int64_t first, int64_t end) {
  Ints start(x.shape().size(), 0), limit(x.shape()), strides(x.shape().size(), 1);
  start[0] = first;
  limit[0] = end;
  return slice(x, start, limit, strides);
}

// [n batch, ...] -> [n, batch, ...], and back.
Tracer grouped(const Tracer& x, int64_t n, int64_t batch) {
  Ints shape{n, batch};
  shape.append(std::span<const int64_t>(x.shape()).subspan(1));
  return reshape(x, shape);
}
Tracer joined_rows(const Tracer& x) {
  Ints shape{x.shape()[0] * x.shape()[1]};
  shape.append(std::span<const int64_t>(x.shape()).subspan(2));
  return reshape(x, shape);
}

}  // namespace

ValueRef map(View& cx, FunctionRef f, const ValueRef& xs, int64_t batch_size) {
  return noted_in("map", [&] {
    Flat rows(cx, *xs);
    int64_t length = rows_of("map", rows, -1);
    if (batch_size < 0) fail(Code::invalid_argument, "map: the batch size is ", batch_size);
    if (batch_size == 0) return map_rows(cx, *f, rows, rows.leaves, length);
    // Whole batches by a scan of vmap, what is left by one vmap more.
    FunctionRef mapped = vmap(f, {});
    int64_t n = length / batch_size, whole = n * batch_size;
    Tracers groups, rest, results;
    for (const Tracer& x : rows.leaves) {
      groups.push_back(grouped(rows_between(x, 0, whole), n, batch_size));
      rest.push_back(rows_between(x, whole, length));
    }
    ValueRef stacked = map_rows(cx, *mapped, rows, groups, n);
    Flat many(cx, *stacked);
    for (const Tracer& t : many.leaves) results.push_back(joined_rows(t));
    if (whole < length) {
      Tree out;
      Tracers last = call_flat(cx, *mapped, {&rows.tree, 1}, rest, out);
      for (size_t i = 0; i < results.size(); ++i) {
        const Tracer parts[] = {results[i], last[i]};
        results[i] = concatenate(parts, 0);
      }
    }
    return unflatten_all(cx.session(), many.tree, results);
  });
}

namespace {

class Checkpointed final : public DerivedFunction {
 public:
  Checkpointed(FunctionRef f, Keep keep)
      : DerivedFunction(std::move(f), {uint64_t('c'), uint64_t(keep)}), keep_(keep) {}

  ValueRef apply(View& cx, Args args) override {
    FlatArgs flat(cx, args);
    StagedCall staged = stage_call(cx, *inner, flat.trees, avals_of(flat.leaves), "checkpoint");
    Tracers out = checkpoint(cx.root(), cx.place(), staged.closed, flat.leaves, keep_);
    return unflatten_all(cx.session(), staged.out, out);
  }

 private:
  const char* verb() const override { return "checkpoint"; }
  Keep keep_;
};

}  // namespace

FunctionRef checkpointed(FunctionRef f, Keep keep) {
  return make_ref<Checkpointed>(std::move(f), keep);
}

ValueRef checkpoint_name(View& cx, const ValueRef& v, const std::string& name) {
  Flat flat(cx, *v);
  for (Tracer& t : flat.leaves) t = named(cx.place(), t, name);
  return unflatten_all(cx.session(), flat.tree, flat.leaves);
}

}  // namespace jv

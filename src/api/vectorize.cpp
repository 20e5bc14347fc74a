// vmap of functions of pytrees.
#include "api/transform.hpp"
#include "control/call.hpp"
#include "ops/axes.hpp"
#include "primitives/define.hpp"
#include "transforms/batch.hpp"

namespace jv {

Tracer move_axis(const Tracer& x, int64_t from, int64_t to) {
  if (from == to) return x;
  Ints permutation;
  for (int64_t i = 0; i < int64_t(x.aval()->ndim()); ++i)
    if (i != from) permutation.push_back(i);
  permutation.insert(size_t(to), from);
  return transpose(x, permutation);
}

namespace {

CacheKey vmap_words(const VmapOptions& o) {
  CacheKey key{uint64_t('v'), uint64_t(o.out_axis), uint64_t(o.axis_size), o.in_axes.size()};
  for (int64_t a : o.in_axes) key.push_back(uint64_t(a));
  return key;
}

class Vmap final : public DerivedFunction {
 public:
  Vmap(FunctionRef f, VmapOptions options)
      : DerivedFunction(std::move(f), vmap_words(options)), options_(std::move(options)) {}

  ValueRef apply(View& cx, Args args) override {
    if (!options_.in_axes.empty() && options_.in_axes.size() != args.size())
      fail(Code::invalid_argument, "vmap of ", name(), ": in_axes has ", options_.in_axes.size(),
           " entries for ", args.size(), " arguments");
    FlatArgs flat(cx, args);
    int64_t size = options_.axis_size ? options_.axis_size : -1;
    Small<Mapped, 4> in = mapped_inputs(flat, size);
    if (size < 0)
      fail(Code::invalid_argument, "vmap of ", name(), ": no argument is mapped; give axis_size");
    Tree out;
    auto results = batch(
        cx.root(), [&](Operands x) { return call_flat(cx, *inner, flat.trees, x, out); }, in, size);
    Tracers leaves;
    for (const Mapped& m : results) {
      Tracer t = materialise(m, size);
      leaves.push_back(move_axis(t, 0, axis_of("vmap: out_axis", options_.out_axis, t.aval())));
    }
    return unflatten_all(cx.session(), out, leaves);
  }

 private:
  const char* verb() const override { return "vmap"; }

  Small<Mapped, 4> mapped_inputs(const FlatArgs& flat, int64_t& size) {
    Small<Mapped, 4> in;
    size_t leaf = 0;
    for (size_t i = 0; i < flat.trees.size(); ++i) {
      int64_t axis = options_.in_axes.empty() ? 0 : options_.in_axes[i];
      for (size_t k = 0; k < flat.trees[i]->n_leaves; ++k)
        in.push_back(mapped_input(flat.leaves[leaf++], axis, i, size));
    }
    return in;
  }

  Mapped mapped_input(const Tracer& x, int64_t axis, size_t argument, int64_t& size) {
    if (axis == axis_none) return {x, false};
    Aval aval = x.aval();
    if (axis < -int64_t(aval->ndim()) || axis >= int64_t(aval->ndim()))
      fail(Code::invalid_argument, "vmap of ", name(), ": argument ", argument, " is ",
           to_string(aval), ", which has no axis ", axis);
    if (axis < 0) axis += int64_t(aval->ndim());
    int64_t n = aval->shape[size_t(axis)];
    if (size < 0) size = n;
    if (n != size)
      fail(Code::shape, "vmap of ", name(), ": argument ", argument, " is ", to_string(aval),
           ", whose axis ", axis, " has size ", n, "; the mapped axis has size ", size);
    return {move_axis(x, axis, 0), true};
  }

  VmapOptions options_;
};

}  // namespace

FunctionRef vmap(FunctionRef f, VmapOptions options) {
  return make_ref<Vmap>(std::move(f), std::move(options));
}

}  // namespace jv

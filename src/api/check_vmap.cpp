// vmap of a function and its pullback is a loop over examples.
#include <algorithm>
#include <cmath>

#include "api/check_laws.hpp"

namespace jv {
namespace {

constexpr size_t n_examples = 3;

// (arguments..., a tuple of the cotangent's floating leaves) -> floating leaves of the value, then
// of the cotangents of the arguments.
class Pull final : public BaseFunction {
 public:
  explicit Pull(Function& f) : BaseFunction(*f.session, f.name()), f_(&f) {}

  ValueRef call(View& cx, Args args) override {
    const Value& given = *args.back();
    FunctionRef pullback;
    Values pair{vjp(cx, *f_, args.subspan(0, args.size() - 1), pullback)};
    ValueRef ct = cotangent_like(*pair[0], [&](size_t i, Aval) { return given.items[i]; });
    pair.push_back(pullback->call(cx, Args(&ct, 1)));
    return tuple_of(cx, Leaves(pair).free_ones());
  }

 private:
  FunctionRef f_;
};

// What is mapped, and the points of the examples.
struct Examples {
  VmapOptions axes;
  std::vector<Vector> x, u;
};

ValueRef leaves_of(const Subject& s, const ValueRef& ct) {
  return tuple_of(s.cx, Leaves(Args(&ct, 1)).free_ones());
}

ValueRef mapped(const Subject& s, const Examples& e) {
  Values all = s.in.stacked(s.cx, e.x), args;
  for (size_t i = 0; i < s.args.size(); ++i)
    args.push_back(e.axes.in_axes[i] == 0 ? all[i] : s.args[i]);
  args.push_back(leaves_of(s, s.out.stacked(s.cx, e.u)[0]));
  return vmap(make_ref<Pull>(s.f), e.axes)->call(s.cx, args);
}

ValueRef single(const Subject& s, const Examples& e, size_t b) {
  Values args = s.in.at(e.x[b]);
  args.push_back(leaves_of(s, s.out.cotangent(e.u[b])));
  return Pull(s.f).call(s.cx, args);
}

std::string place(const Subject& s, size_t leaf, size_t k) {
  const auto &outs = s.out.leaves(), &ins = s.in.leaves();
  if (leaf < outs.size()) return s.output(outs[leaf].first + k);
  return "cotangent of " + s.argument(ins[leaf - outs.size()].first + k);
}

void compare(const Subject& s, const Value& all, const Value& one, size_t b) {
  for (size_t l = 0; l < one.items.size(); ++l) {
    Array many = numbers_of(s.cx, *all.items[l], "check_vjp");
    Array want = numbers_of(s.cx, *one.items[l], "check_vjp");
    size_t n = want.aval()->size;
    double scale = 0;
    for (size_t k = 0; k < n; ++k) scale = std::max(scale, std::fabs(element(want, k)));
    for (size_t k = 0; k < n; ++k) {
      double got = element(many, b * n + k), expected = element(want, k);
      if (!s.agree(got, expected, scale))
        s.report(str("vmap is not a loop: example ", b, ": ", place(s, l, k)), got, expected);
    }
  }
}

// The point itself and others near it; where `argument` is one, only its elements move.
Examples examples(const Subject& s, Random& random, size_t argument) {
  Examples e;
  for (size_t i = 0; i < s.args.size(); ++i)
    e.axes.in_axes.push_back(argument == s.args.size() || argument == i ? 0 : axis_none);
  e.axes.in_axes.push_back(0);
  for (size_t b = 0; b < n_examples; ++b) {
    e.x.push_back(s.in.origin());
    e.u.push_back(random.direction(s.out.size()));
    for (const Space::Leaf& leaf : s.in.leaves())
      for (size_t k = 0; k < leaf.aval->size && e.axes.in_axes[leaf.value] == 0; ++k)
        e.x[b][leaf.first + k] += double(b) / 64 * random.number();
  }
  return e;
}

}  // namespace

void check_vmap(const Subject& s, Random random) {
  size_t n = s.args.size(), alone = n > 1 ? std::min<size_t>(n, 4) : 0;
  for (size_t k = 0; k <= alone; ++k) {
    Examples e = examples(s, random, k == alone ? n : k);
    ValueRef all;
    try {
      all = mapped(s, e);
    } catch (const Error& error) {  // a rule that reads numbers says so; it is not wrong
      if (error.is(Code::concrete) || error.is(Code::no_rule)) return;
      throw;
    }
    for (size_t b = 0; b < n_examples; ++b) compare(s, *all, *single(s, e, b), b);
  }
}

}  // namespace jv

#include "api/check_space.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace jv {

// ---- leaves

static void collect(const Value& v, Leaves& leaves) {
  if (v.is_leaf()) {
    leaves.all.push_back(ValueRef(const_cast<Value*>(&v)));
    leaves.free.push_back(v.aval && v.aval->is_float());
  }
  for (const ValueRef& item : v.items) collect(*item, leaves);
  if (!v.function) return;
  for (const ValueRef& held : v.function->held(*v.session)) leaves.all.push_back(held);
  leaves.free.resize(leaves.all.size(), false);
}

Leaves::Leaves(Args values) {
  for (const ValueRef& v : values) collect(*v, *this);
}

Values Leaves::free_ones() const {
  Values found;
  for (size_t i = 0; i < all.size(); ++i)
    if (free[i]) found.push_back(all[i]);
  return found;
}

Array array_from(Session& session, Aval aval, const double* numbers) {
  Array a = Array::allocate(session, aval);
  visit_dtype(aval->dtype, [&]<class T>(Type<T>) {
    T* data = a.mutable_data<T>();
    for (size_t i = 0; i < aval->size; ++i) data[i] = T(numbers[i]);
  });
  return a;
}

ValueRef cotangent_like(const Value& like, const std::function<ValueRef(size_t, Aval)>& leaf) {
  Session& session = *like.session;
  ValueRef self(const_cast<Value*>(&like));
  Leaves leaves(Args(&self, 1));
  Values cts;
  size_t n = 0;
  for (size_t i = 0; i < leaves.all.size(); ++i)
    cts.push_back(leaves.free[i] ? leaf(n++, leaves.all[i]->aval) : zero_value(session, nullptr));
  Args rest = cts;
  return unflatten_values(session, like.tree, rest);
}

// ---- Space

Space::Space(View& cx, Args values) : session_(&cx.session()), leaves_(values) {
  size_t at = 0;
  for (size_t v = 0; v < values.size(); ++v) {
    trees_.push_back(values[v]->tree);
    for (size_t i = 0; i < trees_[v]->n_leaves; ++i, ++at) {
      if (!leaves_.free[at]) continue;
      Array numbers = numbers_of(cx, *leaves_.all[at], "check_vjp");
      free_.push_back({v, i, numbers.aval(), origin_.size()});
      for (size_t k = 0; k < numbers.aval()->size; ++k) origin_.push_back(element(numbers, k));
    }
  }
}

template <class Replace>
Values Space::rebuilt(Replace&& replace) const {
  Values leaves = leaves_.all, values;
  size_t n = 0;
  for (size_t i = 0; i < leaves.size(); ++i)
    leaves[i] = replace(leaves[i], leaves_.free[i] ? &free_[n++] : nullptr);
  Args rest = leaves;
  for (const Tree& tree : trees_) values.push_back(unflatten_values(*session_, tree, rest));
  return values;
}

Vector Space::rounded(Vector x) const {
  for (const Leaf& leaf : free_) {
    Array numbers = array_from(*session_, leaf.aval, &x[leaf.first]);
    for (size_t k = 0; k < leaf.aval->size; ++k) x[leaf.first + k] = element(numbers, k);
  }
  return x;
}

Values Space::at(const Vector& x) const {
  return rebuilt([&](const ValueRef& leaf, const Leaf* free) {
    if (!free) return leaf;
    return value_of(*session_, array_from(*session_, free->aval, &x[free->first]));
  });
}

static Array repeated(View& cx, const Value& v, Aval aval, size_t n) {
  Array one = numbers_of(cx, v, "check_vjp"), all = Array::allocate(cx.session(), aval);
  for (size_t i = 0; i < n; ++i)
    std::memcpy(all.mutable_data<char>() + i * one.aval()->bytes(), one.data(),
                one.aval()->bytes());
  return all;
}

Values Space::stacked(View& cx, std::span<const Vector> examples) const {
  return rebuilt([&](const ValueRef& leaf, const Leaf* free) {
    Ints shape{int64_t(examples.size())};
    shape.append(leaf->aval->shape);
    Aval aval = session_->aval(leaf->aval->dtype, shape);
    if (!free) return value_of(*session_, repeated(cx, *leaf, aval, examples.size()));
    Vector numbers;
    for (const Vector& x : examples)
      numbers.insert(numbers.end(), x.begin() + free->first,
                     x.begin() + free->first + free->aval->size);
    return value_of(*session_, array_from(*session_, aval, numbers.data()));
  });
}

Values Space::tangents(const Vector& x, const std::vector<bool>& zero) const {
  return rebuilt([&](const ValueRef&, const Leaf* free) {
    if (!free || (!zero.empty() && zero[size_t(free - free_.data())]))
      return zero_value(*session_, nullptr);
    return value_of(*session_, array_from(*session_, free->aval, &x[free->first]));
  });
}

Vector Space::read(View& cx, Args values) const {
  Vector x;
  for (const ValueRef& leaf : Leaves(values).free_ones()) {
    Array numbers = numbers_of(cx, *leaf, "check_vjp");
    for (size_t k = 0; k < numbers.aval()->size; ++k) x.push_back(element(numbers, k));
  }
  if (x.size() != size())
    fail(Code::tree, "check_vjp: expected ", size(), " floating elements, got ", x.size());
  return x;
}

const Space::Leaf& Space::leaf_of(size_t element) const {
  auto after = std::find_if(free_.begin(), free_.end(),
                            [&](const Leaf& l) { return l.first + l.aval->size > element; });
  return *after;
}

std::string Space::path(size_t element) const {
  const Leaf& leaf = leaf_of(element);
  std::string index;
  size_t rest = element - leaf.first;
  for (size_t d = leaf.aval->ndim(); d-- > 0;) {
    size_t n = size_t(leaf.aval->shape[d]);
    index = (d ? "," : "[") + std::to_string(rest % n) + index;
    rest /= n;
  }
  return leaf_path(leaf) + index + (index.empty() ? "" : "]");
}

// ---- Random

double Random::number() {
  double magnitude = 0.5 + double(engine_()) / 4294967296.0;
  return engine_() & 1 ? magnitude : -magnitude;
}

Vector Random::direction(size_t n) {
  Vector v(n);
  for (double& x : v) x = number();
  return v;
}

// Floyd's way to choose without a list of all.
std::vector<size_t> Random::sample(size_t n, size_t most) {
  std::set<size_t> chosen;
  for (size_t last = n > most ? n - most : 0; last < n; ++last) {
    size_t i = n > most ? size_t(engine_()) % (last + 1) : last;
    chosen.insert(chosen.count(i) ? last : i);
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace jv

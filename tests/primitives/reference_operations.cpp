// Operations on shapes, reductions, products, linear algebra, random bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "reference.hpp"

namespace jv::laws {
namespace {

using In = const std::vector<Tensor>&;

Tensor broadcast_in_dim(const Params& p, In in, Aval out) {
  const Ints& dims = p.ints("broadcast_dimensions");
  return build(out, [&](const Index& i) {
    Index from;
    for (size_t k = 0; k < dims.size(); ++k)
      from.push_back(in[0].shape[k] == 1 ? 0 : i[size_t(dims[k])]);
    return at(in[0], from);
  });
}
Tensor same_order(const Params&, In in, Aval out) {
  return {out->dtype, list(out->shape), in[0].at};
}
Tensor transposed(const Params& p, In in, Aval out) {
  const Ints& permutation = p.ints("permutation");
  return build(out, [&](const Index& i) {
    Index from(i.size());
    for (size_t k = 0; k < i.size(); ++k) from[size_t(permutation[k])] = i[k];
    return at(in[0], from);
  });
}
Tensor iota(const Params& p, In, Aval out) {
  return build(out, [&](const Index& i) { return Real(i[size_t(p.integer("dimension"))]); });
}
Tensor concatenate(const Params& p, In in, Aval out) {
  size_t axis = size_t(p.integer("dimension"));
  return build(out, [&](Index i) {
    size_t k = 0;
    for (; i[axis] >= in[k].shape[axis]; ++k) i[axis] -= in[k].shape[axis];
    return at(in[k], i);
  });
}
Tensor sliced(const Params& p, In in, Aval out) {
  return build(out, [&](Index i) {
    for (size_t k = 0; k < i.size(); ++k)
      i[k] = p.ints("start_indices")[k] + i[k] * p.ints("strides")[k];
    return at(in[0], i);
  });
}
Tensor padded(const Params& p, In in, Aval out) {
  return build(out, [&](Index i) {
    for (size_t k = 0; k < i.size(); ++k) {
      const Ints& c = p.dims("padding_config")[k];
      int64_t place = i[k] - c[0], step = c[2] + 1;
      if (place < 0 || place % step || place / step >= in[0].shape[k]) return in[1].at[0];
      i[k] = place / step;
    }
    return at(in[0], i);
  });
}
Tensor selected(const Params&, In in, Aval out) {
  return build(out, [&](const Index& i) {
    Real which = in[0].shape.empty() ? in[0].at[0] : at(in[0], i);
    return at(in[size_t(std::clamp<Real>(which, 0, Real(in.size() - 2))) + 1], i);
  });
}
Tensor converted(const Params&, In in, Aval out) {
  return build(out, [&](const Index& i) {
    Real x = at(in[0], i);
    if (out->dtype == DType::boolean) return Real(x != 0);
    return is_integer(out->dtype) ? wrapped(out->dtype, std::trunc(x)) : x;
  });
}
Tensor bitcast(const Params&, In in, Aval out) {
  std::vector<unsigned char> bytes;
  for (Real x : in[0].at)
    visit_dtype(in[0].dtype, [&]<class T>(Type<T>) {
      T value;
      if constexpr (std::is_arithmetic_v<T>) value = T(x);
      else value = T(float(x));
      const auto* b = reinterpret_cast<const unsigned char*>(&value);
      bytes.insert(bytes.end(), b, b + sizeof value);
    });
  size_t size = size_of(out->dtype), k = 0;
  return build(out, [&](const Index&) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes.data() + size * k++, size);
    return from_bits(out->dtype, bits);
  });
}

Tensor reduced(const Params& p, In in, Aval out, Real first, Real (*op)(Real, Real)) {
  const Ints& axes = p.ints("axes");
  Tensor result{out->dtype, list(out->shape), std::vector<Real>(out->size, first)};
  for (size_t i = 0; i < in[0].at.size(); ++i) {
    Index index = index_of(i, in[0].shape);
    size_t flat = 0;
    for (size_t k = 0; k < index.size(); ++k)
      if (!contains(axes, k)) flat = flat * size_t(in[0].shape[k]) + size_t(index[k]);
    result.at[flat] = op(result.at[flat], in[0].at[i]);
  }
  for (Real& x : result.at) x = wrapped(out->dtype, x);
  return result;
}
Tensor sum(const Params& p, In in, Aval out) {
  return reduced(p, in, out, 0, [](Real x, Real y) { return x + y; });
}
Tensor maximum(const Params& p, In in, Aval out) {
  return reduced(p, in, out, -HUGE_VALL, [](Real x, Real y) { return std::max(x, y); });
}
Tensor minimum(const Params& p, In in, Aval out) {
  return reduced(p, in, out, HUGE_VALL, [](Real x, Real y) { return std::min(x, y); });
}

Tensor dot_general(const Params& p, In in, Aval out) {
  const Dims& d = p.dims("dimension_numbers");
  const Tensor &x = in[0], &y = in[1];
  Tensor result = build(out, [](const Index&) { return Real(0); });
  for (size_t i = 0; i < x.at.size(); ++i)
    for (size_t j = 0; j < y.at.size(); ++j) {
      Index a = index_of(i, x.shape), b = index_of(j, y.shape), place;
      bool meet = true;
      for (size_t k = 0; k < d[0].size(); ++k) meet &= a[size_t(d[0][k])] == b[size_t(d[1][k])];
      for (size_t k = 0; k < d[2].size(); ++k) meet &= a[size_t(d[2][k])] == b[size_t(d[3][k])];
      if (!meet) continue;
      for (int64_t axis : d[2]) place.push_back(a[size_t(axis)]);
      for (size_t k = 0; k < a.size(); ++k)
        if (!contains(d[0], k) && !contains(d[2], k)) place.push_back(a[k]);
      for (size_t k = 0; k < b.size(); ++k)
        if (!contains(d[1], k) && !contains(d[3], k)) place.push_back(b[k]);
      size_t flat = 0;
      for (size_t k = 0; k < place.size(); ++k)
        flat = flat * size_t(result.shape[k]) + size_t(place[k]);
      result.at[flat] += x.at[i] * y.at[j];
    }
  for (Real& e : result.at) e = wrapped(out->dtype, e);
  return result;
}

// Gaussian elimination, row by row.
Tensor triangular_solve(const Params& p, In in, Aval out) {
  bool left = p.flag("left_side"), unit = p.flag("unit_diagonal"), turned = p.flag("transpose_a");
  size_t m = size_t(out->shape[out->ndim() - 2]), n = size_t(out->shape[out->ndim() - 1]);
  size_t size = left ? m : n;
  Tensor x{out->dtype, list(out->shape), in[1].at};
  for (size_t batch = 0; batch < out->size / (m * n); ++batch) {
    auto a = [&](size_t i, size_t j) {  // of op(a), or of its transpose for x op(a) = b
      if (turned == left) std::swap(i, j);
      bool stored = p.flag("lower") ? i >= j : i <= j;
      return i == j && unit ? 1 : stored ? in[0].at[batch * size * size + i * size + j] : Real(0);
    };
    auto b = [&](size_t row, size_t column) -> Real& {
      return x.at[batch * m * n + (left ? row * n + column : column * n + row)];
    };
    bool downwards = a(size - 1, 0) != 0 || size == 1;
    for (size_t column = 0; column < (left ? n : m); ++column)
      for (size_t step = 0; step < size; ++step) {
        size_t row = downwards ? step : size - 1 - step;
        for (size_t k = 0; k < size; ++k)
          if (downwards ? k < row : k > row) b(row, column) -= a(row, k) * b(k, column);
        b(row, column) /= a(row, row);
      }
  }
  return x;
}

// Element i is the cipher of i: its two halves together, or both as one of 64 bits.
Tensor random_bits(const Params& p, In in, Aval out) {
  int64_t width = p.integer("bit_width");
  size_t n_keys = in[0].at.size() / 2, n = out->size / n_keys;
  size_t k = 0;
  return build(out, [&](const Index&) {
    size_t key = k / n, i = k++ % n;
    auto [high, low] =
        threefry(uint32_t(in[0].at[2 * key]), uint32_t(in[0].at[2 * key + 1]), 0, uint32_t(i));
    if (width == 64) return Real(uint64_t(high) << 32 | low);
    return Real((high ^ low) & ((uint64_t(1) << width) - 1));
  });
}

const std::map<std::string, Op> operations = {
    {"broadcast_in_dim", broadcast_in_dim},
    {"reshape", same_order},
    {"squeeze", same_order},
    {"transpose", transposed},
    {"iota", iota},
    {"concatenate", concatenate},
    {"slice", sliced},
    {"pad", padded},
    {"select_n", selected},
    {"convert_element_type", converted},
    {"bitcast_convert_type", bitcast},
    {"reduce_sum", sum},
    {"reduce_max", maximum},
    {"reduce_min", minimum},
    {"dot_general", dot_general},
    {"triangular_solve", triangular_solve},
    {"random_bits", random_bits},
};

}  // namespace

Op find_operation(const std::string& name) {
  auto it = operations.find(name);
  return it == operations.end() ? nullptr : it->second;
}

std::vector<Tensor> lu_reference(const std::vector<Tensor>& in, std::span<const Aval> out) {
  size_t m = size_t(out[0]->shape[out[0]->ndim() - 2]),
         n = size_t(out[0]->shape[out[0]->ndim() - 1]);
  size_t k = std::min(m, n);
  std::vector<Tensor> all;
  for (Aval aval : out) all.push_back(build(aval, [](const Index&) { return Real(0); }));
  all[0].at = in[0].at;
  for (size_t batch = 0; batch < out[0]->size / (m * n); ++batch) {
    auto a = [&](size_t i, size_t j) -> Real& { return all[0].at[batch * m * n + i * n + j]; };
    auto order = [&](size_t i) -> Real& { return all[2].at[batch * m + i]; };
    for (size_t i = 0; i < m; ++i) order(i) = Real(i);
    for (size_t step = 0; step < k; ++step) {
      size_t pivot = step;
      for (size_t i = step; i < m; ++i)
        if (std::fabs(a(i, step)) > std::fabs(a(pivot, step))) pivot = i;
      all[1].at[batch * k + step] = Real(pivot);
      std::swap(order(step), order(pivot));
      for (size_t j = 0; j < n; ++j) std::swap(a(step, j), a(pivot, j));
      for (size_t i = step + 1; i < m; ++i) {
        a(i, step) /= a(step, step);
        for (size_t j = step + 1; j < n; ++j) a(i, j) -= a(i, step) * a(step, j);
      }
    }
  }
  return all;
}

}  // namespace jv::laws

// Copies between strided arrays.
//
// Axes are first put in the order of the destination and neighbours that step alike are merged, so
// that most copies become a few long lines. A line is memcpy, a fill or a strided loop; where the
// source runs along another axis (a transposition), the two axes are walked in tiles.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/small.hpp"
#include "kernels/item.hpp"
#include "kernels/kernels.hpp"

namespace jv::kernels {
namespace {

struct Axis {
  int64_t size, from, to;  // elements, and the step in the source and in the destination
};
using Axes = Small<Axis, 8>;

// The axes that have a step, those of the destination's long steps first. False if there is no
// element.
bool order_axes(std::span<const int64_t> shape, std::span<const int64_t> from,
                std::span<const int64_t> to, Axes& axes) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return false;
    if (shape[i] == 1) continue;
    axes.push_back({shape[i], from[i], to[i]});
    for (size_t k = axes.size() - 1; k > 0; --k)
      if (std::abs(axes[k - 1].to) < std::abs(axes[k].to)) std::swap(axes[k - 1], axes[k]);
  }
  return true;
}

// Makes one axis of neighbours that step on where the other ends.
void merge_axes(Axes& axes) {
  if (axes.empty()) return;
  size_t kept = 0;
  for (size_t i = 1; i < axes.size(); ++i) {
    Axis &outer = axes[kept], inner = axes[i];
    if (outer.from == inner.size * inner.from && outer.to == inner.size * inner.to)
      outer = {outer.size * inner.size, inner.from, inner.to};
    else axes[++kept] = inner;
  }
  axes.resize(kept + 1);
}

bool is_strided(const Axis& line) { return std::abs(line.from) > 1; }

// If the source does not run along the last axis, puts the one along which it does next to it.
void prepare_tiles(Axes& axes) {
  if (axes.size() < 2 || !is_strided(axes.back())) return;
  auto step = [](const Axis& a, const Axis& b) { return std::abs(a.from) < std::abs(b.from); };
  auto last = axes.end() - 1, least = std::min_element(axes.begin(), last, step);
  std::rotate(least, least + 1, last);
}

template <class T>
void copy_line(Axis line, const T* src, T* dst) {
  if (line.to == 1 && line.from == 1) {
    std::memcpy(dst, src, size_t(line.size) * sizeof(T));
  } else if (line.to == 1 && line.from == 0) {
    std::fill_n(dst, line.size, *src);
  } else {
    for (int64_t i = 0; i < line.size; ++i) dst[i * line.to] = src[i * line.from];
  }
}

constexpr int64_t tile = 16;

template <class T>
void copy_plane(Axis rows, Axis line, const T* src, T* dst) {
  if (!is_strided(line) || std::abs(rows.from) >= std::abs(line.from)) {
    for (int64_t i = 0; i < rows.size; ++i) copy_line(line, src + i * rows.from, dst + i * rows.to);
    return;
  }
  for (int64_t i = 0; i < rows.size; i += tile) {
    for (int64_t j = 0; j < line.size; j += tile) {
      Axis part = {std::min(tile, line.size - j), line.from, line.to};
      for (int64_t k = i; k < std::min(i + tile, rows.size); ++k)
        copy_line(part, src + k * rows.from + j * line.from, dst + k * rows.to + j * line.to);
    }
  }
}

// As deep as there are axes of two elements and more: at most 63.
template <class T>
void copy_axes(std::span<const Axis> axes, const T* src, T* dst) {
  if (axes.empty()) return void(*dst = *src);
  if (axes.size() == 1) return copy_line(axes[0], src, dst);
  if (axes.size() == 2) return copy_plane(axes[0], axes[1], src, dst);
  for (int64_t i = 0; i < axes[0].size; ++i)
    copy_axes(axes.subspan(1), src + i * axes[0].from, dst + i * axes[0].to);
}

}  // namespace

void copy_strided(size_t itemsize, std::span<const int64_t> shape, const void* src,
                  std::span<const int64_t> src_strides, void* dst,
                  std::span<const int64_t> dst_strides) {
  Axes axes;
  if (!order_axes(shape, src_strides, dst_strides, axes)) return;
  merge_axes(axes);
  prepare_tiles(axes);
  visit_item(itemsize, [&](auto* item) {
    using T = std::remove_pointer_t<decltype(item)>;
    copy_axes<T>(axes, static_cast<const T*>(src), static_cast<T*>(dst));
  });
}

}  // namespace jv::kernels

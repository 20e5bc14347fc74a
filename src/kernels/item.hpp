// Elements as bits: what moving and choosing need of a dtype is its size.
#pragma once
#include <cstddef>
#include <cstdint>

namespace jv::kernels {

using Item1 [[gnu::may_alias]] = uint8_t;
using Item2 [[gnu::may_alias]] = uint16_t;
using Item4 [[gnu::may_alias]] = uint32_t;
using Item8 [[gnu::may_alias]] = uint64_t;

// Calls f with a null pointer to the item type of this size; does nothing for other sizes (float0).
template <class F>
void visit_item(size_t itemsize, F f) {
  switch (itemsize) {
    case 1: return f(static_cast<Item1*>(nullptr));
    case 2: return f(static_cast<Item2*>(nullptr));
    case 4: return f(static_cast<Item4*>(nullptr));
    case 8: return f(static_cast<Item8*>(nullptr));
  }
}

}  // namespace jv::kernels

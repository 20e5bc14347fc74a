// The bytes of a module: what encode.cpp writes and decode.cpp reads.
//
//   "jaxvjp\x1a\n", version, body, checksum of all before it (8 bytes)
//   body: names of primitives, types, names of rules, jaxprs, rules, main
//
// Numbers are in base 128, least significant first, seven bits a byte, the high bit on all but the
// last; those with a sign have it in their lowest bit. Elements of arrays are little-endian. A list
// is its length and its items. A jaxpr comes after those that it holds, and is named by its place,
// so that what is shared is written once and nothing can hold itself.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <string_view>

#include "core/module.hpp"

namespace jv {

std::string encode(const Module& module);
// Any bytes will do: PARSE where they are not a module, ABI_MISMATCH where they are of a later
// version.
ModuleRef decode(Session& session, std::string_view bytes,
                 const Primitive* (*find)(std::string_view));

}  // namespace jv

namespace jv::bytes {

inline constexpr std::string_view magic{"jaxvjp\x1a\n", 8};
inline constexpr uint64_t version = 1;

// FNV-1a: it tells a damaged file from one that was written so.
inline uint64_t checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : bytes) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

// Elements between memory and their place in the bytes, which is the same in both directions.
inline void copy_elements(char* to, const char* from, size_t bytes, size_t size) {
  if constexpr (std::endian::native == std::endian::little) {
    if (bytes) std::memcpy(to, from, bytes);
  } else {
    for (size_t i = 0; i < bytes; ++i) to[i] = from[i - i % size + size - 1 - i % size];
  }
}

// A number with a sign as one without: 0, -1, 1, -2 ... are 0, 1, 2, 3 ...
inline uint64_t fold(int64_t x) { return (uint64_t(x) << 1) ^ uint64_t(x >> 63); }
inline int64_t unfold(uint64_t x) { return int64_t(x >> 1) ^ -int64_t(x & 1); }

// Of a rule.
inline constexpr uint64_t symbolic_zeros = 1, run_on_zero = 2, replaceable = 4;

}  // namespace jv::bytes

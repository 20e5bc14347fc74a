// The signature string of a primitive, parsed at compile time: the one schema for printing,
// parsing, CSE, C prototypes and error messages.
//
//   "x', y, axes: ints"     ' marks an operand the primitive is linear in; operands come first
//   "operands'..., n: int"  ... marks the operand that may come any number of times, the last one
#pragma once
#include <array>
#include <string_view>

namespace jv {

enum class ParamKind {
  boolean,  // True
  integer,  // 3
  ints,     // (0, 1)
  strides,  // (1, 2), or None where all are one
  padding,  // ((lo, hi, interior), ...)
  dims,     // (([1], [0]), ([], [])): contracted and batch dimensions of both sides
  dtype,    // float32
  dtype_or_none,
  none,    // None: a parameter of JAX's that has one value here
  word,    // a name, printed bare
  text,    // "in quotes\n"
  flags,   // [True, False]
  bools,   // (True, False)
  jaxpr,   // { lambda ; ... }
  types,   // (f32[2], i32[])
  jaxprs,  // ({ lambda ; ... } { lambda ; ... })
  object,  // a rule, not printed
};

struct Signature {
  struct Operand {
    std::string_view name;
    bool linear = false;
    bool variadic = false;
  };
  struct Param {
    std::string_view name;
    ParamKind kind{};
  };
  std::array<Operand, 6> operands{};
  std::array<Param, 8> params{};
  size_t n_operands = 0, n_params = 0;

  constexpr const Operand& operand(size_t i) const {
    return operands[i < n_operands ? i : n_operands - 1];
  }
  constexpr bool variadic() const { return n_operands > 0 && operands[n_operands - 1].variadic; }
  constexpr bool accepts(size_t n) const {
    return variadic() ? n + 1 >= n_operands : n == n_operands;
  }
  constexpr bool any_linear() const {
    for (size_t i = 0; i < n_operands; ++i)
      if (operands[i].linear) return true;
    return false;
  }
  constexpr bool all_linear() const {
    for (size_t i = 0; i < n_operands; ++i)
      if (!operands[i].linear) return false;
    return n_operands > 0;
  }
  // The place of the parameter of kind object; n_params when there is none.
  constexpr size_t object() const {
    size_t i = 0;
    while (i < n_params && params[i].kind != ParamKind::object) ++i;
    return i;
  }
  // The place of a parameter; n_params when there is none of that name.
  constexpr size_t find(std::string_view name) const {
    size_t i = 0;
    while (i < n_params && params[i].name != name) ++i;
    return i;
  }
};

constexpr ParamKind parse_kind(std::string_view s) {
  constexpr std::pair<std::string_view, ParamKind> kinds[] = {
      {"bool", ParamKind::boolean},    {"int", ParamKind::integer},
      {"ints", ParamKind::ints},       {"strides", ParamKind::strides},
      {"padding", ParamKind::padding}, {"dims", ParamKind::dims},
      {"dtype", ParamKind::dtype},     {"dtype?", ParamKind::dtype_or_none},
      {"none", ParamKind::none},       {"word", ParamKind::word},
      {"flags", ParamKind::flags},     {"jaxpr", ParamKind::jaxpr},
      {"object", ParamKind::object},   {"bools", ParamKind::bools},
      {"jaxprs", ParamKind::jaxprs},   {"types", ParamKind::types},
      {"text", ParamKind::text},
  };
  for (auto [name, kind] : kinds)
    if (s == name) return kind;
  throw "unknown kind of parameter in a signature";
}

constexpr Signature parse_signature(std::string_view s) {
  Signature sig;
  while (!s.empty()) {
    size_t comma = s.find(", ");
    std::string_view item = s.substr(0, comma);
    s = comma == s.npos ? std::string_view() : s.substr(comma + 2);
    if (size_t colon = item.find(": "); colon != item.npos) {
      sig.params[sig.n_params++] = {item.substr(0, colon), parse_kind(item.substr(colon + 2))};
      continue;
    }
    Signature::Operand& o = sig.operands[sig.n_operands++];
    if (item.ends_with("...")) o.variadic = true, item.remove_suffix(3);
    if (item.ends_with("'")) o.linear = true, item.remove_suffix(1);
    o.name = item;
  }
  return sig;
}

}  // namespace jv

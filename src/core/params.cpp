#include "core/params.hpp"

#include <algorithm>

#include "core/aval.hpp"
#include "core/lex.hpp"

namespace jv {

static void mix(uint64_t& hash, uint64_t x) {
  hash = (hash ^ x) * 0x9e3779b97f4a7c15, hash ^= hash >> 31;
}

static void mix(uint64_t& hash, const Param& value) {
  mix(hash, value.index());
  if (auto* flag = std::get_if<bool>(&value)) mix(hash, *flag);
  if (auto* number = std::get_if<int64_t>(&value)) mix(hash, uint64_t(*number));
  if (auto* dtype = std::get_if<DType>(&value)) mix(hash, uint64_t(*dtype));
  if (auto* word = std::get_if<std::string>(&value)) mix(hash, std::hash<std::string>()(*word));
  if (auto* object = std::get_if<Object>(&value))
    mix(hash, reinterpret_cast<uintptr_t>(object->get()));
  if (auto* ints = std::get_if<Ints>(&value))
    for (int64_t i : *ints) mix(hash, uint64_t(i));
  if (auto* dims = std::get_if<Dims>(&value))
    for (const Ints& list : *dims) {
      mix(hash, list.size());
      for (int64_t i : list) mix(hash, uint64_t(i));
    }
}

ParamsTable::ParamsTable() {
  static constexpr Signature empty{};
  none_ = make(empty, {});
}

ParamsRef ParamsTable::make(const Signature& signature, std::vector<Param> values) {
  uint64_t hash = reinterpret_cast<uintptr_t>(&signature);
  for (const Param& value : values) mix(hash, value);
  auto holds_object = [](const Param& p) { return std::holds_alternative<Object>(p); };
  if (std::any_of(values.begin(), values.end(), holds_object))
    return make_ref<Params>(signature, std::move(values), hash, false);
  std::lock_guard lock(mutex_);
  if (auto it = table_.find(Key{&signature, &values, hash}); it != table_.end())
    return ParamsRef(it->get());
  auto fresh = std::make_unique<const Params>(signature, std::move(values), hash, true);
  return ParamsRef(table_.insert(std::move(fresh)).first->get());
}

static std::string list(const Ints& ints, char open, char close) {
  std::string s(1, open);
  for (size_t i = 0; i < ints.size(); ++i) s += (i ? ", " : "") + std::to_string(ints[i]);
  return s + close;
}

static std::string truths(const Ints& flags) {
  std::string s;
  for (int64_t flag : flags) s += (s.empty() ? "" : ", ") + std::string(flag ? "True" : "False");
  return s;
}

// On one line: a backslash stands before quotes and backslashes, and \n for a new line.
static std::string string_literal(const std::string& text) {
  std::string s = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') s += '\\';
    if (c == '\n') s += "\\n";
    else s += c;
  }
  return s + '"';
}

std::string to_string(ParamKind kind, const Param& value) {
  switch (kind) {
    case ParamKind::boolean: return std::get<bool>(value) ? "True" : "False";
    case ParamKind::integer: return std::to_string(std::get<int64_t>(value));
    case ParamKind::ints: return to_string(std::span<const int64_t>(std::get<Ints>(value)));
    case ParamKind::word: {
      const std::string& word = std::get<std::string>(value);
      return is_bare(word) ? word : quoted(word);
    }
    case ParamKind::text: return string_literal(std::get<std::string>(value));
    case ParamKind::strides: {
      const Ints& strides = std::get<Ints>(value);
      bool ones = std::all_of(strides.begin(), strides.end(), [](int64_t s) { return s == 1; });
      return ones ? "None" : to_string(std::span<const int64_t>(strides));
    }
    case ParamKind::flags: return "[" + truths(std::get<Ints>(value)) + "]";
    case ParamKind::bools: {
      const Ints& flags = std::get<Ints>(value);
      return "(" + truths(flags) + (flags.size() == 1 ? ",)" : ")");
    }
    case ParamKind::padding: {
      const Dims& dims = std::get<Dims>(value);
      std::string s = "(";
      for (size_t i = 0; i < dims.size(); ++i) s += (i ? ", " : "") + list(dims[i], '(', ')');
      return s + (dims.size() == 1 ? ",)" : ")");
    }
    case ParamKind::types: {
      const Dims& types = std::get<Dims>(value);
      std::string s = "(";
      for (const Ints& t : types)
        s += (s.size() > 1 ? ", " : "") + std::string(name_of(DType(t[0]))) +
             list(Ints(t.begin() + 1, t.end()), '[', ']');
      return s + (types.size() == 1 ? ",)" : ")");
    }
    case ParamKind::dims: {
      const Dims& d = std::get<Dims>(value);
      return "((" + list(d[0], '[', ']') + ", " + list(d[1], '[', ']') + "), (" +
             list(d[2], '[', ']') + ", " + list(d[3], '[', ']') + "))";
    }
    case ParamKind::dtype:
    case ParamKind::dtype_or_none: {
      DType dtype = std::get<DType>(value);
      return dtype == DType::none ? "None" : std::string(dtype_table[dtype_index(dtype)].long_name);
    }
    default: return "None";
  }
}

}  // namespace jv

// The value of a parameter in JAX's words.
#include <algorithm>

#include "text/lex.hpp"
#include "text/print.hpp"

namespace jv {

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

#include "text/parse_values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/jaxpr.hpp"
#include "core/session.hpp"

namespace jv {

static constexpr size_t max_message = 400;  // of what another layer says about hostile types

// ---- names of primitives

// Names that JAX has for primitives of ours.
static std::string_view our_name(std::string_view name) {
  if (name == "pjit" || name == "closed_call") return "jit";
  if (name == "remat2") return "checkpoint";
  if (name == "add_any") return "add";
  return name;
}

const Primitive& read_primitive(Lexer& lex, Find find, const char* expected) {
  size_t place = lex.place();
  std::string_view name = lex.hyphenated(expected);
  const Primitive* p = find(our_name(name));
  if (!p)
    fail(Code::not_found, lex.position(place), "no primitive is called '", name.substr(0, 40), "'");
  if (!p->can_be_said())
    lex.fail_at(place, name, " holds a custom rule, whose callbacks no text can say");
  return *p;
}

// ---- types and literals

static DType dtype_called(std::string_view name, std::string_view DTypeInfo::*column) {
  for (const DTypeInfo& row : dtype_table)
    if (row.*column == name) return row.dtype;
  return DType::none;
}

// f(): items between `(` and `)` or `[` and `]`; a comma may follow the last one.
template <class F>
static void read_sequence(Lexer& lex, F&& f) {
  char close = lex.peek() == '(' ? ')' : ']';
  if (!lex.accept('(') && !lex.accept('[')) lex.fail_expected("'(' or '['");
  while (!lex.accept(close)) {
    f();
    if (lex.peek() != close) lex.expect(',', str(" or '", close, "'").c_str());
  }
}

Aval read_type(Session& session, Lexer& lex) {
  size_t place = lex.place();
  std::string_view name = lex.word("a type");
  DType dtype = dtype_called(name, &DTypeInfo::name);
  if (dtype == DType::none) lex.fail_at(place, "no such dtype: ", name.substr(0, 40));
  if (lex.peek() != '[') lex.fail_expected("'[' and the shape");
  Shape shape;
  read_sequence(lex, [&] { shape.push_back(lex.integer("the size of an axis")); });
  try {
    return session.aval(dtype, shape);
  } catch (Error& e) {
    e.message = lex.position(place) + e.message.substr(0, max_message);
    throw;
  }
}

// What JAX prints for the element of a float0.
static constexpr std::string_view no_element = "(b'',)";

bool at_literal(Lexer& lex) {
  char c = lex.peek();
  if ((c >= '0' && c <= '9') || c == '-' || lex.at_text(no_element)) return true;
  std::string_view word = lex.peek_word();
  return (word == "inf" || word == "nan" || word == "True" || word == "False") &&
         lex.sign_after_word() == ':';
}

// The whole text as a number of this type; false when it is none or does not fit.
template <class T>
static bool from_text(std::string_view text, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    out = text == "True";
    return out || text == "False";
  } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    float wide = 0;
    if (!from_text(text, wide)) return false;
    out = T(wide);
    return std::isfinite(float(out)) == std::isfinite(wide);
  } else {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  }
}

// The number behind the bytes; false when it is none.
static bool add_number(std::string_view text, DType dtype, std::string& bytes) {
  return visit_dtype(dtype, [&]<class T>(Type<T>) {
    T value{};
    bool ok = from_text(text, value);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return ok;
  });
}

Array read_literal(Session& session, Lexer& lex) {
  size_t place = lex.place();
  std::string_view text = lex.at_text(no_element) ? no_element : lex.peek_number();
  lex.go_to(place + text.size());
  lex.expect(':', " and the type of the literal");
  Aval aval = read_type(session, lex);
  if (aval->ndim())
    lex.fail_at(place, "a literal has rank 0, not ", to_string(aval).substr(0, 200));
  Array a = Array::allocate(session, aval);
  if (aval->dtype == DType::float0) return a;
  if (aval->dtype == DType::opaque && text == "0.0") return a;  // null; there are no others
  if (aval->dtype == DType::opaque) lex.fail_at(place, "a reference cannot be written");
  std::string bytes;
  if (!add_number(text, aval->dtype, bytes))
    lex.fail_at(place, "'", text.substr(0, 40), "' is no number of ", to_string(aval));
  std::copy(bytes.begin(), bytes.end(), a.mutable_data<char>());
  return a;
}

void read_element(Lexer& lex, DType dtype, std::string& bytes) {
  size_t place = lex.place();
  std::string_view text = lex.peek_number();
  if (text.empty()) lex.fail_expected("a number or ']'");
  if (dtype == DType::float0 || !add_number(text, dtype, bytes))
    lex.fail_at(place, "'", text.substr(0, 40), "' is no number of ", name_of(dtype));
  lex.go_to(place + text.size());
}

// ---- values of parameters

static bool read_bool(Lexer& lex) {
  if (lex.accept("True")) return true;
  if (!lex.accept("False")) lex.fail_expected("True or False");
  return false;
}

// JAX prints some integers as np.int64(1).
static int64_t read_integer(Lexer& lex) {
  if (!lex.accept("np", '.')) return lex.integer();
  lex.expect('.');
  lex.word("the name of an integer type");
  lex.expect('(');
  int64_t value = lex.integer();
  lex.expect(')');
  return value;
}

// What JAX prints for custom_linear_solve: a tuple whose items have names.
template <class F>
static bool read_solve_tuple(Lexer& lex, F&& read) {
  if (!lex.accept("_LinearSolveTuple", '(')) return false;
  char before = '(';
  for (std::string_view field : {"matvec", "vecmat", "solve", "transpose_solve"}) {
    lex.expect(before);
    lex.expect(field);
    lex.expect('=');
    read();
    before = ',';
  }
  lex.expect(')');
  return true;
}

static Ints read_ints(Lexer& lex) {
  Ints ints;
  if (read_solve_tuple(lex, [&] { ints.push_back(read_integer(lex)); })) return ints;
  read_sequence(lex, [&] { ints.push_back(read_integer(lex)); });
  return ints;
}

static Dims read_padding(Lexer& lex) {
  Dims dims;
  read_sequence(lex, [&] {
    size_t place = lex.place();
    dims.push_back(read_ints(lex));
    if (dims.back().size() != 3) lex.fail_at(place, "expected (low, high, interior)");
  });
  return dims;
}

// (([1], [0]), ([], [])): two pairs.
static Dims read_dims(Lexer& lex) {
  Dims dims;
  size_t place = lex.place();
  read_sequence(lex, [&] {
    size_t before = dims.size();
    read_sequence(lex, [&] { dims.push_back(read_ints(lex)); });
    if (dims.size() != before + 2) lex.fail_at(place, "expected pairs of lists");
  });
  if (dims.size() != 4)
    lex.fail_at(place, "expected two pairs of lists: contracted and batch dimensions");
  return dims;
}

static Dims read_types(Session& session, Lexer& lex) {
  Dims types;
  read_sequence(lex, [&] {
    Aval aval = read_type(session, lex);
    types.push_back({int64_t(aval->dtype)});
    types.back().append(aval->shape);
  });
  return types;
}

static Param read_dtype(Lexer& lex) {
  size_t place = lex.place();
  std::string_view name = lex.word("a dtype");
  DType dtype = dtype_called(name, &DTypeInfo::long_name);
  if (dtype == DType::none) dtype = dtype_called(name, &DTypeInfo::name);
  if (!is_public(dtype)) lex.fail_at(place, "no such dtype: ", name.substr(0, 40));
  return dtype;
}

// A parameter of JAX's that has one value here. All arithmetic has the highest precision.
static Param read_none(Lexer& lex, std::string_view name) {
  size_t place = lex.place();
  std::string_view value = lex.raw();
  if (value != "None" && !value.starts_with("Precision.") && !value.starts_with("(Precision."))
    lex.fail_at(place, "expected ", name, "=None, got ", value.substr(0, 40));
  return {};
}

std::string read_name(Lexer& lex) {
  std::string_view word = lex.raw();
  if (word.empty()) lex.fail_expected("a name");
  return lex.unquoted(word);
}

static Param read_flags(Lexer& lex) {
  Ints flags;
  read_sequence(lex, [&] { flags.push_back(read_bool(lex)); });
  return flags;
}

static Param read_list(Lexer& lex, const std::function<Object()>& read_jaxpr) {
  std::vector<JaxprRef> items;
  auto read = [&] { items.push_back(JaxprRef(static_cast<const Jaxpr*>(read_jaxpr().get()))); };
  bool solve_tuple = read_solve_tuple(lex, [&] {
    if (!lex.accept("None")) read();
  });
  if (!solve_tuple) {
    lex.expect('(');
    while (!lex.accept(')')) {
      read();
      lex.accept(',');
    }
  }
  return Object(make_ref<JaxprList>(std::move(items)));
}

static Param read_value(Session& session, Lexer& lex, ParamKind kind,
                        const std::function<Object()>& read_jaxpr) {
  switch (kind) {
    case ParamKind::boolean: return read_bool(lex);
    case ParamKind::integer: return read_integer(lex);
    case ParamKind::ints: return read_ints(lex);
    case ParamKind::strides: return lex.accept("None") ? Param() : Param(read_ints(lex));
    case ParamKind::padding: return read_padding(lex);
    case ParamKind::dims: return read_dims(lex);
    case ParamKind::types: return read_types(session, lex);
    case ParamKind::dtype: return read_dtype(lex);
    case ParamKind::dtype_or_none: return lex.accept("None") ? Param() : read_dtype(lex);
    case ParamKind::word: return read_name(lex);
    case ParamKind::text: return lex.peek() == '"' ? lex.string() : read_name(lex);
    case ParamKind::flags:
    case ParamKind::bools: return read_flags(lex);
    case ParamKind::jaxpr: return read_jaxpr();
    case ParamKind::jaxprs: return read_list(lex, read_jaxpr);
    default: lex.fail_expected("a parameter that can be written");
  }
}

// ---- lists of parameters

// Parameters that JAX has and this library does not: what they may be, since it changes no number.
// Null: no such parameter. Empty: anything. None: nothing else, or the like.
static const char* value_of_extra(std::string_view name) {
  constexpr std::string_view any[] = {
      "donated_invars", "keep_unused",     "inline",           "in_shardings",
      "out_shardings",  "in_layouts",      "out_layouts",      "ctx_mesh",
      "resource_env",   "fwd_jaxpr_thunk", "jvp_jaxpr_fun",    "compiler_options_kvs",
      "out_trees",      "jvp_jaxpr_thunk", "has_placeholders", "in_tree",
      "logging_record", "np_printoptions", "partitioned",      "static_args"};
  constexpr std::string_view none[] = {"accuracy", "dimensions", "out_dtype"};
  auto among = [&](auto& list) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
  };
  if (among(any)) return "";
  if (among(none) || name.ends_with("sharding")) return "None";
  if (name == "symbolic_zeros" || name == "ordered") return "False";
  return name == "weak_type" ? "True or False" : nullptr;
}

static std::string names_of(const Signature& sig) {
  std::string names;
  for (size_t i = 0; i < sig.n_params; ++i)
    if (sig.params[i].kind != ParamKind::object)
      names += (names.empty() ? "" : ", ") + std::string(sig.params[i].name);
  return names.empty() ? "none" : names;
}

static void skip_extra(Lexer& lex, const Primitive& p, size_t place, std::string_view name) {
  std::string_view value = lex.raw();
  const char* expected = value_of_extra(name);
  if (!expected)
    lex.fail_at(place, p.name, ": no parameter ", name.substr(0, 40), "=", value.substr(0, 40),
                "; its parameters: ", names_of(p.sig));
  bool on = value == "True" && name == "weak_type";
  if (*expected && !on && value != "None" && value != "False")
    lex.fail_at(place, p.name, ": expected ", name.substr(0, 40), "=", expected, ", got ",
                value.substr(0, 40));
}

// closed_call calls the jaxpr of jit so.
static std::string_view our_parameter(const Primitive& p, std::string_view name) {
  bool other = name == "call_jaxpr" && p.sig.find(name) == p.sig.n_params;
  return other ? "jaxpr" : name;
}

std::vector<Param> read_params(Session& session, Lexer& lex, const Primitive& p,
                               const std::function<Object()>& read_jaxpr,
                               const std::function<Object(const Primitive&)>& read_rule) {
  std::vector<Param> values(p.sig.n_params);
  std::array<bool, std::tuple_size_v<decltype(Signature::params)>> given{};
  while (!lex.at_end() && lex.peek() != ']') {
    size_t place = lex.place();
    std::string_view name = lex.word("the name of a parameter or ']'");
    lex.expect('=');
    size_t i = p.sig.find(our_parameter(p, name));
    bool object = i < p.sig.n_params && p.sig.params[i].kind == ParamKind::object;
    if (object && read_rule) {
      values[i] = read_rule(p);
    } else if (i < p.sig.n_params && !object) {
      if (given[i]) lex.fail_at(place, p.name, ": the parameter ", name, " is given twice");
      given[i] = true;
      ParamKind kind = p.sig.params[i].kind;
      values[i] = kind == ParamKind::none ? read_none(lex, name)
                                          : read_value(session, lex, kind, read_jaxpr);
    } else {
      skip_extra(lex, p, place, name);
    }
    lex.accept(',');
  }
  return values;
}

// What a parameter is that was left out; monostate when nothing says it.
static Param default_of(const Primitive& p, const Signature::Param& param, std::span<const Aval> in,
                        std::span<const Aval> out) {
  switch (param.kind) {
    case ParamKind::boolean: return false;
    case ParamKind::dtype_or_none: return DType::none;
    case ParamKind::strides: return in.empty() ? Param() : Param(Ints(in[0]->ndim(), 1));
    case ParamKind::ints:
      // Those that JAX does not print, because the result's type says it or because it is ().
      if (param.name == "shape" && out.size() == 1) return out[0]->shape;
      if (param.name == "broadcast_dimensions") return Ints();
      return {};
    case ParamKind::integer:  // of a custom rule's call, as JAX prints it
      return param.name == "num_consts" ? Param(int64_t{0}) : Param();
    case ParamKind::bools: return Ints(in.size(), 0);
    case ParamKind::word:  // of a closed_call
      return p.name == std::string_view("jit") ? Param(std::string("closed_call")) : Param();
    default: return {};
  }
}

ParamsRef complete_params(Session& session, const Lexer& lex, size_t place, const Primitive& p,
                          std::vector<Param> values, std::span<const Aval> in,
                          std::span<const Aval> out) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Signature::Param& param = p.sig.params[i];
    if (param.kind == ParamKind::none || !std::holds_alternative<std::monostate>(values[i]))
      continue;
    values[i] = default_of(p, param, in, out);
    if (std::holds_alternative<std::monostate>(values[i]))
      lex.fail_at(place, p.name, ": the parameter ", param.name, " is missing");
  }
  return session.params().make(p.sig, std::move(values));
}

}  // namespace jv

// A jaxpr in JAX's grammar.
#include "text/print.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/module_text.hpp"

namespace jv {
namespace {

std::string var_name(size_t i) {  // a ... z, ba, bb ...
  std::string s;
  do s.insert(s.begin(), char('a' + i % 26)), i /= 26;
  while (i);
  return s;
}

std::string number(double x, DType dtype) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char buffer[40];
  auto end = dtype == DType::f64 ? std::to_chars(buffer, buffer + 40, x).ptr
                                 : std::to_chars(buffer, buffer + 40, float(x)).ptr;
  std::string s(buffer, end);
  if (s.find_first_of(".en") == s.npos) s += ".0";
  return s;
}

std::string element_text(const Array& a, size_t i) {
  DType dtype = a.aval()->dtype;
  if (dtype == DType::boolean) return element(a, i) != 0 ? "True" : "False";
  if (dtype == DType::u64) return std::to_string(uint64_t(element_i64(a, i)));
  return is_integer(dtype) ? std::to_string(element_i64(a, i)) : number(element(a, i), dtype);
}

std::string literal(const Array& a) { return element_text(a, 0) + ":" + to_string(a.aval()); }

class Printer {
 public:
  // One of a module has the numbers of constants, and labels of the rules that it calls.
  explicit Printer(std::string& out, const Module* module = nullptr) : out_(out), module_(module) {}

  void print(const Jaxpr& j, size_t indent) {
    std::vector<std::string> names(j.vars.size());
    size_t next = 0;
    auto bind = [&](Var v) {
      out_ += names[v] = var_name(next++), out_ += ':', out_ += to_string(j.vars[v]);
    };
    std::vector<bool> used = find_used(j);
    out_ += "{ lambda ";
    for (size_t i = 0; i < j.constvars.size(); ++i) {
      if (i) out_ += ' ';
      bind(j.constvars[i]);
      if (module_) print_elements(j.consts[i]);
    }
    out_ += j.invars.empty() ? "; " : ";";
    for (Var v : j.invars) out_ += ' ', bind(v);
    out_ += ". let";
    for (const Eqn& e : j.eqns) {
      newline(indent + 4);
      for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) {
        if (v > e.first_result) out_ += ' ';
        if (used[v]) bind(v);
        else out_ += "_:" + to_string(j.vars[v]);
      }
      if (e.n_results) out_ += " = ";
      out_ += e.primitive->name;
      print_params(*e.params, indent + 6);
      for (Atom a : j.operands(e)) out_ += ' ', out_ += atom(j, a, names);
    }
    newline(indent + 2);
    out_ += "in (";
    for (size_t i = 0; i < j.outs.size(); ++i) out_ += (i ? ", " : "") + atom(j, j.outs[i], names);
    out_ += j.outs.size() == 1 ? ",) }" : ") }";
  }

 private:
  static std::vector<bool> find_used(const Jaxpr& j) {
    std::vector<bool> used(j.vars.size());
    for (Atom a : j.atoms)
      if (!a.is_literal()) used[a.index()] = true;
    for (Atom a : j.outs)
      if (!a.is_literal()) used[a.index()] = true;
    return used;
  }

  static std::string atom(const Jaxpr& j, Atom a, const std::vector<std::string>& names) {
    return a.is_literal() ? literal(j.literals[a.index()]) : names[a.index()];
  }

  void newline(size_t indent) { out_ += '\n', out_.append(indent, ' '); }

  static bool holds_jaxpr(const Params& p) {
    bool any = false;
    for_sub_jaxprs(p, [&](const Jaxpr&) { any = true; });
    return any;
  }

  void print_elements(const Array& a) {
    out_ += "=[";
    for (size_t i = 0; a.aval()->dtype != DType::float0 && i < a.aval()->size; ++i)
      out_ += (i ? " " : "") + element_text(a, i);
    out_ += ']';
  }

  const Callee* place_of(const Param& value) const {
    auto* object = std::get_if<Object>(&value);
    auto* callee = module_ && object ? dynamic_cast<const Callee*>(object->get()) : nullptr;
    return callee && callee->slot() != Callee::no_slot ? callee : nullptr;
  }

  // Alphabetical; one line, or a line each where a jaxpr is among them.
  void print_params(const Params& p, size_t indent) {
    std::vector<std::pair<std::string_view, size_t>> order;
    for (size_t i = 0; i < p.values.size(); ++i)
      if (p.signature->params[i].kind != ParamKind::object || place_of(p.values[i]))
        order.emplace_back(p.signature->params[i].name, i);
    if (order.empty()) return;
    std::sort(order.begin(), order.end());
    bool tall = holds_jaxpr(p);
    out_ += '[';
    for (auto& [name, i] : order) {
      if (tall) newline(indent);
      else if (i != order[0].second) out_ += ' ';
      out_ += name;
      out_ += '=';
      print_param(p.signature->params[i].kind, p.values[i], indent);
    }
    if (tall) newline(indent - 2);
    out_ += ']';
  }

  void print_param(ParamKind kind, const Param& value, size_t indent) {
    auto* object = std::get_if<Object>(&value);
    if (kind == ParamKind::object) {
      size_t slot = place_of(value)->slot();
      out_ += rule_label(module_->rules[slot].name, slot);
    } else if (kind == ParamKind::jaxpr && object)
      print(static_cast<const Jaxpr&>(**object), indent);
    else if (kind == ParamKind::jaxprs) print_list(static_cast<const JaxprList&>(**object), indent);
    else out_ += to_string(kind, value);
  }

  void print_list(const JaxprList& list, size_t indent) {
    out_ += '(';
    for (const JaxprRef& j : list.items) {
      newline(indent + 2);
      print(*j, indent + 2);
    }
    newline(indent);
    out_ += ')';
  }

  std::string& out_;
  const Module* module_;
};

}  // namespace

std::string rule_label(std::string_view name, size_t slot) {
  std::string s;
  for (char c : name) {
    bool digit = c >= '0' && c <= '9';
    if (s.empty() && digit) s += '_';
    s += digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? c : '_';
  }
  return s + '_' + std::to_string(slot);
}

void print_in_module(std::string& out, const Module& module, const Jaxpr& j, size_t indent) {
  Printer(out, &module).print(j, indent);
}

std::string to_string(const Jaxpr& j) {
  std::string out;
  Printer(out).print(j, 0);
  return out;
}

}  // namespace jv

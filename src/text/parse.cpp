#include "text/parse.hpp"

#include <unordered_map>

#include "text/module_text.hpp"
#include "text/parse_equation.hpp"

namespace jv {
namespace {

constexpr std::string_view array_literal = "[...]";  // what JAX prints for any

// A finished jaxpr: how deep it nests, and its equations with those of the jaxprs that it holds,
// counted as often as it holds them.
struct Parsed {
  JaxprRef jaxpr;
  size_t depth = 1, size = 0;
};

class Parser {
 public:
  Parser(Session& session, std::string_view text, Find find)
      : session_(session), lex_(text), find_(find), module_(make_ref<Module>(session)) {}

  ModuleRef parse() {
    read_definitions();
    size_t main = lex_.place();
    for (size_t i = 0; i < rules_.size(); ++i) define_rule(i);
    lex_.go_to(main);
    module_->main = read_jaxpr().jaxpr;
    if (!lex_.at_end()) lex_.fail_expected("the end of the text");
    for (auto& [name, d] : definitions_) define(d);  // those that nobody uses
    if (rules_.empty() && !module_->out) verify(*module_->main);
    else check_module(*module_);
    return module_;
  }

 private:
  // A jaxpr that is being read. Names mean something in their own jaxpr only.
  struct Scope {
    Parsed result;
    Ref<Jaxpr> jaxpr;
    std::unordered_map<std::string_view, Var> names;
    std::vector<Var> unnamed;  // those called _
  };
  struct Definition {
    std::string_view name;
    size_t place = 0;
    Parsed parsed;
    bool open = false;  // being read: a use of it now is a cycle
  };
  // ---- shared jaxprs: let f = { ... } in

  void read_definitions() {
    while (lex_.accept("let")) {
      size_t place = lex_.place();
      std::string_view name = lex_.name_before_braces("the name of a jaxpr");
      lex_.expect('=');
      if (lex_.accept("structure", '[')) read_structure(lex_, *module_);
      else if (!read_definition(name))
        lex_.fail_at(place, "'", name.substr(0, 40), "' is defined twice");
      lex_.expect("in");
    }
  }

  // Over it; it is read when all names are known. False where there is one of this name.
  bool read_definition(std::string_view name) {
    bool rule = lex_.accept("rule", '[');
    Definition d;
    d.name = name;
    d.place = lex_.place();
    if (!rule) {
      lex_.skip('{', '}');
      return definitions_.emplace(name, std::move(d)).second;
    }
    lex_.skip('[', ']');
    rules_.push_back(d.place);
    module_->rules.emplace_back().name = name;  // until it says its own
    return labels_.emplace(name, rules_.size() - 1).second;
  }

  void define_rule(size_t i) {
    lex_.go_to(rules_[i]);
    module_->rules[i] = read_rule(lex_, session_, [&] { return read_jaxpr().jaxpr; });
  }

  // What an equation calls: the label of a rule.
  Object read_label(const Primitive& p) {
    size_t place = lex_.place();
    std::string_view name = lex_.word("the label of a rule");
    auto it = labels_.find(name);
    if (it == labels_.end()) lex_.fail_at(place, "no rule is called '", name.substr(0, 40), "'");
    if (!p.unlinked) lex_.fail_at(place, p.name, " calls no rule");
    return p.unlinked(std::string(name), it->second);
  }

  // Read where it is first meant; they may stand in any order.
  const Parsed& define(Definition& d) {
    if (d.parsed.jaxpr) return d.parsed;
    if (d.open) lex_.fail_at(d.place, "the jaxpr '", d.name.substr(0, 40), "' holds itself");
    d.open = true;
    size_t back = lex_.place();
    lex_.go_to(d.place);
    d.parsed = read_jaxpr();
    lex_.go_to(back);
    return d.parsed;
  }

  // The value of a parameter: in braces, or by name.
  Object read_sub_jaxpr(Scope& scope) {
    size_t place = lex_.place();
    Parsed sub;
    if (lex_.peek() == '{') {
      sub = read_jaxpr();
    } else {
      sub = define(read_definition_name());
    }
    scope.result.depth = std::max(scope.result.depth, sub.depth + 1);
    scope.result.size += sub.size;
    check_limits(scope.result, place);
    return sub.jaxpr;
  }

  // Most are a word; those of nameless functions have blanks, and users may choose any.
  Definition& read_definition_name() {
    size_t place = lex_.place();
    std::string_view name = lex_.peek_piece();
    if (name.empty()) lex_.fail_expected("'{' or the name of a jaxpr");
    auto it = definitions_.find(name);
    if (it == definitions_.end()) it = definitions_.find(name = lex_.raw());
    if (it == definitions_.end())
      lex_.fail_at(place, "no jaxpr is called '", name.substr(0, 40), "'");
    lex_.go_to(place + name.size());
    return it->second;
  }

  void check_limits(const Parsed& p, size_t place) {
    constexpr size_t max_size = size_t{1} << 24;
    if (p.depth > max_depth)
      lex_.fail_at(place, "jaxprs are nested deeper than ", max_depth, " levels");
    if (p.size > max_size)
      lex_.fail_at(place, "the program has more than ", max_size, " equations");
  }

  // ---- one jaxpr

  Parsed read_jaxpr() {
    if (++depth_ > max_depth)
      lex_.fail_at(lex_.place(), "jaxprs are nested deeper than ", max_depth, " levels");
    Scope scope;
    scope.jaxpr = make_ref<Jaxpr>(session_);
    read_inputs(scope);
    while (!(lex_.peek_word() == "in" && lex_.sign_after_word() == '(')) {
      read_equation(scope);
      lex_.accept(';');
    }
    lex_.expect("in");
    read_outputs(scope);
    lex_.expect('}');
    --depth_;
    scope.result.jaxpr = scope.jaxpr;
    return scope.result;
  }

  void read_inputs(Scope& scope) {
    lex_.expect('{');
    lex_.expect("lambda");
    while (lex_.peek() != ';') read_constant(scope);
    lex_.expect(';');
    while (lex_.peek() != '.') {
      Binder b = read_binder("an input or '.'");
      bind(scope, b, scope.jaxpr->add_input(b.aval));
    }
    lex_.expect('.');
    lex_.expect("let");
  }

  void read_constant(Scope& scope) {
    size_t place = lex_.place();
    bool named = !lex_.peek_word().empty() && lex_.sign_after_word() == ':';
    Binder b = named ? read_binder("a constant or ';'") : Binder();
    if (!named || !lex_.accept('='))
      lex_.fail_at(place,
                   "expected ';': the constants of a printed jaxpr have no numbers in its text; "
                   "make them inputs");
    Jaxpr& j = *scope.jaxpr;
    j.constvars.push_back(j.add_var(b.aval));
    bind(scope, b, j.constvars.back());
    j.consts.push_back(read_elements(session_, lex_, b.aval));
  }

  Binder read_binder(const char* expected) {
    size_t place = lex_.place();
    std::string_view name = lex_.word(expected);
    lex_.expect(':', " and the variable's type");
    return {name, place, read_type(session_, lex_)};
  }

  void bind(Scope& scope, const Binder& b, Var v) {
    if (b.name == "_") return scope.unnamed.push_back(v);
    if (!scope.names.emplace(b.name, v).second)
      lex_.fail_at(b.place, "'", b.name.substr(0, 40), "' is defined twice");
  }

  // JAX calls results _ that the caller drops: which is which is of no consequence.
  void read_outputs(Scope& scope) {
    lex_.expect('(');
    size_t n_unnamed = 0;
    while (!lex_.accept(')')) {
      bool unnamed = lex_.peek_word() == "_" && n_unnamed < scope.unnamed.size();
      scope.jaxpr->outs.push_back(unnamed ? Atom::var(scope.unnamed[n_unnamed++])
                                          : read_atom(scope));
      if (unnamed) lex_.expect("_");
      if (lex_.peek() != ')') lex_.expect(',', " or ')'");
    }
  }

  Atom read_atom(Scope& scope) {
    if (at_literal(lex_)) return scope.jaxpr->add_literal(read_literal(session_, lex_));
    size_t place = lex_.place();
    if (lex_.at_text(array_literal))
      lex_.fail_at(place, "the numbers of an array are not in the text; make it an input");
    std::string_view name = lex_.word("a variable or a literal");
    auto it = scope.names.find(name);
    if (it == scope.names.end()) lex_.fail_at(place, "'", name.substr(0, 40), "' is not defined");
    return Atom::var(it->second);
  }

  // ---- equations

  void read_equation(Scope& scope) {
    ReadEquation e;
    while (lex_.sign_after_word() == ':' && !lex_.peek_word().empty())
      e.results.push_back(read_binder("a result"));
    if (!lex_.accept('=') && !e.results.empty()) lex_.fail_expected("a result or '='");
    e.place = lex_.place();
    if (lex_.peek_word() == "clamp" && e.results.size() == 1) return read_clamp(scope, e);
    e.primitive = &read_primitive(
        lex_, find_, e.results.empty() ? "an equation or 'in ('" : "the name of a primitive");
    if (lex_.accept('[')) {
      e.params = read_params(
          session_, lex_, *e.primitive, [&] { return read_sub_jaxpr(scope); },
          [&](const Primitive& p) { return read_label(p); });
      lex_.expect(']');
    } else {
      e.params.resize(e.primitive->sig.n_params);
    }
    while (at_operand()) e.operands.push_back(read_atom(scope));
    Var v = add_equation(*scope.jaxpr, lex_, find_, e);
    for (const Binder& b : e.results) bind(scope, b, v++);
    ++scope.result.size;
    check_limits(scope.result, e.place);
  }

  // JAX clamps the index of a switch: min(max(x, least), greatest). Of floats it is none of ours,
  // since its derivative at the bounds is another.
  void read_clamp(Scope& scope, ReadEquation& e) {
    lex_.expect("clamp");
    Atom least = read_atom(scope), x = read_atom(scope), greatest = read_atom(scope);
    if (is_float(e.results[0].aval->dtype))
      fail(Code::not_found, lex_.position(e.place), "clamp is read of integers alone");
    e.primitive = find_("max");
    e.operands = {least, x};
    x = Atom::var(add_equation(*scope.jaxpr, lex_, find_, e));
    e.primitive = find_("min");
    e.operands = {x, greatest};
    bind(scope, e.results[0], add_equation(*scope.jaxpr, lex_, find_, e));
    scope.result.size += 2;
    check_limits(scope.result, e.place);
  }

  // What follows an equation begins with a sign, `in (`, results `name:type`, or, where an equation
  // has no results, with `name[`.
  bool at_operand() {
    std::string_view word = lex_.peek_word();
    if (lex_.at_text(array_literal)) return true;
    if (at_literal(lex_)) return word.empty() || !is_result();
    char sign = lex_.sign_after_word();
    if (sign == '[') return before_array(word);
    return !word.empty() && sign != ':' && !(word == "in" && sign == '(');
  }

  bool before_array(std::string_view word) {
    size_t back = lex_.place();
    lex_.go_to(back + word.size());
    bool array = lex_.at_text(array_literal);
    lex_.go_to(back);
    return array;
  }

  // `inf` and `nan` are names of variables too (the 5,752nd and the 8,802nd): results stand first
  // on their line, with another one or `=` behind them on the same.
  bool is_result() {
    if (!lex_.begins_line() || lex_.peek_word() == "True" || lex_.peek_word() == "False")
      return false;
    size_t back = lex_.place();
    read_binder("a result");
    bool result = lex_.peek() == '=' || (!lex_.at_end() && !lex_.begins_line());
    lex_.go_to(back);
    return result;
  }

  Session& session_;
  Lexer lex_;
  Find find_;
  std::unordered_map<std::string_view, Definition> definitions_;
  Ref<Module> module_;
  std::vector<size_t> rules_;  // where they are
  std::unordered_map<std::string_view, size_t> labels_;
  size_t depth_ = 0;
};

}  // namespace

ModuleRef parse_module(Session& session, std::string_view text, Find find) {
  return Parser(session, text, find).parse();
}

JaxprRef parse_jaxpr(Session& session, std::string_view text, Find find) {
  return parse_module(session, text, find)->main;
}

ParamsRef parse_params(Session& session, const Primitive& p, std::string_view text,
                       std::span<const Aval> in) {
  Lexer lex(text);
  std::vector<Param> values = read_params(session, lex, p, [&]() -> Object {
    lex.fail_at(lex.place(), "a jaxpr cannot be given here");
  });
  if (!lex.at_end()) lex.fail_expected("the end of the parameters");
  return complete_params(session, lex, 0, p, std::move(values), in, {});
}

}  // namespace jv

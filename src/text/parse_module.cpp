// The parts of a module's text that a jaxpr's has not: rules, structures, numbers of constants.
#include "core/session.hpp"
#include "text/module_text.hpp"
#include "text/parse_values.hpp"

namespace jv {
namespace {

template <class F>
void read_items(Lexer& lex, char open, char close, F&& f) {
  lex.expect(open);
  while (!lex.accept(close)) {
    f();
    if (lex.peek() != close) lex.expect(',');
  }
}

// *, None, (...), [...], {'key': ...}
class TreeReader {
 public:
  TreeReader(Lexer& lex, TreeTable& trees) : lex_(lex), trees_(trees) {}

  Tree read(size_t depth = 0) {
    if (depth > max_depth)
      lex_.fail_at(lex_.place(), "a structure is nested deeper than ", max_depth, " levels");
    std::vector<std::string> keys;
    std::vector<Tree> children;
    auto child = [&] { children.push_back(read(depth + 1)); };
    if (lex_.accept('*')) return trees_.leaf();
    if (lex_.accept("None")) return trees_.none();
    char open = lex_.peek();
    if (open == '(') {
      read_items(lex_, '(', ')', child);
      return trees_.sequence(Node::tuple, std::move(children));
    }
    if (open == '[') {
      read_items(lex_, '[', ']', child);
      return trees_.sequence(Node::list, std::move(children));
    }
    if (open != '{') lex_.fail_expected("a structure");
    read_items(lex_, '{', '}', [&] { read_key(keys), child(); });
    return trees_.dict(std::move(keys), std::move(children));
  }

 private:
  void read_key(std::vector<std::string>& keys) {
    size_t place = lex_.place();
    std::string key = lex_.quoted_word();
    if (!keys.empty() && !(keys.back() < key)) lex_.fail_at(place, "keys are not in order");
    keys.push_back(std::move(key));
    lex_.expect(':');
  }
  Lexer& lex_;
  TreeTable& trees_;
};

std::vector<Tree> read_trees(Lexer& lex, Session& session) {
  std::vector<Tree> trees;
  read_items(lex, '(', ')', [&] { trees.push_back(TreeReader(lex, session.trees()).read()); });
  return trees;
}

Flags read_flags(Lexer& lex) {
  Flags flags;
  read_items(lex, '[', ']', [&] {
    flags.push_back(lex.accept("True"));
    if (!flags.back()) lex.expect("False");
  });
  return flags;
}

Saved read_form(Lexer& lex) {
  if (lex.accept("by_name")) return Saved::by_name;
  if (!lex.accept("without")) lex.fail_expected("by_name or without");
  return Saved::without;
}

}  // namespace

SavedRule read_rule(Lexer& lex, Session& session, const std::function<JaxprRef()>& read_jaxpr) {
  SavedRule r;
  lex.expect('[');
  while (!lex.accept(']')) {
    size_t place = lex.place();
    std::string_view name = lex.word("a field of a rule or ']'");
    lex.expect('=');
    if (name == "arguments") r.arguments = read_trees(lex, session), r.replaceable = true;
    else if (name == "bwd") r.bwd = read_jaxpr();
    else if (name == "bwd_gives") r.bwd_gives = read_flags(lex);
    else if (name == "form") r.form = read_form(lex);
    else if (name == "fwd") r.fwd = read_jaxpr();
    else if (name == "jvp") r.jvp = read_jaxpr();
    else if (name == "jvp_gives") r.jvp_gives = read_flags(lex);
    else if (name == "n_out") r.n_out = size_t(lex.integer());
    else if (name == "name") r.name = read_name(lex);
    else if (name == "primal") r.primal = read_jaxpr();
    else if (name == "run_on_zero") r.run_on_zero = lex.accept("True");
    else if (name == "symbolic_zeros") r.symbolic_zeros = lex.accept("True");
    else lex.fail_at(place, "a rule has no field ", name.substr(0, 40));
  }
  if (r.form != Saved::whole && (r.primal || r.fwd || r.bwd || r.jvp))
    lex.fail_at(lex.place(), "a rule that is not in the module has functions");
  return r;
}

void read_structure(Lexer& lex, Module& module) {
  lex.expect('[');
  lex.expect("arguments");
  lex.expect('=');
  module.in = read_trees(lex, *module.session);
  lex.expect("results");
  lex.expect('=');
  module.out = TreeReader(lex, module.session->trees()).read();
  lex.expect(']');
}

Array read_elements(Session& session, Lexer& lex, Aval aval) {
  size_t place = lex.place(), size = size_of(aval->dtype);
  std::string bytes;
  if (!is_public(aval->dtype)) lex.fail_at(place, "references cannot be written");
  lex.expect('[');
  while (!lex.accept(']')) read_element(lex, aval->dtype, bytes);
  if (bytes.size() != aval->bytes())
    lex.fail_at(place, "expected ", aval->size, " numbers, got ", size ? bytes.size() / size : 0);
  Array a = Array::allocate(session, aval);
  std::copy(bytes.begin(), bytes.end(), a.mutable_data<char>());
  return a;
}

}  // namespace jv

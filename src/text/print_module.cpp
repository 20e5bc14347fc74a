// Modules in the words that parse_module.cpp reads.
#include "text/module_text.hpp"
#include "text/print.hpp"

namespace jv {
namespace {

void add_tree(std::string& s, const TreeDef& t) {
  if (t.node == Node::leaf) s += '*';
  if (t.node == Node::none) s += "None";
  if (t.node == Node::leaf || t.node == Node::none) return;
  s += t.node == Node::tuple ? '(' : t.node == Node::list ? '[' : '{';
  for (size_t i = 0; i < t.children.size(); ++i) {
    if (i) s += ", ";
    if (t.node == Node::dict) s += quoted(t.keys[i]) + ": ";
    add_tree(s, *t.children[i]);
  }
  if (t.node == Node::tuple && t.children.size() == 1) s += ',';
  s += t.node == Node::tuple ? ')' : t.node == Node::list ? ']' : '}';
}

std::string text_of(const std::vector<Tree>& trees) {
  std::string s = "(";
  for (size_t i = 0; i < trees.size(); ++i) {
    if (i) s += ", ";
    add_tree(s, *trees[i]);
  }
  return s + (trees.size() == 1 ? ",)" : ")");
}

std::string text_of(const Flags& flags) {
  std::string s = "[";
  for (bool flag : flags) s += std::string(s.size() > 1 ? ", " : "") + (flag ? "True" : "False");
  return s + "]";
}

// The fields that are not as they would be without being said, by name.
class RuleText {
 public:
  RuleText(std::string& out, const Module& module, const SavedRule& r)
      : out_(out), module_(module) {
    if (r.replaceable) add("arguments", text_of(r.arguments));
    add("bwd", r.bwd);
    if (r.bwd) add("bwd_gives", text_of(r.bwd_gives));
    if (r.form == Saved::by_name) add("form", "by_name");
    if (r.form == Saved::without) add("form", "without");
    add("fwd", r.fwd);
    add("jvp", r.jvp);
    if (r.jvp) add("jvp_gives", text_of(r.jvp_gives));
    add("n_out", std::to_string(r.n_out));
    add("name", is_bare(r.name) ? r.name : quoted(r.name));
    add("primal", r.primal);
    if (r.run_on_zero) add("run_on_zero", "True");
    if (r.symbolic_zeros) add("symbolic_zeros", "True");
  }

 private:
  void begin(const char* name) { out_ += "\n  ", out_ += name, out_ += '='; }
  void add(const char* name, const std::string& value) { begin(name), out_ += value; }
  void add(const char* name, const JaxprRef& j) {
    if (j) begin(name), print_in_module(out_, module_, *j, 2);
  }
  std::string& out_;
  const Module& module_;
};

}  // namespace

std::string to_string(const Module& m) {
  std::string out;
  for (size_t i = 0; i < m.rules.size(); ++i) {
    out += "let " + rule_label(m.rules[i].name, i) + " = rule[";
    RuleText(out, m, m.rules[i]);
    out += "\n] in\n";
  }
  if (m.out) {
    out += "let main = structure[arguments=" + text_of(m.in) + " results=";
    add_tree(out, *m.out);
    out += "] in\n";
  }
  print_in_module(out, m, *m.main, 0);
  return out;
}

}  // namespace jv

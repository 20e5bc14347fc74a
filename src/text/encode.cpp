// A module as bytes. What is called is a place in the module's table; what cannot be written (a
// structure with functions, say) is not in a module.
#include "text/encode.hpp"

#include <unordered_map>

#include "core/error.hpp"

namespace jv {
namespace {

using namespace bytes;

class Writer {
 public:
  void number(uint64_t x) {
    for (; x >= 128; x >>= 7) out_ += char(x | 128);
    out_ += char(x);
  }
  void signed_number(int64_t x) { number(fold(x)); }
  void text(std::string_view s) { number(s.size()), out_ += s; }
  void elements(const Array& a) {
    if (a.aval()->dtype == DType::opaque) return refuse_references(a);
    size_t bytes = a.aval()->bytes(), at = out_.size();
    out_.resize(at + bytes);
    copy_elements(out_.data() + at, a.data<char>(), bytes, size_of(a.aval()->dtype));
  }
  template <class List, class F>
  void list(const List& items, F&& f) {
    number(items.size());
    for (auto&& item : items) f(item);
  }
  std::string take() { return std::move(out_); }
  void append(const Writer& other) { out_ += other.out_; }

 private:
  // Null ones, which stand for those of a branch that makes none, need no bytes.
  static void refuse_references(const Array& a) {
    if (a.aval()->ndim() || *a.data<const void*>())
      fail(Code::invalid_argument,
           "save: the program holds the state of a host function, which is of this process; save "
           "the function, and differentiate what is loaded");
  }
  std::string out_;
};

// Things written once, and named by their place.
template <class Key>
class Places {
 public:
  bool has(Key key) const { return places_.count(key); }
  size_t operator[](Key key) {
    auto [it, fresh] = places_.try_emplace(key, items.size());
    if (fresh) items.push_back(key);
    return it->second;
  }
  std::vector<Key> items;

 private:
  std::unordered_map<Key, size_t> places_;
};

class Encoder {
 public:
  std::string encode(const Module& m) {
    for (const SavedRule& r : m.rules)
      for (const JaxprRef& j : {r.primal, r.fwd, r.bwd, r.jvp})
        if (j) add(*j);
    if (m.main) add(*m.main);
    Writer rules;
    rules.list(m.rules, [&](const SavedRule& r) { write_rule(rules, r); });
    write_main(rules, m);

    Writer w;
    w.list(primitives_.items, [&](const Primitive* p) { w.text(p->name); });
    w.list(avals_.items, [&](Aval aval) {
      w.number(uint64_t(aval->dtype));
      w.list(aval->shape, [&](int64_t size) { w.number(uint64_t(size)); });
    });
    w.list(m.rules, [&](const SavedRule& r) { w.text(r.name); });
    w.number(jaxprs_.items.size());
    w.append(bodies_);
    w.append(rules);

    Writer head;
    head.number(version);
    std::string all = std::string(magic) + head.take() + w.take();
    uint64_t sum = checksum(all);
    for (int i = 0; i < 8; ++i) all += char(sum >> 8 * i);
    return all;
  }

 private:
  // Those inside come first.
  void add(const Jaxpr& j) {
    if (jaxprs_.has(&j)) return;
    for (const Eqn& e : j.eqns) for_sub_jaxprs(*e.params, [&](const Jaxpr& sub) { add(sub); });
    jaxprs_[&j];
    write_jaxpr(bodies_, j);
  }

  void write_jaxpr(Writer& w, const Jaxpr& j) {
    std::vector<uint64_t> place(j.vars.size());
    uint64_t n = 0;
    auto define = [&](Var v) { place[v] = n++, w.number(avals_[j.vars[v]]); };
    auto atom = [&](Atom a) {
      w.number(a.is_literal() ? 2 * uint64_t(a.index()) + 1 : 2 * place[a.index()]);
    };
    w.list(j.constvars, define);
    for (const Array& a : j.consts) w.elements(a);
    w.list(j.invars, define);
    w.list(j.literals, [&](const Array& a) { w.number(avals_[a.aval()]), w.elements(a); });
    w.list(j.eqns, [&](const Eqn& e) {
      w.number(primitives_[e.primitive]);
      write_params(w, *e.params);
      w.list(j.operands(e), atom);
      for (Var v = e.first_result; v < e.first_result + e.n_results; ++v) place[v] = n++;
    });
    w.list(j.outs, atom);
  }

  void write_params(Writer& w, const Params& p) {
    for (size_t i = 0; i < p.values.size(); ++i)
      write_param(w, p.signature->params[i].kind, p.values[i]);
  }

  void write_param(Writer& w, ParamKind kind, const Param& value) {
    auto ints = [&](const Ints& list) { w.list(list, [&](int64_t i) { w.signed_number(i); }); };
    if (auto* flag = std::get_if<bool>(&value)) w.number(*flag);
    else if (auto* number = std::get_if<int64_t>(&value)) w.signed_number(*number);
    else if (auto* dtype = std::get_if<DType>(&value)) w.number(uint64_t(*dtype));
    else if (auto* list = std::get_if<Ints>(&value)) ints(*list);
    else if (auto* dims = std::get_if<Dims>(&value)) w.list(*dims, ints);
    else if (auto* word = std::get_if<std::string>(&value)) w.text(*word);
    else if (auto* object = std::get_if<Object>(&value)) write_object(w, kind, **object);
    else if (kind != ParamKind::none)
      fail(Code::invalid_argument, "save: an equation has a parameter without a value");
  }

  void write_object(Writer& w, ParamKind kind, const RefCounted& object) {
    if (kind == ParamKind::jaxpr) w.number(jaxprs_[static_cast<const Jaxpr*>(&object)]);
    else if (kind == ParamKind::jaxprs)
      w.list(static_cast<const JaxprList&>(object).items,
             [&](const JaxprRef& j) { w.number(jaxprs_[j.get()]); });
    else w.number(dynamic_cast<const Callee&>(object).slot());
  }

  // 0: none.
  void write_place(Writer& w, const JaxprRef& j) { w.number(j ? jaxprs_[j.get()] + 1 : 0); }

  void write_rule(Writer& w, const SavedRule& r) {
    w.number(uint64_t(r.form));
    w.number(r.symbolic_zeros * symbolic_zeros + r.run_on_zero * run_on_zero +
             r.replaceable * replaceable);
    w.number(r.n_out);
    for (const JaxprRef& j : {r.primal, r.fwd, r.bwd, r.jvp}) write_place(w, j);
    w.list(r.bwd_gives, [&](bool given) { w.number(given); });
    w.list(r.jvp_gives, [&](bool given) { w.number(given); });
    w.list(r.arguments, [&](const Tree& t) { write_tree(w, *t); });
  }

  void write_main(Writer& w, const Module& m) {
    write_place(w, m.main);
    w.number(bool(m.out));
    if (!m.out) return;
    w.list(m.in, [&](const Tree& t) { write_tree(w, *t); });
    write_tree(w, *m.out);
  }

  void write_tree(Writer& w, const TreeDef& t) {
    w.number(uint64_t(t.node));
    if (t.node == Node::leaf || t.node == Node::none) return;
    w.number(t.children.size());
    for (size_t i = 0; i < t.children.size(); ++i) {
      if (t.node == Node::dict) w.text(t.keys[i]);
      write_tree(w, *t.children[i]);
    }
  }

  Places<const Primitive*> primitives_;
  Places<Aval> avals_;
  Places<const Jaxpr*> jaxprs_;
  Writer bodies_;
};

}  // namespace

std::string encode(const Module& module) { return Encoder().encode(module); }

}  // namespace jv

// Bytes as a module. They may come from anywhere: nothing is believed, no count makes an allocation
// that the rest of the bytes could not fill, and what comes out is checked.
#include <limits>

#include "core/error.hpp"
#include "text/encode.hpp"

namespace jv {
namespace {

using namespace bytes;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(Code::parse, "byte ", at_, ": ", parts...);
  }
  bool at_end() const { return at_ == bytes_.size(); }

  uint64_t number() {
    uint64_t x = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_end()) refuse("the bytes end within a number");
      unsigned char c = static_cast<unsigned char>(bytes_[at_++]);
      if (shift == 63 && c > 1) break;
      x |= uint64_t(c & 127) << shift;
      if (c < 128) return x;
    }
    refuse("a number is larger than 64 bits");
  }
  int64_t signed_number() { return unfold(number()); }
  uint64_t below(uint64_t end, const char* what) {
    uint64_t x = number();
    if (x >= end) refuse(what, " ", x, " of ", end);
    return x;
  }
  bool flag() { return below(2, "the truth value"); }
  std::string_view piece(size_t n) {
    if (n > bytes_.size() - at_) refuse(n, " bytes asked for, ", bytes_.size() - at_, " left");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  std::string text() {
    std::string_view s = piece(number());
    if (s.find('\0') != s.npos) refuse("a name holds a zero byte");
    return std::string(s);
  }
  // Each item takes a byte at least.
  template <class F>
  void list(F&& f) {
    uint64_t n = number();
    if (n > bytes_.size() - at_)
      refuse("a list of ", n, " items, ", bytes_.size() - at_, " bytes left");
    for (uint64_t i = 0; i < n; ++i) f();
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

class Decoder {
 public:
  using Find = const Primitive* (*)(std::string_view);
  Decoder(Session& session, std::string_view body, Find find)
      : session_(session), in_(body), find_(find) {}

  ModuleRef decode() {
    auto m = make_ref<Module>(session_);
    in_.list([&] { read_primitive(); });
    in_.list([&] { read_aval(); });
    in_.list([&] { m->rules.emplace_back().name = in_.text(); });
    module_ = m.get();
    in_.list([&] { read_jaxpr(); });
    uint64_t n = in_.number();
    if (n != m->rules.size()) in_.refuse(n, " rules, ", m->rules.size(), " names");
    for (SavedRule& r : m->rules) read_rule(r);
    read_main(*m);
    if (!in_.at_end()) in_.refuse("more bytes after the module");
    check_module(*m);
    return m;
  }

 private:
  // A finished jaxpr: how deep it nests, and its size with those that it holds, counted as often as
  // it holds them.
  struct Done {
    JaxprRef jaxpr;
    size_t depth = 1, size = 1;
  };

  void read_primitive() {
    std::string name = in_.text();
    const Primitive* p = find_(name);
    if (!p)
      fail(Code::not_found, "no primitive is called '", name.substr(0, 40),
           "': the program was saved by another version");
    if (!p->can_be_said()) in_.refuse(p->name, " cannot be loaded");
    primitives_.push_back(p);
  }

  void read_aval() {
    auto dtype = DType(in_.below(uint64_t{1} << 31, "the dtype"));
    if (!is_valid(dtype)) in_.refuse("no such dtype: ", int32_t(dtype));
    Shape shape;
    in_.list([&] {
      shape.push_back(
          int64_t(in_.below(uint64_t(std::numeric_limits<int64_t>::max()), "the size")));
    });
    avals_.push_back(session_.aval(dtype, shape));
  }

  Aval aval() { return avals_[in_.below(avals_.size(), "type")]; }

  Array elements(Aval aval) {
    if (aval->dtype == DType::opaque)
      return Array::allocate(session_, aval);  // null, without bytes
    std::string_view piece = in_.piece(aval->bytes());
    if (aval->dtype == DType::boolean)
      for (char c : piece)
        if (c != 0 && c != 1) in_.refuse("a bool is ", int(c));
    Array a = Array::allocate(session_, aval);
    copy_elements(a.mutable_data<char>(), piece.data(), piece.size(), size_of(aval->dtype));
    return a;
  }

  // ---- jaxprs

  void read_jaxpr() {
    auto j = make_ref<Jaxpr>(session_);
    Done done;
    in_.list([&] { j->constvars.push_back(j->add_var(aval())); });
    for (Var v : j->constvars) {
      if (j->vars[v]->dtype == DType::opaque) in_.refuse("a constant is a reference");
      j->consts.push_back(elements(j->vars[v]));
    }
    in_.list([&] { j->add_input(aval()); });
    in_.list([&] {
      Aval type = aval();
      if (type->ndim()) in_.refuse("a literal is ", to_string(type).substr(0, 200));
      j->add_literal(elements(type));
    });
    in_.list([&] { read_eqn(*j, done); });
    in_.list([&] { j->outs.push_back(atom(*j)); });
    grow(done, j->vars.size() + j->outs.size());
    done.jaxpr = j;
    jaxprs_.push_back(std::move(done));
  }

  void grow(Done& done, size_t by) {
    constexpr size_t max_size = size_t{1} << 24;
    done.size += by;
    if (done.size > max_size) in_.refuse("the program has more than ", max_size, " equations");
  }

  Atom atom(const Jaxpr& j) {
    uint64_t x = in_.number();
    bool literal = x & 1;
    if ((x >> 1) >= (literal ? j.literals.size() : j.vars.size()))
      in_.refuse(literal ? "literal " : "variable ", x >> 1, " is not defined");
    return literal ? Atom::literal(uint32_t(x >> 1)) : Atom::var(uint32_t(x >> 1));
  }

  void read_eqn(Jaxpr& j, Done& done) {
    const Primitive& p = *primitives_[in_.below(primitives_.size(), "primitive")];
    std::vector<Param> values;
    for (size_t i = 0; i < p.sig.n_params; ++i)
      values.push_back(read_param(p, p.sig.params[i].kind, done));
    Small<Atom, 4> operands;
    Avals in, out;
    in_.list([&] { operands.push_back(atom(j)), in.push_back(j.aval(operands.back())); });
    if (!p.sig.accepts(operands.size())) in_.refuse(p.name, " has ", operands.size(), " operands");
    ParamsRef params = session_.params().make(p.sig, std::move(values));
    try {
      p.abstract_eval(session_, in, *params, out);
    } catch (Error& e) {
      in_.refuse(e.message.substr(0, 400));
    }
    j.add_eqn(p, operands, *params, out, 0);
    grow(done, 1);
  }

  JaxprRef held(Done& by) {
    const Done& sub = jaxprs_[in_.below(jaxprs_.size(), "jaxpr")];
    by.depth = std::max(by.depth, sub.depth + 1);
    if (by.depth > max_depth) in_.refuse("jaxprs are nested deeper than ", max_depth, " levels");
    grow(by, sub.size);
    return sub.jaxpr;
  }

  // ---- parameters

  Ints ints() {
    Ints list;
    in_.list([&] { list.push_back(in_.signed_number()); });
    return list;
  }
  Ints truths() {
    Ints list;
    in_.list([&] {
      int64_t truth = in_.signed_number();
      if (truth != 0 && truth != 1) in_.refuse("a truth value is ", truth);
      list.push_back(truth);
    });
    return list;
  }
  // `each`: how long the lists are, `n`: how many there are; 0: any.
  Dims dims(size_t n, size_t each) {
    Dims lists;
    in_.list([&] {
      lists.push_back(ints());
      if (each && lists.back().size() != each) in_.refuse("a list has not ", each, " integers");
    });
    if (n && lists.size() != n) in_.refuse(lists.size(), " lists, expected ", n);
    return lists;
  }
  Dims types() {
    Dims lists = dims(0, 0);
    for (const Ints& type : lists)
      if (type.empty() || !is_public(DType(type[0])) || type[0] > INT32_MAX)
        in_.refuse("a list is no type");
    return lists;
  }
  Param dtype(bool or_none) {
    auto dtype = DType(in_.below(uint64_t{1} << 31, "the dtype"));
    if (!is_public(dtype) && !(or_none && dtype == DType::none))
      in_.refuse("no such dtype: ", int32_t(dtype));
    return dtype;
  }
  Param rule(const Primitive& p) {
    size_t slot = in_.below(module_->rules.size(), "rule");
    Object callee = p.unlinked(module_->rules[slot].name, slot);
    if (!dynamic_cast<const Callee*>(callee.get())) in_.refuse(p.name, " cannot be loaded");
    return callee;
  }
  Param jaxprs(Done& done) {
    std::vector<JaxprRef> items;
    in_.list([&] { items.push_back(held(done)); });
    return Object(make_ref<JaxprList>(std::move(items)));
  }

  Param read_param(const Primitive& p, ParamKind kind, Done& done) {
    switch (kind) {
      case ParamKind::boolean: return in_.flag();
      case ParamKind::integer: return in_.signed_number();
      case ParamKind::ints:
      case ParamKind::strides: return ints();
      case ParamKind::padding: return dims(0, 3);
      case ParamKind::dims: return dims(4, 0);
      case ParamKind::types: return types();
      case ParamKind::dtype: return dtype(false);
      case ParamKind::dtype_or_none: return dtype(true);
      case ParamKind::none: return {};
      case ParamKind::word:
      case ParamKind::text: return in_.text();
      case ParamKind::flags:
      case ParamKind::bools: return truths();
      case ParamKind::jaxpr: return Object(held(done));
      case ParamKind::jaxprs: return jaxprs(done);
      case ParamKind::object: return rule(p);
    }
    in_.refuse("a parameter of a kind that cannot be loaded");
  }

  // ---- rules and structures

  JaxprRef place() {
    uint64_t i = in_.below(jaxprs_.size() + 1, "jaxpr");
    return i ? jaxprs_[i - 1].jaxpr : nullptr;
  }

  void read_rule(SavedRule& r) {
    r.form = Saved(in_.below(3, "the form of a rule"));
    uint64_t flags = in_.below(8, "the flags of a rule");
    r.symbolic_zeros = flags & symbolic_zeros;
    r.run_on_zero = flags & run_on_zero;
    r.replaceable = flags & replaceable;
    r.n_out = in_.number();
    for (JaxprRef* j : {&r.primal, &r.fwd, &r.bwd, &r.jvp}) *j = place();
    in_.list([&] { r.bwd_gives.push_back(in_.flag()); });
    in_.list([&] { r.jvp_gives.push_back(in_.flag()); });
    in_.list([&] { r.arguments.push_back(tree(0)); });
    if (r.form != Saved::whole && (r.primal || r.fwd || r.bwd || r.jvp))
      in_.refuse("a rule that is not in the module has functions");
  }

  void read_main(Module& m) {
    m.main = place();
    if (!m.main) in_.refuse("the module has no program");
    if (!in_.flag()) return;
    in_.list([&] { m.in.push_back(tree(0)); });
    m.out = tree(0);
  }

  Tree tree(size_t depth) {
    if (depth > max_depth) in_.refuse("a structure is nested deeper than ", max_depth, " levels");
    auto node = Node(in_.below(8, "the kind of a structure"));
    TreeTable& trees = session_.trees();
    std::vector<std::string> keys;
    std::vector<Tree> children;
    auto child = [&] { children.push_back(tree(depth + 1)); };
    switch (node) {
      case Node::leaf: return trees.leaf();
      case Node::none: return trees.none();
      case Node::tuple:
      case Node::list: in_.list(child); return trees.sequence(node, std::move(children));
      case Node::dict:
        in_.list([&] {
          std::string key = in_.text();
          if (!keys.empty() && !(keys.back() < key)) in_.refuse("keys are not in order");
          keys.push_back(std::move(key));
          child();
        });
        return trees.dict(std::move(keys), std::move(children));
      default: in_.refuse("no such structure: ", int32_t(node));
    }
  }

  Session& session_;
  Reader in_;
  Find find_;
  const Module* module_ = nullptr;
  std::vector<const Primitive*> primitives_;
  std::vector<Aval> avals_;
  std::vector<Done> jaxprs_;
};

}  // namespace

ModuleRef decode(Session& session, std::string_view bytes,
                 const Primitive* (*find)(std::string_view)) {
  if (bytes.substr(0, magic.size()) != magic) fail(Code::parse, "these bytes are no saved program");
  Reader head(bytes.substr(magic.size()));
  uint64_t its = head.number();
  if (its != version)
    fail(Code::abi_mismatch, "the program was saved in version ", its,
         " of the format, this library knows version ", version);
  if (bytes.size() < magic.size() + 9) fail(Code::parse, "the bytes end early");
  std::string_view body = bytes.substr(0, bytes.size() - 8);
  uint64_t sum = 0;
  for (size_t i = 0; i < 8; ++i)
    sum |= uint64_t(static_cast<unsigned char>(bytes[body.size() + i])) << 8 * i;
  if (sum != checksum(body)) fail(Code::parse, "the bytes are damaged: their checksum is another");
  body.remove_prefix(magic.size() + 1);
  try {
    return Decoder(session, body, find).decode();
  } catch (Error& e) {
    if (!e.is(Code::not_found)) e.becomes(Code::parse);
    throw;
  }
}

}  // namespace jv

#include "text/parse_equation.hpp"

#include "core/module.hpp"

namespace jv {
namespace {

bool stretches(const Shape& from, const Shape& to) {
  if (from.empty()) return true;
  bool fits = from.size() == to.size();
  for (size_t i = 0; fits && i < to.size(); ++i) fits = from[i] == to[i] || from[i] == 1;
  return fits;
}

class Adder {
 public:
  Adder(Jaxpr& j, const Lexer& lex, Find find, ReadEquation& e)
      : j_(j), lex_(lex), find_(find), e_(e), p_(*e.primitive) {}

  Var add() {
    if (!p_.sig.accepts(e_.operands.size()))
      lex_.fail_at(e_.place, p_.name, ": takes ", p_.sig.n_operands,
                   p_.sig.variadic() ? " or more" : "", " operands, got ", e_.operands.size());
    link();
    Avals declared, found;
    for (const Binder& b : e_.results) declared.push_back(b.aval);
    ParamsRef params = complete_params(*j_.session, lex_, e_.place, p_, std::move(e_.params),
                                       operand_avals(), declared);
    infer(*params, found);
    check_results(found);
    return j_.add_eqn(p_, e_.operands, *params, found, 0);
  }

 private:
  // A rule has callbacks, which no text can say: what stands for it knows its name.
  void link() {
    if (!p_.unlinked) return;
    const Signature& sig = p_.sig;
    auto* name = std::get_if<std::string>(&e_.params[sig.find("name")]);
    if (!name) lex_.fail_at(e_.place, p_.name, " needs a name");
    Param& rule = e_.params[sig.object()];
    if (std::holds_alternative<std::monostate>(rule)) rule = p_.unlinked(*name, Callee::no_slot);
  }

  Avals operand_avals() const {
    Avals avals;
    for (Atom a : e_.operands) avals.push_back(j_.aval(a));
    return avals;
  }

  // Types of the results; where operands are to be broadcast first, they are.
  void infer(const Params& params, Avals& found) {
    try {
      p_.abstract_eval(*j_.session, operand_avals(), params, found);
    } catch (Error& error) {
      if (broadcast_operands()) {
        found.clear();
        return infer(params, found);
      }
      if (!error.is(Code::shape) && !error.is(Code::dtype)) error.becomes(Code::parse);
      error.message = lex_.position(e_.place) + error.message.substr(0, 400);
      throw;
    }
  }

  // Brings all operands to the results' shape. False, and nothing is changed, when all have it, or
  // one of them cannot.
  bool broadcast_operands() {
    const Primitive* p = find_("broadcast_in_dim");
    if (!p || p_.sig.n_params || e_.operands.size() < 2 || e_.results.empty()) return false;
    const Shape& to = e_.results[0].aval->shape;
    for (const Binder& b : e_.results)
      if (b.aval->shape != to) return false;
    bool any = false;
    for (Atom a : e_.operands) {
      if (!stretches(j_.aval(a)->shape, to)) return false;
      any |= j_.aval(a)->shape != to;
    }
    for (Atom& a : e_.operands)
      if (j_.aval(a)->shape != to) a = broadcast(*p, a, to);
    return any;
  }

  Atom broadcast(const Primitive& p, Atom a, const Shape& to) {
    Ints dims;
    for (size_t i = 0; i < j_.aval(a)->ndim(); ++i) dims.push_back(int64_t(i));
    std::vector<Param> values(p.sig.n_params);
    values[p.sig.find("shape")] = to;
    values[p.sig.find("broadcast_dimensions")] = dims;
    ParamsRef params = j_.session->params().make(p.sig, std::move(values));
    Aval aval = j_.session->aval(j_.aval(a)->dtype, to);
    return Atom::var(j_.add_eqn(p, {&a, 1}, *params, {&aval, 1}, 0));
  }

  void check_results(const Avals& found) const {
    if (found.size() != e_.results.size())
      lex_.fail_at(e_.place, p_.name, ": number of results is ", found.size(), ", got ",
                   e_.results.size(), " names");
    for (size_t i = 0; i < found.size(); ++i)
      if (found[i] != e_.results[i].aval)
        fail(found[i]->dtype == e_.results[i].aval->dtype ? Code::shape : Code::dtype,
             lex_.position(e_.results[i].place), "'", e_.results[i].name.substr(0, 40), "' is ",
             to_string(e_.results[i].aval).substr(0, 200), ", but the result of ", p_.name, " is ",
             to_string(found[i]).substr(0, 200));
  }

  Jaxpr& j_;
  const Lexer& lex_;
  Find find_;
  ReadEquation& e_;
  const Primitive& p_;
};

}  // namespace

Var add_equation(Jaxpr& j, const Lexer& lex, Find find, ReadEquation& e) {
  return Adder(j, lex, find, e).add();
}

}  // namespace jv

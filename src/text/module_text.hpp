// A module as text: its rules, the structures of its arguments and results, and main, in the
// grammar of jaxprs.
//
//   let tenfold_0 = rule[
//     arguments=(*,)
//     bwd={ lambda ; a:f64[3] b:f64[3]. let ... in (c,) }
//     ...
//   ] in
//   let main = structure[arguments=(*,) results=*] in
//   { lambda a:f64[2]=[1.0 2.0]; b:f64[3]. let
//       c:f64[3] = custom_vjp_call[... name=tenfold ... rule=tenfold_0 ...] b
//     in (c,) }
#pragma once
#include "core/module.hpp"
#include "text/lex.hpp"

namespace jv {

// What the text of a module calls a row of its table.
std::string rule_label(std::string_view name, size_t slot);
// With the numbers of constants and the labels of rules.
void print_in_module(std::string& out, const Module& module, const Jaxpr& j, size_t indent);

// The parts that only modules have. Each begins at its opening bracket.
SavedRule read_rule(Lexer& lex, Session& session, const std::function<JaxprRef()>& read_jaxpr);
void read_structure(Lexer& lex, Module& module);
Array read_elements(Session& session, Lexer& lex, Aval aval);

}  // namespace jv

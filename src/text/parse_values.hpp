// What the parser of jaxprs reads inside an equation: types, literals, parameters. Parameters are
// read by the kinds of the primitive's signature; what JAX leaves out is completed afterwards, from
// the types of operands and results.
#pragma once
#include <functional>

#include "core/primitive.hpp"
#include "text/lex.hpp"

namespace jv {

using Find = const Primitive* (*)(std::string_view);
const Primitive& read_primitive(Lexer& lex, Find find, const char* expected);

// f32[2,3]
Aval read_type(Session& session, Lexer& lex);
// 2.0:f32[]. Is one next? Names like `inf` are variables too; a colon after one makes it a number.
bool at_literal(Lexer& lex);
Array read_literal(Session& session, Lexer& lex);
// A number without a type, added to `bytes`.
void read_element(Lexer& lex, DType dtype, std::string& bytes);

// Reads `name=value ...` up to the closing bracket or the end. Values in the order of the
// signature; monostate where nothing was given.
std::vector<Param> read_params(Session& session, Lexer& lex, const Primitive& p,
                               const std::function<Object()>& read_jaxpr,
                               const std::function<Object(const Primitive&)>& read_rule = {});
// A parameter that is a name.
std::string read_name(Lexer& lex);
// Fills what was left out. `place`: of the equation.
ParamsRef complete_params(Session& session, const Lexer& lex, size_t place, const Primitive& p,
                          std::vector<Param> values, std::span<const Aval> in,
                          std::span<const Aval> out);

}  // namespace jv
